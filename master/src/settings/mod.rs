//! What an operator can choose. `config/master.toml` shows every key with its default; a test holds
//! the two together.

mod checks;
mod parts;

#[cfg(test)]
mod tests;

use std::path::PathBuf;

use serde::Deserialize;

use crate::blobs::{BucketTarget, S3Settings};
use crate::seal::{SealError, Secret};
use crate::store::etcd::{EtcdSettings, Target};

pub use checks::SettingsError;
pub use parts::{
    BuildSettings, GatewaySettings, InvocationSettings, NodeSettings, OwnRegistry, RegistryAccess,
    RunSettings, StepFunctionsSettings,
};

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
    /// `host:port` at which agents and other masters reach the API of this master. Empty: as `api_listen`; when
    /// that is all addresses, the one that leads to etcd.
    pub api_advertise: String,
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
    /// etcd too, for a single master. A path: a directory that all masters share. `s3://BUCKET[/PREFIX]`: an
    /// object store.
    pub blobs: String,
    /// How the object store is used.
    pub s3: S3Settings,
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
    /// Nodes.
    pub nodes: NodeSettings,
    /// Builds.
    pub builds: BuildSettings,
    /// Runs.
    pub runs: RunSettings,
    /// The Step Functions API.
    pub step_functions: StepFunctionsSettings,
    /// Asynchronous calls.
    pub invocations: InvocationSettings,
}

impl Default for Settings {
    fn default() -> Self {
        Self {
            data_dir: PathBuf::new(),
            api_listen: "127.0.0.1:6443".to_owned(),
            api_names: Vec::new(),
            api_advertise: String::new(),
            gateway_listen: "127.0.0.1:8080".to_owned(),
            sfn_listen: String::new(),
            store: "embedded".to_owned(),
            etcd: EtcdSettings::default(),
            cluster_secret_file: PathBuf::new(),
            blobs: String::new(),
            s3: S3Settings::default(),
            store_fsync: "always".to_owned(),
            registry: "auto".to_owned(),
            registry_access: RegistryAccess::default(),
            own_registry: OwnRegistry::default(),
            gateway: GatewaySettings::default(),
            nodes: NodeSettings::default(),
            builds: BuildSettings::default(),
            runs: RunSettings::default(),
            step_functions: StepFunctionsSettings::default(),
            invocations: InvocationSettings::default(),
        }
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

    /// The bucket of code and layers, if they are in one.
    ///
    /// # Errors
    /// When what is said of it cannot be used.
    pub fn bucket(&self) -> Result<Option<BucketTarget>, SettingsError> {
        let refused = |(key, found, want)| SettingsError { key, found, want };
        self.s3.target(&self.blobs).map_err(refused)
    }

    /// The directory of code and layers, if they are in one.
    #[must_use]
    pub fn blobs_dir(&self) -> PathBuf {
        match self.blobs.as_str() {
            "" | "local" => self.data_dir.join("blobs"),
            path => PathBuf::from(path),
        }
    }
}
