use std::collections::HashMap;
use std::time::{Duration, Instant};

use crate::router::{Counts, Phase};

/// A start that takes longer is not one any more.
const LONGEST: Duration = Duration::from_secs(600);

/// Pods that are coming up, for the times they take.
#[derive(Default)]
pub(super) struct Starts(HashMap<String, Start>);

struct Start {
    asked: Instant,
    placed: Option<Instant>,
}

impl Starts {
    /// A pod was asked for.
    pub(super) fn asked(&mut self, pod: &str) {
        // A pod that failed is not told here by its name; it is forgotten with time.
        self.0.retain(|_, start| start.asked.elapsed() < LONGEST);
        let start = Start {
            asked: Instant::now(),
            placed: None,
        };
        self.0.insert(pod.to_owned(), start);
    }

    /// A pod's object was seen. Only what was asked for here has a time.
    pub(super) fn seen(&mut self, pod: &str, ready: bool, counts: Option<&Counts>) {
        let Some(start) = self.0.get_mut(pod) else {
            return;
        };
        let now = Instant::now();
        let placed = *start.placed.get_or_insert(now);
        let asked = start.asked;
        if !ready {
            return;
        }
        self.0.remove(pod);
        if let Some(counts) = counts {
            counts.started(Phase::Place, placed - asked);
            counts.started(Phase::Start, now - placed);
            counts.started(Phase::Total, now - asked);
        }
    }

    /// A pod will not come up.
    pub(super) fn gone(&mut self, pod: &str) {
        self.0.remove(pod);
    }
}
