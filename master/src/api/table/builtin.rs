//! Columns of the kinds that kubectl knows, as Kubernetes prints them.

use common::resources::FUNCTION_LABEL;
use serde_json::Value;

use super::{AGE, Column, NAME, age, at, condition, number, or_none, pairs, text};

pub(super) const POD: &[Column] = &[
    NAME,
    Column("Ready", 0, |p, _| {
        let list = p["status"]["containerStatuses"]
            .as_array()
            .map(Vec::as_slice);
        let ready = list
            .unwrap_or_default()
            .iter()
            .filter(|c| c["ready"] == true)
            .count();
        let all = p["spec"]["containers"].as_array().map_or(0, Vec::len);
        format!("{ready}/{all}").into()
    }),
    Column("Status", 0, |p, _| pod_status(p).into()),
    Column("Restarts", 0, |p, _| {
        let list = p["status"]["containerStatuses"]
            .as_array()
            .map(Vec::as_slice);
        let restarts = list
            .unwrap_or_default()
            .iter()
            .map(|c| number(c, &["restartCount"]));
        restarts.sum::<i64>().to_string().into()
    }),
    AGE,
    Column("IP", 1, |p, _| or_none(text(p, &["status", "podIP"]))),
    Column("Node", 1, |p, _| or_none(text(p, &["spec", "nodeName"]))),
];

pub(super) const REPLICA_SET: &[Column] = &[
    NAME,
    Column("Desired", 0, |r, _| number(r, &["spec", "replicas"]).into()),
    Column("Current", 0, |r, _| {
        number(r, &["status", "replicas"]).into()
    }),
    Column("Ready", 0, |r, _| {
        number(r, &["status", "readyReplicas"]).into()
    }),
    AGE,
    Column("Function", 1, |r, _| {
        or_none(text(r, &["metadata", "labels", FUNCTION_LABEL]))
    }),
    Column("Selector", 1, |r, _| {
        pairs(at(r, &["spec", "selector", "matchLabels"]))
    }),
];

pub(super) const SERVICE: &[Column] = &[
    NAME,
    Column("Type", 0, |s, _| {
        let kind = text(s, &["spec", "type"]);
        if kind.is_empty() {
            "ClusterIP".into()
        } else {
            kind.into()
        }
    }),
    Column("Cluster-IP", 0, |s, _| {
        let ip = text(s, &["spec", "clusterIP"]);
        if ip.is_empty() {
            "None".into()
        } else {
            ip.into()
        }
    }),
    Column("External-IP", 0, |_, _| "<none>".into()),
    Column("Port(s)", 0, |s, _| {
        let ports = s["spec"]["ports"]
            .as_array()
            .map(Vec::as_slice)
            .unwrap_or_default();
        let ports: Vec<String> = ports
            .iter()
            .map(|port| format!("{}/{}", number(port, &["port"]), text(port, &["protocol"])))
            .collect();
        or_none(&ports.join(","))
    }),
    AGE,
    Column("Endpoints", 1, |s, _| {
        let list = s["status"]["endpoints"]
            .as_array()
            .map(Vec::as_slice)
            .unwrap_or_default();
        or_none(
            &list
                .iter()
                .map(|e| text(e, &["pod"]))
                .collect::<Vec<_>>()
                .join(","),
        )
    }),
    Column("Selector", 1, |s, _| pairs(&s["spec"]["selector"])),
];

pub(super) const NODE: &[Column] = &[
    NAME,
    Column("Status", 0, |n, _| node_status(n).into()),
    Column("Roles", 0, |n, _| {
        let labels = n["metadata"]["labels"].as_object().into_iter().flatten();
        let roles = labels.filter_map(|(key, _)| key.strip_prefix("node-role.kubernetes.io/"));
        or_none(&roles.collect::<Vec<_>>().join(","))
    }),
    AGE,
    Column("Version", 0, |n, _| {
        text(n, &["status", "nodeInfo", "kubeletVersion"]).into()
    }),
    Column("Internal-IP", 1, |n, _| {
        let list = n["status"]["addresses"]
            .as_array()
            .map(Vec::as_slice)
            .unwrap_or_default();
        let internal = list.iter().find(|a| a["type"] == "InternalIP");
        or_none(internal.map_or("", |a| text(a, &["address"])))
    }),
    Column("OS-Image", 1, |n, _| {
        or_none(text(n, &["status", "nodeInfo", "osImage"]))
    }),
    Column("Kernel-Version", 1, |n, _| {
        or_none(text(n, &["status", "nodeInfo", "kernelVersion"]))
    }),
    Column("Architecture", 1, |n, _| {
        or_none(text(n, &["status", "nodeInfo", "architecture"]))
    }),
    Column("Container-Runtime", 1, |n, _| {
        or_none(text(n, &["status", "nodeInfo", "containerRuntimeVersion"]))
    }),
];

