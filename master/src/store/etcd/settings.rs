//! What an operator says of etcd.

use std::path::{Path, PathBuf};
use std::time::Duration;

use common::settings::duration;
use serde::Deserialize;

use super::Target;

/// How etcd is used, with `store = "etcd://…"`.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case", default)]
pub struct EtcdSettings {
    /// What all keys of this cluster begin with.
    pub prefix: String,
    /// The certificates (PEM) that the members' must come from. Empty: no TLS, on loopback only.
    pub ca_file: PathBuf,
    /// The certificate (PEM) to show to members that ask for one. Empty: none.
    pub cert_file: PathBuf,
    /// Its key (PEM).
    pub key_file: PathBuf,
    /// The user, where etcd has authentication. Empty: none.
    pub username: String,
    /// The file with the password, in one line.
    pub password_file: PathBuf,
    /// How long reads and writes wait for an etcd that is away before they fail.
    #[serde(deserialize_with = "duration")]
    pub patience: Duration,
}

impl Default for EtcdSettings {
    fn default() -> Self {
        Self {
            prefix: "/troupe".to_owned(),
            ca_file: PathBuf::new(),
            cert_file: PathBuf::new(),
            key_file: PathBuf::new(),
            username: String::new(),
            password_file: PathBuf::new(),
            patience: Duration::from_secs(30),
        }
    }
}

/// A setting that cannot be used: its key, what was found, what is wanted.
pub(crate) type Refused = (&'static str, String, &'static str);

impl EtcdSettings {
    /// The etcd that `store` names; `None` when it names none.
    pub(crate) fn target(&self, store: &str) -> Result<Option<Target>, Refused> {
        let Some(members) = store.strip_prefix("etcd://") else {
            return Ok(None);
        };
        let members: Vec<String> = members.split(',').map(str::to_owned).collect();
        if !members.iter().all(|member| is_address(member)) {
            let want = "etcd://HOST:PORT[,HOST:PORT…]";
            return Err(("store", store.to_owned(), want));
        }
        let prefix = &self.prefix;
        if !prefix.starts_with('/') || prefix.ends_with('/') {
            let want = "a path that begins with a slash and does not end with one, as /troupe";
            return Err(("etcd.prefix", prefix.clone(), want));
        }
        let ca_file = given(&self.ca_file);
        if ca_file.is_none() && !members.iter().all(|member| is_loopback(member)) {
            let want = "the authority's certificates: what is stored may not travel in the clear";
            return Err(("etcd.ca-file", String::new(), want));
        }
        let pair = |key, one: &Path, other: &Path, want| match (given(one), given(other)) {
            (Some(one), Some(other)) => Ok(Some((one, other))),
            (None, None) => Ok(None),
            _ => Err((key, other.display().to_string(), want)),
        };
        let both = "both files, or neither";
        let identity_files = pair("etcd.key-file", &self.cert_file, &self.key_file, both)?;
        if identity_files.is_some() && ca_file.is_none() {
            let want = "the authority's certificates: without TLS nobody sees ours";
            return Err(("etcd.ca-file", String::new(), want));
        }
        let user = Path::new(&self.username);
        let both = "the file with the password of etcd.username, or neither";
        let user = pair("etcd.password-file", user, &self.password_file, both)?;
        Ok(Some(Target {
            members,
            prefix: prefix.clone(),
            ca_file,
            identity_files,
            user: user.map(|(_, file)| (self.username.clone(), file)),
            patience: self.patience,
        }))
    }
}

fn given(path: &Path) -> Option<PathBuf> {
    (!path.as_os_str().is_empty()).then(|| path.to_owned())
}

fn is_address(member: &str) -> bool {
    let url = reqwest::Url::parse(&format!("http://{member}/"));
    let plain =
        |url: reqwest::Url| url.username().is_empty() && url.path() == "/" && url.query().is_none();
    let port = member.rsplit_once(':').map(|(_, port)| port.parse::<u16>());
    matches!(port, Some(Ok(1..))) && url.is_ok_and(plain)
}

/// Whether an address is this machine's own.
pub(crate) fn is_loopback(address: &str) -> bool {
    let host = address.rsplit_once(':').map_or(address, |(host, _)| host);
    let host = host.trim_start_matches('[').trim_end_matches(']');
    let ip = host.parse::<std::net::IpAddr>();
    host == "localhost" || ip.is_ok_and(|ip| ip.is_loopback())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_etcd_is_named_by_its_members() {
        let settings = EtcdSettings::default();
        let members = |store| settings.target(store).map(|t| t.map(|t| t.members));
        assert_eq!(members("embedded"), Ok(None));
        let two = members("etcd://127.0.0.1:2379,[::1]:2380")
            .unwrap()
            .unwrap();
        assert_eq!(two, ["127.0.0.1:2379", "[::1]:2380"]);
        for bad in [
            "etcd://",
            "etcd://h",
            "etcd://localhost:0",
            "etcd://a@localhost:1",
            "etcd://localhost:1,",
            "etcd://localhost:1/x",
        ] {
            assert_eq!(members(bad).unwrap_err().0, "store", "{bad}");
        }
    }

    #[test]
    fn what_is_stored_does_not_travel_in_the_clear() {
        let refused = |settings: EtcdSettings, store| settings.target(store).unwrap_err().0;
        let plain = EtcdSettings::default();
        assert_eq!(
            refused(plain.clone(), "etcd://10.0.0.1:2379"),
            "etcd.ca-file"
        );
        let tls = EtcdSettings {
            ca_file: "/ca.pem".into(),
            ..plain.clone()
        };
        assert!(tls.target("etcd://10.0.0.1:2379").is_ok());
        let cert = EtcdSettings {
            cert_file: "/cert.pem".into(),
            ..tls.clone()
        };
        assert_eq!(refused(cert, "etcd://10.0.0.1:2379"), "etcd.key-file");
        let user = EtcdSettings {
            username: "me".to_owned(),
            ..tls
        };
        assert_eq!(refused(user, "etcd://10.0.0.1:2379"), "etcd.password-file");
        let prefix = EtcdSettings {
            prefix: "troupe/".to_owned(),
            ..plain
        };
        assert_eq!(refused(prefix, "etcd://127.0.0.1:2379"), "etcd.prefix");
    }
}
