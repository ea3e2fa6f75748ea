//! Pods that leave the node: driven away by taints, moved because the agent ends, given up because it is
//! not heard of or the node was deleted.

use std::sync::Arc;
use std::time::Duration;

use actix::{ActorContext, ActorFutureExt, AsyncContext, Context, Handler, WrapFuture};
use common::resources::{Condition, DISRUPTION, Pod, Taint};
use jiff::Timestamp;

use super::stay::departure;
use super::{Detach, Leave, NodeActor, runs};
use crate::nodes::write::{State, mark_pod, remove_pod};
use crate::objects::insist;

/// Wait before pods that did not leave are looked through again.
const AGAIN: Duration = Duration::from_secs(2);

impl NodeActor {
    /// Looks which pods have to leave by the node's taints, and when to look again.
    pub(super) fn review(&mut self, ctx: &mut Context<Self>) {
        if let Some(review) = self.review.take() {
            ctx.cancel_future(review);
        }
        let Some(node) = self.node.clone() else {
            return;
        };
        let now = self.tools.clock.now();
        let mut next: Option<Timestamp> = None;
        let pods: Vec<_> = self
            .pods
            .values()
            .filter(|pod| runs(pod))
            .cloned()
            .collect();
        for pod in pods {
            if self.closing {
                self.send_away(&pod, "TerminationByKubelet", "its node's agent ends", ctx);
                continue;
            }
            let (taints, grace) = (&node.spec.taints, self.tools.replace_after);
            let Some(departure) = departure(&pod, taints, self.began, grace) else {
                continue;
            };
            // An agent that dials a new master is heard before its pods are given up.
            let patient = self.began.checked_add(self.tools.not_ready_after);
            let at = match self.session {
                None => departure.at.max(patient.unwrap_or(departure.at)),
                Some(_) => departure.at,
            };
            if at > now {
                next = Some(next.map_or(at, |next| next.min(at)));
            } else {
                self.drive_away(&pod, &departure.taint, ctx);
            }
        }
        if let Some(next) = next {
            let wait = Duration::try_from(next.duration_since(now)).unwrap_or_default();
            self.review = Some(ctx.run_later(wait, Self::review));
        }
    }

    /// A taint ends a pod's stay: with an agent it moves, without one it is given up.
    fn drive_away(&mut self, pod: &Arc<Pod>, taint: &Taint, ctx: &mut Context<Self>) {
        if self.session.is_some() {
            let why = format!("its node has the taint {taint}");
            self.send_away(pod, "DeletionByTaintManager", &why, ctx);
        } else {
            self.give_up(pod, ctx);
        }
    }

    /// Says that a pod shall leave; its function replaces it first.
    fn send_away(&mut self, pod: &Arc<Pod>, reason: &str, why: &str, ctx: &mut Context<Self>) {
        if pod.disruption().is_some() {
            return;
        }
        let (tools, sent) = (Arc::clone(&self.tools), Arc::clone(pod));
        let mark = Condition::new(DISRUPTION, true, reason, why);
        let send = async move {
            let write = || mark_pod(&tools, &sent, mark.clone());
            if let Err(error) = insist("send a pod away", write).await {
                tracing::error!(pod = sent.metadata.name, %error, "could not send a pod away");
            }
        };
        self.depart(pod, send, ctx);
    }

    fn give_up(&mut self, pod: &Arc<Pod>, ctx: &mut Context<Self>) {
        let (tools, given) = (Arc::clone(&self.tools), Arc::clone(pod));
        let remove = async move {
            let remove = || remove_pod(&tools, &given);
            if let Err(error) = insist("give a pod up", remove).await {
                tracing::error!(pod = given.metadata.name, %error, "could not give a pod up");
            }
        };
        self.depart(pod, remove, ctx);
    }

    /// Writes that a pod leaves, unless that is being written.
    fn depart(
        &mut self,
        pod: &Pod,
        write: impl Future<Output = ()> + 'static,
        ctx: &mut Context<Self>,
    ) {
        let uid = pod.metadata.uid.clone();
        if self.departing.insert(uid.clone()) {
            let write = write.into_actor(self);
            ctx.spawn(write.map(move |(), actor, _| {
                actor.departing.remove(&uid);
            }));
        }
    }

    /// The agent ends: no new pods, and those that are there move while it waits for them.
    pub(super) fn close(&mut self, ctx: &mut Context<Self>) {
        self.closing = true;
        // First the node, so that no replacement is placed there; then its pods.
        self.write_node(State::Closing, ctx);
    }

    /// Gives the pods of a deleted node up until none is left.
    fn leave(&mut self, ctx: &mut Context<Self>) {
        if !self.deleted {
            return;
        }
        if self.pods.is_empty() {
            ctx.stop();
            return;
        }
        for pod in self.pods.values().cloned().collect::<Vec<_>>() {
            self.give_up(&pod, ctx);
        }
        ctx.run_later(AGAIN, Self::leave);
    }

    /// Shows the node as unreachable when its agent stays away for so long; the taint that this gives it ends
    /// its pods' stay.
    pub(super) fn watch_absence(&self, wait: Duration, ctx: &mut Context<Self>) {
        let absence = self.absence;
        ctx.run_later(wait, move |actor, ctx| {
            if actor.absence == absence {
                actor.write_node(State::Missed, ctx);
            }
        });
        ctx.run_later(wait + self.tools.replace_after, move |actor, ctx| {
            if actor.absence != absence {
                return;
            }
            // Pods of a node without an object.
            if actor.node.is_none() {
                for pod in actor.pods.values().cloned().collect::<Vec<_>>() {
                    actor.give_up(&pod, ctx);
                }
            }
        });
    }
}

impl Handler<Detach> for NodeActor {
    type Result = ();

    fn handle(&mut self, Detach { session, silent }: Detach, ctx: &mut Self::Context) {
        if self
            .session
            .as_ref()
            .is_some_and(|current| current.id != session)
        {
            return;
        }
        self.session = None;
        self.closing = false;
        self.absence += 1;
        self.watch_absence(self.tools.not_ready_after.saturating_sub(silent), ctx);
    }
}

impl Handler<Leave> for NodeActor {
    type Result = ();

    fn handle(&mut self, _: Leave, ctx: &mut Self::Context) {
        // Dropping its outbox ends the session; a node that is still there joins anew.
        self.session = None;
        self.node = None;
        self.deleted = true;
        self.leave(ctx);
    }
}
