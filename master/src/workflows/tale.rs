//! The steps of a run as people read them: all of them, from its journal.

use std::sync::Arc;

use asl::{StepView, steps};
use common::resources::WorkflowRun;
use serde_json::{Map, Value, json};

use super::journal::Journal;
use super::show;
use crate::objects::Objects;

/// So many steps of a run, from that one on.
///
/// # Errors
/// For people.
pub(super) async fn steps_of(
    objects: &Objects,
    run: Value,
    from: usize,
    count: usize,
) -> Result<Value, String> {
    let run: WorkflowRun = serde_json::from_value(run).map_err(|error| error.to_string())?;
    let store = Arc::clone(objects.store());
    let (_, records) = Journal::load(store, &run.metadata.uid)
        .await
        .map_err(|error| crate::explain(&error))?;
    let all = steps(&records);
    let rest = all.len().saturating_sub(from.saturating_add(count));
    let items: Vec<Value> = all.iter().skip(from).take(count).map(tell).collect();
    let mut metadata = Map::new();
    if rest > 0 {
        metadata.insert("continue".into(), (from + count).to_string().into());
        metadata.insert("remainingItemCount".into(), rest.into());
    }
    Ok(json!({ "kind": "RunStepList", "apiVersion": "v1", "metadata": metadata, "items": items }))
}

/// One step with all of its data, and where it stands inside Map and Parallel.
fn tell(view: &StepView) -> Value {
    let mut told = serde_json::to_value(show::step(view)).unwrap_or_default();
    told["input"] = view.input.to_string().into();
    if let Some(output) = &view.output {
        told["output"] = output.to_string().into();
    }
    told["status"] = format!("{:?}", view.status).into();
    told["depth"] = view.depth.into();
    if let Some(index) = view.index {
        told["index"] = index.into();
    }
    told
}
