use std::process::Command;

use crate::{Cluster, Process, eventually, program};

/// Many simulated nodes in one process (`bench/fleet`).
pub struct Fleet {
    /// The program: killed, all its nodes vanish at once.
    pub process: Process,
    nodes: usize,
    /// Bytes that it had logged before its last start.
    before: usize,
}

impl Fleet {
    /// Starts so many nodes, whose names begin with `prefix`, and waits until all hold a link.
    #[must_use]
    pub fn start(cluster: &Cluster, prefix: &str, nodes: usize) -> Self {
        let data = cluster.home().join(prefix);
        let (api, token) = (cluster.api_url().to_owned(), cluster.token());
        let own_prefix = prefix.to_owned();
        let log = cluster.home().join(format!("{prefix}.log"));
        let process = Process::start(prefix, log, move || {
            let mut command = Command::new(program("fleet"));
            command
                .args(["--master", &api, "--prefix", &own_prefix])
                .args(["--nodes", &nodes.to_string()])
                .arg("--data-dir")
                .arg(&data)
                .env("TROUPE_FLEET_TOKEN", &token);
            command
        });
        let mut fleet = Self {
            process,
            nodes,
            before: 0,
        };
        fleet.wait();
        fleet
    }

    /// Starts it again after it was killed, and waits until all nodes hold a link. They have no pods then.
    pub fn start_again(&mut self) {
        self.before = self.process.log().len();
        self.process.start_again();
        self.wait();
    }

    fn wait(&mut self) {
        let wanted = format!("{} nodes linked", self.nodes);
        eventually(&wanted, || {
            assert!(
                self.process.is_running(),
                "the fleet ended:\n{}",
                self.process.log()
            );
            let said = self.said();
            if said.starts_with(&wanted) {
                Ok(())
            } else {
                Err(said)
            }
        });
    }

    /// How many pods its nodes have, and how many of them are ready.
    ///
    /// # Panics
    /// When it has said nothing yet.
    #[must_use]
    pub fn pods(&self) -> (usize, usize) {
        *self.history().last().expect("it has said something")
    }

    /// The same, each time it changed since the last start.
    #[must_use]
    pub fn history(&self) -> Vec<(usize, usize)> {
        let numbers = |line: &str| {
            let parts = line.split(", ");
            let numbers = parts.filter_map(|part| part.split(' ').next()?.parse().ok());
            match numbers.collect::<Vec<usize>>()[..] {
                [_, pods, ready] => (pods, ready),
                _ => panic!("the fleet says {line:?}"),
            }
        };
        let log = self.process.log();
        let (lines, _) = log[self.before..].rsplit_once('\n').unwrap_or_default();
        lines.lines().map(numbers).collect()
    }

    /// The last line it has printed.
    fn said(&self) -> String {
        let log = self.process.log();
        let last = log[self.before..].lines().last();
        last.unwrap_or_default().to_owned()
    }
}
