//! Runs that only wait, for a time or for somebody who answers their tasks: they have no actor, only a place here, and
//! begin again from their journal. Pure.

use std::collections::{BTreeSet, HashMap};
use std::time::Duration;

use common::resources::{RunPhase, WorkflowRun};
use jiff::Timestamp;

use crate::key::ObjectKey;

/// A run that goes on sooner keeps its actor.
const SHORTEST: Duration = Duration::from_secs(10);
/// How long before its time a run gets its actor back, whose own timer is exact.
const AHEAD: Duration = Duration::from_secs(1);

/// Runs without an actor, by uid and by time.
#[derive(Debug, Default)]
pub(super) struct Parked {
    runs: HashMap<String, Place>,
    wheel: BTreeSet<(Timestamp, String)>,
}

#[derive(Debug)]
struct Place {
    key: ObjectKey,
    at: Option<Timestamp>,
    /// The spec that its actor has seen.
    generation: i64,
}

/// How long a run waits at most, if it is a time that it waits for.
pub(super) type Until = Option<Timestamp>;

/// Whether waiting until then is worth parking.
pub(super) fn is_worth(until: Until, now: Timestamp) -> bool {
    let soonest = now.checked_add(SHORTEST);
    until.is_none_or(|at| soonest.is_ok_and(|soonest| at > soonest))
}

/// Until when a run has nothing to do, as its object says, if nobody asks anything else of it.
pub(super) fn rest_of(run: &WorkflowRun) -> Option<Until> {
    let status = &run.status;
    let rests = status.phase == Some(RunPhase::Running) && !run.spec.stop;
    match &status.wake_time {
        Some(at) if rests => at.parse().ok().map(Some),
        None if rests && status.waiting_tasks > 0 => Some(None),
        _ => None,
    }
}

impl Parked {
    /// Takes a run in.
    pub(super) fn park(&mut self, run: &WorkflowRun, at: Until) {
        let uid = &run.metadata.uid;
        self.remove(uid);
        self.wheel.extend(at.map(|at| (at, uid.clone())));
        let place = Place {
            key: ObjectKey::of(run),
            at,
            generation: run.metadata.generation,
        };
        self.runs.insert(uid.clone(), place);
    }

    /// Whether a run is parked and its object asks nothing new of it.
    pub(super) fn holds(&self, run: &WorkflowRun) -> bool {
        let place = self.runs.get(&run.metadata.uid);
        place.is_some_and(|place| place.generation == run.metadata.generation)
    }

    /// Lets a run go, if it is here: its name.
    pub(super) fn remove(&mut self, uid: &str) -> Option<ObjectKey> {
        let place = self.runs.remove(uid)?;
        if let Some(at) = place.at {
            self.wheel.remove(&(at, uid.to_owned()));
        }
        Some(place.key)
    }

    /// All of them.
    pub(super) fn uids(&self) -> impl Iterator<Item = String> {
        self.runs.keys().cloned()
    }

    /// Lets those go whose time has come, at most so many: name and uid.
    pub(super) fn due(&mut self, now: Timestamp, most: usize) -> Vec<(ObjectKey, String)> {
        let soon = now.checked_add(AHEAD).unwrap_or(Timestamp::MAX);
        let mut due = Vec::new();
        while due.len() < most && self.wheel.first().is_some_and(|(at, _)| *at <= soon) {
            let Some((_, uid)) = self.wheel.pop_first() else {
                break;
            };
            if let Some(place) = self.runs.remove(&uid) {
                due.push((place.key, uid));
            }
        }
        due
    }

    /// How many there are.
    pub(super) fn len(&self) -> usize {
        self.runs.len()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn run(uid: &str, generation: i64) -> WorkflowRun {
        let mut run = WorkflowRun::default();
        run.metadata.uid = uid.to_owned();
        run.metadata.generation = generation;
        run
    }

    fn at(second: i64) -> Timestamp {
        Timestamp::from_second(second).unwrap()
    }

    #[test]
    fn runs_come_back_in_time_and_order() {
        let mut parked = Parked::default();
        for (uid, second) in [("b", 200), ("a", 100), ("c", 300)] {
            parked.park(&run(uid, 1), Some(at(second)));
        }
        parked.park(&run("c", 1), Some(at(150)));
        parked.park(&run("d", 1), None);
        let uids = |due: Vec<(ObjectKey, String)>| due.into_iter().map(|d| d.1).collect::<Vec<_>>();
        assert!(parked.due(at(98), 9).is_empty());
        assert_eq!(uids(parked.due(at(99), 9)), ["a"], "a second ahead");
        assert_eq!(
            uids(parked.due(at(500), 1)),
            ["c"],
            "not more than asked for"
        );
        assert_eq!(uids(parked.due(at(500), 9)), ["b"]);
        assert_eq!((parked.len(), parked.wheel.len()), (1, 0));
        assert!(parked.remove("d").is_some() && parked.remove("d").is_none());
    }

    #[test]
    fn a_run_of_which_something_new_is_asked_is_not_held() {
        let mut parked = Parked::default();
        parked.park(&run("a", 1), Some(at(100)));
        assert!(parked.holds(&run("a", 1)) && !parked.holds(&run("a", 2)));
        parked.remove("a");
        assert!(!parked.holds(&run("a", 1)));
        assert!(parked.due(at(500), 9).is_empty());
    }

    #[test]
    fn only_runs_that_go_on_and_were_not_stopped_rest() {
        let mut run = run("a", 1);
        run.status.phase = Some(RunPhase::Running);
        assert_eq!(rest_of(&run), None);
        run.status.wake_time = Some("1970-01-01T00:01:40Z".to_owned());
        assert_eq!(rest_of(&run), Some(Some(at(100))));
        run.spec.stop = true;
        assert_eq!(rest_of(&run), None);
        (run.spec.stop, run.status.wake_time) = (false, None);
        assert_eq!(rest_of(&run), None);
        run.status.waiting_tasks = 1;
        assert_eq!(rest_of(&run), Some(None), "for as long as it takes");
        assert!(is_worth(Some(at(100)), at(80)) && !is_worth(Some(at(100)), at(95)));
        assert!(is_worth(None, at(95)));
    }
}
