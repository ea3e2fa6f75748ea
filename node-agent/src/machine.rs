//! What this machine is and what it uses.

use std::collections::BTreeMap;
use std::fs;
use std::net::IpAddr;
use std::path::PathBuf;
use std::sync::Arc;

use common::link::{Hello, NodeUsage};

use crate::pool::Pool;
use crate::runtime::Runtime;

/// What is said of this machine.
#[derive(Clone)]
pub struct Machine {
    /// The node's name.
    pub node: String,
    /// What starts pods.
    pub runtime: Arc<dyn Runtime>,
    /// Most pods at once.
    pub max_pods: u32,
    /// Labels from the settings.
    pub labels: BTreeMap<String, String>,
    /// Host to reach the data plane at; empty for the one the link goes out from.
    pub advertise: String,
    /// Port of the data plane.
    pub data_port: u16,
    /// The data directory.
    pub data: PathBuf,
    /// Generic pods.
    pub pool: Pool,
}

impl Machine {
    /// How the agent introduces itself. `local` is where the link goes out from.
    #[must_use]
    pub fn hello(&self, local: Option<IpAddr>) -> Hello {
        let host = match (self.advertise.as_str(), local) {
            ("", Some(IpAddr::V6(ip))) => format!("[{ip}]"),
            ("", Some(IpAddr::V4(ip))) => ip.to_string(),
            ("", None) => "127.0.0.1".to_owned(),
            (host, _) => host.to_owned(),
        };
        let facts = self.runtime.facts();
        let arch = &facts.arch;
        let trouble = self.runtime.trouble();
        let said = [Some(facts.isolation_message.clone()), trouble.clone()];
        let said: Vec<String> = said
            .into_iter()
            .flatten()
            .filter(|text| !text.is_empty())
            .collect();
        let mut labels = BTreeMap::from([
            ("kubernetes.io/arch".to_owned(), arch.clone()),
            ("kubernetes.io/os".to_owned(), "linux".to_owned()),
            ("kubernetes.io/hostname".to_owned(), self.node.clone()),
        ]);
        labels.extend(self.labels.clone());
        Hello {
            node: self.node.clone(),
            version: env!("CARGO_PKG_VERSION").to_owned(),
            arch: arch.clone(),
            python: facts.python.clone(),
            bases: Vec::new(),
            runtime: facts.kind,
            runtime_version: facts.version.clone(),
            isolated: facts.isolated && trouble.is_none(),
            isolation_message: said.join("; "),
            no_warm_pods: self.pool.lacking().map(ToOwned::to_owned),
            cpu_milli: cpu_milli(),
            memory_bytes: meminfo("MemTotal:"),
            max_pods: self.max_pods,
            machine_id: line("/etc/machine-id"),
            boot_id: boot_id(),
            kernel: line("/proc/sys/kernel/osrelease"),
            os_image: os_image(),
            data_addr: format!("{host}:{}", self.data_port),
            labels,
        }
    }

    /// What is in use now.
    #[must_use]
    pub fn usage(&self, pods: usize) -> NodeUsage {
        let free = nix::sys::statvfs::statvfs(&self.data);
        NodeUsage {
            memory_bytes: meminfo("MemTotal:").saturating_sub(free_memory()),
            disk_free_bytes: free
                .map(|stat| stat.blocks_available().saturating_mul(stat.fragment_size()))
                .unwrap_or_default(),
            pods: u32::try_from(pods).unwrap_or(u32::MAX),
        }
    }
}

/// `amd64` or `arm64`, as container images say.
#[must_use]
pub fn arch() -> &'static str {
    match std::env::consts::ARCH {
        "x86_64" => "amd64",
        "aarch64" => "arm64",
        other => other,
    }
}

/// Changes at each boot.
#[must_use]
pub fn boot_id() -> String {
    line("/proc/sys/kernel/random/boot_id")
}

/// Memory that can be had without ending anything, in bytes.
#[must_use]
pub fn free_memory() -> u64 {
    meminfo("MemAvailable:")
}

fn cpu_milli() -> u64 {
    std::thread::available_parallelism().map_or(1000, |cores| cores.get() as u64 * 1000)
}

fn line(path: &str) -> String {
    fs::read_to_string(path)
        .unwrap_or_default()
        .trim()
        .to_owned()
}

fn meminfo(key: &str) -> u64 {
    let text = fs::read_to_string("/proc/meminfo").unwrap_or_default();
    let value = text.lines().find_map(|line| line.strip_prefix(key));
    let kib = value.and_then(|value| value.trim().strip_suffix(" kB")?.parse::<u64>().ok());
    kib.unwrap_or_default() << 10
}

fn os_image() -> String {
    let text = fs::read_to_string("/etc/os-release").unwrap_or_default();
    let name = text
        .lines()
        .find_map(|line| line.strip_prefix("PRETTY_NAME="));
    name.unwrap_or("Linux").trim_matches('"').to_owned()
}
