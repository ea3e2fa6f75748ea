//! Which of the nodes that fit.

use super::*;

#[test]
fn the_emptier_node_wins() {
    let roster = roster(&[("a", facts(), 512), ("b", facts(), 100)]);
    assert_eq!(placed(&roster, &needs(256)), "b");
}

#[test]
fn pods_of_one_function_go_to_different_nodes() {
    let mut roster = roster(&[("a", facts(), 0), ("b", facts(), 150)]);
    occupy(&mut roster, "a", "default/f", 64, None);
    assert_eq!(placed(&roster, &needs(64)), "b");
    let other = Needs {
        function: Arc::from("default/g"),
        ..needs(64)
    };
    assert_eq!(
        placed(&roster, &other),
        "a",
        "another function takes the emptier one"
    );
    roster.release("a-default/f-1");
    assert_eq!(placed(&roster, &needs(64)), "a");
}

#[test]
fn a_node_that_has_the_layer_is_preferred_until_it_is_much_fuller() {
    let layer = Digest::of(b"layer");
    let wants = |mib| Needs {
        code: vec![layer],
        ..needs(mib)
    };
    let mut roster = roster(&[("a", facts(), 0), ("b", facts(), 60)]);
    occupy(&mut roster, "b", "default/f", 1, Some(layer));
    roster.release("b-default/f-1");
    assert_eq!(
        placed(&roster, &wants(64)),
        "b",
        "what a pod left behind is still there"
    );
    occupy(&mut roster, "b", "others", 100, None);
    assert_eq!(placed(&roster, &wants(64)), "a");
}

#[test]
fn taints_keep_pods_away_that_do_not_tolerate_them() {
    let tainted = |effect: &str| NodeFacts {
        taints: vec![taint("gpu", effect)],
        ..facts()
    };
    let tolerant = Needs {
        tolerations: vec![tolerates("gpu")],
        ..needs(64)
    };
    for effect in ["NoSchedule", "NoExecute", "PreferNoSchedule"] {
        let roster = roster(&[("a", tainted(effect), 0), ("b", facts(), 400)]);
        assert_eq!(placed(&roster, &needs(64)), "b", "{effect}");
        assert_eq!(placed(&roster, &tolerant), "a", "{effect}");
    }
    let full = roster(&[("a", tainted("PreferNoSchedule"), 0), ("b", facts(), 1000)]);
    assert_eq!(placed(&full, &needs(64)), "a", "there is no room elsewhere");
}

#[test]
fn machine_code_goes_only_where_it_runs() {
    let arm = NodeFacts {
        platform: Platform::new("arm64", "3.11"),
        ..facts()
    };
    let roster = roster(&[("a", arm, 0), ("b", facts(), 1000)]);
    let made = |platforms: &[(&str, &str)]| Needs {
        platforms: Some(platforms.iter().map(|(a, p)| Platform::new(a, p)).collect()),
        ..needs(1)
    };
    assert_eq!(placed(&roster, &made(&[("amd64", "3.11")])), "b");
    assert_eq!(
        placed(&roster, &made(&[("amd64", "3.11"), ("arm64", "")])),
        "a"
    );
}

#[test]
fn what_pods_take_outlives_their_nodes_object() {
    let mut roster = roster(&[("a", facts(), 1000)]);
    roster.remove("a");
    assert_eq!(roster.place(&needs(1)), Err(Unschedulable::NoNodes));
    roster.set("a", facts());
    assert_eq!(
        roster.place(&needs(256)).unwrap_err().reason(),
        "NoCapacity"
    );
    roster.release("a-others-0");
    assert_eq!(placed(&roster, &needs(256)), "a");
}
