use std::collections::{BTreeMap, VecDeque};
use std::time::Duration;

use tokio::time::Instant;

use crate::runtime::Kind;

/// What bounds the pool.
#[derive(Clone, Copy, Debug)]
pub struct Bounds {
    /// Generic pods of the usual kind that there always are; 0 is no pool.
    pub size: u32,
    /// Most generic pods of all kinds.
    pub max: u32,
    /// Memory for all of them, in bytes.
    pub memory: u64,
    /// Below so much free memory of the machine there are none.
    pub min_free: u64,
}

/// What one is taken to use: the interpreter, the engine's own process beside it.
const BYTES: u64 = 24 << 20;
/// What was wanted in this time is likely to be wanted again.
const RECENT: Duration = Duration::from_secs(30);
/// For so long one of a kind that is not the usual one stays.
const LINGER: Duration = Duration::from_secs(600);
/// After one was given away, so long its start has the machine for itself.
const QUIET: Duration = Duration::from_millis(250);
/// After a failure, doubled with each.
const FIRST_PAUSE: Duration = Duration::from_secs(1);
const LAST_PAUSE: Duration = Duration::from_secs(60);
/// Most wishes that are remembered.
const MEMORY: usize = 64;

/// Something happened to the pool.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Event {
    /// Time passed; the machine has this much memory left, in bytes.
    Tick {
        /// Free memory.
        free: u64,
    },
    /// One waits.
    Waits {
        /// Which.
        id: String,
    },
    /// One could not be started, or ended by itself.
    Lost {
        /// Which.
        id: String,
    },
    /// There shall be none from now on.
    Close,
}

/// What is to be done.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Effect {
    /// Start one.
    Start {
        /// Its name.
        id: String,
        /// Its kind.
        kind: Kind,
    },
    /// End one that waits.
    End {
        /// Which.
        id: String,
    },
}

/// Decides how many generic pods wait. One at most is being started at a time, and none right after one
/// was given away.
#[derive(Debug)]
pub struct Policy {
    bounds: Bounds,
    usual: Kind,
    seed: u32,
    count: u64,
    rows: BTreeMap<Kind, Row>,
    starting: Option<(String, Kind)>,
    free: u64,
    quiet_until: Option<Instant>,
    failures: u32,
    closed: bool,
}

#[derive(Debug, Default)]
struct Row {
    waiting: VecDeque<String>,
    wishes: VecDeque<Instant>,
}

impl Row {
    fn recent(&self, now: Instant, span: Duration) -> usize {
        let is_recent = |at: &&Instant| now.saturating_duration_since(**at) < span;
        self.wishes.iter().rev().take_while(is_recent).count()
    }
}

impl Policy {
    /// An empty pool. Names of generic pods begin with `seed`, which no two agents of one data
    /// directory have in common.
    #[must_use]
    pub fn new(bounds: Bounds, usual: Kind, seed: u32) -> Self {
        Self {
            bounds,
            usual,
            seed,
            count: 0,
            rows: BTreeMap::new(),
            starting: None,
            free: u64::MAX,
            quiet_until: None,
            failures: 0,
            closed: false,
        }
    }

    /// Somebody wants one of a kind: gives one away if one waits.
    pub fn claim(&mut self, kind: Kind, now: Instant) -> Option<String> {
        let row = self.rows.entry(kind).or_default();
        row.wishes.push_back(now);
        if row.wishes.len() > MEMORY {
            row.wishes.pop_front();
        }
        self.quiet_until = Some(now + QUIET);
        row.waiting.pop_front()
    }

    /// Takes in what happened; tells what to do.
    pub fn decide(&mut self, event: Event, now: Instant) -> Vec<Effect> {
        match event {
            Event::Tick { free } => self.free = free,
            Event::Waits { id } => {
                if let Some((_, kind)) = self.starting.take_if(|(starting, _)| *starting == id) {
                    self.failures = 0;
                    self.rows.entry(kind).or_default().waiting.push_back(id);
                }
            }
            Event::Lost { id } => {
                if self
                    .starting
                    .take_if(|(starting, _)| *starting == id)
                    .is_some()
                {
                    self.fail(now);
                }
                for row in self.rows.values_mut() {
                    let before = row.waiting.len();
                    row.waiting.retain(|waiting| *waiting != id);
                    if row.waiting.len() < before {
                        self.failures += 1;
                        self.quiet_until = Some(now + pause(self.failures));
                    }
                }
            }
            Event::Close => self.closed = true,
        }
        self.level(now)
    }

    /// When to look again although nothing happens.
    #[must_use]
    pub fn wake(&self, now: Instant) -> Option<Instant> {
        self.quiet_until.filter(|at| *at > now)
    }

    /// How many of a kind wait.
    #[must_use]
    pub fn waiting(&self, kind: Kind) -> usize {
        self.rows.get(&kind).map_or(0, |row| row.waiting.len())
    }

    fn fail(&mut self, now: Instant) {
        self.failures += 1;
        self.quiet_until = Some(now + pause(self.failures));
    }

    /// Brings what there is nearer to what there should be.
    fn level(&mut self, now: Instant) -> Vec<Effect> {
        let mut effects = Vec::new();
        for kind in Kind::ALL {
            let wanted = self.wanted(kind, now);
            if let Some(row) = self.rows.get_mut(&kind) {
                while row.waiting.len() > wanted {
                    effects.extend(row.waiting.pop_front().map(|id| Effect::End { id }));
                }
            }
        }
        let quiet = self.quiet_until.is_some_and(|at| at > now);
        if quiet || self.starting.is_some() {
            return effects;
        }
        let all: usize = self.rows.values().map(|row| row.waiting.len()).sum();
        if all >= self.most() {
            return effects;
        }
        let lacking = |kind: &Kind| self.wanted(*kind, now).saturating_sub(self.waiting(*kind));
        let neediest = Kind::ALL.into_iter().max_by_key(lacking);
        if let Some(kind) = neediest.filter(|kind| lacking(kind) > 0) {
            self.count += 1;
            let id = format!("generic-{:08x}-{}", self.seed, self.count);
            self.starting = Some((id.clone(), kind));
            effects.push(Effect::Start { id, kind });
        }
        effects
    }

    /// How many of all kinds there may be.
    fn most(&self) -> usize {
        if self.closed || self.bounds.size == 0 || self.free < self.bounds.min_free {
            return 0;
        }
        let fit = self.bounds.memory / BYTES;
        usize::try_from(fit.min(u64::from(self.bounds.max))).unwrap_or(usize::MAX)
    }

    /// How many of a kind there should be.
    fn wanted(&self, kind: Kind, now: Instant) -> usize {
        let row = self.rows.get(&kind);
        let recent = |span| row.map_or(0, |row| row.recent(now, span));
        let least = if kind == self.usual {
            usize::try_from(self.bounds.size).unwrap_or(usize::MAX)
        } else {
            usize::from(recent(LINGER) > 0)
        };
        // Half of what was wanted lately may be wanted at once.
        (least + recent(RECENT) / 2).min(self.most())
    }
}

fn pause(failures: u32) -> Duration {
    let doubled = FIRST_PAUSE.saturating_mul(1 << failures.saturating_sub(1).min(10));
    doubled.min(LAST_PAUSE)
}
