use std::sync::Arc;
use std::time::Duration;

use actix::{Actor, ActorContext as _, Context, Handler, Message, WeakAddr};
use common::link::{Origin, PodAssignment, PodState};
use tokio_util::sync::CancellationToken;

use super::door::Door;
use super::effects::{Parts, PodRoom};
use super::machine::{Effect, Event, PodMachine};
use super::record::{Notes, Record};
use super::register::Register;
use crate::pool::Claim;

/// Something happened to a pod.
#[derive(Debug, Message)]
#[rtype(result = "()")]
pub struct Tell(pub Event);

/// What was fetched, to be held.
#[derive(Message)]
#[rtype(result = "()")]
struct Hold(Parts);

/// After a pod that waited was told its function, so long its start has the machine for itself.
const FIRST_CALL: Duration = Duration::from_millis(50);
/// A pod's mailbox is small: a pod lives through a dozen events.
const MAILBOX: usize = 64;

/// The shell around [`PodMachine`]: carries its effects out, each as a task of its own.
pub struct PodActor {
    machine: PodMachine,
    record: Record,
    notes: Arc<Notes>,
    /// What to start; an adopted pod has none.
    assignment: Option<Arc<PodAssignment>>,
    parts: Parts,
    /// The generic pod that becomes this one.
    claim: Option<Claim>,
    room: Arc<PodRoom>,
    guard: Guard,
    stop: CancellationToken,
    /// Nobody waits for what is fetched any more.
    unwanted: CancellationToken,
    first: Option<Event>,
}

/// Tells the register when the actor is gone without having ended its pod: it panicked.
struct Guard {
    uid: String,
    register: Arc<Register>,
}

impl Drop for Guard {
    fn drop(&mut self) {
        if std::thread::panicking() {
            self.register.actor_died(&self.uid);
        }
    }
}

impl PodActor {
    /// The actor of a pod. `first` is its first event; without one it waits for its removal.
    pub(super) fn new(
        record: Record,
        assignment: Option<Arc<PodAssignment>>,
        parts: Parts,
        claim: Option<Claim>,
        room: Arc<PodRoom>,
        register: Arc<Register>,
        first: Option<Event>,
    ) -> Self {
        let machine = PodMachine::new(record.report.clone(), room.start_timeout);
        let notes = Notes::new(room.premises.layout.pod(&record.report.uid));
        let guard = Guard {
            uid: record.report.uid.clone(),
            register,
        };
        let stop = CancellationToken::new();
        Self {
            machine,
            record,
            notes: Arc::new(notes),
            assignment,
            parts,
            claim,
            room,
            guard,
            stop,
            unwanted: CancellationToken::new(),
            first,
        }
    }

    fn take(&mut self, event: Event, ctx: &mut Context<Self>) {
        tracing::debug!(pod = self.guard.uid, ?event, "pod");
        match event {
            Event::Exited(_) => self.stop.cancel(),
            Event::Remove { .. } => self.unwanted.cancel(),
            _ => {}
        }
        for effect in self.machine.decide(event, self.room.clock.now()) {
            self.carry_out(effect, ctx);
        }
        if self.machine.report().state == PodState::Gone {
            self.stop.cancel();
            ctx.stop();
        }
    }

