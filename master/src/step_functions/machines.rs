//! State machines: create, update, describe, list, validate, delete.

use asl::Problem;
use common::resources::{ObjectMeta, Resource as _, StateMachine, StateMachineType};
use serde::Deserialize;
use serde_json::{Value, json};

use super::error::{Error, check_name};
use super::http::Asked;
use super::page::List;
use super::shapes::{definition_text, machine_arn, seconds, type_of, without_nulls};
use super::tags::{self, Tag};
use crate::arn::Arn;
use crate::objects::ObjectError;
use crate::store::Durability::Durable;
use crate::workflows::check_state_machine;

/// Largest definition, in bytes.
const MOST_DEFINITION: usize = 1 << 20;

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Create {
    name: String,
    definition: String,
    role_arn: String,
    #[serde(default)]
    r#type: Option<StateMachineType>,
    #[serde(default)]
    tags: Vec<Tag>,
}

pub(super) async fn create(asked: &Asked<'_>, input: Create) -> Result<Value, Error> {
    check_name(&input.name)?;
    check_definition(&input.definition)?;
    let mut machine = StateMachine::with_metadata(ObjectMeta::named(asked.namespace, &input.name));
    machine.spec.definition = Value::String(input.definition);
    machine.spec.r#type = input
        .r#type
        .filter(|kind| *kind != StateMachineType::Standard);
    machine.spec.role_arn = Some(input.role_arn);
    tags::put(&mut machine.metadata, &input.tags)?;
    let spec = machine.spec.clone();
    let objects = &asked.service.objects;
    let made = match objects.create(machine, Durable).await {
        Ok(made) => made,
        Err(ObjectError::AlreadyExists { .. }) => {
            let found = objects
                .get::<StateMachine>(asked.namespace, &input.name)
                .await?;
            let same = found.filter(|found| {
                // `access` is ours: no client of this API knows it.
                let mut theirs = found.spec.clone();
                theirs.access = None;
                theirs == spec
            });
            let arn = machine_arn(&input.name, asked.realm());
            let exists = || {
                let message = format!("State Machine Already Exists: '{arn}'");
                Error::new("StateMachineAlreadyExists", message)
            };
            same.ok_or_else(exists)?
        }
        Err(error) => return Err(error.into()),
    };
    Ok(json!({
        "stateMachineArn": machine_arn(&input.name, asked.realm()),
        "creationDate": seconds(made.metadata.creation_timestamp.as_deref()),
    }))
}

fn check_definition(text: &str) -> Result<(), Error> {
    most_bytes("definition", text)?;
    check_state_machine(&Value::String(text.to_owned()))
        .map(|_| ())
        .map_err(|error| definition_refused(&error.0))
}

/// Refuses a parameter that is larger than a definition may be.
pub(super) fn most_bytes(name: &str, text: &str) -> Result<(), Error> {
    if text.len() > MOST_DEFINITION {
        let found = text.len();
        let message = format!("{name}: found {found} bytes, want at most {MOST_DEFINITION}");
        return Err(Error::validation(message));
    }
    Ok(())
}

