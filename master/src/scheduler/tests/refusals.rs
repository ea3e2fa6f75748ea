//! Each refusal says what rules the nodes out.

use std::collections::BTreeMap;

use super::*;

fn refused(roster: &Roster, needs: &Needs) -> Unschedulable {
    roster.place(needs).unwrap_err()
}

#[test]
fn no_node_no_ready_node_no_labels() {
    assert_eq!(refused(&roster(&[]), &needs(1)), Unschedulable::NoNodes);
    let absent = NodeFacts {
        ready: false,
        ..facts()
    };
    let cordoned = NodeFacts {
        cordoned: true,
        ..facts()
    };
    let closed = roster(&[("a", absent, 0), ("b", cordoned, 0)]);
    assert_eq!(refused(&closed, &needs(1)), Unschedulable::NoneReady(2));
    let arm = Needs {
        selector: BTreeMap::from([("kubernetes.io/arch".into(), "arm64".into())]),
        ..needs(1)
    };
    let open = roster(&[("a", facts(), 0)]);
    assert_eq!(
        refused(&open, &arm),
        Unschedulable::NoMatch("kubernetes.io/arch=arm64".into())
    );
}

#[test]
fn taints_are_named() {
    let tainted = |key: &str| NodeFacts {
        taints: vec![taint(key, "NoSchedule")],
        ..facts()
    };
    let why = refused(
        &roster(&[("a", tainted("gpu"), 0), ("b", tainted("disk"), 0)]),
        &needs(1),
    );
    assert_eq!(why.reason(), "NodesTainted");
    assert!(
        why.to_string()
            .contains("(disk:NoSchedule, gpu:NoSchedule)"),
        "{why}"
    );
}

#[test]
fn no_layer_too_large_and_full() {
    let nodes = roster(&[("a", facts(), 1000)]);
    let foreign = Needs {
        platforms: Some([Platform::new("amd64", "3.13")].into()),
        ..needs(1)
    };
    let why = refused(&nodes, &foreign);
    assert!(why.to_string().contains("amd64 with Python 3.13"), "{why}");
    assert_eq!(refused(&nodes, &needs(2048)).reason(), "PodTooLarge");
    let full = Unschedulable::Full {
        nodes: 1,
        wanted_mib: 256,
        free_mib: 24,
    };
    assert_eq!(refused(&nodes, &needs(256)), full);
    let crowded = roster(&[(
        "a",
        NodeFacts {
            max_pods: 0,
            ..facts()
        },
        0,
    )]);
    let why = refused(&crowded, &needs(1));
    assert_eq!(why, Unschedulable::NoPlaces { nodes: 1, pods: 0 });
    assert_eq!(why.reason(), "NoCapacity");
}
