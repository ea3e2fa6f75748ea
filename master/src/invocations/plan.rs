//! Which invocation is attempted when. Pure: events in, effects out, time as a parameter.

use std::collections::{BTreeSet, HashMap};

use jiff::Timestamp;

use super::Id;
use crate::key::ObjectKey;

/// Attempts at once.
#[derive(Clone, Copy, Debug)]
pub struct Width {
    /// In all.
    pub total: usize,
    /// Of one function, so that one that hangs or does not start leaves room for others.
    pub per_function: usize,
}

impl Width {
    /// Places that are kept for functions of which few are being attempted: those whose attempts take long, or get no
    /// pod, cannot have all of them, however many such functions there are.
    fn kept(self) -> usize {
        self.total / 4
    }

    /// How many are few.
    fn few(self) -> usize {
        (self.per_function / 8).max(1)
    }
}

impl Default for Width {
    fn default() -> Self {
        Self {
            total: 256,
            per_function: 32,
        }
    }
}

/// An invocation that has not ended, as the index of open ones shows it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Open {
    /// Which.
    pub id: Id,
    /// The function.
    pub function: ObjectKey,
    /// When its next attempt is due.
    pub due: Timestamp,
}

/// Something happened.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Event {
    /// These are all open invocations; forget which were known to wait.
    Restarted(Vec<Open>),
    /// An invocation was accepted, or is due at another time.
    Opened(Open),
    /// An invocation ended.
    Closed(Open),
    /// An attempt is over, and so is the invocation.
    Finished(Id),
    /// An attempt is over, or could not be made; the next one is due at this time.
    Again(Id, Timestamp),
    /// Time passed.
    Tick,
}

/// What to do.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Effect {
    /// Attempt this one.
    Start(Id),
    /// Nothing is to be done before this time, unless something happens.
    WakeAt(Timestamp),
}

/// When something is due, in milliseconds since 1970: half the size of a timestamp.
type Millis = i64;

/// What waits and what is being attempted.
#[derive(Clone, Debug, Default)]
pub struct Plan {
    width: Width,
    lanes: Lanes,
    running: HashMap<Id, Running>,
}

/// The lanes, and those of them that have somebody waiting and room for one more attempt, by their first due time.
#[derive(Clone, Debug, Default)]
struct Lanes {
    all: HashMap<ObjectKey, Lane>,
    ready: BTreeSet<(Millis, ObjectKey)>,
    /// Those of which few are being attempted.
    fresh: BTreeSet<(Millis, ObjectKey)>,
}

/// The invocations of one function.
#[derive(Clone, Debug, Default)]
struct Lane {
    waiting: BTreeSet<(Millis, Id)>,
    running: usize,
}

#[derive(Clone, Debug)]
struct Running {
    function: ObjectKey,
    /// When it is due, as the index has said meanwhile: it may have been redriven.
    next: Option<Millis>,
}

/// Rounded up: nothing starts before it is due.
fn millis(at: Timestamp) -> Millis {
    let floor = at.as_millisecond();
    if at.subsec_nanosecond() % 1_000_000 == 0 {
        floor
    } else {
        floor.saturating_add(1)
    }
}

impl Plan {
    /// A plan that knows of nothing yet.
    #[must_use]
    pub fn new(width: Width) -> Self {
        Self {
            width,
            ..Self::default()
        }
    }

    /// Notes an event and says what to do.
    pub fn on(&mut self, event: Event, now: Timestamp) -> Vec<Effect> {
        self.note(event);
        let mut effects = Vec::new();
        let reached = now.as_millisecond();
        while self.running.len() < self.width.total {
            let is_crowded = self.running.len() >= self.width.total - self.width.kept();
            let ready = if is_crowded {
                &self.lanes.fresh
            } else {
                &self.lanes.ready
            };
            let Some((due, function)) = ready.first().cloned() else {
                return effects;
            };
            if due > reached {
                effects.push(Effect::WakeAt(
                    Timestamp::from_millisecond(due).unwrap_or(now),
                ));
                return effects;
            }
            let mut taken = None;
            let running = &self.running;
            self.lanes.change(&function, self.width, |lane| {
                // One that is attempted already says itself when it is due again.
                taken = lane
                    .waiting
                    .pop_first()
                    .filter(|(_, id)| !running.contains_key(id));
                lane.running += usize::from(taken.is_some());
            });
            if let Some((_, id)) = taken {
                self.running.insert(
                    id,
                    Running {
                        function,
                        next: None,
                    },
                );
                effects.push(Effect::Start(id));
            }
        }
        effects
    }

    /// Invocations that wait.
    #[must_use]
    pub fn waiting(&self) -> usize {
        self.lanes.all.values().map(|lane| lane.waiting.len()).sum()
    }

    /// Invocations that are being attempted.
    #[must_use]
    pub fn running(&self) -> usize {
        self.running.len()
    }

    fn note(&mut self, event: Event) {
        match event {
            Event::Restarted(open) => {
                self.lanes.ready.clear();
                self.lanes.fresh.clear();
                self.lanes.all.retain(|_, lane| {
                    lane.waiting.clear();
                    lane.running > 0
                });
                self.running
                    .values_mut()
                    .for_each(|running| running.next = None);
                open.into_iter().for_each(|open| self.wait(&open));
            }
            Event::Opened(open) => self.wait(&open),
            Event::Closed(open) => match self.running.get_mut(&open.id) {
                Some(running) => running.next = None,
                None => self.change(&open.function, |lane| {
                    lane.waiting.remove(&(millis(open.due), open.id));
                }),
            },
            Event::Finished(id) => self.finish(id, None),
            Event::Again(id, due) => self.finish(id, Some(millis(due))),
            Event::Tick => {}
        }
    }

    fn wait(&mut self, open: &Open) {
        let due = millis(open.due);
        match self.running.get_mut(&open.id) {
            Some(running) => running.next = Some(due),
            None => self.change(&open.function, |lane| {
                lane.waiting.insert((due, open.id));
            }),
        }
    }

    fn finish(&mut self, id: Id, due: Option<Millis>) {
        let Some(Running { function, next }) = self.running.remove(&id) else {
            return;
        };
        self.change(&function, |lane| {
            lane.running = lane.running.saturating_sub(1);
            lane.waiting.extend(due.or(next).map(|due| (due, id)));
        });
    }

    fn change(&mut self, function: &ObjectKey, with: impl FnOnce(&mut Lane)) {
        self.lanes.change(function, self.width, with);
    }
}

impl Lanes {
    /// Changes a lane and its place among those that are ready.
    fn change(&mut self, function: &ObjectKey, width: Width, with: impl FnOnce(&mut Lane)) {
        let lane = self.all.entry(function.clone()).or_default();
        let first = |lane: &Lane| [lane.first(width.per_function), lane.first(width.few())];
        let before = first(lane);
        with(lane);
        let after = first(lane);
        let is_over = lane.running == 0 && lane.waiting.is_empty();
        let indexes = [&mut self.ready, &mut self.fresh];
        for (index, (before, after)) in indexes.into_iter().zip(before.into_iter().zip(after)) {
            if before == after {
                continue;
            }
            if let Some(due) = before {
                index.remove(&(due, function.clone()));
            }
            index.extend(after.map(|due| (due, function.clone())));
        }
        if is_over {
            self.all.remove(function);
        }
    }
}

impl Lane {
    /// When the first is due, where there is room for it.
    fn first(&self, room: usize) -> Option<Millis> {
        self.waiting
            .first()
            .filter(|_| self.running < room)
            .map(|(due, _)| *due)
    }
}
