//! Clusters as large as they get, and small ones in every state.

use std::collections::{BTreeMap, HashMap};

use proptest::prelude::*;

use super::*;

/// A cluster whose pods and nodes come and go as a stream of numbers says.
struct World {
    roster: Roster,
    nodes: BTreeMap<String, NodeFacts>,
    pods: HashMap<String, (String, Needs)>,
    chance: u64,
    names: usize,
}

impl World {
    fn new(chance: u64) -> Self {
        Self {
            roster: Roster::default(),
            nodes: BTreeMap::new(),
            pods: HashMap::new(),
            chance,
            names: 0,
        }
    }

    fn draw(&mut self, below: u64) -> u64 {
        // xorshift64
        self.chance ^= self.chance << 13;
        self.chance ^= self.chance >> 7;
        self.chance ^= self.chance << 17;
        self.chance % below
    }

    fn node(&mut self, name: &str) {
        let arch = ["amd64", "amd64", "arm64"][self.draw(3) as usize];
        let size = 8 << self.draw(3);
        let zone = self.draw(4).to_string();
        let taints = match self.draw(10) {
            0 => vec![taint("gpu", "NoSchedule")],
            1 => vec![taint("gpu", "NoExecute")],
            2 => vec![taint("old", "PreferNoSchedule")],
            _ => Vec::new(),
        };
        let facts = NodeFacts {
            ready: self.draw(20) > 0,
            cordoned: self.draw(20) == 0,
            taints,
            platform: Platform::new(arch, "3.11"),
            labels: BTreeMap::from([("zone".to_owned(), zone)]),
            cpu_milli: size * 500,
            memory_bytes: size << 30,
            max_pods: 250,
        };
        self.roster.set(name, facts.clone());
        self.nodes.insert(name.to_owned(), facts);
    }

    fn needs(&mut self, functions: u64) -> Needs {
        let function = self.draw(functions);
        let zone = self.draw(4).to_string();
        Needs {
            function: Arc::from(format!("default/f{function}")),
            cpu_milli: 100,
            memory_bytes: [64, 128, 256][(function % 3) as usize] << 20,
            selector: match self.draw(5) {
                0 => BTreeMap::from([("zone".to_owned(), zone)]),
                _ => BTreeMap::new(),
            },
            tolerations: match self.draw(5) {
                0 => vec![tolerates("gpu")],
                _ => Vec::new(),
            },
            platforms: match self.draw(5) {
                0 => Some([Platform::new("arm64", "")].into()),
                _ => None,
            },
            code: vec![Digest::of(&function.to_le_bytes())],
        }
    }

    /// Places a pod; what was chosen must fit, and when nothing is chosen nothing may fit.
    fn place(&mut self, needs: Needs) -> bool {
        let chosen = match self.roster.place(&needs) {
            Ok(node) => node.to_string(),
            Err(_) => {
                let fitting = self.nodes.keys().find(|node| self.fits(node, &needs));
                assert_eq!(fitting, None, "there was a place for {needs:?}");
                return false;
            }
        };
        assert!(
            self.fits(&chosen, &needs),
            "{chosen} does not take {needs:?}"
        );
        self.names += 1;
        let pod = format!("pod-{}", self.names);
        let taken = Taken {
            node: Arc::from(chosen.as_str()),
            function: Arc::clone(&needs.function),
            cpu_milli: needs.cpu_milli,
            memory_bytes: needs.memory_bytes,
            code: needs.code.first().copied(),
        };
        self.roster.take(pod.clone(), taken);
        self.pods.insert(pod, (chosen, needs));
        true
    }

    /// Whether a node takes a pod, judged from the facts alone.
    fn fits(&self, name: &str, needs: &Needs) -> bool {
        let (facts, none) = (&self.nodes[name], Usage::default());
        let usage = self.roster.usage(name).unwrap_or(&none);
        facts.ready
            && !facts.cordoned
            && usage.pods < facts.max_pods
            && usage.memory_bytes + needs.memory_bytes <= facts.memory_bytes
            && needs
                .selector
                .iter()
                .all(|(k, v)| facts.labels.get(k) == Some(v))
            && needs
                .platforms
                .as_ref()
                .is_none_or(|made| made.iter().any(|made| made.serves(&facts.platform)))
            && facts.taints.iter().all(|taint| {
                taint.effect == "PreferNoSchedule"
                    || needs.tolerations.iter().any(|one| one.tolerates(taint))
            })
    }

