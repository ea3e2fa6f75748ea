//! What an operator can choose. `config/node-agent.toml` shows every key with its default; a test
//! keeps it true.

mod checks;
mod parts;

use std::collections::BTreeMap;
use std::path::PathBuf;

use common::settings::list;
use serde::Deserialize;

pub use checks::SettingsError;
pub(crate) use checks::{host_address, master_address};
pub use parts::{Builds, Data, Docker, FirewallChoice, Layers, Pods, Pool, Process};

/// All settings.
#[derive(Clone, Debug, Deserialize, PartialEq)]
#[serde(deny_unknown_fields, rename_all = "kebab-case", default)]
pub struct Settings {
    /// Where pods, layers and the node's certificate live. Empty: `/var/lib/troupe-agent` for
    /// root, else `troupe-agent` in the user's data directory.
    pub data_dir: PathBuf,
    /// The masters' API addresses, tried in turn.
    #[serde(deserialize_with = "list")]
    pub master: Vec<String>,
    /// Join token; needed until the node has its certificate. Better in the environment or in
    /// `token-file` than on the command line, which every user of the machine can read.
    pub token: String,
    /// File that holds the join token.
    pub token_file: PathBuf,
    /// The node's name. Empty: the host's.
    pub name: String,
    /// `auto`, `docker` or `process`.
    pub runtime: RuntimeChoice,
    /// Labels of the node, besides those for architecture, system and name.
    pub labels: BTreeMap<String, String>,
    /// The data plane.
    pub data: Data,
    /// Pods.
    pub pods: Pods,
    /// Generic pods.
    pub pool: Pool,
    /// Layers.
    pub layers: Layers,
    /// Builds.
    pub builds: Builds,
    /// The process runtime.
    pub process: Process,
    /// The Docker runtime.
    pub docker: Docker,
}

/// Which runtime starts pods.
#[derive(Clone, Copy, Debug, Default, Deserialize, PartialEq, Eq)]
#[serde(try_from = "String")]
pub enum RuntimeChoice {
    /// Docker where engine and image are there; else processes when the master is on loopback.
    #[default]
    Auto,
    /// Containers.
    Docker,
    /// Child processes.
    Process,
}

impl TryFrom<String> for RuntimeChoice {
    type Error = String;

    fn try_from(text: String) -> Result<Self, String> {
        match text.as_str() {
            "auto" => Ok(Self::Auto),
            "docker" => Ok(Self::Docker),
            "process" => Ok(Self::Process),
            _ => Err(format!("found {text:?}, want auto, docker or process")),
        }
    }
}

impl Default for Settings {
    fn default() -> Self {
        Self {
            data_dir: PathBuf::new(),
            master: vec!["https://127.0.0.1:6443".to_owned()],
            token: String::new(),
            token_file: PathBuf::new(),
            name: String::new(),
            runtime: RuntimeChoice::Auto,
            labels: BTreeMap::new(),
            data: Data::default(),
            pods: Pods::default(),
            pool: Pool::default(),
            layers: Layers::default(),
            builds: Builds::default(),
            process: Process::default(),
            docker: Docker::default(),
        }
    }
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use super::*;

    #[test]
    fn the_commented_file_shows_the_defaults() {
        let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../config/node-agent.toml");
        let shown: Settings = common::settings::load(Some(&path), "NONE", [], &[]).unwrap();
        assert_eq!(shown, Settings::default());
    }
}
