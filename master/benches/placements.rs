//! How many placements a second the scheduler decides: a thousand nodes are filled with a hundred thousand pods, in
//! several rounds. Prints one line of JSON: `cargo bench -p master --bench placements`.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Instant;

use master::platform::Platform;
use master::scheduler::{Needs, NodeFacts, Roster, Taken};

const NODES: u64 = 1000;
const PODS: u64 = 100_000;
const FUNCTIONS: u64 = 2000;
const ROUNDS: usize = 5;

fn roster() -> Roster {
    let mut roster = Roster::default();
    for number in 0..NODES {
        let facts = NodeFacts {
            ready: true,
            platform: Platform::new("amd64", "3.11"),
            labels: BTreeMap::from([("zone".to_owned(), (number % 4).to_string())]),
            cpu_milli: 16_000,
            memory_bytes: 32 << 30,
            max_pods: 250,
            ..NodeFacts::default()
        };
        roster.set(&format!("node-{number}"), facts);
    }
    roster
}

/// Every fifth pod wants nodes of one zone.
fn needs(number: u64) -> Needs {
    let zone = ("zone".to_owned(), (number % 4).to_string());
    Needs {
        function: Arc::from(format!("default/f{}", number % FUNCTIONS)),
        cpu_milli: 100,
        memory_bytes: 128 << 20,
        selector: number
            .is_multiple_of(5)
            .then_some(zone)
            .into_iter()
            .collect(),
        ..Needs::default()
    }
}

/// Seconds for all pods, and how many found a node.
fn round() -> (f64, u64) {
    let mut roster = roster();
    let begun = Instant::now();
    let mut placed = 0;
    for number in 0..PODS {
        let needs = needs(number);
        let Ok(node) = roster.place(&needs).map(Arc::clone) else {
            continue;
        };
        placed += 1;
        let taken = Taken {
            node,
            function: needs.function,
            cpu_milli: needs.cpu_milli,
            memory_bytes: needs.memory_bytes,
            code: None,
        };
        roster.take(format!("pod-{number}"), taken);
    }
    (begun.elapsed().as_secs_f64(), placed)
}

fn main() {
    let mut rounds: Vec<_> = (0..ROUNDS).map(|_| round()).collect();
    rounds.sort_by(|one, other| one.0.total_cmp(&other.0));
    let (seconds, placed) = rounds[ROUNDS / 2];
    let per_second = (PODS as f64 / seconds).round();
    println!(
        "{{\"nodes\": {NODES}, \"pods\": {placed}, \"seconds\": {seconds:.3}, \"per_second\": {per_second}}}"
    );
}
