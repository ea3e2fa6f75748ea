//! What an operator can choose. `config/master.toml` shows every key with its default; a test holds
//! the two together.

use std::path::PathBuf;
use std::time::Duration;

use common::settings::{ByteCount, duration};
use serde::Deserialize;

use crate::invocations::{Bounds, Policy, Width};
use crate::seal::{SealError, Secret};
use crate::store::Fsync;
use crate::store::etcd::{EtcdSettings, Target, is_loopback};
use crate::workflows::Allowed;

/// All settings.
#[derive(Clone, Debug, PartialEq, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case", default)]
pub struct Settings {
    /// Where the store, the certificates, the code and the layers live. Empty: `/var/lib/troupe` for
    /// root, else `troupe` in the user's data directory.
    pub data_dir: PathBuf,
    /// `host:port` of the API (TLS). Port 0 takes a free one.
    pub api_listen: String,
    /// More names and addresses for the API's certificate, as `master.lan,10.0.0.7`.
    #[serde(deserialize_with = "common::settings::list")]
    pub api_names: Vec<String>,
    /// `host:port` of the gateway (plain HTTP).
    pub gateway_listen: String,
    /// `host:port` of the Step Functions API without authentication; loopback only. Empty: off.
    pub sfn_listen: String,
    /// `embedded`, or `etcd://HOST:PORT[,HOST:PORT…]`.
    pub store: String,
    /// How etcd is used.
    pub etcd: EtcdSettings,
    /// The file with the secret that several masters share: the keys that they must all have are sealed with it
    /// in etcd. Empty: none, for a single master.
    pub cluster_secret_file: PathBuf,
    /// Where code and layers lie. Empty: in the data directory, with the embedded store. `local`: there with
    /// etcd too, for a single master. A path: a directory that all masters share.
    pub blobs: String,
    /// When commits of the embedded store are on disk: `always` before they are acknowledged, `interval`
    /// soon after (for development).
    pub store_fsync: String,
    /// `none`, `auto` or the URL of a registry.
    pub registry: String,
    /// How the registry is used.
    pub registry_access: RegistryAccess,
    /// The registry that `auto` runs.
    pub own_registry: OwnRegistry,
    /// The gateway.
    pub gateway: GatewaySettings,
    /// Builds.
    pub builds: BuildSettings,
    /// Runs.
    pub runs: RunSettings,
    /// The Step Functions API.
    pub step_functions: StepFunctionsSettings,
    /// Asynchronous calls.
    pub invocations: InvocationSettings,
}

/// The Step Functions API.
#[derive(Clone, Debug, PartialEq, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case", default)]
pub struct StepFunctionsSettings {
    /// The region that ARNs name.
    pub region: String,
    /// The account that ARNs name.
    pub account: String,
}

/// How the registry is used.
#[derive(Clone, Debug, PartialEq, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case", default)]
pub struct RegistryAccess {
    /// The user; empty: none.
    pub username: String,
    /// The file with the password, in one line.
    pub password_file: PathBuf,
    /// The certificates (PEM) that an https registry's must come from. Empty: the public authorities.
    pub ca_file: PathBuf,
    /// Images are named `PREFIX/functions`.
    pub prefix: String,
}

/// The registry that the master runs itself.
#[derive(Clone, Debug, PartialEq, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case", default)]
pub struct OwnRegistry {
    /// The image of a registry (CNCF distribution). Empty: never through Docker.
    pub image: String,
    /// The engine's socket, `unix:///PATH`. Empty: `DOCKER_HOST`, else Docker's default.
    pub docker_host: String,
}

/// The gateway.
#[derive(Clone, Debug, PartialEq, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case", default)]
pub struct GatewaySettings {
    /// Largest request body.
    pub max_body: ByteCount,
    /// Longest time a call waits for a pod, a build under way included.
    #[serde(deserialize_with = "duration")]
    pub hold: Duration,
    /// Most calls that wait for one function.
    pub queue: usize,
    /// The pods' directory of an agent on this machine (`DATA-DIR/pods`), whose sockets the gateway
    /// then uses without going through the agent. Empty: always through the agent.
    pub local_pods_dir: PathBuf,
    /// The first of the user ids that agent's pods run under.
    pub local_pods_uid_first: u32,
    /// How many there are.
    pub local_pods_uid_count: u32,
    /// Threads that serve requests. 0: one per core.
    pub workers: usize,
}

