//! Giving a build to a node, and telling functions what came of it.

use std::time::Duration;

use common::link::{BuildFailure, BuildOrder, BuildOutcome};
use common::resources::{Base, Function, timestamp};

use super::actor::ImagesTools;
use super::outcome::{self, BuildRecord};
use super::source;
use crate::functions::build_id;
use crate::key::ObjectKey;
use crate::nodes::Dispatch;
use crate::objects::EventKind;
use crate::store::Durability::Durable;

/// Longest wait for the room of the nodes.
const ASK_DEADLINE: Duration = Duration::from_secs(5);

/// What came of offering a build.
pub(super) enum OfferResult {
    /// This node has it.
    Taken(String),
    /// No node is connected.
    NoNode,
    /// It was built before, or cannot be built.
    Ended(BuildRecord),
    /// A passing trouble.
    Retry(String),
}

/// Looks whether a build was done before; if not, makes sure of its source and gives it to a node.
pub(super) async fn offer(tools: &ImagesTools, id: &str, function: &Function) -> OfferResult {
    match outcome::load(&**tools.objects.store(), id).await {
        Ok(Some(record)) if is_whole(tools, &record) => return OfferResult::Ended(record),
        Ok(_) => {}
        Err(error) => return OfferResult::Retry(error.to_string()),
    }
    let source = match source::resolve(&tools.objects, &tools.blobs, function).await {
        Ok(source) => source,
        Err(error) => {
            let message = error.to_string();
            let Some(reason) = error.reason() else {
                return OfferResult::Retry(message);
            };
            let outcome = BuildOutcome::Failed(BuildFailure {
                reason: reason.to_owned(),
                message,
                transient: true,
            });
            return OfferResult::Ended(BuildRecord {
                outcome,
                log: Vec::new(),
            });
        }
    };
    let order = BuildOrder {
        id: id.to_owned(),
        namespace: function.metadata.namespace.clone(),
        function: function.metadata.name.clone(),
        source,
        handler: function.spec.handler.clone(),
        style: function.spec.style,
        full_base: function.spec.base == Some(Base::Full),
        arch: String::new(),
        python: String::new(),
        timeout_seconds: u32::try_from(tools.build_timeout.as_secs()).unwrap_or(u32::MAX),
        max_layer_bytes: tools.max_layer_bytes,
    };
    match tools.nodes.ask(Dispatch(order), ASK_DEADLINE).await {
        Ok(Some(node)) => OfferResult::Taken(node),
        Ok(None) => OfferResult::NoNode,
        Err(error) => OfferResult::Retry(error.to_string()),
    }
}

/// Whether a record's layer is still there.
fn is_whole(tools: &ImagesTools, record: &BuildRecord) -> bool {
    match &record.outcome {
        BuildOutcome::Built(built) => tools.blobs.size(&built.layer).is_some(),
        BuildOutcome::Failed(_) => true,
    }
}

/// Shows a build's outcome in a function that still wants it.
pub(super) async fn tell_outcome(
    tools: &ImagesTools,
    key: &ObjectKey,
    id: &str,
    outcome: &BuildOutcome,
) {
    let now = timestamp(tools.clock.now());
    let write = |function: &mut Function| {
        let wanted = build_id(&key.namespace, function.metadata.generation, &function.spec);
        wanted.as_deref() == Some(id) && outcome::show_outcome(function, id, outcome, &now)
    };
    let shown = tools
        .objects
        .modify::<Function>(&key.namespace, &key.name, Durable, write)
        .await;
    match (shown, outcome) {
        (Ok(Some(function)), BuildOutcome::Built(built)) => {
            let message = format!(
                "layer {} ({} bytes), {}",
                built.layer, built.size, built.handler
            );
            tools
                .objects
                .record(&function, EventKind::Normal, "images", "Built", &message)
                .await;
        }
        (Ok(Some(function)), BuildOutcome::Failed(failure)) => {
            let (reason, message) = (&failure.reason, &failure.message);
            tools
                .objects
                .record(&function, EventKind::Warning, "images", reason, message)
                .await;
        }
        (Ok(None), _) => {}
        (Err(error), _) => tracing::warn!(function = %key, %error, "could not show a build"),
    }
}
