//! The context object of a strand.

use serde_json::{Map, Value, json};

use super::Run;
use super::id::StrandId;
use super::strand::Phase;
use crate::data::context::Scope;
use crate::data::entropy::Entropy;
use crate::states::StateType;

/// What expressions of a strand's state see. `token` is that of the task that is being scheduled.
pub(super) fn scope<'a>(
    run: &'a Run,
    entropy: &'a Entropy,
    id: StrandId,
    token: Option<&'a str>,
) -> Scope<'a> {
    static NONE: std::sync::LazyLock<indexmap::IndexMap<String, crate::Payload>> =
        std::sync::LazyLock::new(indexmap::IndexMap::new);
    let variables = run.strands.get(&id).map_or(&*NONE, |s| &*s.variables);
    Scope::new(move || context(run, id, token, None), variables, entropy)
}

/// The same for the item of an iteration that is about to begin; it sees the Map state as its state.
pub(super) fn item_scope<'a>(
    run: &'a Run,
    entropy: &'a Entropy,
    map: StrandId,
    item: (u32, &'a Value),
) -> Scope<'a> {
    static NONE: std::sync::LazyLock<indexmap::IndexMap<String, crate::Payload>> =
        std::sync::LazyLock::new(indexmap::IndexMap::new);
    let variables = run.strands.get(&map).map_or(&*NONE, |s| &*s.variables);
    Scope::new(
        move || context(run, map, None, Some(item)),
        variables,
        entropy,
    )
}

fn context(run: &Run, id: StrandId, token: Option<&str>, item: Option<(u32, &Value)>) -> Value {
    let mut root = Map::new();
    if let Some(started) = &run.started {
        let context = &started.context;
        root.insert(
            "Execution".into(),
            json!({
                "Id": context.id,
                "Input": *started.input,
                "Name": context.name,
                "RoleArn": context.role.as_deref().unwrap_or_default(),
                "StartTime": time(context.start_time),
                "RedriveCount": 0,
            }),
        );
        root.insert(
            "StateMachine".into(),
            json!({"Id": context.state_machine_id, "Name": context.state_machine_name}),
        );
    }
    if let Some(visit) = run.strands.get(&id).and_then(|s| s.visit.as_ref()) {
        let mut state = json!({"Name": visit.state, "EnteredTime": time(visit.entered_at)});
        let retried = matches!(
            visit.kind,
            StateType::Task | StateType::Parallel | StateType::Map
        );
        if let (true, Some(state)) = (retried, state.as_object_mut()) {
            state.insert("RetryCount".into(), visit.retries.into());
        }
        root.insert("State".into(), state);
    }
    if let Some(token) = token {
        root.insert("Task".into(), json!({"Token": token}));
    }
    if let Some((index, value)) = item {
        root.insert(
            "Map".into(),
            json!({"Item": {"Index": index, "Value": value}}),
        );
    } else if let Some(index) = iteration(run, id) {
        root.insert("Map".into(), json!({"Item": {"Index": index}}));
    }
    Value::Object(root)
}

/// The index of the innermost iteration around a strand.
fn iteration(run: &Run, id: StrandId) -> Option<u32> {
    let mut at = id;
    loop {
        let (parent, index) = run.strands.get(&at)?.parent?;
        let outer = run.strands.get(&parent)?;
        let is_map = outer.visit.as_ref().map(|v| v.kind) == Some(StateType::Map);
        if is_map && matches!(outer.phase, Phase::Fan(_)) {
            return Some(index);
        }
        at = parent;
    }
}

/// Milliseconds and `Z`, as Step Functions writes times.
fn time(at: jiff::Timestamp) -> String {
    format!("{at:.3}")
}
