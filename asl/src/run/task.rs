//! Tasks: scheduled, started, ended.

use super::decide::{Halt, Maker};
use super::id::{StrandId, TaskId};
use super::record::Note;
use super::strand::Visit;
use crate::failure::{Failure, names};
use crate::history::{EventKind, Payload};
use crate::resource::{Pattern, Resource};
use crate::states::task::Task;

impl Maker<'_> {
    pub(super) fn schedule_task(
        &mut self,
        id: StrandId,
        task: &Task,
        visit: &Visit,
    ) -> Result<(), Halt> {
        let token = task.resource.waits_for_token().then(|| self.token());
        let evaluated = {
            let scope = self.scope(id, token.as_deref());
            let seconds = |seconds: &Option<crate::states::task::Seconds>, field: &str| {
                seconds
                    .as_ref()
                    .map(|s| s.evaluate(field, &visit.input, &scope))
                    .transpose()
            };
            task.io
                .effective_input(&visit.input, &scope)
                .and_then(|input| {
                    let input = Payload::new(input.into_owned());
                    Ok((
                        input,
                        seconds(&task.timeout, "TimeoutSeconds")?,
                        seconds(&task.heartbeat, "HeartbeatSeconds")?,
                    ))
                })
        };
        let (input, timeout, heartbeat) = match evaluated {
            Ok(evaluated) => evaluated,
            Err(failure) => return self.fails(id, failure),
        };
        let (in_seconds, alive_seconds) =
            (timeout.map(|t| t.as_secs()), heartbeat.map(|t| t.as_secs()));
        let resource = task.resource.to_string();
        let kind = match (&task.resource, task.resource.integration()) {
            (Resource::Activity { .. }, _) => EventKind::ActivityScheduled {
                resource,
                input,
                timeout: in_seconds,
                heartbeat: alive_seconds,
            },
            (_, Some((service, action))) => EventKind::TaskScheduled {
                service,
                action,
                region: self.region(),
                parameters: input,
                timeout: in_seconds,
                heartbeat: alive_seconds,
            },
            _ => EventKind::LambdaFunctionScheduled {
                resource,
                input,
                timeout: in_seconds,
            },
        };
        let note = Note::Task {
            resource: task.resource.clone(),
            timeout,
            heartbeat,
            token,
        };
        self.event(id, kind, Some(note))
    }

    /// The region in the state machine's ARN.
    fn region(&self) -> String {
        let id = self
            .run
            .started
            .as_ref()
            .map(|s| s.context.state_machine_id.as_str());
        let region = id
            .and_then(|id| id.split(':').nth(3))
            .filter(|region| !region.is_empty());
        region.unwrap_or("us-east-1").to_owned()
    }

    /// A token that nobody guesses: 128 random bits and the task it is for.
    fn token(&self) -> String {
        format!(
            "{:016x}{:016x}-{}",
            self.entropy.next(),
            self.entropy.next(),
            self.next_id()
        )
    }

    pub(super) fn task_starts(&mut self, id: StrandId, task: TaskId) -> Result<(), Halt> {
        let Some(flight) = self.run.tasks.get(&task) else {
            return Ok(());
        };
        let kind = match flight.invocation.resource.integration() {
            Some((service, action)) => EventKind::TaskStarted { service, action },
            None => EventKind::LambdaFunctionStarted,
        };
        self.event(id, kind, None)
    }

    pub(super) fn task_submitted(&mut self, task: TaskId, output: Payload) -> Result<(), Halt> {
        let Some(flight) = self.run.tasks.get(&task) else {
            return Ok(());
        };
        let waits = match flight.invocation.resource.pattern() {
            Some(Pattern::Sync | Pattern::Sync2 | Pattern::WaitForTaskToken) => true,
            Some(Pattern::RequestResponse) | None => false,
        };
        let Some((service, action)) = flight.invocation.resource.integration() else {
            return Ok(());
        };
        if !waits || flight.invocation.submitted {
            return Ok(());
        }
        if self.is_too_large(&output) {
            let failure = too_large(&flight.invocation.resource);
            return self.task_failed(task, failure);
        }
        let kind = EventKind::TaskSubmitted {
            service,
            action,
            output,
        };
        self.event(flight.strand, kind, None)
    }

    pub(super) fn task_succeeded(&mut self, task: TaskId, output: Payload) -> Result<(), Halt> {
        let Some(flight) = self.run.tasks.get(&task) else {
            return Ok(());
        };
        if self.is_too_large(&output) {
            let failure = too_large(&flight.invocation.resource);
            return self.task_failed(task, failure);
        }
        let (strand, resource) = (flight.strand, flight.invocation.resource.clone());
        let kind = match (&resource, resource.integration()) {
            (Resource::Activity { .. }, _) => EventKind::ActivitySucceeded { output },
            (_, Some((service, action))) => EventKind::TaskSucceeded {
                service,
                action,
                output,
            },
            _ => EventKind::LambdaFunctionSucceeded { output },
        };
        self.event(strand, kind, None)
    }

    pub(super) fn task_failed(&mut self, task: TaskId, failure: Failure) -> Result<(), Halt> {
        let Some(flight) = self.run.tasks.get(&task) else {
            return Ok(());
        };
        let (strand, resource) = (flight.strand, flight.invocation.resource.clone());
        let late = matches!(
            failure.error.as_deref(),
            Some(names::TIMEOUT | names::HEARTBEAT_TIMEOUT)
        );
        let kind = match (&resource, resource.integration(), late) {
            (Resource::Activity { .. }, _, false) => EventKind::ActivityFailed { failure },
            (Resource::Activity { .. }, _, true) => EventKind::ActivityTimedOut { failure },
            (_, Some((service, action)), false) => EventKind::TaskFailed {
                service,
                action,
                failure,
            },
            (_, Some((service, action)), true) => EventKind::TaskTimedOut {
                service,
                action,
                failure,
            },
            (_, None, false) => EventKind::LambdaFunctionFailed { failure },
            (_, None, true) => EventKind::LambdaFunctionTimedOut { failure },
        };
        self.event(strand, kind, None)
    }
}

fn too_large(resource: &Resource) -> Failure {
    let who = match resource.integration() {
        Some((service, _)) => service,
        None => resource.to_string(),
    };
    let cause = format!(
        "The state/task '{who}' returned a result with a size exceeding the maximum number of bytes service limit."
    );
    Failure::new(names::DATA_LIMIT, cause)
}
