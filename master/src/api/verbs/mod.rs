//! One file per verb.

mod create;
mod delete;
mod eviction;
mod get;
pub(super) mod graph;
mod list;
pub(super) mod log;
mod patch;
mod reply;
mod scale;
pub(super) mod steps;
mod update;
mod watch;
mod write;

use actix_web::HttpResponse;
use actix_web::web::{Data, Payload};
use serde_json::Value;

use super::request::{Form, Options, Target, Verb};
use super::{ApiError, ApiState};

/// A request, understood and permitted.
pub(super) struct Call {
    pub(super) state: Data<ApiState>,
    pub(super) target: Target,
    pub(super) options: Options,
    pub(super) form: Form,
    pub(super) content_type: String,
    /// The client's `User-Agent`.
    pub(super) agent: String,
}

impl Call {
    /// Name of the object; empty for a collection.
    fn name(&self) -> &str {
        self.target.name.as_deref().unwrap_or("")
    }

    /// The object as it is stored.
    async fn object(&self) -> Result<Value, ApiError> {
        let (kind, namespace) = (self.target.kind, self.target.namespace());
        let objects = self.state.objects();
        let found = objects.get_raw(kind, namespace, self.name()).await?;
        found.ok_or_else(|| ApiError::not_found(kind, self.name()))
    }

    /// Who writes: the parameter, or else the client's program.
    fn manager(&self) -> &str {
        match self.options.field_manager.as_str() {
            "" => self
                .agent
                .split(['/', ' '])
                .next()
                .filter(|a| !a.is_empty())
                .unwrap_or("unknown"),
            manager => manager,
        }
    }
}

/// Does what is asked.
pub(super) async fn answer(
    verb: Verb,
    call: Call,
    payload: Payload,
) -> Result<HttpResponse, ApiError> {
    match (verb, call.target.part.as_deref()) {
        (_, None) | (Verb::Get | Verb::Update | Verb::Patch, Some("status")) => {}
        (Verb::Get, Some("log")) if log::has(call.target.kind) => return log::answer(&call).await,
        (Verb::Get, Some("graph")) if graph::has(call.target.kind) => {
            return graph::answer(&call).await;
        }
        (Verb::Get, Some("steps")) if steps::has(call.target.kind) => {
            return steps::answer(&call).await;
        }
        (Verb::Create, Some("eviction")) if eviction::has(call.target.kind) => {
            return eviction::answer(&call, payload).await;
        }
        (_, Some("scale")) if call.target.kind.has_scale => {
            return scale::answer(verb, &call, payload).await;
        }
        (_, Some(part)) => {
            let message = format!("{} have no {part:?}", call.target.kind.plural);
            return Err(ApiError::new(404, "NotFound", message));
        }
    }
    match verb {
        Verb::Get => get::answer(&call).await,
        Verb::List => list::answer(&call).await,
        Verb::Watch => watch::answer(call),
        Verb::Create => create::answer(&call, payload).await,
        Verb::Update => update::answer(&call, payload).await,
        Verb::Patch => patch::answer(&call, payload).await,
        Verb::Delete => delete::one(&call, payload).await,
        Verb::DeleteCollection => delete::many(&call, payload).await,
    }
}
