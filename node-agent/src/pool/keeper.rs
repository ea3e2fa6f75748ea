use std::collections::HashMap;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use common::link::PodAssignment;
use common::metrics::{Collector, DescriptorEncoder, gauges};
use parking_lot::Mutex;
use tokio::sync::Notify;
use tokio::task::AbortHandle;

use super::counts::{Counts, Miss, Shown};
use super::policy::{Bounds, Effect, Event, Policy};
use crate::chain::chain;
use crate::clock::Clock;
use crate::machine::free_memory;
use crate::premises::Premises;
use crate::runtime::{Generic, GenericStart, Kind, generic};
use crate::server::{self, Readiness};

/// Between two looks at the machine's memory.
const TICK: Duration = Duration::from_secs(1);
/// Between two questions whether a generic pod waits already.
const ASK_AGAIN: Duration = Duration::from_millis(20);

/// What the pool works with.
pub struct PoolRoom {
    /// Where generic pods stand and what starts them.
    pub premises: Premises,
    /// The time.
    pub clock: Arc<dyn Clock>,
    /// What bounds it.
    pub bounds: Bounds,
    /// Longest time until a generic pod waits.
    pub start_timeout: Duration,
}

/// A generic pod that was given away: its directory is the pod's.
#[derive(Debug)]
pub struct Claim(pub Generic);

/// The generic pods of this node. Cheap to clone.
#[derive(Clone)]
pub struct Pool(Arc<Inner>);

struct Inner {
    room: PoolRoom,
    state: Mutex<State>,
    changed: Notify,
    /// Something was taken.
    stirred: Notify,
    counts: Arc<Counts>,
    /// Why there are none.
    lacking: Option<String>,
}

struct State {
    policy: Policy,
    /// All that have something on the node: those that start, those that wait, those that end.
    present: HashMap<String, Option<Waiting>>,
}

struct Waiting {
    generic: Generic,
    /// Notices its end.
    watch: AbortHandle,
}

impl Pool {
    /// An empty pool; [`Pool::run`] fills it.
    #[must_use]
    pub fn new(room: PoolRoom) -> Self {
        let kind = room.premises.runtime.generics();
        let lacking = match &kind {
            _ if room.bounds.size == 0 => Some("pool.size is 0".to_owned()),
            Ok(_) => None,
            Err(problem) => Some(problem.clone()),
        };
        let usual = kind.unwrap_or(Kind::Egress);
        let seed = room.premises.chance.below(u32::MAX);
        let state = State {
            policy: Policy::new(room.bounds, usual, seed),
            present: HashMap::new(),
        };
        Self(Arc::new(Inner {
            room,
            state: Mutex::new(state),
            changed: Notify::new(),
            stirred: Notify::new(),
            counts: Arc::default(),
            lacking,
        }))
    }

    /// Why no generic pods wait on this node, for people.
    #[must_use]
    pub fn lacking(&self) -> Option<&str> {
        self.0.lacking.as_deref()
    }

    /// What it counts.
    #[must_use]
    pub fn counts(&self) -> &Counts {
        &self.0.counts
    }

    /// Collectors for the agent's exposition.
    #[must_use]
    pub fn collectors(&self) -> (impl Collector + use<>, impl Collector + use<>) {
        (Shown(Arc::clone(&self.0.counts)), Sizes(self.clone()))
    }

    /// Keeps the pool as it should be, until it is dropped or closed.
    pub async fn run(self) {
        if let Some(problem) = self.lacking() {
            tracing::info!(problem, "no generic pods wait for functions");
            return;
        }
        let mut turns = tokio::time::interval(TICK);
        turns.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
        loop {
            let free = free_memory();
            self.feed(Event::Tick { free });
            let wake = {
                let now = self.0.room.clock.now();
                self.0.state.lock().policy.wake(now)
            };
            let early = async {
                match wake {
                    Some(at) => tokio::time::sleep_until(at).await,
                    None => std::future::pending().await,
                }
            };
            tokio::select! {
                _ = turns.tick() => {}
                () = early => {}
                () = self.0.stirred.notified() => {}
            }
        }
    }

    /// Gives a waiting pod to an assignment: from here on it is this pod, in its directory.
    ///
    /// # Errors
    /// Why there is none for it.
    pub fn claim(&self, pod: &PodAssignment) -> Result<Claim, Miss> {
        let claimed = self.take(pod);
        self.0.stirred.notify_one();
        if let Err(miss) = &claimed {
            self.0.counts.miss(*miss);
        }
        claimed
    }

    fn take(&self, pod: &PodAssignment) -> Result<Claim, Miss> {
        let Inner { room, state, .. } = &*self.0;
        let kind = room.premises.runtime.kind_for(pod).map_err(Miss::Unfit)?;
        let (id, waiting) = {
            let mut state = state.lock();
            let id = state
                .policy
                .claim(kind, room.clock.now())
                .ok_or(Miss::Empty)?;
            let waiting = state.present.get_mut(&id).and_then(Option::take);
            // One that is being discarded keeps its place until that is done.
            let waiting = waiting.ok_or(Miss::Broken)?;
            state.present.remove(&id);
            (id, waiting)
        };
        waiting.watch.abort();
        let layout = &room.premises.layout;
        match std::fs::rename(layout.pod(&id), layout.pod(&pod.uid)) {
            Ok(()) => Ok(Claim(waiting.generic)),
            Err(error) => {
                tracing::warn!(generic = id, pod = pod.uid, %error, "rename to the pod's");
                self.0.state.lock().present.insert(id.clone(), None);
                self.discard(id, waiting.generic.user);
                Err(Miss::Broken)
            }
        }
    }