pub(super) const NAMESPACE: &[Column] = &[
    NAME,
    Column("Status", 0, |n, _| text(n, &["status", "phase"]).into()),
    AGE,
];

pub(super) const SECRET: &[Column] = &[
    NAME,
    Column("Type", 0, |s, _| {
        let kind = text(s, &["type"]);
        if kind.is_empty() {
            "Opaque".into()
        } else {
            kind.into()
        }
    }),
    Column("Data", 0, |s, _| count(s, &["data"])),
    AGE,
];

pub(super) const CONFIG_MAP: &[Column] = &[
    NAME,
    Column("Data", 0, |c, _| count(c, &["data", "binaryData"])),
    AGE,
];

pub(super) const EVENT: &[Column] = &[
    Column("Last Seen", 0, |e, now| {
        age(at(e, &["lastTimestamp"]).as_str(), now).into()
    }),
    Column("Type", 0, |e, _| text(e, &["type"]).into()),
    Column("Reason", 0, |e, _| text(e, &["reason"]).into()),
    Column("Object", 0, |e, _| {
        let kind = text(e, &["involvedObject", "kind"]).to_lowercase();
        format!("{kind}/{}", text(e, &["involvedObject", "name"])).into()
    }),
    Column("Subobject", 1, |e, _| {
        text(e, &["involvedObject", "fieldPath"]).into()
    }),
    Column("Source", 1, |e, _| text(e, &["source", "component"]).into()),
    Column("Message", 0, |e, _| text(e, &["message"]).trim().into()),
    Column("First Seen", 1, |e, now| {
        age(at(e, &["firstTimestamp"]).as_str(), now).into()
    }),
    Column("Count", 1, |e, _| number(e, &["count"]).to_string().into()),
    Column("Name", 1, |e, _| text(e, &["metadata", "name"]).into()),
];

fn count(object: &Value, maps: &[&str]) -> Value {
    maps.iter()
        .map(|map| object[*map].as_object().map_or(0, serde_json::Map::len))
        .sum::<usize>()
        .into()
}

fn pod_status(pod: &Value) -> &str {
    if !text(pod, &["metadata", "deletionTimestamp"]).is_empty() {
        return "Terminating";
    }
    let containers = pod["status"]["containerStatuses"]
        .as_array()
        .map(Vec::as_slice);
    for container in containers.unwrap_or_default() {
        for state in ["waiting", "terminated"] {
            let reason = text(container, &["state", state, "reason"]);
            if !reason.is_empty() {
                return reason;
            }
        }
    }
    let reason = text(pod, &["status", "reason"]);
    let phase = text(pod, &["status", "phase"]);
    match (reason, phase) {
        ("", "") => "Pending",
        ("", phase) => phase,
        (reason, _) => reason,
    }
}

fn node_status(node: &Value) -> String {
    let ready = match condition(node, "Ready").map(|c| text(c, &["status"])) {
        Some("True") => "Ready",
        // False, or Unknown: it is not heard of.
        Some(_) => "NotReady",
        None => "Unknown",
    };
    let cordoned = node["spec"]["unschedulable"] == true;
    if cordoned {
        format!("{ready},SchedulingDisabled")
    } else {
        ready.to_owned()
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn a_node_has_the_status_that_kubectl_shows() {
        let status = |ready: &str, cordoned: bool| {
            node_status(&json!({
                "spec": { "unschedulable": cordoned },
                "status": { "conditions": [
                    { "type": "Isolated", "status": "True" },
                    { "type": "Ready", "status": ready },
                ] },
            }))
        };
        assert_eq!(status("True", false), "Ready");
        assert_eq!(status("True", true), "Ready,SchedulingDisabled");
        assert_eq!(status("False", false), "NotReady");
        assert_eq!(status("Unknown", false), "NotReady");
        assert_eq!(status("Unknown", true), "NotReady,SchedulingDisabled");
        assert_eq!(node_status(&json!({})), "Unknown");
    }
}
