use std::env;
use std::net::{IpAddr, Ipv4Addr, SocketAddr, SocketAddrV4};
use std::path::PathBuf;

use common::resources::check_dns_subdomain;
use common::trust::JoinToken;
use http::Uri;

use super::Settings;

/// A setting has a value that cannot be used.
#[derive(Debug, thiserror::Error)]
#[error("setting {key}: {problem}")]
pub struct SettingsError {
    key: &'static str,
    problem: String,
}

impl SettingsError {
    pub(crate) fn new(key: &'static str, problem: impl Into<String>) -> Self {
        Self {
            key,
            problem: problem.into(),
        }
    }
}

impl Settings {
    /// Fills in what depends on the machine and refuses what cannot work.
    ///
    /// # Errors
    /// Names the key, what was found and what is wanted.
    pub fn complete(mut self) -> Result<Self, SettingsError> {
        if self.data_dir.as_os_str().is_empty() {
            self.data_dir = default_data_dir();
        }
        self.data_dir = std::path::absolute(&self.data_dir)
            .map_err(|error| SettingsError::new("data-dir", error.to_string()))?;
        if self.name.is_empty() {
            self.name = host_name();
        }
        check_dns_subdomain(&self.name)
            .map_err(|error| SettingsError::new("name", error.to_string()))?;
        if self.master.is_empty() {
            return Err(SettingsError::new(
                "master",
                "found none, want https://HOST:PORT",
            ));
        }
        for url in &self.master {
            master_address(url)?;
        }
        if self.token.is_empty() && !self.token_file.as_os_str().is_empty() {
            let read = std::fs::read_to_string(&self.token_file).map_err(|error| {
                SettingsError::new(
                    "token-file",
                    format!("{}: {error}", self.token_file.display()),
                )
            })?;
            read.trim().clone_into(&mut self.token);
        }
        if !self.token.is_empty() {
            self.token
                .parse::<JoinToken>()
                .map_err(|error| SettingsError::new("token", error.to_string()))?;
        }
        if self.data.listen.is_empty() {
            let local = self.master_is_local();
            self.data.listen = if local { "127.0.0.1:0" } else { "0.0.0.0:6444" }.to_owned();
        }
        self.data.listen.parse::<SocketAddr>().map_err(|_| {
            SettingsError::new(
                "data.listen",
                format!("found {:?}, want IP:PORT", self.data.listen),
            )
        })?;
        if self.pods.uid_first < 1000 || self.pods.uid_count < self.pods.max + self.builds.parallel
        {
            let want = "want ids above 999, and as many as pods.max and builds.parallel together";
            return Err(SettingsError::new("pods.uid-first, pods.uid-count", want));
        }
        if self.builds.parallel == 0 {
            return Err(SettingsError::new(
                "builds.parallel",
                "found 0, want at least 1",
            ));
        }
        self.docker.check()?;
        Ok(self)
    }

    /// Whether every master is reached over loopback.
    #[must_use]
    pub fn master_is_local(&self) -> bool {
        self.master
            .iter()
            .all(|url| master_address(url).is_ok_and(|(host, _)| is_loopback(&host)))
    }
}

impl super::Docker {
    fn check(&self) -> Result<(), SettingsError> {
        for text in &self.allow {
            host_address(text)?;
        }
        for text in &self.deny {
            let parts = text.split_once('/');
            let valid = parts.is_some_and(|(ip, bits)| {
                ip.parse::<Ipv4Addr>().is_ok() && bits.parse::<u8>().is_ok_and(|bits| bits <= 32)
            });
            if !valid {
                let problem = format!("found {text:?}, want a network such as 192.168.0.0/16");
                return Err(SettingsError::new("docker.deny", problem));
            }
        }
        if self.images_low > self.images_high || self.images_high > 100 {
            return Err(SettingsError::new(
                "docker.images-low, docker.images-high",
                format!(
                    "found {} and {}, want percentages, the first no larger than the second",
                    self.images_low, self.images_high
                ),
            ));
        }
        Ok(())
    }
}

/// An address of this machine.
///
/// # Errors
/// When it is not `IPv4:PORT`.
pub(crate) fn host_address(text: &str) -> Result<SocketAddrV4, SettingsError> {
    text.parse().map_err(|_| {
        let problem = format!("found {text:?}, want an address such as 10.0.0.5:3141");
        SettingsError::new("docker.allow", problem)
    })
}

fn is_loopback(host: &str) -> bool {
    host == "localhost"
        || host
            .parse::<IpAddr>()
            .is_ok_and(|address| address.is_loopback())
}

/// Host and port of a master's URL.
///
/// # Errors
/// When it is not `https://HOST[:PORT]`.
pub(crate) fn master_address(url: &str) -> Result<(String, u16), SettingsError> {
    let fail = || SettingsError::new("master", format!("found {url:?}, want https://HOST:PORT"));
    let uri: Uri = url.parse().map_err(|_| fail())?;
    let plain = matches!(uri.path(), "" | "/") && uri.query().is_none();
    if uri.scheme_str() != Some("https") || !plain {
        return Err(fail());
    }
    let host = uri.host().ok_or_else(fail)?.trim_matches(['[', ']']);
    Ok((host.to_owned(), uri.port_u16().unwrap_or(6443)))
}

fn default_data_dir() -> PathBuf {
    if nix::unistd::geteuid().is_root() {
        return PathBuf::from("/var/lib/troupe-agent");
    }
    let home = env::var_os("HOME").map(PathBuf::from).unwrap_or_default();
    let data = env::var_os("XDG_DATA_HOME").map(PathBuf::from);
    data.unwrap_or_else(|| home.join(".local/share"))
        .join("troupe-agent")
}

fn host_name() -> String {
    let name = std::fs::read_to_string("/proc/sys/kernel/hostname").unwrap_or_default();
    let fit: String = name
        .trim()
        .to_lowercase()
        .chars()
        .map(|c| {
            if c.is_ascii_alphanumeric() || c == '.' {
                c
            } else {
                '-'
            }
        })
        .collect();
    let fit = fit.trim_matches(['-', '.']);
    if fit.is_empty() {
        "node".to_owned()
    } else {
        fit.to_owned()
    }
}
