//! A run again: another run of the same workflow or state machine, as it stands now.

use common::resources::{Resource as _, WorkflowRun};
use serde_json::Value;

use super::{Call, run};
use crate::client::{Request, ResourceType};
use crate::commands::error::{Error, message};

/// Starts a run of what a run was of, with its input if no other is given, and prints the output.
pub(super) async fn start(call: Call<'_>) -> Result<(), Error> {
    let path = ResourceType::from(WorkflowRun::KIND).object(call.namespace, call.name);
    let before = call.client.json(Request::get(&path)).await?;
    let named = |key: &str| before["spec"][key].as_str();
    let (prefix, name) = match (named("workflow"), named("stateMachine")) {
        _ if named("mapRunArn").is_some() => {
            return message(format!(
                "run {} is a part of a Map and does not run alone; let its parent go on with: kubectl redrive run/NAME",
                call.name
            ));
        }
        (Some(name), _) => ("workflow", name),
        (None, Some(name)) => ("state_machine", name),
        (None, None) => return message(format!("run {} does not say of what it is", call.name)),
    };
    let input = match (call.args.input.is_empty(), &before["spec"]["input"]) {
        (false, _) => call.body.clone(),
        (true, Value::Null) => "{}".to_owned(),
        (true, input) => input.to_string(),
    };
    let again = Call {
        name,
        body: input,
        ..call
    };
    run::start(&again, prefix).await
}
