//! `GetExecutionHistory`: a run's journal is its history.

use std::sync::Arc;

use asl::HistoryEvent;
use serde::Deserialize;
use serde_json::{Value, json};

use super::error::Error;
use super::executions;
use super::http::Asked;
use super::page::Page;
use super::shapes::without_nulls;
use crate::workflows::Journal;

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Get {
    execution_arn: String,
    max_results: Option<i64>,
    next_token: Option<String>,
    #[serde(default)]
    reverse_order: bool,
    include_execution_data: Option<bool>,
}

pub(super) async fn get(asked: &Asked<'_>, input: Get) -> Result<Value, Error> {
    let page = Page::read(input.max_results, input.next_token.as_deref())?;
    let run = executions::find(asked, &input.execution_arn).await?;
    let store = Arc::clone(asked.service.objects.store());
    let (_, records) = Journal::load(store, &run.metadata.uid).await?;
    let events = records.iter().filter_map(|record| record.event.as_ref());
    let (part, next) = if input.reverse_order {
        page.of(events.rev())
    } else {
        page.of(events)
    };
    let whole = input.include_execution_data.unwrap_or(true);
    let shown: Vec<Value> = part.into_iter().map(|event| show(event, whole)).collect();
    Ok(without_nulls(json!({ "events": shown, "nextToken": next })))
}

fn show(event: &HistoryEvent, whole: bool) -> Value {
    let mut shown = event.to_api();
    if !whole && let Value::Object(fields) = &mut shown {
        for details in fields.values_mut().filter_map(Value::as_object_mut) {
            for data in ["input", "output", "inputDetails", "outputDetails"] {
                details.shift_remove(data);
            }
        }
    }
    shown
}
