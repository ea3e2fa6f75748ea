use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::time::Duration;

use tokio::io::AsyncWriteExt as _;
use tokio::process::Command;

use super::FirewallError;
use super::rules::Rules;
use crate::settings::FirewallChoice;

/// Programs of the system stand here, also where PATH does not say so.
const PLACES: [&str; 4] = ["/usr/sbin", "/sbin", "/usr/bin", "/usr/local/sbin"];
const DEADLINE: Duration = Duration::from_secs(20);
/// iptables waits so many seconds for another program's turn to end.
const TURN: &str = "10";

/// What writes rules.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Tool {
    Nft(PathBuf),
    /// The program and its IPv6 twin, where the machine has IPv6.
    Iptables(PathBuf, Option<PathBuf>),
}

/// What is said when there is no tool.
pub(super) fn none(choice: FirewallChoice) -> FirewallError {
    let (found, want) = match choice {
        FirewallChoice::Auto => ("neither nft nor iptables is", "nftables or iptables"),
        FirewallChoice::Nft => ("nft is not", "nftables"),
        FirewallChoice::Iptables => ("iptables is not", "iptables"),
    };
    FirewallError(format!(
        "{found} here, so pods with network: egress are not held back; install {want}"
    ))
}

impl Tool {
    /// Those that are here and may be used; `nft` before `iptables`.
    pub(super) fn all(choice: FirewallChoice) -> Vec<Self> {
        let mut tools = Vec::new();
        if choice != FirewallChoice::Iptables {
            tools.extend(program("nft").map(Self::Nft));
        }
        if choice != FirewallChoice::Nft
            && let Some(four) = program("iptables")
        {
            let six = Path::new("/proc/net/if_inet6").exists();
            let six = six.then(|| program("ip6tables")).flatten();
            tools.push(Self::Iptables(four, six));
        }
        tools
    }

    pub(super) async fn write(&self, rules: &Rules) -> Result<(), FirewallError> {
        match self {
            Self::Nft(nft) => run(nft, &["-f", "-"], &rules.nft()).await,
            Self::Iptables(four, six) => {
                write_chains(four, rules, &rules.iptables()).await?;
                match six {
                    Some(six) => write_chains(six, rules, &rules.ip6tables()).await,
                    None => Ok(()),
                }
            }
        }
    }

    /// What is not there need not be removed.
    pub(super) async fn remove(&self, rules: &Rules) {
        match self {
            Self::Nft(nft) => {
                let table = rules.table();
                let _ = run(nft, &["delete", "table", "inet", &table], "").await;
            }
            Self::Iptables(four, six) => {
                for program in [Some(four), six.as_ref()].into_iter().flatten() {
                    for (hook, chain) in rules.chains() {
                        while iptables(program, &["-D", hook, "-j", &chain]).await.is_ok() {}
                        let _ = iptables(program, &["-F", &chain]).await;
                        let _ = iptables(program, &["-X", &chain]).await;
                    }
                }
            }
        }
    }
}

async fn write_chains(program: &Path, rules: &Rules, script: &str) -> Result<(), FirewallError> {
    let mut restore = program.as_os_str().to_owned();
    restore.push("-restore");
    run(restore.as_ref(), &["--noflush", "-w", TURN], script).await?;
    for (hook, chain) in rules.chains() {
        if iptables(program, &["-C", hook, "-j", &chain])
            .await
            .is_err()
        {
            iptables(program, &["-I", hook, "1", "-j", &chain]).await?;
        }
    }
    Ok(())
}

async fn iptables(program: &Path, arguments: &[&str]) -> Result<(), FirewallError> {
    let mut all = vec!["-w", TURN, "-t", "mangle"];
    all.extend(arguments);
    run(program, &all, "").await
}

async fn run(program: &Path, arguments: &[&str], input: &str) -> Result<(), FirewallError> {
    let failed = |what: String| {
        FirewallError(format!(
            "{} {}: {what}",
            program.display(),
            arguments.join(" ")
        ))
    };
    let mut child = Command::new(program)
        .args(arguments)
        .stdin(Stdio::piped())
        .stdout(Stdio::null())
        .stderr(Stdio::piped())
        .kill_on_drop(true)
        .spawn()
        .map_err(|error| failed(error.to_string()))?;
    if let Some(mut stdin) = child.stdin.take() {
        // Where it fails, the program has ended, and says why.
        let _ = stdin.write_all(input.as_bytes()).await;
    }
    let ended = tokio::time::timeout(DEADLINE, child.wait_with_output()).await;
    let output = ended
        .map_err(|_| failed(format!("no end within {} s", DEADLINE.as_secs())))?
        .map_err(|error| failed(error.to_string()))?;
    if output.status.success() {
        return Ok(());
    }
    let said = String::from_utf8_lossy(&output.stderr);
    Err(failed(format!("{}: {}", output.status, said.trim())))
}

fn program(name: &str) -> Option<PathBuf> {
    let path = std::env::var_os("PATH").unwrap_or_default();
    let places = std::env::split_paths(&path).chain(PLACES.iter().map(PathBuf::from));
    places
        .map(|place| place.join(name))
        .find(|file| file.is_file())
}
