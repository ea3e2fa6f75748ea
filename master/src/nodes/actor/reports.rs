//! What a node's agent says, and how it gets into the objects.

use std::sync::Arc;

use actix::{AsyncContext, Context, Handler, Message, WrapFuture};
use common::link::{PodReport, PodState, ToAgent, ToMaster};
use common::resources::{Pod, timestamp};

use super::NodeActor;
use crate::functions::ReadySooner;
use crate::images::BuildNews;
use crate::nodes::registry::FromAgent;
use crate::nodes::report;
use crate::nodes::write::{State, write_node, write_report};
use crate::objects::{ObjectError, insist};

#[derive(Message)]
#[rtype(result = "()")]
struct Written {
    uid: String,
    /// Whether the pod outlives its end.
    result: Result<bool, ObjectError>,
}

#[derive(Message)]
#[rtype(result = "()")]
struct NodeWritten;

impl NodeActor {
    /// Writes a report into its pod's status: reports of one pod one after the other, the newest
    /// last, so that none overtakes another.
    pub(super) fn write(&mut self, report: PodReport, ctx: &mut Context<Self>) {
        if let Some(next) = self.writing.get_mut(&report.uid) {
            *next = Some(report);
            return;
        }
        self.writing.insert(report.uid.clone(), None);
        let (tools, addr) = (Arc::clone(&self.tools), ctx.address());
        let node = self.name.clone();
        let write = async move {
            let uid = report.uid.clone();
            let write = || write_report(&tools, &node, &report);
            let result = insist("write a pod's state", write).await;
            addr.do_send(Written { uid, result });
        };
        ctx.spawn(write.into_actor(self));
    }

    /// Writes how the node stands: one state after the other, the newest last.
    pub(super) fn write_node(&mut self, state: State, ctx: &mut Context<Self>) {
        if let Some(next) = &mut self.writing_node {
            *next = Some(state);
            return;
        }
        self.writing_node = Some(None);
        let (tools, name, addr) = (Arc::clone(&self.tools), self.name.clone(), ctx.address());
        let write = async move {
            let write = || write_node(&tools, &name, &state);
            if let Err(error) = insist("write a node's state", write).await {
                tracing::error!(node = name, %error, "could not write a node's state");
            }
            addr.do_send(NodeWritten);
        };
        ctx.spawn(write.into_actor(self));
    }

    /// Calls that wait need not wait until a pod's object says that it is ready.
    fn tell_sooner(&self, report: &PodReport) {
        let Some(pod) = self.pods.get(&report.uid) else {
            return;
        };
        if report.state != PodState::Ready || pod.is_ready() {
            return;
        }
        let mut pod = Pod::clone(pod);
        if report::apply(&mut pod, report, &timestamp(self.tools.clock.now())) {
            // Where it is lost the watch tells it.
            self.tools.functions.tell(ReadySooner(Arc::new(pod)));
        }
    }

    fn pod_reported(&mut self, mut report: PodReport, ctx: &mut Context<Self>) {
        // An agent that never had a pod knows only its uid.
        if let (true, Some(pod)) = (report.name.is_empty(), self.pods.get(&report.uid)) {
            report.namespace.clone_from(&pod.metadata.namespace);
            report.name.clone_from(&pod.metadata.name);
        }
        let known = self.pods.get(&report.uid).is_some_and(|pod| pod.is_ready());
        if let (PodState::Ready, false, Some(cold)) = (report.state, known, &report.cold) {
            self.tools.counts.started(cold);
        }
        self.tell_sooner(&report);
        self.write(report, ctx);
    }
}

impl Handler<Written> for NodeActor {
    type Result = ();

    fn handle(&mut self, Written { uid, result }: Written, ctx: &mut Self::Context) {
        match result {
            Ok(true) => self.send(ToAgent::RemovePod {
                uid: uid.clone(),
                grace_seconds: 0,
            }),
            Ok(false) => {}
            Err(error) => tracing::warn!(pod = uid, %error, "could not write a pod's state"),
        }
        if let Some(Some(next)) = self.writing.remove(&uid) {
            self.write(next, ctx);
        }
    }
}

impl Handler<NodeWritten> for NodeActor {
    type Result = ();

    fn handle(&mut self, _: NodeWritten, ctx: &mut Self::Context) {
        match self.writing_node.take().flatten() {
            Some(next) => self.write_node(next, ctx),
            // Pods of a node that closes move once no replacement can be placed there.
            None => self.review(ctx),
        }
    }
}

impl Handler<FromAgent> for NodeActor {
    type Result = ();

    fn handle(&mut self, FromAgent { session, body }: FromAgent, ctx: &mut Self::Context) {
        if self
            .session
            .as_ref()
            .is_none_or(|current| current.id != session)
        {
            return;
        }
        match body {
            ToMaster::Pod(report) => self.pod_reported(*report, ctx),
            ToMaster::Inventory(reports) => {
                for report in reports {
                    self.write(report, ctx);
                }
            }
            ToMaster::Build(report) => {
                self.tools.images.tell(BuildNews {
                    node: self.name.clone(),
                    report: *report,
                });
            }
            ToMaster::Leaving => self.close(ctx),
            ToMaster::Usage(_) | ToMaster::Hello(_) | ToMaster::Ack => {}
        }
    }
}
