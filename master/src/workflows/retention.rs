//! Which ended runs are old enough to go. Pure.

use std::collections::{BTreeMap, HashSet};
use std::time::Duration;

use common::resources::{RunPhase, WorkflowRun};
use jiff::Timestamp;

use super::start::{Target, target_of};
use crate::key::ObjectKey;

/// How long ended runs are kept.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Retention {
    /// From the end of a run on.
    pub keep: Duration,
    /// Most ended runs of one workflow or state machine.
    pub keep_last: usize,
}

/// A run that has ended.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Ended {
    pub(super) key: ObjectKey,
    pub(super) uid: String,
    /// The workflow or state machine; runs of none are a group of their own.
    of: Option<(Target, String)>,
    /// The children of one run are a group of their own.
    parent: Option<String>,
    at: Timestamp,
    /// Tells runs apart that ended within one second: the last write of the later one came later.
    revision: u64,
}

impl Ended {
    /// `None` when the run has not ended.
    pub(super) fn of(run: &WorkflowRun) -> Option<Self> {
        if !run.status.phase.is_some_and(RunPhase::is_final) || run.is_redriven() {
            return None;
        }
        let at = [
            &run.status.completion_time,
            &run.metadata.creation_timestamp,
        ];
        let at = at
            .into_iter()
            .flatten()
            .find_map(|text| text.parse().ok())
            .unwrap_or(Timestamp::UNIX_EPOCH);
        Some(Self {
            key: ObjectKey::of(run),
            uid: run.metadata.uid.clone(),
            of: target_of(run).map(|(target, name)| (target, name.to_owned())),
            parent: run
                .spec
                .map_run_arn
                .as_ref()
                .and_then(|_| run.spec.started_by.clone()),
            at,
            revision: run.metadata.resource_version.parse().unwrap_or_default(),
        })
    }

    /// The uid of the run that this one is a Map's child of.
    pub(super) fn parent(&self) -> Option<&str> {
        self.parent.as_deref()
    }
}

/// The runs that go, the oldest first: those that ended too long ago, and those that are too many for
/// one workflow. The runs in `shown`, which workflows name as their last, stay.
pub(super) fn expired<'a>(
    ended: impl Iterator<Item = &'a Ended>,
    shown: &HashSet<ObjectKey>,
    rule: Retention,
    now: Timestamp,
) -> Vec<&'a Ended> {
    let mut groups: BTreeMap<_, Vec<&Ended>> = BTreeMap::new();
    for run in ended {
        let group = (&run.key.namespace, &run.of, &run.parent);
        groups.entry(group).or_default().push(run);
    }
    let mut gone = Vec::new();
    for mut runs in groups.into_values() {
        runs.sort_by_key(|run| std::cmp::Reverse((run.at, run.revision)));
        for (place, run) in runs.into_iter().enumerate() {
            let age = Duration::try_from(now.duration_since(run.at)).unwrap_or_default();
            let goes = age > rule.keep || place >= rule.keep_last;
            if goes && !shown.contains(&run.key) {
                gone.push(run);
            }
        }
    }
    gone.sort_by_key(|run| (run.at, run.revision));
    gone
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn run(name: &str, of: &str, ended: i64) -> Ended {
        Ended {
            key: ObjectKey::new("default", name),
            uid: name.to_owned(),
            of: Some((Target::Workflow, of.to_owned())),
            parent: None,
            at: Timestamp::from_second(ended).unwrap(),
            revision: 0,
        }
    }

    const RULE: Retention = Retention {
        keep: Duration::from_secs(100),
        keep_last: 2,
    };

    fn names(runs: &[Ended], shown: &[&str], now: i64) -> Vec<String> {
        let shown = shown.iter().map(|name| ObjectKey::new("default", name));
        let now = Timestamp::from_second(now).unwrap();
        let gone = expired(runs.iter(), &shown.collect(), RULE, now);
        gone.iter().map(|run| run.uid.clone()).collect()
    }

    #[test]
    fn of_runs_that_ended_within_one_second_the_later_stay() {
        let runs: Vec<Ended> = (1..=5)
            .map(|number| Ended {
                revision: number,
                ..run(&format!("r{}", 6 - number), "a", 50)
            })
            .collect();
        assert_eq!(names(&runs, &["r5"], 50), ["r4", "r3"]);
    }

    #[test]
    fn the_old_and_the_many_go_but_not_what_a_workflow_shows() {
        let runs = [
            run("a1", "a", 0),
            run("a2", "a", 60),
            run("a3", "a", 70),
            run("b1", "b", 1),
        ];
        assert_eq!(names(&runs, &[], 80), ["a1"]);
        assert_eq!(names(&runs, &[], 120), ["a1", "b1"]);
        assert_eq!(names(&runs, &["b1"], 120), ["a1"]);
        assert_eq!(names(&runs, &["a1"], 80), Vec::<String>::new());
    }

    #[test]
    fn a_run_under_way_is_not_looked_at() {
        let mut run = WorkflowRun::default();
        run.status.phase = Some(RunPhase::Running);
        assert_eq!(Ended::of(&run), None);
        run.status.phase = Some(RunPhase::Aborted);
        assert!(Ended::of(&run).is_some());
    }

    proptest! {
        #[test]
        fn what_stays_is_within_the_rule(
            ends in prop::collection::vec((0_i64..300, 0_u8..3), 0..40),
            now in 300_i64..400,
        ) {
            let runs: Vec<_> = ends
                .iter()
                .enumerate()
                .map(|(n, (at, of))| run(&n.to_string(), &of.to_string(), *at))
                .collect();
            let gone = names(&runs, &[], now);
            for of in 0..3_u8 {
                let of = Some((Target::Workflow, of.to_string()));
                let stays = runs.iter().filter(|run| run.of == of && !gone.contains(&run.uid));
                let stays: Vec<_> = stays.collect();
                prop_assert!(stays.len() <= RULE.keep_last);
                prop_assert!(stays.iter().all(|run| now - run.at.as_second() <= 100));
                // Nothing that goes is younger than what stays.
                let youngest_gone = runs.iter().filter(|run| run.of == of && gone.contains(&run.uid)).map(|run| run.at).max();
                let oldest = stays.iter().map(|run| run.at).min();
                prop_assert!(youngest_gone.zip(oldest).is_none_or(|(gone, stays)| gone <= stays));
            }
        }
    }
}