    fn end_some_pod(&mut self) {
        let at = self.draw(self.names.max(1) as u64) + 1;
        let pod = format!("pod-{at}");
        self.roster.release(&pod);
        self.pods.remove(&pod);
    }

    fn step(&mut self, functions: u64) {
        match self.draw(20) {
            0..12 => {
                let needs = self.needs(functions);
                self.place(needs);
            }
            12..17 => self.end_some_pod(),
            17 | 18 => {
                let name = format!("n{}", self.draw(12));
                self.node(&name);
            }
            _ => {
                let name = format!("n{}", self.draw(12));
                self.roster.remove(&name);
                self.nodes.remove(&name);
            }
        }
    }

    /// What the roster says of each node is the sum over its pods.
    fn check_sums(&self) {
        let mut sums: BTreeMap<&str, (u64, u32)> = BTreeMap::new();
        for (node, needs) in self.pods.values() {
            let sum = sums.entry(node).or_default();
            *sum = (sum.0 + needs.memory_bytes, sum.1 + 1);
        }
        for (name, (memory, pods)) in sums {
            let usage = self.roster.usage(name).unwrap();
            assert_eq!((usage.memory_bytes, usage.pods), (memory, pods), "{name}");
            assert_eq!(usage.functions.values().sum::<u32>(), pods, "{name}");
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 64, ..ProptestConfig::default() })]
    #[test]
    fn whatever_comes_and_goes_every_choice_fits_and_no_place_is_missed(seed in 1_u64..) {
        let mut world = World::new(seed);
        for number in 0..8 {
            world.node(&format!("n{number}"));
        }
        for _ in 0..400 {
            world.step(6);
        }
        world.check_sums();
    }
}

#[test]
fn a_thousand_nodes_take_a_hundred_thousand_pods() {
    let mut world = World::new(7);
    for number in 0..1000 {
        world.node(&format!("n{number}"));
    }
    for _ in 0..100_000 {
        let needs = world.needs(2000);
        assert!(world.place(needs), "the cluster has room for all");
    }
    world.check_sums();
    assert_eq!(world.pods.len(), 100_000);
    for (name, facts) in &world.nodes {
        let usage = world.roster.usage(name).cloned().unwrap_or_default();
        assert!(usage.memory_bytes <= facts.memory_bytes && usage.pods <= facts.max_pods);
    }
}

#[test]
fn pods_are_spread_over_nodes_that_are_alike() {
    let mut roster = Roster::default();
    for number in 0..1000 {
        let facts = NodeFacts {
            memory_bytes: 16 << 30,
            max_pods: 250,
            ..facts()
        };
        roster.set(&format!("n{number}"), facts);
    }
    // 500 functions with 20 pods each.
    for number in 0..10_000_usize {
        let function: Arc<str> = Arc::from(format!("default/f{}", number % 500));
        let wants = Needs {
            function: Arc::clone(&function),
            cpu_milli: 10,
            ..needs(128)
        };
        let node = Arc::clone(roster.place(&wants).unwrap());
        let taken = Taken {
            node,
            function,
            cpu_milli: 10,
            memory_bytes: 128 << 20,
            code: None,
        };
        roster.take(format!("pod-{number}"), taken);
    }
    let usages: Vec<_> = (0..1000)
        .filter_map(|n| roster.usage(&format!("n{n}")))
        .collect();
    assert!(
        usages.iter().all(|usage| usage.pods == 10),
        "every node has its share"
    );
    let alike = usages
        .iter()
        .flat_map(|usage| usage.functions.values())
        .max();
    assert_eq!(alike, Some(&1), "no node has two pods of one function");
}
