//! How many calls one pod gets at once. Pure: time is a parameter.
//!
//! Threads of a Python pod that compute fight for the interpreter's lock: more of them at once add
//! latency and no throughput. Threads that wait (network, sleep) add throughput. Which of the two a
//! function does nobody says beforehand, so the limiter begins with all that the function allows and
//! tries neighbours: **up while throughput rises, down when only latency does**. It learns only while
//! calls wait for this pod, because only then the limit is what holds throughput.
//!
//! Throughput is counted in epochs of whole rounds (a multiple of the limit), so that calls that come
//! and go in step are counted right, and a single call that takes long costs one slot of an epoch and
//! not its mean. Calls that are far over the usual time do not count towards the limit: two of them
//! must not keep all others out of a pod that would have room.

use std::time::Duration;

/// Share of a proportional gain that a higher limit must bring, and of a proportional loss that a
/// lower one may cost.
const ELASTICITY: f64 = 0.3;
/// Shortest epoch.
const EPOCH: Duration = Duration::from_millis(50);
/// Fewest calls in an epoch.
const EPOCH_CALLS: u32 = 16;
/// Epochs between two trials: at first, and after many that changed nothing.
const REST: u32 = 2;
const LONGEST_REST: u32 = 64;
/// A trial of less that loses at least this share of what a proportional loss would be shows that calls which take
/// long wait for something else than each other.
const APART: f64 = 0.85;
/// A call is overdue after so many times the usual time, and never before this.
const OVERDUE_TIMES: u32 = 4;
const OVERDUE_AFTER: Duration = Duration::from_millis(10);
/// What was learnt from calls holds for calls that take up to so many times as long.
const ALIKE_TIMES: u32 = 8;

/// The limit of one pod.
#[derive(Clone, Debug)]
pub struct Limiter {
    most: u32,
    base: u32,
    trial: Option<Trial>,
    epoch: Epoch,
    rest: u32,
    patience: u32,
    downward: bool,
    usual: Option<Duration>,
    /// The usual time when the limit went down last.
    learnt: Option<Duration>,
}

/// Another limit that is being compared with the present one.
#[derive(Clone, Copy, Debug)]
struct Trial {
    limit: u32,
    /// Throughput of the present limit, measured just before.
    base: f64,
    /// Whether the trial's limit is in force; else the present one is measured once more.
    on: bool,
    /// Comparisons that must still go well.
    left: u32,
}

#[derive(Clone, Copy, Debug, Default)]
struct Epoch {
    /// Calls begun under another limit.
    skip: u32,
    since: Option<Duration>,
    done: u32,
}

impl Limiter {
    /// A pod that takes up to `most` calls, at least 1.
    #[must_use]
    pub fn new(most: u32) -> Self {
        let most = most.max(1);
        Self {
            most,
            base: most,
            trial: None,
            epoch: Epoch::default(),
            rest: 1,
            patience: REST,
            downward: true,
            usual: None,
            learnt: None,
        }
    }

    /// The pod now takes up to `most` calls, at least 1. What was learnt stays where it still fits.
    pub fn set_most(&mut self, most: u32) {
        let most = most.max(1);
        if most != self.most {
            let was_full = self.base == self.most;
            self.most = most;
            self.base = if was_full { most } else { self.base.min(most) };
            self.switch(None);
        }
    }

    /// Calls that the pod gets at once, overdue ones not counted. Never over what the function allows.
    #[must_use]
    pub fn limit(&self) -> u32 {
        match self.trial {
            Some(Trial {
                on: true, limit, ..
            }) => limit,
            _ => self.base,
        }
    }

    /// Most calls, overdue ones included.
    #[must_use]
    pub fn most(&self) -> u32 {
        self.most
    }

    /// How long a call may take before it is overdue.
    #[must_use]
    pub fn overdue_after(&self) -> Duration {
        let usual = self.usual.unwrap_or(OVERDUE_AFTER);
        usual.saturating_mul(OVERDUE_TIMES).max(OVERDUE_AFTER)
    }