/// Builds.
#[derive(Clone, Debug, PartialEq, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case", default)]
pub struct BuildSettings {
    /// Longest build.
    #[serde(deserialize_with = "duration")]
    pub timeout: Duration,
    /// Largest upload.
    pub max_upload: ByteCount,
    /// Largest layer.
    pub max_layer: ByteCount,
    /// How long sources, layers and images that nothing uses are kept at least.
    #[serde(deserialize_with = "duration")]
    pub keep_unused: Duration,
}

/// Runs.
#[derive(Clone, Debug, PartialEq, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case", default)]
pub struct RunSettings {
    /// How long a task waits for a function that does not exist before it fails.
    #[serde(deserialize_with = "duration")]
    pub wait_for_function: Duration,
    /// How long an ended run is kept, with its journal.
    #[serde(deserialize_with = "duration")]
    pub keep: Duration,
    /// Most ended runs of one workflow or state machine that are kept.
    pub keep_last: usize,
    /// Most events in the history of one run, at most 1,000,000; past it the run fails.
    pub max_events: u64,
    /// Largest input or output of a state.
    pub max_payload: ByteCount,
    /// The directory whose subdirectories are the buckets that distributed Maps read and write. Empty: none.
    pub data_dir: PathBuf,
    /// URLs beneath which runs may send requests (`http:invoke`). Empty: none.
    #[serde(deserialize_with = "common::settings::list")]
    pub http_allow: Vec<String>,
}

/// Asynchronous calls. A function's `spec.retry` wins over what stands here of attempts.
#[derive(Clone, Debug, PartialEq, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case", default)]
pub struct InvocationSettings {
    /// Attempts before a call is a dead letter, at least 1.
    pub attempts: u32,
    /// Delay before the second attempt; each further one waits twice as long.
    #[serde(deserialize_with = "duration")]
    pub backoff: Duration,
    /// Longest delay between two attempts.
    #[serde(deserialize_with = "duration")]
    pub max_backoff: Duration,
    /// A call that has not succeeded by this age is a dead letter.
    #[serde(deserialize_with = "duration")]
    pub max_age: Duration,
    /// How long the result of an ended call is kept, and how long an idempotency key counts.
    #[serde(deserialize_with = "duration")]
    pub keep: Duration,
    /// Bytes of all results together; the oldest go first.
    pub max_results: ByteCount,
    /// Most calls that wait in the whole cluster.
    pub queue: u64,
    /// Bytes of their bodies together.
    pub queue_bytes: ByteCount,
    /// Attempts at once.
    pub at_once: usize,
    /// Attempts at once of one function.
    pub at_once_per_function: usize,
}

impl InvocationSettings {
    /// How much may wait and be kept.
    #[must_use]
    pub fn bounds(&self) -> Bounds {
        Bounds {
            count: self.queue,
            bytes: self.queue_bytes.0,
            results: self.max_results.0,
        }
    }

    /// The rules of attempts.
    #[must_use]
    pub fn policy(&self) -> Policy {
        Policy {
            attempts: self.attempts.max(1),
            first_delay: self.backoff,
            longest_delay: self.max_backoff,
            max_age: self.max_age,
            keep: self.keep,
        }
    }

    /// Attempts at once.
    #[must_use]
    pub fn width(&self) -> Width {
        Width {
            total: self.at_once.max(1),
            per_function: self.at_once_per_function.max(1),
        }
    }
}

impl Default for InvocationSettings {
    fn default() -> Self {
        let (bounds, policy, width) = (Bounds::default(), Policy::default(), Width::default());
        Self {
            attempts: policy.attempts,
            backoff: policy.first_delay,
            max_backoff: policy.longest_delay,
            max_age: policy.max_age,
            keep: policy.keep,
            max_results: ByteCount(bounds.results),
            queue: bounds.count,
            queue_bytes: ByteCount(bounds.bytes),
            at_once: width.total,
            at_once_per_function: width.per_function,
        }
    }
}