    fn carry_out(&mut self, effect: Effect, ctx: &mut Context<Self>) {
        let room = Arc::clone(&self.room);
        let uid = self.guard.uid.clone();
        let user = self.record.user;
        let me = Teller(actix::AsyncContext::address(ctx).downgrade());
        match effect {
            Effect::Report => self.report(),
            Effect::Note => {
                self.record.report = self.machine.report().clone();
                self.notes.write(&self.record);
            }
            Effect::Fetch => self.fetch(me),
            Effect::Start => self.launch(me),
            Effect::Watch => {
                let warm = self.machine.report().cold.is_some_and(|cold| cold.warm);
                tokio::spawn(async move {
                    if warm {
                        // Its first call comes first.
                        tokio::time::sleep(FIRST_CALL).await;
                    }
                    let exit = room.premises.runtime.wait(&uid).await;
                    me.tell(Event::Exited(exit));
                });
            }
            Effect::Probe => {
                let stop = self.stop.clone();
                let register = Arc::clone(&self.guard.register);
                let door = Door::of(self.record.port, user);
                tokio::spawn(async move {
                    room.probe(&uid, door, &register, &stop, |event| me.tell(event))
                        .await;
                });
            }
            Effect::Deadline(at) => {
                let stop = self.stop.clone();
                tokio::spawn(async move {
                    tokio::select! {
                        () = stop.cancelled() => {}
                        () = tokio::time::sleep_until(at) => me.tell(Event::Deadline),
                    }
                });
            }
            Effect::Stop { grace } => {
                tokio::spawn(async move { room.premises.runtime.stop(&uid, grace).await });
            }
            Effect::Remove => {
                self.stop.cancel();
                let notes = Arc::clone(&self.notes);
                tokio::spawn(async move {
                    notes.close().await;
                    let stuck = |message| me.tell(Event::RemoveFailed { message });
                    room.premises.remove(&uid, user, stuck).await;
                    me.tell(Event::Removed);
                });
            }
        }
    }

    fn report(&mut self) {
        self.record.report = self.machine.report().clone();
        self.guard.register.changed(self.record.report.clone());
        match self.record.report.state {
            PodState::Gone => {}
            // What comes after it may find no other trace of the pod.
            PodState::Preparing => self.notes.write(&self.record),
            _ => self.notes.write_soon(self.record.clone()),
        }
    }

    fn fetch(&self, me: Teller) {
        let Some(assignment) = self.assignment.clone() else {
            return;
        };
        let (room, unwanted) = (Arc::clone(&self.room), self.unwanted.clone());
        let generic = self.claim.is_some();
        let is_image = matches!(assignment.origin, Origin::Image { .. });
        let mut fetched =
            tokio::spawn(async move { room.fetch(&assignment.origin, generic).await });
        tokio::spawn(async move {
            let failed = |reason, message: String| {
                (Event::FetchFailed { reason, message }, Parts::default())
            };
            let (event, parts) = tokio::select! {
                // One that panics has failed; the pod must not wait for it for ever.
                ended = &mut fetched => ended.unwrap_or_else(|error| failed("Internal", error.to_string())),
                () = unwanted.cancelled() => {
                    // A registry may take its time; a layer soon comes, and others may want it.
                    if is_image {
                        fetched.abort();
                    }
                    failed("Unwanted", "it was removed while it was fetched".to_owned())
                }
            };
            me.hold(parts);
            me.tell(event);
        });
    }

    fn launch(&mut self, me: Teller) {
        let Some(assignment) = self.assignment.clone() else {
            return;
        };
        let room = Arc::clone(&self.room);
        let (parts, user) = (self.parts.clone(), self.record.user);
        let claim = self.claim.take();
        let started =
            tokio::spawn(async move { room.start(&assignment, &parts, user, claim).await });
        tokio::spawn(async move {
            me.tell(started.await.unwrap_or_else(|error| {
                let message = error.to_string();
                Event::StartFailed { message }
            }));
        });
    }
}

/// Tells an actor what came of an effect; each effect tells a few events, so that the mailbox's
/// bound is never what counts.
struct Teller(WeakAddr<PodActor>);

impl Teller {
    fn tell(&self, event: Event) {
        if let Some(address) = self.0.upgrade() {
            address.do_send(Tell(event));
        }
    }

    fn hold(&self, parts: Parts) {
        if let Some(address) = self.0.upgrade() {
            address.do_send(Hold(parts));
        }
    }
}

impl Actor for PodActor {
    type Context = Context<Self>;

    fn started(&mut self, ctx: &mut Self::Context) {
        ctx.set_mailbox_capacity(MAILBOX);
        if let Some(event) = self.first.take() {
            self.take(event, ctx);
        }
    }
}

impl Handler<Tell> for PodActor {
    type Result = ();

    fn handle(&mut self, Tell(event): Tell, ctx: &mut Self::Context) {
        self.take(event, ctx);
    }
}

impl Handler<Hold> for PodActor {
    type Result = ();

    fn handle(&mut self, Hold(parts): Hold, _: &mut Self::Context) {
        self.parts = parts;
    }
}
