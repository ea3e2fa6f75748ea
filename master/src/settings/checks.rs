//! What can be used together, and what is filled in.

use std::path::PathBuf;

use super::{RegistryAccess, Settings};
use crate::store::Fsync;
use crate::store::etcd::is_loopback;
use crate::workflows::Allowed;

/// A setting has a value that cannot be used.
#[derive(Debug, thiserror::Error, PartialEq, Eq)]
#[error("setting {key}: found {found:?}, want {want}")]
pub struct SettingsError {
    pub(super) key: &'static str,
    pub(super) found: String,
    pub(super) want: &'static str,
}

impl Settings {
    /// When commits of the embedded store are on disk.
    #[must_use]
    pub fn fsync(&self) -> Fsync {
        match &*self.store_fsync {
            "interval" => Fsync::Interval,
            _ => Fsync::Always,
        }
    }

    /// Fills in what depends on the machine and refuses what cannot work.
    ///
    /// # Errors
    /// Names the key, what was found and what is wanted.
    pub fn complete(mut self) -> Result<Self, SettingsError> {
        let refuse = |key, found: &str, want| {
            Err(SettingsError {
                key,
                found: found.to_owned(),
                want,
            })
        };
        if self.data_dir.as_os_str().is_empty() {
            self.data_dir = default_data_dir();
        }
        match self.etcd()? {
            None if self.store != "embedded" => {
                return refuse(
                    "store",
                    &self.store,
                    "embedded or etcd://HOST:PORT[,HOST:PORT…]",
                );
            }
            Some(_) if self.blobs.is_empty() => {
                let want = "a directory that all masters share, s3://BUCKET, or local when this is the only master: \
                            with etcd, other masters must be able to read the code too";
                return refuse("blobs", "", want);
            }
            _ => {}
        }
        let advertised: Option<http::uri::Authority> = self.api_advertise.parse().ok();
        if !self.api_advertise.is_empty() && advertised.is_none_or(|at| at.port().is_none()) {
            return refuse("api-advertise", &self.api_advertise, "HOST:PORT");
        }
        let is_bucket = self.bucket()?.is_some();
        let is_directory = matches!(&*self.blobs, "" | "local") || self.blobs.starts_with('/');
        if !is_bucket && !is_directory {
            return refuse(
                "blobs",
                &self.blobs,
                "local, a directory's path from the root, or s3://BUCKET",
            );
        }
        if !matches!(&*self.store_fsync, "always" | "interval") {
            return refuse("store-fsync", &self.store_fsync, "always or interval");
        }
        if let Err(want) = check_registry(&self.registry, &self.registry_access) {
            return refuse("registry", &self.registry, want);
        }
        if !is_path(&self.registry_access.prefix) {
            let want =
                "lower-case letters, digits and single . _ - between them, as in team/troupe";
            return refuse("registry-access.prefix", &self.registry_access.prefix, want);
        }
        if !self.sfn_listen.is_empty() && !is_loopback(&self.sfn_listen) {
            let want = "an address on loopback, as 127.0.0.1:8083: there any credentials pass";
            return refuse("sfn-listen", &self.sfn_listen, want);
        }
        if !(1..=MOST_EVENTS).contains(&self.runs.max_events) {
            let found = self.runs.max_events.to_string();
            return refuse("runs.max-events", &found, "1 to 1000000");
        }
        if let Err(text) = Allowed::parse(&self.runs.http_allow) {
            return refuse(
                "runs.http-allow",
                &text,
                "URLs, as https://api.example.org/v1",
            );
        }
        let account = &self.step_functions.account;
        if account.len() != 12 || !account.bytes().all(|b| b.is_ascii_digit()) {
            return refuse("step-functions.account", account, "twelve digits");
        }
        Ok(self)
    }
}

/// Most events that one history may have.
const MOST_EVENTS: u64 = 1_000_000;

/// What is wrong with the choice of a registry.
fn check_registry(registry: &str, access: &RegistryAccess) -> Result<(), &'static str> {
    if matches!(registry, "auto" | "none") {
        return Ok(());
    }
    let want = "auto, none or a URL as https://registry.lan:5000";
    let url = reqwest::Url::parse(registry).map_err(|_| want)?;
    let host = url.host_str().unwrap_or_default();
    let plain = url.username().is_empty() && url.query().is_none() && !host.is_empty();
    match url.scheme() {
        "https" if plain => Ok(()),
        "http" if plain && (access.username.is_empty() || is_loopback(&format!("{host}:0"))) => {
            Ok(())
        }
        "http" if plain => Err("https: a password may not travel in the clear"),
        _ => Err(want),
    }
}

/// Whether a text can begin an image's name.
fn is_path(text: &str) -> bool {
    let plain = |b: u8| b.is_ascii_lowercase() || b.is_ascii_digit();
    let word = |part: &str| {
        let bytes = part.as_bytes();
        let ends =
            bytes.first().is_some_and(|b| plain(*b)) && bytes.last().is_some_and(|b| plain(*b));
        let between = |pair: &[u8]| plain(pair[0]) || plain(pair[1]);
        let known = bytes.iter().all(|b| plain(*b) || b"._-".contains(b));
        ends && known && bytes.windows(2).all(between)
    };
    text.len() < 100 && text.split('/').all(word)
}

fn default_data_dir() -> PathBuf {
    if nix::unistd::geteuid().is_root() {
        return PathBuf::from("/var/lib/troupe");
    }
    let home = std::env::var_os("HOME")
        .map(PathBuf::from)
        .unwrap_or_default();
    let data = std::env::var_os("XDG_DATA_HOME").map(PathBuf::from);
    data.unwrap_or_else(|| home.join(".local/share"))
        .join("troupe")
}