    /// A call ended at `now` after `took`. `bound` says whether another one waited for its slot.
    pub fn on_done(&mut self, now: Duration, took: Duration, bound: bool) {
        self.note(took);
        if self.most == 1 {
            return;
        }
        if self.is_another_kind() {
            self.learnt = None;
            self.base = self.most;
            self.patience = REST;
            self.switch(None);
        }
        if !bound {
            // Whatever this epoch showed, it was not the limit that held it.
            if self.trial.is_some() || self.epoch.since.is_some() {
                self.switch(None);
            }
            return;
        }
        if self.epoch.skip > 0 {
            self.epoch.skip -= 1;
            return;
        }
        let Some(since) = self.epoch.since else {
            self.epoch.since = Some(now);
            return;
        };
        self.epoch.done += 1;
        let elapsed = now.saturating_sub(since);
        let whole = self.epoch.done.is_multiple_of(self.limit());
        if whole && self.epoch.done >= EPOCH_CALLS && elapsed >= EPOCH {
            let throughput = f64::from(self.epoch.done) / elapsed.as_secs_f64();
            self.epoch = Epoch {
                since: Some(now),
                ..Epoch::default()
            };
            self.learn(throughput);
        }
    }

    /// Whether calls are far longer than those that brought the limit down, which says nothing of these: a function
    /// that now waits for something must not climb back step by step, over seconds.
    fn is_another_kind(&self) -> bool {
        let (Some(usual), Some(learnt)) = (self.usual, self.learnt) else {
            return false;
        };
        usual > OVERDUE_AFTER && usual > learnt.saturating_mul(ALIKE_TIMES)
    }

    /// The usual time: a mean that outliers hardly move.
    fn note(&mut self, took: Duration) {
        self.usual = Some(match self.usual {
            None => took,
            Some(usual) => {
                let took = took.min(usual.saturating_mul(OVERDUE_TIMES).max(OVERDUE_AFTER));
                (usual * 15 + took) / 16
            }
        });
    }

    fn learn(&mut self, throughput: f64) {
        match self.trial {
            None => {
                self.rest = self.rest.saturating_sub(1);
                if self.rest == 0 {
                    self.begin(throughput);
                }
            }
            // The present limit once more, for the second comparison.
            Some(trial @ Trial { on: false, .. }) => self.switch(Some(Trial {
                on: true,
                base: throughput,
                ..trial
            })),
            Some(trial) => self.compare(trial, throughput),
        }
    }

    fn begin(&mut self, base: f64) {
        self.downward = match self.base {
            1 => false,
            n if n == self.most => true,
            _ => self.downward,
        };
        let (limit, left) = if self.downward {
            // Going down needs proof: the function was promised more.
            (self.base - (self.base / 3).max(1), 2)
        } else {
            ((self.base + (self.base / 2).max(1)).min(self.most), 1)
        };
        self.switch(Some(Trial {
            limit,
            base,
            on: true,
            left,
        }));
    }

    fn compare(&mut self, trial: Trial, throughput: f64) {
        let change = f64::from(trial.limit) / f64::from(self.base) - 1.0;
        let wins = throughput >= trial.base * (1.0 + ELASTICITY * change);
        match (wins, trial.left) {
            (true, 0 | 1) => {
                if trial.limit < self.base {
                    self.learnt = self.usual;
                }
                self.base = trial.limit;
                self.rest = 1;
                self.patience = REST;
                self.switch(None);
            }
            (true, left) => self.switch(Some(Trial {
                on: false,
                left: left - 1,
                ..trial
            })),
            (false, _) => {
                let long = self.usual.is_some_and(|usual| usual > OVERDUE_AFTER);
                let apart = throughput <= trial.base * (1.0 + APART * change);
                if long && apart && change < 0.0 {
                    // Slots that stand empty cost such calls more than others, and noise shows less in them.
                    self.patience = LONGEST_REST;
                }
                self.downward = !self.downward;
                self.rest = self.patience;
                self.patience = (self.patience * 2).min(LONGEST_REST);
                self.switch(None);
            }
        }
    }

    /// Goes over to a trial, or back to the present limit, and forgets the epoch.
    fn switch(&mut self, trial: Option<Trial>) {
        let before = self.limit();
        self.trial = trial;
        let after = self.limit();
        let skip = if before == after {
            0
        } else {
            before.max(after)
        };
        self.epoch = Epoch {
            skip,
            ..Epoch::default()
        };
    }
}
