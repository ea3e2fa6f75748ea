//! Runs as their objects come, change and go.

use std::collections::HashMap;
use std::sync::Arc;

use actix::{Actor, AsyncContext, Context, WrapFuture};
use common::resources::WorkflowRun;

use super::Workflows;
use crate::key::ObjectKey;
use crate::objects::{Part, insist};
use crate::workflows::journal::Journal;
use crate::workflows::retention::{self, Ended};
use crate::workflows::run::{Removed, Said, Updated, WorkflowRunActor};
use crate::workflows::{adopt, begin, parked, sweep};

/// Most ended runs that are deleted in one turn.
const MOST_EXPIRED: usize = 500;

impl Workflows {
    pub(super) fn run_seen(&mut self, part: Part<WorkflowRun>, ctx: &mut Context<Self>) {
        match part {
            Part::Begun => {
                let known = self.runs.keys().cloned().chain(self.parked.uids());
                self.unseen = known.collect();
                self.ended.clear();
            }
            Part::Some(runs) => {
                for run in runs {
                    self.unseen.remove(&run.metadata.uid);
                    self.run_applied(run, ctx);
                }
            }
            Part::Complete => {
                for uid in std::mem::take(&mut self.unseen) {
                    self.run_removed(&uid);
                }
                self.sweep_journals(ctx);
            }
            Part::Applied(run) => self.run_applied(run, ctx),
            Part::Deleted(run) => {
                self.run_removed(&run.metadata.uid);
                self.clean_up(run, ctx);
            }
        }
    }

    fn run_applied(&mut self, run: WorkflowRun, ctx: &mut Context<Self>) {
        let uid = run.metadata.uid.clone();
        if let Some(ended) = Ended::of(&run) {
            // Its actor ends by itself once the end is written.
            self.runs.remove(&uid);
            self.again.remove(&uid);
            self.parked.remove(&uid);
            self.waking.remove(&uid);
            self.ended.insert(uid, ended);
            return;
        }
        if adopt::is_bare(&run) {
            self.adopt(run, ctx);
            return;
        }
        self.ended.remove(&uid);
        if self.parked.holds(&run) {
            return;
        }
        self.parked.remove(&uid);
        if let Some(until) = parked::rest_of(&run)
            && !self.runs.contains_key(&uid)
            && parked::is_worth(until, self.tools.clock.now())
            && !self.is_told_of(&uid)
        {
            self.parked.park(&run, until);
            return;
        }
        self.go_on(run, ctx);
    }

    /// A run has an actor, which knows its object.
    pub(super) fn go_on(&mut self, run: WorkflowRun, ctx: &mut Context<Self>) {
        let uid = run.metadata.uid.clone();
        let run = Arc::new(run);
        let before = self.runs.insert(uid.clone(), Arc::clone(&run));
        if let (None, Some(machine)) = (&before, &run.spec.state_machine) {
            let key = ObjectKey::new(&run.metadata.namespace, machine);
            self.last_runs.insert(key, run.metadata.name.clone());
        }
        // Only what has ended is redriven, although its end may not have been seen here.
        let begins = before.is_none_or(|before| before.spec.redrives < run.spec.redrives);
        let children = self.children.as_ref();
        match children.and_then(|children| children.get(&uid)) {
            Some(_) if begins => {
                self.again.insert(uid);
            }
            Some(child) => child.do_send(Updated(run)),
            None if begins => self.ensure_child(&uid, ctx),
            None => {}
        }
    }

    fn run_removed(&mut self, uid: &str) {
        self.runs.remove(uid);
        self.again.remove(uid);
        self.parked.remove(uid);
        self.waking.remove(uid);
        self.ended.remove(uid);
        self.tools.waiters.deleted(uid);
        if let Some(child) = self
            .children
            .as_mut()
            .and_then(|children| children.forget(uid))
        {
            child.do_send(Removed);
        }
    }

    /// Completes a run made by hand; its next change starts it.
    fn adopt(&self, run: WorkflowRun, ctx: &mut Context<Self>) {
        let tools = Arc::clone(&self.tools);
        let adopt = async move {
            if let Err(error) = insist("take a run on", || adopt::adopt(&tools, &run)).await {
                tracing::error!(run = run.metadata.name, %error, "could not take a run on");
            }
        };
        ctx.spawn(adopt.into_actor(self));
    }

    /// Takes away what a deleted run leaves behind.
    fn clean_up(&self, run: WorkflowRun, ctx: &mut Context<Self>) {
        let tools = Arc::clone(&self.tools);
        let clean_up = async move {
            let (name, uid) = (&run.metadata.name, &run.metadata.uid);
            let store = &**tools.objects.store();
            let remove = async || Ok(Journal::remove(store, uid).await?);
            if let Err(error) = insist("remove a deleted run's journal", remove).await {
                tracing::error!(run = name, %error, "could not remove a deleted run's journal");
            }
            let forget = || begin::forget(&tools, &run);
            if let Err(error) = insist("take a deleted run off its workflow", forget).await {
                tracing::error!(run = name, %error, "could not take a deleted run off its workflow");
            }
        };
        ctx.spawn(clean_up.into_actor(self));
    }

    /// Removes journals whose run was deleted while nobody watched.
    fn sweep_journals(&self, ctx: &mut Context<Self>) {
        let tools = Arc::clone(&self.tools);
        let sweep = async move {
            let sweep = || sweep::journals(&tools.objects);
            match insist("look for journals without a run", sweep).await {
                Ok(0) => {}
                Ok(count) => tracing::info!(count, "removed journals of deleted runs"),
                Err(error) => tracing::error!(%error, "could not look for journals without a run"),
            }
        };
        ctx.spawn(sweep.into_actor(self));
    }

    /// Deletes ended runs that are old or too many.
    pub(super) fn expire(&self, ctx: &mut Context<Self>) {
        let shown = self
            .shown
            .iter()
            .map(|(workflow, run)| ObjectKey::new(&workflow.namespace, run))
            .collect();
        let (rule, now) = (self.tools.retention, self.tools.clock.now());
        // The children of a run that goes on are still its own.
        let ended = self.ended.values();
        let ended =
            ended.filter(|run| !run.parent().is_some_and(|uid| self.runs.contains_key(uid)));
        let gone = retention::expired(ended, &shown, rule, now);
        let gone: Vec<Ended> = gone.into_iter().take(MOST_EXPIRED).cloned().collect();
        if gone.is_empty() {
            return;
        }
        let tools = Arc::clone(&self.tools);
        ctx.spawn(async move { sweep::runs(&tools.objects, &gone).await }.into_actor(self));
    }

    pub(super) fn ensure_child(&mut self, uid: &str, ctx: &mut Context<Self>) {
        let Some(run) = self.runs.get(uid).cloned() else {
            return;
        };
        let tools = Arc::clone(&self.tools);
        let room = ctx.address().recipient();
        if let Some(children) = &mut self.children {
            let child = children.start(uid, |guard| {
                WorkflowRunActor::new(run, tools, guard, room).start()
            });
            for task in self.tasks.get(uid).into_iter().flat_map(HashMap::values) {
                child.do_send(Said(Arc::clone(task)));
            }
        }
    }
}
