//! What may pass the pods' bridge: outwards, and nothing else. Pure; written for both tools.
//!
//! The rules stand in places that Docker's own do not use, and a packet that is dropped there is
//! dropped whatever comes later. So a restarted engine, which writes its rules anew, changes nothing.

use std::net::SocketAddrV4;

/// Never reached from a pod: link-local addresses, where clouds keep their machines' credentials.
const LINK_LOCAL: &str = "169.254.0.0/16";

/// What the rules are about.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Rules {
    /// Names this agent's tables or chains.
    pub(super) id: String,
    /// The pods' bridge.
    pub(super) bridge: String,
    /// What all agents' bridges begin with.
    pub(super) prefix: &'static str,
    /// What pods may reach on this machine all the same.
    pub(super) allow: Vec<SocketAddrV4>,
    /// Networks that pods may not reach.
    pub(super) deny: Vec<String>,
}

impl Rules {
    /// Name of the nftables table.
    pub(super) fn table(&self) -> String {
        format!("troupe-{}", self.id)
    }

    /// Names of the iptables chains for packets to this machine and through it.
    pub(super) fn chains(&self) -> [(&'static str, String); 2] {
        [
            ("INPUT", format!("TROUPE-IN-{}", self.id)),
            ("FORWARD", format!("TROUPE-FWD-{}", self.id)),
        ]
    }

    fn denied(&self) -> impl Iterator<Item = &str> {
        std::iter::once(LINK_LOCAL).chain(self.deny.iter().map(String::as_str))
    }

    /// For `nft -f -`: replaces the table as a whole.
    pub(super) fn nft(&self) -> String {
        let (table, bridge, prefix) = (self.table(), &self.bridge, self.prefix);
        let allow: String = self
            .allow
            .iter()
            .map(|at| {
                format!(
                    "    iifname \"{bridge}\" ip daddr {} tcp dport {} accept\n",
                    at.ip(),
                    at.port()
                )
            })
            .collect();
        let deny: String = self
            .denied()
            .map(|network| format!("    iifname \"{bridge}\" ip daddr {network} drop\n"))
            .collect();
        format!(
            "table inet {table}\n\
             delete table inet {table}\n\
             table inet {table} {{\n\
             \x20 chain input {{\n    type filter hook input priority -150; policy accept;\n\
             {allow}    iifname \"{bridge}\" drop\n  }}\n\
             \x20 chain forward {{\n    type filter hook forward priority -150; policy accept;\n\
             \x20   iifname \"{bridge}\" oifname \"{prefix}*\" drop\n\
             \x20   iifname \"{bridge}\" ct status dnat drop\n\
             \x20   iifname \"{bridge}\" meta nfproto ipv6 drop\n\
             {deny}    oifname \"{bridge}\" ct state new drop\n  }}\n}}\n"
        )
    }

    /// For `iptables-restore --noflush`: replaces what stands in the chains.
    pub(super) fn iptables(&self) -> String {
        let [(_, input), (_, forward)] = self.chains();
        let (bridge, prefix) = (&self.bridge, self.prefix);
        let mut lines = vec![
            "*mangle".to_owned(),
            format!(":{input} - [0:0]"),
            format!(":{forward} - [0:0]"),
        ];
        for at in &self.allow {
            let (ip, port) = (at.ip(), at.port());
            lines.push(format!(
                "-A {input} -i {bridge} -d {ip} -p tcp --dport {port} -j RETURN"
            ));
        }
        lines.push(format!("-A {input} -i {bridge} -j DROP"));
        lines.push(format!("-A {forward} -i {bridge} -o {prefix}+ -j DROP"));
        lines.push(format!(
            "-A {forward} -i {bridge} -m conntrack --ctstate DNAT -j DROP"
        ));
        for network in self.denied() {
            lines.push(format!("-A {forward} -i {bridge} -d {network} -j DROP"));
        }
        lines.push(format!(
            "-A {forward} -o {bridge} -m conntrack --ctstate NEW -j DROP"
        ));
        lines.push("COMMIT\n".to_owned());
        lines.join("\n")
    }

    /// The same for IPv6, of which pods have none.
    pub(super) fn ip6tables(&self) -> String {
        let [(_, input), (_, forward)] = self.chains();
        let bridge = &self.bridge;
        format!(
            "*mangle\n:{input} - [0:0]\n:{forward} - [0:0]\n-A {input} -i {bridge} -j DROP\n\
             -A {forward} -i {bridge} -j DROP\n-A {forward} -o {bridge} -j DROP\nCOMMIT\n"
        )
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn rules() -> Rules {
        Rules {
            id: "0a1b2c3d".to_owned(),
            bridge: "troupe-0a1b2c3d".to_owned(),
            prefix: "troupe-",
            allow: vec!["10.0.0.5:3141".parse().unwrap()],
            deny: vec!["192.168.0.0/16".to_owned()],
        }
    }

    #[test]
    fn chain_names_fit_the_kernel() {
        assert!(rules().chains().iter().all(|(_, name)| name.len() <= 28));
        assert!(rules().bridge.len() <= 15);
    }

    #[test]
    fn exceptions_come_before_what_is_dropped() {
        let text = rules().iptables();
        let allow = text.find("-d 10.0.0.5 -p tcp --dport 3141 -j RETURN");
        assert!(allow.unwrap() < text.find("-i troupe-0a1b2c3d -j DROP").unwrap());
        let text = rules().nft();
        let allow = text.find("ip daddr 10.0.0.5 tcp dport 3141 accept");
        assert!(allow.unwrap() < text.find("iifname \"troupe-0a1b2c3d\" drop").unwrap());
    }

    #[test]
    fn both_tools_are_told_of_every_denied_network() {
        for network in ["169.254.0.0/16", "192.168.0.0/16"] {
            assert!(
                rules()
                    .iptables()
                    .contains(&format!("-d {network} -j DROP"))
            );
            assert!(rules().nft().contains(&format!("ip daddr {network} drop")));
        }
    }
}
