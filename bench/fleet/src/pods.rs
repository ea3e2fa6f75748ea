use std::collections::{BTreeMap, BTreeSet};

use common::link::{
    BuildFailure, BuildOutcome, BuildReport, Cold, PodAssignment, PodReport, PodState, ToAgent,
    ToMaster,
};

/// The pods of one node. Pure.
#[derive(Default)]
pub(crate) struct Pods {
    reports: BTreeMap<String, PodReport>,
}

/// What becomes of a message.
#[derive(Debug, Default, PartialEq)]
pub(crate) struct Outcome {
    /// Said at once.
    pub(crate) say: Vec<ToMaster>,
    /// Pods that are ready after the machine's start time.
    pub(crate) start: Vec<String>,
}

impl Pods {
    /// How many there are, and how many of them take calls.
    pub(crate) fn count(&self) -> (usize, usize) {
        let ready = self.reports.values();
        let ready = ready.filter(|report| report.state == PodState::Ready);
        (self.reports.len(), ready.count())
    }

    pub(crate) fn takes_calls(&self, uid: &str) -> bool {
        let report = self.reports.get(uid);
        report.is_some_and(|report| report.state == PodState::Ready)
    }

    pub(crate) fn inventory(&self) -> Vec<PodReport> {
        self.reports.values().cloned().collect()
    }

    /// Those whose start has not come to its end.
    pub(crate) fn starting(&self) -> Vec<String> {
        let begun = |report: &&PodReport| report.state == PodState::Starting;
        let starting = self.reports.values().filter(begun);
        starting.map(|report| report.uid.clone()).collect()
    }

    pub(crate) fn take(&mut self, message: ToAgent) -> Outcome {
        let mut outcome = Outcome::default();
        match message {
            ToAgent::Desired(pods) => {
                let wanted: BTreeSet<&str> = pods.iter().map(|pod| pod.uid.as_str()).collect();
                let others = self.reports.keys();
                let others = others.filter(|uid| !wanted.contains(uid.as_str()));
                for uid in others.cloned().collect::<Vec<_>>() {
                    outcome.say.push(self.remove(&uid));
                }
                for pod in &pods {
                    self.ensure(pod, &mut outcome);
                }
            }
            ToAgent::EnsurePod(pod) => self.ensure(&pod, &mut outcome),
            ToAgent::RemovePod { uid, .. } => outcome.say.push(self.remove(&uid)),
            ToAgent::Build(order) => outcome.say.push(no_build(order.id)),
            ToAgent::Welcome(_)
            | ToAgent::KeepLayers(_)
            | ToAgent::CancelBuild { .. }
            | ToAgent::Ack => {}
        }
        outcome
    }

    fn ensure(&mut self, pod: &PodAssignment, outcome: &mut Outcome) {
        if self.reports.contains_key(&pod.uid) {
            return;
        }
        let report = PodReport {
            runtime_id: Some(format!("simulated://{}", pod.uid)),
            ..PodReport::new(&pod.uid, &pod.namespace, &pod.name, PodState::Starting)
        };
        outcome.say.push(ToMaster::Pod(Box::new(report.clone())));
        self.reports.insert(pod.uid.clone(), report);
        outcome.start.push(pod.uid.clone());
    }

    /// A pod's start is over; `None` when it was removed meanwhile.
    pub(crate) fn started(&mut self, uid: &str, now: String) -> Option<ToMaster> {
        let report = self.reports.get_mut(uid)?;
        report.state = PodState::Ready;
        report.started_at = Some(now);
        report.cold = Some(Cold::default());
        Some(ToMaster::Pod(Box::new(report.clone())))
    }

    fn remove(&mut self, uid: &str) -> ToMaster {
        let mut report = self
            .reports
            .remove(uid)
            .unwrap_or_else(|| PodReport::gone(uid));
        report.state = PodState::Gone;
        report.cold = None;
        ToMaster::Pod(Box::new(report))
    }
}

fn no_build(id: String) -> ToMaster {
    let failure = BuildFailure {
        reason: "Simulated".to_owned(),
        message: "a simulated node builds nothing; give the function spec.image".to_owned(),
        transient: false,
    };
    ToMaster::Build(Box::new(BuildReport {
        id,
        log: Vec::new(),
        outcome: Some(BuildOutcome::Failed(failure)),
    }))
}

#[cfg(test)]
mod tests {
    use common::link::Origin;

    use super::*;

    fn assignment(uid: &str) -> PodAssignment {
        PodAssignment {
            uid: uid.to_owned(),
            namespace: "default".to_owned(),
            name: format!("f-{uid}"),
            function: "f".to_owned(),
            revision: "r".to_owned(),
            origin: Origin::Image {
                reference: "r".to_owned(),
                port: None,
            },
            handler: None,
            style: None,
            concurrency: 1,
            timeout_seconds: 1,
            max_body_bytes: 1,
            env: Vec::new(),
            cpu_milli: 1,
            memory_bytes: 1,
            egress: true,
            grace_seconds: 1,
        }
    }

    fn states(outcome: &Outcome) -> Vec<(&str, PodState)> {
        let say = outcome.say.iter().map(|message| match message {
            ToMaster::Pod(report) => (report.uid.as_str(), report.state),
            other => panic!("{other:?}"),
        });
        say.collect()
    }

    #[test]
    fn pods_take_calls_after_their_start_and_end_when_they_are_not_wanted() {
        let mut pods = Pods::default();
        let two = vec![assignment("a"), assignment("b")];
        let begun = pods.take(ToAgent::Desired(two.clone()));
        assert_eq!(begun.start, ["a", "b"]);
        assert_eq!(pods.take(ToAgent::Desired(two)), Outcome::default());
        assert!(!pods.takes_calls("a"));
        assert!(pods.started("a", String::new()).is_some());
        assert_eq!(
            (pods.count(), pods.takes_calls("a"), pods.starting()),
            ((2, 1), true, vec!["b".to_owned()])
        );
        let rest = pods.take(ToAgent::Desired(vec![assignment("b")]));
        assert_eq!(states(&rest), [("a", PodState::Gone)]);
        let remove = |uid: &str| ToAgent::RemovePod {
            uid: uid.to_owned(),
            grace_seconds: 1,
        };
        assert_eq!(
            states(&pods.take(remove("b"))),
            [("b", PodState::Gone)],
            "ended in mid-start"
        );
        assert_eq!(pods.started("b", String::new()), None);
        assert_eq!(
            states(&pods.take(remove("never"))),
            [("never", PodState::Gone)]
        );
    }
}
