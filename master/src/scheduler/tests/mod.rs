mod choice;
mod refusals;
mod simulation;

use std::sync::Arc;

use common::digest::Digest;
use common::resources::{Taint, Toleration};

use super::*;
use crate::platform::Platform;

/// A node of 1 GiB for at most ten pods.
fn facts() -> NodeFacts {
    NodeFacts {
        ready: true,
        platform: Platform::new("amd64", "3.11"),
        cpu_milli: 4000,
        memory_bytes: 1 << 30,
        max_pods: 10,
        ..NodeFacts::default()
    }
}

/// Nodes that others' pods take so many MiB of.
fn roster(nodes: &[(&str, NodeFacts, u64)]) -> Roster {
    let mut roster = Roster::default();
    for (name, facts, taken_mib) in nodes {
        roster.set(name, facts.clone());
        if *taken_mib > 0 {
            occupy(&mut roster, name, "others", *taken_mib, None);
        }
    }
    roster
}

fn occupy(roster: &mut Roster, node: &str, function: &str, mib: u64, code: Option<Digest>) {
    let pod = format!("{node}-{function}-{}", roster.pods().count());
    let taken = Taken {
        node: Arc::from(node),
        function: Arc::from(function),
        cpu_milli: 0,
        memory_bytes: mib << 20,
        code,
    };
    roster.take(pod, taken);
}

fn needs(mib: u64) -> Needs {
    Needs {
        function: Arc::from("default/f"),
        memory_bytes: mib << 20,
        ..Needs::default()
    }
}

fn taint(key: &str, effect: &str) -> Taint {
    Taint {
        key: key.to_owned(),
        effect: effect.to_owned(),
        ..Taint::default()
    }
}

fn tolerates(key: &str) -> Toleration {
    Toleration {
        key: Some(key.to_owned()),
        operator: Some("Exists".to_owned()),
        ..Toleration::default()
    }
}

fn placed(roster: &Roster, needs: &Needs) -> String {
    roster.place(needs).unwrap().to_string()
}