/// What is wrong with a definition, as AWS words it.
pub(super) fn definition_refused(problems: &[Problem]) -> Error {
    let problems: Vec<String> = problems
        .iter()
        .map(|problem| {
            format!(
                "{}: {} at {}",
                problem.code, problem.message, problem.pointer
            )
        })
        .collect();
    let message = format!(
        "Invalid State Machine Definition: '{}'",
        problems.join(", ")
    );
    Error::new("InvalidDefinition", message)
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Update {
    state_machine_arn: String,
    definition: Option<String>,
    role_arn: Option<String>,
}

pub(super) async fn update(asked: &Asked<'_>, input: Update) -> Result<Value, Error> {
    let name = machine_name(&input.state_machine_arn)?;
    if input.definition.is_none() && input.role_arn.is_none() {
        let message = "Either the definition, the role ARN, the LoggingConfiguration or the TracingConfiguration must be specified";
        return Err(Error::new("MissingRequiredParameter", message));
    }
    if let Some(definition) = &input.definition {
        check_definition(definition)?;
    }
    let objects = &asked.service.objects;
    let change = |machine: &mut StateMachine| {
        let before = machine.spec.clone();
        if let Some(definition) = &input.definition {
            machine.spec.definition = Value::String(definition.clone());
        }
        if let Some(role) = &input.role_arn {
            machine.spec.role_arn = Some(role.clone());
        }
        machine.spec != before
    };
    let updated = objects
        .modify::<StateMachine>(asked.namespace, &name, Durable, change)
        .await?;
    let updated = updated.ok_or_else(|| Error::no_machine(&input.state_machine_arn))?;
    let now = objects.clock().now().to_string();
    Ok(json!({
        "updateDate": seconds(Some(&now)),
        "revisionId": updated.metadata.generation.to_string(),
    }))
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Named {
    state_machine_arn: String,
}

pub(super) async fn describe(asked: &Asked<'_>, input: Named) -> Result<Value, Error> {
    let machine = find(asked, &input.state_machine_arn).await?;
    Ok(without_nulls(json!({
        "stateMachineArn": input.state_machine_arn,
        "name": machine.metadata.name,
        "status": "ACTIVE",
        "definition": definition_text(&machine.spec.definition),
        "roleArn": machine.spec.role_arn.clone().unwrap_or_default(),
        "type": type_of(&machine),
        "creationDate": seconds(machine.metadata.creation_timestamp.as_deref()),
        "loggingConfiguration": { "level": "OFF", "includeExecutionData": false },
        "tracingConfiguration": { "enabled": false },
        "revisionId": machine.metadata.generation.to_string(),
    })))
}

pub(super) async fn delete(asked: &Asked<'_>, input: Named) -> Result<Value, Error> {
    let name = machine_name(&input.state_machine_arn)?;
    let objects = &asked.service.objects;
    // Deleting what is not there is no error here.
    objects
        .delete::<StateMachine>(asked.namespace, &name, None)
        .await?;
    Ok(json!({}))
}

pub(super) async fn list(asked: &Asked<'_>, input: List) -> Result<Value, Error> {
    let page = input.page()?;
    let objects = &asked.service.objects;
    let listed = objects.list::<StateMachine>(Some(asked.namespace)).await?;
    let (machines, next) = page.of(listed.items.into_iter());
    let shown: Vec<Value> = machines
        .iter()
        .map(|machine| {
            json!({
                "stateMachineArn": machine_arn(&machine.metadata.name, asked.realm()),
                "name": machine.metadata.name,
                "type": type_of(machine),
                "creationDate": seconds(machine.metadata.creation_timestamp.as_deref()),
            })
        })
        .collect();
    Ok(without_nulls(
        json!({ "stateMachines": shown, "nextToken": next }),
    ))
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Validate {
    definition: String,
    max_results: Option<usize>,
}

/// `ValidateStateMachineDefinition`: every problem, none of them an error of the request.
pub(super) async fn validate(_: &Asked<'_>, input: Validate) -> Result<Value, Error> {
    let checked = check_state_machine(&Value::String(input.definition));
    let (result, problems) = match checked {
        Ok(program) => ("OK", program.warnings().to_vec()),
        Err(error) => ("FAIL", error.0),
    };
    let most = input.max_results.filter(|most| *most > 0).unwrap_or(100);
    let diagnostics: Vec<Value> = problems
        .iter()
        .take(most)
        .map(|problem| {
            json!({
                "severity": problem.code.severity(),
                "code": problem.code.as_str(),
                "message": problem.message,
                "location": problem.pointer,
            })
        })
        .collect();
    Ok(json!({
        "result": result,
        "diagnostics": diagnostics,
        "truncated": problems.len() > most,
    }))
}

/// The name in a state machine's ARN.
pub(super) fn machine_name(arn: &str) -> Result<String, Error> {
    match Arn::parse(arn)? {
        Arn::StateMachine(name) => Ok(name),
        _ => Err(Error::invalid_arn(arn)),
    }
}

/// The state machine that an ARN names.
pub(super) async fn find(asked: &Asked<'_>, arn: &str) -> Result<StateMachine, Error> {
    let name = machine_name(arn)?;
    let objects = &asked.service.objects;
    let found = objects.get::<StateMachine>(asked.namespace, &name).await?;
    found.ok_or_else(|| Error::no_machine(arn))
}