    /// Ends all that wait and waits until nothing of them is left.
    pub async fn close(&self) {
        self.feed(Event::Close);
        loop {
            let noticed = self.0.changed.notified();
            if self.0.state.lock().present.is_empty() {
                return;
            }
            noticed.await;
        }
    }

    fn feed(&self, event: Event) {
        let now = self.0.room.clock.now();
        let effects = self.0.state.lock().policy.decide(event, now);
        for effect in effects {
            match effect {
                Effect::Start { id, kind } => self.start(id, kind),
                Effect::End { id } => {
                    if let Some(waiting) = self.take_out(&id) {
                        waiting.watch.abort();
                        self.discard(id, waiting.generic.user);
                    }
                }
            }
        }
    }

    /// A pod that waits, for whoever asks first. Its place stays taken until it is discarded.
    fn take_out(&self, id: &str) -> Option<Waiting> {
        let present = &mut self.0.state.lock().present;
        present.get_mut(id).and_then(Option::take)
    }

    fn start(&self, id: String, kind: Kind) {
        self.0.state.lock().present.insert(id.clone(), None);
        let own = self.clone();
        tokio::spawn(async move {
            let premises = &own.0.room.premises;
            let user = match premises.uids.take() {
                Ok(user) => user,
                Err(error) => {
                    tracing::warn!(error = chain(&error), "start a generic pod");
                    own.0.state.lock().present.remove(&id);
                    return own.feed(Event::Lost { id });
                }
            };
            match own.bring_up(&id, kind, user).await {
                Ok(generic) => own.waits(generic),
                Err(problem) => {
                    tracing::warn!(generic = id, problem, "start a generic pod");
                    own.discard(id, user);
                }
            }
        });
    }

    async fn bring_up(&self, id: &str, kind: Kind, user: Option<u32>) -> Result<Generic, String> {
        let Premises {
            runtime, layout, ..
        } = &self.0.room.premises;
        let directory = layout.pod(id);
        let made = self.0.room.premises.make(id, user, None);
        made.map_err(|error| chain(&error))?;
        generic::note_born(&directory, id).map_err(|error| error.to_string())?;
        let start = GenericStart {
            id,
            kind,
            directory: &directory,
            user,
        };
        let up = async {
            let generic = runtime.start_generic(start).await;
            let generic = generic.map_err(|error| chain(&error))?;
            let run = layout.run(id);
            tokio::select! {
                waits = Self::until_it_waits(&run, user) => waits?,
                exit = runtime.wait(id) => return Err(format!("it ended: {exit:?}")),
            }
            runtime.settle(&generic).await;
            Ok(generic)
        };
        let up = tokio::time::timeout(self.0.room.start_timeout, up).await;
        up.unwrap_or_else(|_| Err("it does not answer".to_owned()))
    }

    async fn until_it_waits(run: &Path, user: Option<u32>) -> Result<(), String> {
        let owner = user.unwrap_or_else(|| nix::unistd::geteuid().as_raw());
        loop {
            let stream = server::connect(run, owner).await;
            match server::ask_now(stream).await {
                Ok(Readiness::Waiting) => return Ok(()),
                Ok(Readiness::Importing) => {}
                Ok(other) => return Err(format!("it says {other:?} before it was told")),
                Err(error) => return Err(error.to_string()),
            }
            tokio::time::sleep(ASK_AGAIN).await;
        }
    }

    fn waits(&self, generic: Generic) {
        let id = generic.id.clone();
        {
            let (own, id) = (self.clone(), id.clone());
            // Whoever watches it finds it here, however soon it ends.
            let mut state = self.0.state.lock();
            let watch = tokio::spawn(async move {
                let exit = own.0.room.premises.runtime.wait(&id).await;
                if let Some(waiting) = own.take_out(&id) {
                    tracing::warn!(generic = id, ?exit, "a generic pod ended while it waited");
                    own.discard(id, waiting.generic.user);
                }
            });
            let id = generic.id.clone();
            let waiting = Waiting {
                generic,
                watch: watch.abort_handle(),
            };
            state.present.insert(id, Some(waiting));
        }
        self.feed(Event::Waits { id });
    }

    /// Removes one and all it has.
    fn discard(&self, id: String, user: Option<u32>) {
        let own = self.clone();
        tokio::spawn(async move {
            own.0.room.premises.remove(&id, user, |_| ()).await;
            own.0.state.lock().present.remove(&id);
            own.feed(Event::Lost { id });
            own.0.changed.notify_waiters();
        });
    }
}

/// Reads how many wait.
struct Sizes(Pool);

impl std::fmt::Debug for Sizes {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Sizes").finish_non_exhaustive()
    }
}

impl Collector for Sizes {
    fn encode(&self, mut encoder: DescriptorEncoder<'_>) -> std::fmt::Result {
        let counts = {
            let state = self.0.0.state.lock();
            Kind::ALL.map(|kind| (kind, state.policy.waiting(kind)))
        };
        let help = "Generic pods that wait for a function";
        let sizes = counts
            .iter()
            .map(|(kind, count)| (vec![("kind", kind.as_str())], *count as f64));
        gauges(&mut encoder, "troupe_node_pool_size", help, sizes)
    }
}
