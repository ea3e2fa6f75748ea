//! Flags of `node-agent`.

use std::path::PathBuf;

use clap::{Parser, Subcommand};

/// Prefix of the environment variables that hold settings.
pub const ENVIRONMENT: &str = "TROUPE_AGENT";

/// Runs pods on this machine as the master wishes.
#[derive(Debug, Parser)]
#[command(name = "node-agent", version, about, long_about = ABOUT, after_long_help = EXAMPLES)]
pub struct Cli {
    /// Settings file (TOML); config/node-agent.toml lists every key with its default
    #[arg(long, value_name = "FILE")]
    pub config: Option<PathBuf>,
    /// Where pods, layers and this node's certificate live
    #[arg(long, value_name = "DIR")]
    pub data_dir: Option<PathBuf>,
    /// The master's API; several with commas between, tried in turn
    #[arg(long, value_name = "URL[,URL…]")]
    pub master: Option<String>,
    /// Join token, needed once; `master token create` prints one
    #[arg(long, value_name = "T")]
    pub token: Option<String>,
    /// The node's name; default: the host's
    #[arg(long, value_name = "N")]
    pub name: Option<String>,
    /// What starts pods: auto, docker or process
    #[arg(long, value_name = "RUNTIME")]
    pub runtime: Option<String>,
    /// Function base for Docker: a root file system or `docker save`, as a tar
    #[arg(long, value_name = "FILE")]
    pub base_image: Option<PathBuf>,
    /// Not for people.
    #[command(subcommand)]
    pub internal: Option<Internal>,
}

/// What the agent starts itself as.
#[derive(Clone, Copy, Debug, Subcommand)]
pub enum Internal {
    /// Watches over one pod's processes; told what on its standard input.
    #[command(hide = true)]
    PodSupervisor,
    /// Ends every process of a user.
    #[command(hide = true)]
    PodKill {
        /// The user's id.
        uid: u32,
    },
}

const ABOUT: &str = "\
Runs pods on this machine as the master wishes.

The agent dials the master, joins with a token and gets a certificate of its own; from then on the
token is not needed. Pods run in Docker containers, or as child processes where there is no Docker.
They live on when the agent is killed and are adopted by its next start; SIGTERM ends them in order.";

const EXAMPLES: &str = "\
Settings come from the file, then from environment variables, then from flags. The variable for
key `pods.max` is TROUPE_AGENT__PODS__MAX.

Examples:
  A second machine joins:
    node-agent --master https://10.0.0.1:6443 --token \"$(ssh 10.0.0.1 master token create)\"
  Without Docker, in a directory of its own:
    node-agent --runtime process --data-dir /tmp/agent --token K10…";

impl Cli {
    /// What the flags override, by key.
    #[must_use]
    pub fn overrides(&self) -> Vec<(&'static str, String)> {
        let path = |path: &PathBuf| path.display().to_string();
        let flags = [
            ("data-dir", self.data_dir.as_ref().map(path)),
            ("master", self.master.clone()),
            ("token", self.token.clone()),
            ("name", self.name.clone()),
            ("runtime", self.runtime.clone()),
            ("docker.base-image", self.base_image.as_ref().map(path)),
        ];
        flags
            .into_iter()
            .filter_map(|(key, value)| Some((key, value?)))
            .collect()
    }
}
