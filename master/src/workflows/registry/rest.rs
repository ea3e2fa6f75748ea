//! Runs that only wait have no actor until their time comes or somebody says something.

use std::collections::HashMap;
use std::sync::Arc;

use actix::{AsyncContext, Context, Handler, Message, WrapFuture};
use common::resources::{Task, WorkflowRun};

use super::Workflows;
use crate::key::ObjectKey;
use crate::objects::insist;
use crate::workflows::run::{Removed, Rests};
use crate::workflows::tasks;

/// Most runs that go on in one turn because their time has come.
const MOST_WOKEN: usize = 500;

/// A run whose time has come, as its object is.
#[derive(Message)]
#[rtype(result = "()")]
pub(super) struct Woken(Box<WorkflowRun>);

impl Workflows {
    /// Whether a task of a run says something to it.
    pub(super) fn is_told_of(&self, uid: &str) -> bool {
        let mut tasks = self.tasks.get(uid).into_iter().flat_map(HashMap::values);
        tasks.any(|task| !tasks::commands(None, task).is_empty())
    }

    /// Gives actors back to runs whose time has come.
    pub(super) fn wake(&mut self, ctx: &mut Context<Self>) {
        let due = self.parked.due(self.tools.clock.now(), MOST_WOKEN);
        let counts = &self.tools.counts;
        counts.open(self.runs.len(), self.parked.len());
        if !due.is_empty() {
            self.go_on_again(due, ctx);
        }
    }

    /// Gives actors back to parked runs.
    pub(super) fn go_on_again(&mut self, due: Vec<(ObjectKey, String)>, ctx: &mut Context<Self>) {
        self.waking.extend(due.iter().map(|(_, uid)| uid.clone()));
        let (tools, addr) = (Arc::clone(&self.tools), ctx.address());
        let wake = async move {
            for (key, uid) in due {
                let get = || tools.objects.get(&key.namespace, &key.name);
                let same = |run: &WorkflowRun| run.metadata.uid == uid;
                match insist("read a run", get).await {
                    Ok(run) => {
                        if let Some(run) = run.filter(same) {
                            addr.do_send(Woken(Box::new(run)));
                        }
                    }
                    Err(error) => tracing::error!(run = %key, %error, "could not read a run"),
                }
            }
        };
        ctx.spawn(wake.into_actor(self));
    }
}

impl Handler<Rests> for Workflows {
    type Result = ();

    fn handle(&mut self, Rests { run, until, said }: Rests, _: &mut Self::Context) {
        let uid = &run.metadata.uid;
        let known = self.runs.get(uid);
        // Something new may be on its way to it.
        let same = known.is_some_and(|now| now.metadata.generation == run.metadata.generation);
        let told = |task: &Arc<Task>| {
            let of = |said: &&Arc<Task>| said.spec.attempt == task.spec.attempt;
            let said = said.iter().find(of);
            said.is_none_or(|said| Arc::ptr_eq(said, task))
        };
        let mut tasks = self.tasks.get(uid).into_iter().flat_map(HashMap::values);
        if !same || !tasks.all(told) {
            return;
        }
        self.runs.remove(uid);
        self.parked.park(&run, until);
        let children = self.children.as_mut();
        if let Some(child) = children.and_then(|children| children.forget(uid)) {
            child.do_send(Removed);
        }
    }
}

impl Handler<Woken> for Workflows {
    type Result = ();

    fn handle(&mut self, Woken(run): Woken, ctx: &mut Self::Context) {
        // It may have been deleted or stopped while it was read.
        let uid = &run.metadata.uid;
        if self.waking.remove(uid) && !self.runs.contains_key(uid) {
            self.go_on(*run, ctx);
        }
    }
}
