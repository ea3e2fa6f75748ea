//! The Map Runs of a run, for `DescribeMapRun`.

use std::collections::HashMap;

use jiff::Timestamp;

use super::effect::Outcome;
use super::id::StrandId;
use super::map_run::Counts;
use super::record::{Note, Record};
use crate::history::EventKind;

/// A Map Run as the journal tells it.
#[derive(Debug, Clone, PartialEq)]
pub struct MapRunView {
    /// Its ARN.
    pub arn: String,
    /// When it began.
    pub started: Timestamp,
    /// When it ended.
    pub stopped: Option<Timestamp>,
    /// `RUNNING`, `SUCCEEDED`, `FAILED` or `ABORTED`.
    pub status: &'static str,
    /// Children at once.
    pub concurrency: u32,
    /// `ToleratedFailureCount`
    pub tolerated_count: Option<u64>,
    /// `ToleratedFailurePercentage`
    pub tolerated_percentage: Option<f64>,
    /// Items by what became of them.
    pub items: Counts,
    /// Executions by what became of them.
    pub executions: Counts,
    /// How often it was redriven.
    pub redrives: u32,
    /// When it was redriven last.
    pub redriven: Option<Timestamp>,
}

/// The Map Runs of a run, in the order in which they began, read from its journal.
pub fn map_runs<'a>(records: impl IntoIterator<Item = &'a Record>) -> Vec<MapRunView> {
    let mut views: Vec<MapRunView> = Vec::new();
    // Per strand: the view and its children, and how many items were known at the start.
    let mut open: HashMap<StrandId, (usize, Vec<Child>)> = HashMap::new();
    let mut known: HashMap<StrandId, u64> = HashMap::new();
    for record in records {
        let strand = record.strand;
        if let Some(event) = &record.event {
            match (&event.kind, &record.note) {
                (EventKind::MapStateStarted { length }, Some(Note::Distribute { .. })) => {
                    known.insert(strand, *length);
                }
                (EventKind::MapRunStarted { arn }, Some(Note::MapRun { opening })) => {
                    open.insert(strand, (views.len(), Vec::new()));
                    let total = known.get(&strand).copied().unwrap_or(0);
                    views.push(MapRunView {
                        arn: arn.clone(),
                        started: event.at,
                        stopped: None,
                        status: "RUNNING",
                        concurrency: opening.concurrency,
                        tolerated_count: opening.tolerated_count,
                        tolerated_percentage: opening.tolerated_percentage,
                        items: Counts {
                            pending: total,
                            total,
                            ..Counts::default()
                        },
                        executions: Counts::default(),
                        redrives: 0,
                        redriven: None,
                    });
                }
                (EventKind::MapRunSucceeded, _) => {
                    end(&mut views, &open, strand, event.at, "SUCCEEDED")
                }
                (EventKind::MapRunFailed { .. }, _) => {
                    end(&mut views, &open, strand, event.at, "FAILED")
                }
                (EventKind::MapRunAborted, _) => {
                    end(&mut views, &open, strand, event.at, "ABORTED")
                }
                (EventKind::MapRunRedriven { .. }, _) => {
                    let index = open.get(&strand).map(|(index, _)| *index);
                    if let Some(view) = index.and_then(|index| views.get_mut(index)) {
                        view.redrives += 1;
                        view.redriven = Some(event.at);
                        (view.status, view.stopped) = ("RUNNING", None);
                    }
                }
                _ => {}
            }
            continue;
        }
        let Some((index, children)) = open.get_mut(&strand) else {
            continue;
        };
        let Some(view) = views.get_mut(*index) else {
            continue;
        };
        match &record.note {
            Some(Note::Page { items, .. }) => {
                let count = items
                    .as_array()
                    .map_or(0, |list| u64::try_from(list.len()).unwrap_or(0));
                view.items.pending += count;
                view.items.total += count;
            }
            Some(Note::Child { items, .. }) => {
                children.push((*items, Fate::Open));
                view.items.pending = view.items.pending.saturating_sub(*items);
                view.items.running += items;
                view.executions.running += 1;
                view.executions.total += 1;
            }
            Some(Note::ChildAgain { index }) => {
                let (items, fate) = child_of(children, *index);
                for (counts, count) in [(&mut view.items, items), (&mut view.executions, 1)] {
                    counts.running += count;
                    let before = match fate {
                        Fate::Failed => &mut counts.failed,
                        Fate::TimedOut => &mut counts.timed_out,
                        // Ended with its Map Run.
                        Fate::Open | Fate::Aborted => &mut counts.aborted,
                    };
                    *before = before.saturating_sub(count);
                }
            }
            Some(Note::ChildEnded { index, outcome }) => {
                let (items, _) = child_of(children, *index);
                let child = usize::try_from(*index)
                    .ok()
                    .and_then(|i| children.get_mut(i));
                if let Some((_, fate)) = child {
                    *fate = match outcome {
                        Outcome::Succeeded { .. } => Fate::Open,
                        Outcome::Failed { .. } => Fate::Failed,
                        Outcome::TimedOut { .. } => Fate::TimedOut,
                        Outcome::Aborted { .. } => Fate::Aborted,
                    };
                }
                for (counts, count) in [(&mut view.items, items), (&mut view.executions, 1)] {
                    counts.running = counts.running.saturating_sub(count);
                    match outcome {
                        Outcome::Succeeded { .. } => counts.succeeded += count,
                        Outcome::Failed { .. } => counts.failed += count,
                        Outcome::TimedOut { .. } => counts.timed_out += count,
                        Outcome::Aborted { .. } => counts.aborted += count,
                    }
                }
            }
            Some(Note::Written { .. }) => {
                view.items.results_written = view.items.succeeded + view.items.failed;
                view.executions.results_written =
                    view.executions.succeeded + view.executions.failed;
            }
            _ => {}
        }
    }
    views
}

/// How a child ended, if it did not succeed.
#[derive(Clone, Copy)]
enum Fate {
    Open,
    Failed,
    TimedOut,
    Aborted,
}

/// Items of a child, and how it ended.
type Child = (u64, Fate);

fn child_of(children: &[Child], index: u32) -> Child {
    let index = usize::try_from(index).ok();
    let child = index.and_then(|index| children.get(index));
    child.copied().unwrap_or((0, Fate::Open))
}

fn end(
    views: &mut [MapRunView],
    open: &HashMap<StrandId, (usize, Vec<Child>)>,
    strand: StrandId,
    at: Timestamp,
    status: &'static str,
) {
    if let Some(view) = open
        .get(&strand)
        .and_then(|(index, _)| views.get_mut(*index))
    {
        (view.status, view.stopped) = (status, Some(at));
        // What still ran is ended with it.
        for counts in [&mut view.items, &mut view.executions] {
            counts.aborted += std::mem::take(&mut counts.running);
        }
    }
}
