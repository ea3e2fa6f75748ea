use std::path::PathBuf;
use std::time::Duration;

use common::settings::{ByteCount, duration, list};
use serde::Deserialize;

use crate::pool::Bounds;

/// The port on which masters and gateways call pods and read logs.
#[derive(Clone, Debug, Default, Deserialize, PartialEq)]
#[serde(deny_unknown_fields, rename_all = "kebab-case", default)]
pub struct Data {
    /// `host:port` to listen on. Empty: a free port of 127.0.0.1 when the master is on loopback,
    /// else port 6444 of every address.
    pub listen: String,
    /// Host under which the master reaches this machine. Empty: the address the link goes out from.
    pub advertise: String,
}

/// Pods of both runtimes.
#[derive(Clone, Debug, Deserialize, PartialEq)]
#[serde(deny_unknown_fields, rename_all = "kebab-case", default)]
pub struct Pods {
    /// Most pods at once.
    pub max: u32,
    /// Longest time from starting a pod until its function is imported.
    #[serde(deserialize_with = "duration")]
    pub start_timeout: Duration,
    /// When the agent was killed and does not come back, its process pods end after this time.
    #[serde(deserialize_with = "duration")]
    pub orphan_after: Duration,
    /// Longest drain when the agent itself is told to end.
    #[serde(deserialize_with = "duration")]
    pub drain: Duration,
    /// Size at which a pod's log is turned over; one old file is kept.
    pub log_bytes: ByteCount,
    /// First of the user ids that pods run under. Needs root.
    pub uid_first: u32,
    /// How many user ids there are.
    pub uid_count: u32,
    /// Directory in which all agents of this machine note which user ids they use.
    pub uid_claims: PathBuf,
    /// Most processes and threads in one pod.
    pub max_tasks: u64,
}

impl Default for Pods {
    fn default() -> Self {
        Self {
            max: 110,
            start_timeout: Duration::from_secs(60),
            orphan_after: Duration::from_secs(60),
            drain: Duration::from_secs(20),
            log_bytes: ByteCount(10 << 20),
            uid_first: 200_000,
            uid_count: 10_000,
            uid_claims: "/run/troupe/uids".into(),
            max_tasks: 256,
        }
    }
}

/// Generic pods that wait for a function, so that its first call is answered in milliseconds.
#[derive(Clone, Debug, Deserialize, PartialEq)]
#[serde(deny_unknown_fields, rename_all = "kebab-case", default)]
pub struct Pool {
    /// How many wait at the least; more where many were needed lately. 0: none, every pod is started
    /// from nothing.
    pub size: u32,
    /// How many wait at the most.
    pub max: u32,
    /// Memory for those that wait, each counted as 24 MiB.
    pub memory: ByteCount,
    /// When the machine has less memory left, none wait.
    pub min_free: ByteCount,
}

impl Default for Pool {
    fn default() -> Self {
        Self {
            size: 2,
            max: 8,
            memory: ByteCount(256 << 20),
            min_free: ByteCount(256 << 20),
        }
    }
}

impl Pool {
    /// The same for the policy.
    #[must_use]
    pub fn bounds(&self) -> Bounds {
        Bounds {
            size: self.size,
            max: self.max,
            memory: self.memory.0,
            min_free: self.min_free.0,
        }
    }
}

/// Layers kept on the node.
#[derive(Clone, Debug, Deserialize, PartialEq)]
#[serde(deny_unknown_fields, rename_all = "kebab-case", default)]
pub struct Layers {
    /// Disk for layers; the ones used longest ago go first, never one that a pod uses.
    pub budget: ByteCount,
    /// Largest layer once unpacked.
    pub max_bytes: ByteCount,
    /// While all layers take less, those of functions that were not called here yet are fetched, too.
    pub ahead: ByteCount,
}

impl Default for Layers {
    fn default() -> Self {
        Self {
            budget: ByteCount(10 << 30),
            max_bytes: ByteCount(2 << 30),
            ahead: ByteCount(2 << 30),
        }
    }
}

