//! What is kept of a build.

use common::link::{BuildOutcome, Built};
use common::resources::{Condition, Function, set_condition};
use serde::{Deserialize, Serialize};

use crate::store::{Durability, Store, StoreError, Txn};

/// Lines of a build's log that are kept.
pub(super) const LOG_LINES: usize = 1000;

/// A build that ended: the same id is not built again.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct BuildRecord {
    /// How it ended.
    pub outcome: BuildOutcome,
    /// The last lines of its log.
    pub log: Vec<String>,
}

fn key(id: &str) -> String {
    format!("/troupe/builds/{id}")
}

/// The record of a build that ended, if there is one.
pub(super) async fn load(store: &dyn Store, id: &str) -> Result<Option<BuildRecord>, StoreError> {
    let entry = store.get(&key(id)).await?;
    Ok(entry.and_then(|entry| serde_json::from_slice(&entry.value).ok()))
}

/// Keeps the record of a build.
pub(super) async fn save(
    store: &dyn Store,
    id: &str,
    record: &BuildRecord,
) -> Result<(), StoreError> {
    // Plain data; writing it as JSON cannot fail.
    let text = serde_json::to_vec(record).unwrap_or_default();
    store
        .commit(Txn::new(Durability::Durable).put(key(id), text))
        .await
        .map(|_| ())
}

/// The log of the build that a function's status speaks of.
///
/// # Errors
/// When the store does not answer.
pub async fn build_log(store: &dyn Store, function: &Function) -> Result<Vec<String>, StoreError> {
    let Some(id) = &function.status.build else {
        return Ok(Vec::new());
    };
    Ok(load(store, id)
        .await?
        .map(|record| record.log)
        .unwrap_or_default())
}

/// Writes a build's state into a function's status. Returns whether anything changed.
pub(super) fn show(function: &mut Function, id: Option<&str>, built: Condition, now: &str) -> bool {
    let before = function.status.clone();
    let built = Condition {
        observed_generation: Some(function.metadata.generation),
        ..built
    };
    let status = &mut function.status;
    status.build = id.map(str::to_owned);
    set_condition(&mut status.conditions, built, now);
    *status != before
}

/// Writes a build's outcome into a function's status. Returns whether anything changed.
pub(super) fn show_outcome(
    function: &mut Function,
    id: &str,
    outcome: &BuildOutcome,
    now: &str,
) -> bool {
    let before = function.status.clone();
    match outcome {
        BuildOutcome::Built(Built {
            layer,
            size,
            handler,
            style,
            ..
        }) => {
            let status = &mut function.status;
            status.layer = Some(*layer);
            status.layer_bytes = Some(*size);
            status.image = Some(layer.to_string());
            status.handler = Some(handler.clone());
            status.style = Some(*style);
            let message = format!("{handler}, called as {}", style.as_str());
            show(
                function,
                Some(id),
                Condition::new("Built", true, "Built", message),
                now,
            );
        }
        BuildOutcome::Failed(failure) => {
            let message = failure.message.clone();
            show(
                function,
                Some(id),
                Condition::new("Built", false, &failure.reason, message),
                now,
            );
        }
    }
    function.status != before
}