impl Default for Settings {
    fn default() -> Self {
        Self {
            data_dir: PathBuf::new(),
            api_listen: "127.0.0.1:6443".to_owned(),
            api_names: Vec::new(),
            gateway_listen: "127.0.0.1:8080".to_owned(),
            sfn_listen: String::new(),
            store: "embedded".to_owned(),
            etcd: EtcdSettings::default(),
            cluster_secret_file: PathBuf::new(),
            blobs: String::new(),
            store_fsync: "always".to_owned(),
            registry: "auto".to_owned(),
            registry_access: RegistryAccess::default(),
            own_registry: OwnRegistry::default(),
            gateway: GatewaySettings::default(),
            builds: BuildSettings::default(),
            runs: RunSettings::default(),
            step_functions: StepFunctionsSettings::default(),
            invocations: InvocationSettings::default(),
        }
    }
}

impl Default for RegistryAccess {
    fn default() -> Self {
        Self {
            username: String::new(),
            password_file: PathBuf::new(),
            ca_file: PathBuf::new(),
            prefix: "troupe".to_owned(),
        }
    }
}

impl Default for OwnRegistry {
    fn default() -> Self {
        Self {
            image: "registry:2".to_owned(),
            docker_host: String::new(),
        }
    }
}

impl Default for GatewaySettings {
    fn default() -> Self {
        Self {
            max_body: ByteCount(6 << 20),
            hold: Duration::from_secs(60),
            queue: 1000,
            local_pods_dir: PathBuf::new(),
            local_pods_uid_first: 200_000,
            local_pods_uid_count: 10_000,
            workers: 0,
        }
    }
}

impl Default for BuildSettings {
    fn default() -> Self {
        Self {
            timeout: Duration::from_secs(600),
            max_upload: ByteCount(50 << 20),
            max_layer: ByteCount(1 << 30),
            keep_unused: Duration::from_secs(3600),
        }
    }
}

impl Default for StepFunctionsSettings {
    fn default() -> Self {
        Self {
            region: "us-east-1".to_owned(),
            account: "111111111111".to_owned(),
        }
    }
}

impl Default for RunSettings {
    fn default() -> Self {
        Self {
            wait_for_function: Duration::from_secs(60),
            keep: Duration::from_secs(30 * 24 * 3600),
            keep_last: 1000,
            max_events: 25_000,
            max_payload: ByteCount(256 << 10),
            data_dir: PathBuf::new(),
            http_allow: Vec::new(),
        }
    }
}