/// Builds. pip also takes what the agent's own environment says in `PIP_…` and proxy variables;
/// settings here win.
#[derive(Clone, Debug, Deserialize, PartialEq)]
#[serde(deny_unknown_fields, rename_all = "kebab-case", default)]
pub struct Builds {
    /// Builds at once; more wait.
    pub parallel: u32,
    /// Memory of one build.
    pub memory: ByteCount,
    /// Disk of one build: a file system of its own, when the agent runs as root.
    pub disk: ByteCount,
    /// Largest source once unpacked.
    pub max_source: ByteCount,
    /// Package index. Empty: pip's default; `none`: no index at all.
    pub index_url: String,
    /// A second package index.
    pub extra_index_url: String,
    /// A directory with packages, or a page with links to some, besides the index.
    pub find_links: String,
    /// File with the certificates that the index is trusted by.
    pub ca_bundle: PathBuf,
    /// Proxy for pip.
    pub proxy: String,
}

impl Default for Builds {
    fn default() -> Self {
        Self {
            parallel: 1,
            memory: ByteCount(1 << 30),
            disk: ByteCount(2 << 30),
            max_source: ByteCount(256 << 20),
            index_url: String::new(),
            extra_index_url: String::new(),
            find_links: String::new(),
            ca_bundle: PathBuf::new(),
            proxy: String::new(),
        }
    }
}

/// The process runtime.
#[derive(Clone, Debug, Default, Deserialize, PartialEq)]
#[serde(deny_unknown_fields, rename_all = "kebab-case", default)]
pub struct Process {
    /// The Python that runs functions, 3.9 or later. Empty: found by itself.
    pub python: PathBuf,
}

/// The Docker runtime.
#[derive(Clone, Debug, Deserialize, PartialEq)]
#[serde(deny_unknown_fields, rename_all = "kebab-case", default)]
pub struct Docker {
    /// The engine's socket, `unix:///…`. Empty: `DOCKER_HOST`, else the usual place.
    pub host: String,
    /// The function base to import when `image` is not there: a tar.
    pub base_image: PathBuf,
    /// Name of the function base's image. Empty: `troupe/func-base:slim-ARCH`.
    pub image: String,
    /// Name of the image with packages preinstalled, over which a master with a registry lays the
    /// functions that want them. Empty: `troupe/func-base:full-ARCH`.
    pub full_image: String,
    /// Python inside the image.
    pub python: String,
    /// What writes the rules that hold pods back: `auto`, `nft` or `iptables`.
    pub firewall: FirewallChoice,
    /// Addresses of this machine, `IPv4:PORT`, that pods and builds may reach all the same.
    #[serde(deserialize_with = "list")]
    pub allow: Vec<String>,
    /// Networks, `IPv4/BITS`, that pods and builds may not reach, besides link-local ones.
    #[serde(deserialize_with = "list")]
    pub deny: Vec<String>,
    /// When the engine's disk is so full, in percent, unused images are removed…
    pub images_high: u8,
    /// … until it is no fuller than this.
    pub images_low: u8,
}

/// What writes firewall rules.
#[derive(Clone, Copy, Debug, Default, Deserialize, PartialEq, Eq)]
#[serde(try_from = "String")]
pub enum FirewallChoice {
    /// `nft` where it is there and works, else `iptables`.
    #[default]
    Auto,
    /// nftables.
    Nft,
    /// iptables.
    Iptables,
}

impl TryFrom<String> for FirewallChoice {
    type Error = String;

    fn try_from(text: String) -> Result<Self, String> {
        match text.as_str() {
            "auto" => Ok(Self::Auto),
            "nft" => Ok(Self::Nft),
            "iptables" => Ok(Self::Iptables),
            _ => Err(format!("found {text:?}, want auto, nft or iptables")),
        }
    }
}

impl Default for Docker {
    fn default() -> Self {
        Self {
            host: String::new(),
            base_image: PathBuf::new(),
            image: String::new(),
            full_image: String::new(),
            python: "python3".to_owned(),
            firewall: FirewallChoice::Auto,
            allow: Vec::new(),
            deny: Vec::new(),
            images_high: 85,
            images_low: 80,
        }
    }
}
