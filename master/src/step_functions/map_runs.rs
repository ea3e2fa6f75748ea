//! Map Runs: what the journals of executions tell of their distributed Maps.

use std::sync::Arc;

use asl::run::{Counts, MapRunView};
use common::resources::WorkflowRun;
use jiff::Timestamp;
use serde::Deserialize;
use serde_json::{Value, json};

use super::error::Error;
use super::executions;
use super::http::Asked;
use super::page::Page;
use super::shapes::{machine_arn, seconds, without_nulls};
use crate::workflows::{Journal, execution_arn};

/// Most executions whose journals are searched for a Map Run without children.
const MOST_JOURNALS: usize = 100;

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct List {
    execution_arn: String,
    max_results: Option<i64>,
    next_token: Option<String>,
}

/// `ListMapRuns` of one execution.
pub(super) async fn list(asked: &Asked<'_>, input: List) -> Result<Value, Error> {
    let page = Page::read(input.max_results, input.next_token.as_deref())?;
    let run = executions::find(asked, &input.execution_arn).await?;
    let views = of(asked, &run).await?;
    let (part, next) = page.of(views.into_iter());
    let machine = run.spec.state_machine.as_deref().unwrap_or_default();
    let shown: Vec<Value> = part
        .iter()
        .map(|view| {
            without_nulls(json!({
                "executionArn": input.execution_arn,
                "mapRunArn": view.arn,
                "stateMachineArn": machine_arn(machine, asked.realm()),
                "startDate": at(Some(view.started)),
                "stopDate": at(view.stopped),
            }))
        })
        .collect();
    Ok(without_nulls(
        json!({ "mapRuns": shown, "nextToken": next }),
    ))
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Named {
    map_run_arn: String,
}

/// `DescribeMapRun`.
pub(super) async fn describe(asked: &Asked<'_>, input: Named) -> Result<Value, Error> {
    let arn = &input.map_run_arn;
    let (run, view) = find(asked, arn).await?;
    Ok(without_nulls(json!({
        "mapRunArn": arn,
        "executionArn": execution_arn(&run).within(asked.realm()),
        "status": view.status,
        "startDate": at(Some(view.started)),
        "stopDate": at(view.stopped),
        "maxConcurrency": view.concurrency,
        "toleratedFailureCount": view.tolerated_count.unwrap_or(0),
        "toleratedFailurePercentage": view.tolerated_percentage.unwrap_or(0.0),
        "itemCounts": counts(&view.items),
        "executionCounts": counts(&view.executions),
        "redriveCount": view.redrives,
        "redriveDate": at(view.redriven),
    })))
}

/// The Map Run of an ARN, and the execution that it is a part of.
async fn find(asked: &Asked<'_>, arn: &str) -> Result<(WorkflowRun, MapRunView), Error> {
    let machine = machine_of(arn).ok_or_else(|| Error::invalid_arn(arn))?;
    let objects = &asked.service.objects;
    // A child says whose it is; without one, any execution of the machine may be the one.
    let (mut parent, mut runs) = (None, Vec::new());
    let look = |run: WorkflowRun| {
        if run.spec.map_run_arn.as_deref() == Some(arn) {
            let owner = run.metadata.owner_references.into_iter().next();
            parent = owner.map(|owner| owner.uid);
        } else if run.spec.state_machine.as_deref() == Some(machine)
            && run.spec.map_run_arn.is_none()
        {
            let made = run.metadata.creation_timestamp;
            runs.push((made, run.metadata.name, run.metadata.uid));
        }
    };
    objects
        .for_each::<WorkflowRun>(Some(asked.namespace), look)
        .await?;
    match parent {
        Some(parent) => runs.retain(|(_, _, uid)| *uid == parent),
        // The newest are the likeliest to be asked for.
        None => {
            runs.sort_unstable_by(|a, b| b.cmp(a));
            runs.truncate(MOST_JOURNALS);
        }
    }
    for (_, name, _) in runs {
        let run = objects.get::<WorkflowRun>(asked.namespace, &name).await?;
        let Some(run) = run else { continue };
        let views = of(asked, &run).await?;
        if let Some(view) = views.into_iter().find(|view| view.arn == *arn) {
            return Ok((run, view));
        }
    }
    let message = format!("Resource not found: '{arn}'");
    Err(Error::new("ResourceNotFound", message))
}

/// The state machine in `arn:aws:states:REGION:ACCOUNT:mapRun:MACHINE/LABEL:UUID`.
fn machine_of(arn: &str) -> Option<&str> {
    let parts: Vec<&str> = arn.split(':').collect();
    match parts.as_slice() {
        ["arn", _, "states", _, _, "mapRun", name, _] => {
            name.split_once('/').map(|(machine, _)| machine)
        }
        _ => None,
    }
}

async fn of(asked: &Asked<'_>, run: &WorkflowRun) -> Result<Vec<MapRunView>, Error> {
    let store = Arc::clone(asked.service.objects.store());
    let (_, records) = Journal::load(store, &run.metadata.uid).await?;
    Ok(asl::map_runs(&records))
}

fn at(at: Option<Timestamp>) -> Value {
    seconds(at.map(|at| at.to_string()).as_deref())
}

fn counts(counts: &Counts) -> Value {
    json!({
        "pending": counts.pending,
        "running": counts.running,
        "succeeded": counts.succeeded,
        "failed": counts.failed,
        "timedOut": counts.timed_out,
        "aborted": counts.aborted,
        "total": counts.total,
        "resultsWritten": counts.results_written,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_machine_stands_in_the_arn() {
        let arn = "arn:aws:states:us-east-1:111111111111:mapRun:m_1/Label:0-1";
        assert_eq!(machine_of(arn), Some("m_1"));
        assert_eq!(
            machine_of("arn:aws:states:us-east-1:1:stateMachine:m"),
            None
        );
    }
}
