//! `GetExecutionHistory`: a run's journal is its history.

use std::ops::Range;
use std::sync::Arc;

use asl::{HistoryEvent, Record};
use serde::Deserialize;
use serde_json::{Value, json};

use super::error::Error;
use super::executions;
use super::http::Asked;
use super::page::Page;
use super::shapes::without_nulls;
use crate::store::Store;
use crate::workflows::{Journal, JournalError};

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
    let (store, uid) = (asked.service.objects.store(), &run.metadata.uid);
    let (places, token) = page.places();
    let (part, more) = if input.reverse_order {
        let (_, all) = events(store, uid, 0..0).await?;
        let from_the_end = |place: usize| all.saturating_sub(place);
        let wanted = from_the_end(places.end)..from_the_end(places.start);
        let (mut part, _) = events(store, uid, wanted).await?;
        part.reverse();
        (part, all > places.end)
    } else {
        let (part, all) = events(store, uid, places.clone()).await?;
        (part, all > places.end)
    };
    let whole = input.include_execution_data.unwrap_or(true);
    let shown: Vec<Value> = part.iter().map(|event| show(event, whole)).collect();
    let next = more.then_some(token);
    Ok(without_nulls(json!({ "events": shown, "nextToken": next })))
}

/// The events of a history in these places, and how many it has. Of the rest nothing is held.
async fn events(
    store: &Arc<dyn Store>,
    run: &str,
    wanted: Range<usize>,
) -> Result<(Vec<HistoryEvent>, usize), JournalError> {
    let (mut part, mut all) = (Vec::new(), 0);
    let take = |records: Vec<Record>| {
        for event in records.into_iter().filter_map(|record| record.event) {
            if wanted.contains(&all) {
                part.push(event);
            }
            all += 1;
        }
    };
    Journal::replay(Arc::clone(store), run, take).await?;
    Ok((part, all))
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
