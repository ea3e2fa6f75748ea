//! What keeps pods with a network from each other, from this machine and from link-local addresses.
//!
//! [`rules`] says what; [`tool`] runs `nft`, or `iptables` where there is no `nft`.

mod rules;
mod tool;

use std::net::SocketAddrV4;

use rules::Rules;
use tool::Tool;

use super::network;
use crate::settings::FirewallChoice;

/// Rules cannot be kept up; the text says what is missing and what to do.
#[derive(Debug, thiserror::Error)]
#[error("{0}")]
pub(super) struct FirewallError(String);

/// The rules of this agent's pods.
pub(super) struct Firewall {
    rules: Rules,
    choice: FirewallChoice,
}

impl Firewall {
    /// For the network of an agent.
    pub(super) fn new(
        node_id: &str,
        choice: FirewallChoice,
        allow: Vec<SocketAddrV4>,
        deny: Vec<String>,
    ) -> Self {
        let rules = Rules {
            id: node_id.to_owned(),
            bridge: network::name(node_id),
            prefix: network::BRIDGE_PREFIX,
            allow,
            deny,
        };
        Self { rules, choice }
    }

    /// Sees to it that the rules stand; may be called at any time.
    pub(super) async fn ensure(&self) -> Result<(), FirewallError> {
        if !nix::unistd::geteuid().is_root() {
            let text = "the agent does not run as root and cannot write firewall rules, so pods \
                        with network: egress reach this machine's own addresses and link-local ones";
            return Err(FirewallError(text.to_owned()));
        }
        if !is_here(&self.rules.bridge) {
            let text = format!(
                "the engine's bridge {} is not in the agent's network namespace; run both in the \
                 same, or pods with network: egress are not held back",
                self.rules.bridge
            );
            return Err(FirewallError(text));
        }
        self.write().await?;
        separate_pods()
    }

    /// With the first tool that works: one may be there without what it needs of the kernel.
    async fn write(&self) -> Result<(), FirewallError> {
        let mut problem = tool::none(self.choice);
        for tool in Tool::all(self.choice) {
            match tool.write(&self.rules).await {
                Ok(()) => return Ok(()),
                Err(error) => problem = error,
            }
        }
        Err(problem)
    }

    /// Takes the rules away.
    pub(super) async fn remove(&self) {
        if !nix::unistd::geteuid().is_root() {
            return;
        }
        // Both: the other tool may have come or gone since.
        for tool in Tool::all(FirewallChoice::Auto) {
            tool.remove(&self.rules).await;
        }
    }
}

/// Whether an interface is in this process's network namespace.
fn is_here(interface: &str) -> bool {
    let known = std::fs::read_to_string("/proc/thread-self/net/dev").unwrap_or_default();
    known
        .lines()
        .filter_map(|line| line.split_once(':'))
        .any(|(name, _)| name.trim() == interface)
}

/// What goes from pod to pod stays on the bridge and meets the rules only when the kernel shows them
/// such packets.
fn separate_pods() -> Result<(), FirewallError> {
    const SWITCH: &str = "/proc/sys/net/bridge/bridge-nf-call-iptables";
    let on = || std::fs::read_to_string(SWITCH).is_ok_and(|text| text.trim() == "1");
    if on() || (std::fs::write(SWITCH, "1").is_ok() && on()) {
        return Ok(());
    }
    let text = format!(
        "{SWITCH} cannot be set, so pods with network: egress can reach each other; load the kernel \
         module br_netfilter"
    );
    Err(FirewallError(text))
}
