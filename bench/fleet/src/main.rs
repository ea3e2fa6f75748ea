//! Many simulated nodes in one process, to see what a master does with a large cluster on one machine.
//!
//! Each node joins with the token, has a certificate and a data plane of its own, and holds a link to the
//! master: all that a master sees of a node is real. Only its pods are not: they are ready after a set
//! time and answer calls by themselves.

mod link;
mod node;
mod pods;
mod proxy;

use std::path::PathBuf;
use std::process::ExitCode;
use std::sync::Arc;
use std::time::Duration;

use clap::Parser;
use nix::sys::resource::{Resource, getrlimit, setrlimit};
use node_agent::clock::Chance;
use node_agent::settings::Settings;
use tokio::sync::Semaphore;

use crate::link::{FleetError, Place};
use crate::node::{Machine, Node};

/// Nodes that join at once: each makes a key and a request.
const JOINING: usize = 16;
/// How often the nodes are counted.
const LOOK: Duration = Duration::from_millis(100);

/// Many simulated node-agents in one process: the real protocol, no containers.
///
/// Prints a line whenever it changes how many nodes hold a link and how many pods they have: `25 nodes linked,
/// 300 pods, 298 ready`. Pods are made up: they are ready after --start-ms and answer each call with their
/// node and uid as JSON. Only functions with spec.image get any, since a simulated node builds nothing.
/// Runs until Ctrl-C; ended by SIGKILL, all its nodes vanish at once.
#[derive(Debug, Parser)]
#[command(name = "fleet", version)]
struct Flags {
    /// The master's API; several with commas between, tried in turn
    #[arg(
        long,
        value_name = "URL[,URL…]",
        value_delimiter = ',',
        required = true
    )]
    master: Vec<String>,
    /// Join token, as `master token create` prints it; one is enough for all nodes
    #[arg(long, env = "TROUPE_FLEET_TOKEN", hide_env_values = true)]
    token: String,
    /// Where the nodes' certificates are kept: started again with it, the nodes are the same
    #[arg(long, value_name = "DIR")]
    data_dir: PathBuf,
    /// How many nodes
    #[arg(long, default_value_t = 100)]
    nodes: usize,
    /// What their names begin with
    #[arg(long, default_value = "sim-")]
    prefix: String,
    /// Cores of each, in thousandths
    #[arg(long, default_value_t = 8000)]
    cpu_milli: u64,
    /// Memory of each, in MiB
    #[arg(long, default_value_t = 32_768)]
    memory_mib: u64,
    /// Most pods on each
    #[arg(long, default_value_t = 250)]
    max_pods: u32,
    /// Time from a pod's assignment until it is ready, in milliseconds
    #[arg(long, default_value_t = 50)]
    start_ms: u64,
}

fn main() -> ExitCode {
    let flags = Flags::parse();
    common::trust::install_crypto();
    raise_open_files();
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .enable_all()
        .build();
    let runtime = match runtime {
        Ok(runtime) => runtime,
        Err(error) => {
            eprintln!("fleet: start threads: {error}");
            return ExitCode::FAILURE;
        }
    };
    match runtime.block_on(run(flags)) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("fleet: {error}");
            ExitCode::FAILURE
        }
    }
}

/// A node takes a few descriptors: its lock, its link, its data plane and who calls there.
fn raise_open_files() {
    if let Ok((_, most)) = getrlimit(Resource::RLIMIT_NOFILE)
        // Where it fails, large fleets say that there are too many open files.
        && setrlimit(Resource::RLIMIT_NOFILE, most, most).is_err()
    {
        eprintln!("fleet: the limit of open files stays as it is");
    }
}

/// Runs until Ctrl-C, or until a node cannot live.
async fn run(flags: Flags) -> Result<(), FleetError> {
    let settings = Settings {
        master: flags.master,
        ..Settings::default()
    };
    let machine = Arc::new(Machine {
        cpu_milli: flags.cpu_milli,
        memory_bytes: flags.memory_mib << 20,
        max_pods: flags.max_pods,
        start: Duration::from_millis(flags.start_ms),
    });
    let (door, chance) = (Arc::new(Semaphore::new(JOINING)), Chance::random());
    let mut nodes = Vec::new();
    let mut lives = tokio::task::JoinSet::new();
    for number in 1..=flags.nodes {
        let name = format!("{}{number}", flags.prefix);
        let directory = flags.data_dir.join(&name);
        let node = Arc::new(Node::new(name, Arc::clone(&machine)));
        nodes.push(Arc::clone(&node));
        lives.spawn(link::live(Place {
            node,
            directory,
            settings: settings.clone(),
            token: flags.token.clone(),
            chance: chance.clone(),
            door: Arc::clone(&door),
        }));
    }
    let mut look = tokio::time::interval(LOOK);
    let mut said = String::new();
    loop {
        tokio::select! {
            Some(ended) = lives.join_next() => {
                return match ended {
                    Ok(Err(error)) => Err(error),
                    Err(error) => Err(FleetError::Fell(error)),
                    // A node lives for as long as the process does.
                    Ok(Ok(never)) => match never {},
                };
            }
            _ = look.tick() => {
                let now = progress(&nodes);
                if now != said {
                    println!("{now}");
                    said = now;
                }
            }
            _ = tokio::signal::ctrl_c() => return Ok(()),
        }
    }
}

fn progress(nodes: &[Arc<Node>]) -> String {
    let (mut linked, mut pods, mut ready) = (0, 0, 0);
    for node in nodes {
        linked += usize::from(node.is_linked());
        let (all, taking_calls) = node.pods().count();
        pods += all;
        ready += taking_calls;
    }
    format!("{linked} nodes linked, {pods} pods, {ready} ready")
}
