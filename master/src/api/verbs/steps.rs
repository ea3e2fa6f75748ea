//! `GET …/workflowruns/NAME/steps`: the steps of a run from its journal, all of them, by pages.

use actix_web::HttpResponse;
use common::resources::Kind;

use super::Call;
use crate::api::ApiError;

/// Steps of one answer when nobody says, and the most that can be asked for.
const USUAL: usize = 500;
const LARGEST: usize = 10_000;

/// Whether objects of a kind have steps.
pub(crate) fn has(kind: &Kind) -> bool {
    kind.plural == "workflowruns"
}

pub(super) async fn answer(call: &Call) -> Result<HttpResponse, ApiError> {
    let objects = call.state.objects();
    let object = call.object().await?;
    let token = &call.options.continue_from;
    let from = if token.is_empty() {
        Some(0)
    } else {
        token.parse().ok()
    };
    let from: usize = from.ok_or_else(|| {
        let message = format!("continue: found {token:?}, want what an answer before gave");
        ApiError::new(400, "BadRequest", message)
    })?;
    let count = match call.options.limit {
        0 => USUAL,
        limit => limit.min(LARGEST),
    };
    let steps = call.state.definitions().steps(objects, object, from, count);
    let steps = steps
        .await
        .map_err(|why| ApiError::new(422, "Invalid", why))?;
    Ok(HttpResponse::Ok().json(steps))
}
