//! From an agent's report to a pod's status. Pure.

use common::link::{PodReport, PodState};
use common::resources::{
    Condition, ContainerState, ContainerStateRunning, ContainerStateTerminated,
    ContainerStateWaiting, ContainerStatus, Pod, PodPhase, set_condition,
};

/// Writes a report into a pod's status. Returns whether anything changed.
pub(super) fn apply(pod: &mut Pod, report: &PodReport, now: &str) -> bool {
    let before = pod.status.clone();
    let text = |text: &Option<String>| text.clone().unwrap_or_default();
    let status = &mut pod.status;
    if status.phase.is_some_and(PodPhase::is_final) {
        // A pod that ended stays ended, whatever an agent that lost its memory says.
        return false;
    }
    status.phase = Some(match report.state {
        PodState::Preparing | PodState::Starting => PodPhase::Pending,
        PodState::Ready | PodState::Stopping => PodPhase::Running,
        PodState::Failed | PodState::Gone => PodPhase::Failed,
    });
    status.reason.clone_from(&report.reason);
    status.message.clone_from(&report.message);
    if report.state == PodState::Gone && status.reason.is_none() {
        status.reason = Some("PodLost".to_owned());
        status.message = Some("the node has the pod no longer".to_owned());
    }
    if status.start_time.is_none() {
        status.start_time.clone_from(&report.started_at);
    }
    let ready = report.state == PodState::Ready;
    let (reason, message) = match (&status.reason, report.state) {
        (Some(reason), _) => (reason.clone(), text(&status.message)),
        (None, PodState::Ready) => ("ServerReady".to_owned(), "takes calls".to_owned()),
        (None, state) => (format!("{state:?}"), String::new()),
    };
    set_condition(
        &mut status.conditions,
        Condition::new("Ready", ready, &reason, &*message),
        now,
    );
    let scheduled = Condition::new("PodScheduled", true, "Scheduled", "");
    set_condition(&mut status.conditions, scheduled, now);
    let image = pod
        .spec
        .containers
        .first()
        .map(|c| c.image.clone())
        .unwrap_or_default();
    let mut state = ContainerState::default();
    match report.state {
        PodState::Preparing | PodState::Starting => {
            state.waiting = Some(ContainerStateWaiting { reason, message });
        }
        PodState::Ready | PodState::Stopping => {
            state.running = Some(ContainerStateRunning {
                started_at: report.started_at.clone(),
            });
        }
        PodState::Failed | PodState::Gone => {
            let exit_code = report.exit.map_or(1, |exit| exit.code);
            let finished_at = Some(now.to_owned());
            state.terminated = Some(ContainerStateTerminated {
                exit_code,
                reason,
                message,
                finished_at,
            });
        }
    }
    status.container_statuses = vec![ContainerStatus {
        name: "function".to_owned(),
        ready,
        restart_count: 0,
        image: image.clone(),
        image_id: image,
        container_id: report.runtime_id.clone(),
        started: Some(ready),
        state,
    }];
    *status != before
}

/// The node shall run the pod and has not begun: whatever was reported before is past.
pub(super) fn restart(pod: &mut Pod, now: &str) -> bool {
    if pod.status.phase.is_some_and(PodPhase::is_final) || !pod.is_ready() {
        return false;
    }
    pod.status.phase = Some(PodPhase::Pending);
    let condition = Condition::new(
        "Ready",
        false,
        "Restarting",
        "the node starts the pod again",
    );
    set_condition(&mut pod.status.conditions, condition, now);
    true
}

/// The report of a pod that cannot be assigned.
pub(super) fn failed(pod: &Pod, reason: &str, message: &str) -> PodReport {
    let of = &pod.metadata;
    PodReport {
        reason: Some(reason.to_owned()),
        message: Some(message.to_owned()),
        ..PodReport::new(&of.uid, &of.namespace, &of.name, PodState::Failed)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn report(state: PodState) -> PodReport {
        PodReport::new("u", "default", "p", state)
    }

    #[test]
    fn ready_is_what_the_server_inside_says() {
        let mut pod = Pod::default();
        assert!(apply(&mut pod, &report(PodState::Starting), "t1"));
        assert!(!pod.is_ready());
        assert!(apply(&mut pod, &report(PodState::Ready), "t2"));
        assert!(pod.is_ready());
        assert!(
            !apply(&mut pod, &report(PodState::Ready), "t3"),
            "the same report twice"
        );
    }

    #[test]
    fn a_pod_that_ended_stays_ended() {
        let mut pod = Pod::default();
        assert!(apply(&mut pod, &report(PodState::Gone), "t1"));
        assert_eq!(pod.status.reason.as_deref(), Some("PodLost"));
        assert!(!apply(&mut pod, &report(PodState::Ready), "t2"));
        assert_eq!(pod.status.phase, Some(PodPhase::Failed));
    }
}
