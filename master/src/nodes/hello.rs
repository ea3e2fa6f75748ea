//! From an agent's greeting to its Node object.

use std::collections::BTreeMap;

use common::link::Hello;
use common::resources::{
    ConditionStatus, NO_EXECUTE, NO_SCHEDULE, Node, NodeAddress, NodeCondition, NodeInfo,
    Resource as _, Taint, timestamp,
};
use jiff::Timestamp;

use super::actor::{NOT_READY, UNREACHABLE};
use crate::platform::{ARCH_LABEL, PYTHON_LABEL};

/// Holds `host:port` of the agent's data plane.
pub(super) const DATA_ADDRESS_ANNOTATION: &str = "troupe.dev/data-address";

/// Whether a node's agent is heard of and its runtime works.
#[must_use]
pub fn is_ready(node: &Node) -> bool {
    let ready = |c: &NodeCondition| c.r#type == "Ready" && c.status == ConditionStatus::True;
    node.status.conditions.iter().any(ready)
}

/// Writes what the agent says of itself. Labels and taints that people set stay.
pub(super) fn greet(node: &mut Node, hello: &Hello, now: Timestamp) {
    let labels = &mut node.metadata.labels;
    for (key, value) in [
        (ARCH_LABEL, hello.arch.as_str()),
        ("kubernetes.io/os", "linux"),
        ("kubernetes.io/hostname", hello.node.as_str()),
        (PYTHON_LABEL, hello.python.as_str()),
        ("troupe.dev/runtime", hello.runtime.as_str()),
    ] {
        labels.insert(key.to_owned(), value.to_owned());
    }
    labels.extend(hello.labels.clone());
    let annotations = &mut node.metadata.annotations;
    annotations.insert(DATA_ADDRESS_ANNOTATION.to_owned(), hello.data_addr.clone());
    let amounts = BTreeMap::from([
        ("cpu".to_owned(), format!("{}m", hello.cpu_milli)),
        (
            "memory".to_owned(),
            format!("{}Ki", hello.memory_bytes >> 10),
        ),
        ("pods".to_owned(), hello.max_pods.to_string()),
    ]);
    let host = hello
        .data_addr
        .rsplit_once(':')
        .map_or("", |(host, _)| host);
    let address = |kind: &str, address: &str| NodeAddress {
        r#type: kind.to_owned(),
        address: address.trim_matches(['[', ']']).to_owned(),
    };
    let status = &mut node.status;
    status.capacity = amounts.clone();
    status.allocatable = amounts;
    status.addresses = vec![
        address("InternalIP", host),
        address("Hostname", &hello.node),
    ];
    status.node_info = Some(NodeInfo {
        architecture: hello.arch.clone(),
        container_runtime_version: format!(
            "{}://{}",
            hello.runtime.as_str(),
            hello.runtime_version
        ),
        kernel_version: hello.kernel.clone(),
        kubelet_version: format!("v{}", hello.version),
        kube_proxy_version: format!("v{}", hello.version),
        machine_id: hello.machine_id.clone(),
        operating_system: "linux".to_owned(),
        os_image: hello.os_image.clone(),
        boot_id: hello.boot_id.clone(),
        system_uuid: hello.machine_id.clone(),
    });
    set_node_condition(
        node,
        "Ready",
        true.into(),
        "AgentReady",
        "the agent takes pods",
        now,
    );
    let (reason, message) = if hello.isolated {
        (
            "Isolated",
            "pods are kept apart from each other and from the machine",
        )
    } else {
        ("NotIsolated", hello.isolation_message.as_str())
    };
    set_node_condition(
        node,
        "Isolated",
        hello.isolated.into(),
        reason,
        message,
        now,
    );
    show_warm_pods(node, hello, now);
    taint(node, None, now);
}

/// Whether generic pods wait for functions there.
fn show_warm_pods(node: &mut Node, hello: &Hello, now: Timestamp) {
    let (reason, message) = match &hello.no_warm_pods {
        None => ("PodsWait", "generic pods wait for functions"),
        Some(problem) => ("NotPossible", problem.as_str()),
    };
    let waits = hello.no_warm_pods.is_none();
    set_node_condition(node, "WarmPods", waits.into(), reason, message, now);
}

/// The agent ends.
pub(super) fn close(node: &mut Node, now: Timestamp) {
    let message = "the agent was told to end; its pods move to other nodes";
    let down = ConditionStatus::False;
    set_node_condition(node, "Ready", down, "AgentEnds", message, now);
    taint(node, Some(NOT_READY), now);
}

/// Marks a node as not heard of, or not, for as long as it is so.
fn taint(node: &mut Node, key: Option<&str>, now: Timestamp) {
    let own = |taint: &Taint| [UNREACHABLE, NOT_READY].contains(&taint.key.as_str());
    let taints = &mut node.spec.taints;
    let since = taints.iter().filter(|taint| own(taint));
    let since = since.filter_map(|taint| taint.time_added.clone()).min();
    taints.retain(|taint| !own(taint));
    let Some(key) = key else { return };
    for effect in [NO_SCHEDULE, NO_EXECUTE] {
        taints.push(Taint {
            key: key.to_owned(),
            value: None,
            effect: effect.to_owned(),
            time_added: since.clone().or_else(|| Some(timestamp(now))),
        });
    }
}

/// The agent is not heard of any more.
pub(super) fn miss(node: &mut Node, now: Timestamp) {
    let message = "the agent is not connected; running pods go on, new ones go elsewhere";
    set_node_condition(
        node,
        "Ready",
        ConditionStatus::Unknown,
        "AgentGone",
        message,
        now,
    );
    taint(node, Some(UNREACHABLE), now);
}

fn set_node_condition(
    node: &mut Node,
    kind: &str,
    status: ConditionStatus,
    reason: &str,
    message: &str,
    now: Timestamp,
) {
    let now = timestamp(now);
    let conditions = &mut node.status.conditions;
    let old = conditions.iter().find(|c| c.r#type == kind);
    let last_transition_time = match old {
        Some(old) if old.status == status => old.last_transition_time.clone(),
        _ => now.clone(),
    };
    let new = NodeCondition {
        r#type: kind.to_owned(),
        status,
        reason: reason.to_owned(),
        message: message.to_owned(),
        last_heartbeat_time: now,
        last_transition_time,
    };
    conditions.retain(|c| c.r#type != kind);
    conditions.push(new);
}

/// A new Node object.
pub(super) fn new_node(name: &str) -> Node {
    Node::with_metadata(common::resources::ObjectMeta::named("", name))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn taints(node: &Node) -> Vec<String> {
        let taints = node.spec.taints.iter();
        taints
            .map(|taint| format!("{taint} {}", taint.time_added.as_deref().unwrap_or("-")))
            .collect()
    }

    #[test]
    fn a_node_is_tainted_for_as_long_as_it_is_away_and_keeps_peoples_taints() {
        let at = |second| Timestamp::from_second(second).unwrap();
        let mut node = new_node("n");
        node.spec.taints.push(Taint {
            key: "gpu".into(),
            effect: NO_SCHEDULE.into(),
            ..Taint::default()
        });
        close(&mut node, at(0));
        miss(&mut node, at(9));
        let since = timestamp(at(0));
        let away = [
            "gpu:NoSchedule -".to_owned(),
            format!("node.kubernetes.io/unreachable:NoSchedule {since}"),
            format!("node.kubernetes.io/unreachable:NoExecute {since}"),
        ];
        assert_eq!(taints(&node), away);
        taint(&mut node, None, at(20));
        assert_eq!(taints(&node), ["gpu:NoSchedule -"]);
    }
}
