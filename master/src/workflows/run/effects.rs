//! What a run wants done outside: its tasks and timers.

use std::sync::Arc;
use std::time::Duration;

use actix::{AsyncContext, Context};
use asl::resource::Pattern;
use asl::{Command, Effect, Invocation, Resource, TaskId};

use super::{Do, Flight, WorkflowRunActor};
use crate::key::ObjectKey;
use crate::workflows::tasks::{self, TaskResult};

impl WorkflowRunActor {
    pub(super) fn carry_out(&mut self, effect: Effect, ctx: &mut Context<Self>) {
        match effect {
            Effect::InvokeTask(invocation) => self.invoke(invocation, ctx),
            Effect::CancelTask { task } => self.cancel(task),
            Effect::StartTimer { timer, at } => {
                let rest = at.duration_since(self.tools.clock.now());
                let rest = Duration::try_from(rest).unwrap_or_default();
                let handle = ctx.notify_later(Do(Command::TimerFired { timer }), rest);
                if let Some(old) = self.timers.insert(timer, handle) {
                    ctx.cancel_future(old);
                }
            }
            Effect::CancelTimer { timer } => {
                if let Some(timer) = self.timers.remove(&timer) {
                    ctx.cancel_future(timer);
                }
            }
            Effect::Finish(_) => self.stale = true,
            Effect::ReadItems {
                map,
                from,
                count,
                reading,
            } => self.read_items(map, reading, from, count, ctx),
            Effect::StartChild(child) => self.start_child(child, ctx),
            Effect::StopChild { map, index } => self.stop_child(map, index),
            Effect::WriteResults {
                map,
                map_arn,
                writing,
                results,
            } => self.write_results(map, map_arn, writing, results, ctx),
        }
    }

    /// The functions that come after a task may get their pods while it runs.
    fn expect_next(&self, invocation: &Invocation) {
        let Some(program) = self.program.as_ref().filter(|_| invocation.attempt == 0) else {
            return;
        };
        for function in program.functions_after(&invocation.state) {
            let own = &self.run.metadata.namespace;
            let namespace = function.namespace.as_ref().unwrap_or(own);
            let key = ObjectKey::new(namespace, &function.name);
            self.tools.calls.expect(&key);
        }
    }

    fn invoke(&mut self, invocation: Invocation, ctx: &mut Context<Self>) {
        self.expect_next(&invocation);
        let id = invocation.task;
        let (tools, run, addr) = (
            Arc::clone(&self.tools),
            Arc::clone(&self.run),
            ctx.address(),
        );
        let asked = invocation.clone();
        let work = async move {
            let submitted = |output| addr.do_send(Do(Command::TaskSubmitted { task: id, output }));
            if let Some(result) = tasks::carry_out(&tools, &run, &asked, &submitted).await {
                addr.do_send(Do(task_command(id, result)));
            }
        };
        let work = tokio::spawn(work).abort_handle();
        if let Some(old) = self.tasks.insert(id, Flight { work, invocation }) {
            old.work.abort();
        }
    }

    /// Nobody waits for a task any more.
    fn cancel(&mut self, task: TaskId) {
        let Some(flight) = self.tasks.get(&task) else {
            return;
        };
        flight.work.abort();
        let nested = Resource::StartExecution(Pattern::Sync);
        let nested_2 = Resource::StartExecution(Pattern::Sync2);
        if [nested, nested_2].contains(&flight.invocation.resource) {
            let (tools, run) = (Arc::clone(&self.tools), Arc::clone(&self.run));
            let invocation = flight.invocation.clone();
            tokio::spawn(
                async move { tasks::stop_nested(&tools.objects, &run, &invocation).await },
            );
        }
        self.settle(task);
    }

    /// A task is over: its object goes.
    pub(super) fn settle(&mut self, task: TaskId) {
        self.said.remove(&task);
        let Some(flight) = self.tasks.remove(&task) else {
            return;
        };
        let Some(token) = &flight.invocation.token else {
            return;
        };
        let tools = Arc::clone(&self.tools);
        let (namespace, name) = (
            self.run.metadata.namespace.clone(),
            tasks::name_of_token(token),
        );
        tokio::spawn(async move { tasks::forget(&tools.objects, &namespace, &name).await });
    }
}

fn task_command(task: TaskId, result: TaskResult) -> Command {
    match result {
        TaskResult::Succeeded(output) => Command::TaskSucceeded { task, output },
        TaskResult::Failed { error, cause } => Command::TaskFailed {
            task,
            error,
            cause: Some(cause),
        },
    }
}
