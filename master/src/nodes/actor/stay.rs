//! How long pods stay on a node that has taints. Pure.

use std::time::Duration;

use common::resources::{NO_EXECUTE, Pod, Taint, Toleration};
use jiff::Timestamp;

/// The taint of a node whose agent is not heard of.
pub(in crate::nodes) const UNREACHABLE: &str = "node.kubernetes.io/unreachable";
/// The taint of a node whose agent ends.
pub(in crate::nodes) const NOT_READY: &str = "node.kubernetes.io/not-ready";

/// When a pod has to leave, and which taint drives it away.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Departure {
    pub(super) at: Timestamp,
    pub(super) taint: Taint,
}

/// When the pod has to leave a node with these taints; `None` when it may stay. `seen` is when each taint
/// without a time of its own was first seen, `grace` how long pods stay on a node that is not heard of when
/// they do not say.
pub(super) fn departure(
    pod: &Pod,
    taints: &[Taint],
    seen: Timestamp,
    grace: Duration,
) -> Option<Departure> {
    let drives = taints.iter().filter(|taint| taint.effect == NO_EXECUTE);
    let departures = drives.filter_map(|taint| {
        let added = taint.time_added.as_ref();
        let added = added.and_then(|text| text.parse().ok()).unwrap_or(seen);
        let stay = stay(&pod.spec.tolerations, taint, grace)?;
        let at = added.checked_add(stay).unwrap_or(Timestamp::MAX);
        let taint = taint.clone();
        Some(Departure { at, taint })
    });
    departures.min_by_key(|departure| departure.at)
}

/// How long a pod with these tolerations stays after the taint was added; `None`: for good.
fn stay(tolerations: &[Toleration], taint: &Taint, grace: Duration) -> Option<Duration> {
    let mut matching = tolerations
        .iter()
        .filter(|own| own.tolerates(taint))
        .peekable();
    if matching.peek().is_none() {
        let absent = [UNREACHABLE, NOT_READY].contains(&taint.key.as_str());
        return Some(if absent { grace } else { Duration::ZERO });
    }
    let limits: Option<Vec<i64>> = {
        let limited: Vec<_> = matching.filter_map(|own| own.toleration_seconds).collect();
        (!limited.is_empty()).then_some(limited)
    };
    let shortest = limits?.into_iter().min().unwrap_or(0);
    Some(Duration::from_secs(u64::try_from(shortest).unwrap_or(0)))
}

#[cfg(test)]
mod tests {
    use super::*;

    const GRACE: Duration = Duration::from_secs(60);

    fn at(second: i64) -> Timestamp {
        Timestamp::from_second(1_000_000 + second).unwrap()
    }

    fn taint(key: &str, added: Option<i64>) -> Taint {
        Taint {
            key: key.to_owned(),
            value: None,
            effect: NO_EXECUTE.to_owned(),
            time_added: added.map(|second| at(second).to_string()),
        }
    }

    fn tolerates(key: &str, seconds: Option<i64>) -> Toleration {
        Toleration {
            key: Some(key.to_owned()),
            operator: Some("Exists".to_owned()),
            toleration_seconds: seconds,
            ..Toleration::default()
        }
    }

    fn leaves(tolerations: Vec<Toleration>, taints: &[Taint]) -> Option<i64> {
        let mut pod = Pod::default();
        pod.spec.tolerations = tolerations;
        let departure = departure(&pod, taints, at(5), GRACE)?;
        Some(departure.at.as_second() - 1_000_000)
    }

    #[test]
    fn a_taint_drives_pods_away_at_once_an_absence_after_the_grace() {
        assert_eq!(leaves(vec![], &[taint("gpu", Some(2))]), Some(2));
        assert_eq!(
            leaves(vec![], &[taint("gpu", None)]),
            Some(5),
            "since it was seen"
        );
        assert_eq!(leaves(vec![], &[taint(UNREACHABLE, Some(2))]), Some(62));
        let new_pods_only = Taint {
            effect: "NoSchedule".to_owned(),
            ..taint("gpu", None)
        };
        assert_eq!(leaves(vec![], &[new_pods_only]), None);
    }

    #[test]
    fn pods_stay_as_long_as_they_tolerate_all_taints() {
        let both = [taint("gpu", Some(0)), taint("disk", Some(10))];
        assert_eq!(leaves(vec![tolerates("gpu", None)], &both), Some(10));
        let all = vec![tolerates("gpu", None), tolerates("disk", None)];
        assert_eq!(leaves(all, &both), None);
        let limited = vec![tolerates("gpu", Some(30)), tolerates("gpu", Some(20))];
        assert_eq!(leaves(limited, &both[..1]), Some(20));
        let absent = [taint(UNREACHABLE, Some(0))];
        assert_eq!(
            leaves(vec![tolerates(UNREACHABLE, Some(5))], &absent),
            Some(5)
        );
    }
}