/// A setting has a value that cannot be used.
#[derive(Debug, thiserror::Error, PartialEq, Eq)]
#[error("setting {key}: found {found:?}, want {want}")]
pub struct SettingsError {
    key: &'static str,
    found: String,
    want: &'static str,
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
                let want = "a directory that all masters share, or local when this is the only master: \
                            with etcd, other masters must be able to read the code too";
                return refuse("blobs", "", want);
            }
            _ => {}
        }
        if !matches!(self.blobs.as_str(), "" | "local") && !self.blobs.starts_with('/') {
            return refuse(
                "blobs",
                &self.blobs,
                "local, or a directory's path from the root",
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

impl Settings {
    /// The etcd that is the store, if one is.
    ///
    /// # Errors
    /// When what is said of it cannot be used.
    pub fn etcd(&self) -> Result<Option<Target>, SettingsError> {
        let refused = |(key, found, want)| SettingsError { key, found, want };
        self.etcd.target(&self.store).map_err(refused)
    }

    /// The etcd that `store` names, with what these settings say of etcd.
    ///
    /// # Errors
    /// When it names none, or what is said of it cannot be used.
    pub fn etcd_at(&self, store: &str) -> Result<Target, SettingsError> {
        let settings = Self {
            store: store.to_owned(),
            ..self.clone()
        };
        settings.etcd()?.ok_or(SettingsError {
            key: "store",
            found: settings.store,
            want: "etcd://HOST:PORT[,HOST:PORT…]",
        })
    }

    /// The secret that the masters share, if there is one.
    ///
    /// # Errors
    /// When its file cannot be read or is too short.
    pub fn cluster_secret(&self) -> Result<Option<Secret>, SealError> {
        let path = &self.cluster_secret_file;
        let given = !path.as_os_str().is_empty();
        given.then(|| Secret::read(path)).transpose()
    }

    /// The directory of code and layers.
    #[must_use]
    pub fn blobs_dir(&self) -> PathBuf {
        match self.blobs.as_str() {
            "" | "local" => self.data_dir.join("blobs"),
            path => PathBuf::from(path),
        }
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_commented_file_shows_the_defaults() {
        let file = concat!(env!("CARGO_MANIFEST_DIR"), "/../config/master.toml");
        let shown: Settings = common::settings::load(Some(file.as_ref()), "NONE", [], &[]).unwrap();
        assert_eq!(shown, Settings::default());
    }

    #[test]
    fn a_registry_is_none_auto_or_a_url_and_passwords_go_by_tls() {
        let with = |registry: &str, username: &str, prefix: &str| {
            let settings = Settings {
                registry: registry.to_owned(),
                registry_access: RegistryAccess {
                    username: username.to_owned(),
                    prefix: prefix.to_owned(),
                    ..RegistryAccess::default()
                },
                ..Settings::default()
            };
            settings
                .complete()
                .map(|_| ())
                .map_err(|error| error.to_string())
        };
        for good in [
            "none",
            "auto",
            "https://r.lan:5000",
            "http://r.lan",
            "https://r/mirror/",
        ] {
            assert_eq!(with(good, "", "troupe"), Ok(()), "{good}");
        }
        assert_eq!(with("http://127.0.0.1:5000", "me", "team/troupe-1"), Ok(()));
        let clear = with("http://r.lan", "me", "troupe").unwrap_err();
        assert!(clear.contains("in the clear"), "{clear}");
        for bad in ["r.lan:5000", "ftp://r", "https://", "https://me@r"] {
            assert!(
                with(bad, "", "troupe")
                    .unwrap_err()
                    .starts_with("setting registry:"),
                "{bad}"
            );
        }
        for bad in ["", "Team", "a//b", "a--b", "-a"] {
            assert!(
                with("none", "", bad).unwrap_err().contains("prefix"),
                "{bad}"
            );
        }
    }

    #[test]
    fn a_store_is_one_we_know_and_with_etcd_it_is_said_where_the_code_lies() {
        let with = |store: &str, blobs: &str| {
            let settings = Settings {
                store: store.to_owned(),
                blobs: blobs.to_owned(),
                ..Settings::default()
            };
            settings.complete().map_err(|error| error.key)
        };
        assert!(with("embedded", "").is_ok());
        assert!(with("etcd://localhost:2379", "local").is_ok());
        let shared = with("etcd://localhost:2379", "/mnt/shared").unwrap();
        assert_eq!(shared.blobs_dir(), PathBuf::from("/mnt/shared"));
        assert_eq!(with("etcd://localhost:2379", "").unwrap_err(), "blobs");
        assert_eq!(
            with("etcd://localhost:2379", "shared").unwrap_err(),
            "blobs"
        );
        assert_eq!(
            with("etcd://10.0.0.1:2379", "local").unwrap_err(),
            "etcd.ca-file"
        );
        assert_eq!(with("sqlite", "").unwrap_err(), "store");
    }

    #[test]
    fn a_port_where_any_credentials_pass_is_on_loopback() {
        let listen = |address: &str| {
            let settings = Settings {
                sfn_listen: address.to_owned(),
                ..Settings::default()
            };
            settings.complete().is_ok()
        };
        assert!(listen("127.0.0.1:8083") && listen("[::1]:8083") && listen("localhost:0"));
        assert!(!listen("0.0.0.0:8083") && !listen("10.0.0.1:8083") && !listen(":8083"));
    }
}
