//! kubeconfig files: which server, whose credentials, which namespace.

use std::collections::HashMap;
use std::path::{Path, PathBuf};

use base64::Engine as _;
use serde::Deserialize;

/// No server can be reached with what was given.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// No file at all.
    #[error(
        "no kubeconfig: set KUBECONFIG (or --kubeconfig) to the admin.kubeconfig in the master's data directory"
    )]
    Missing,
    /// A file cannot be read.
    #[error("read {}", path.display())]
    Read {
        /// Which file.
        path: PathBuf,
        /// Why.
        source: std::io::Error,
    },
    /// A file is not a kubeconfig.
    #[error("{}: not a kubeconfig: {message}", path.display())]
    Malformed {
        /// Which file.
        path: PathBuf,
        /// What is wrong.
        message: String,
    },
    /// A name in it leads nowhere.
    #[error("{0}")]
    Dangling(String),
    /// Something this client does not do.
    #[error("{0}")]
    Unsupported(String),
}

/// Flags that override what the files say.
#[derive(Clone, Debug, Default)]
pub struct Overrides {
    /// `--kubeconfig`.
    pub kubeconfig: Option<PathBuf>,
    /// `--context`.
    pub context: Option<String>,
    /// `--cluster`.
    pub cluster: Option<String>,
    /// `--user`.
    pub user: Option<String>,
    /// `--namespace`.
    pub namespace: Option<String>,
    /// `--server`.
    pub server: Option<String>,
    /// `--token`.
    pub token: Option<String>,
    /// `--certificate-authority`.
    pub certificate_authority: Option<PathBuf>,
}

/// How to reach a server.
#[derive(Clone, Default)]
pub struct Access {
    /// Its URL, without a slash at the end; with commas between them those of several masters.
    pub server: String,
    /// The authority its certificate is checked against, PEM; none for the system's.
    pub authority: Option<Vec<u8>>,
    /// Client certificate and key, PEM.
    pub identity: Option<Vec<u8>>,
    /// Bearer token.
    pub token: Option<String>,
    /// The namespace to work in.
    pub namespace: String,
}

#[derive(Deserialize, Default)]
#[serde(rename_all = "kebab-case", default)]
struct File {
    clusters: Vec<NamedCluster>,
    users: Vec<NamedUser>,
    contexts: Vec<NamedContext>,
    current_context: Option<String>,
}

#[derive(Deserialize)]
struct NamedCluster {
    name: String,
    cluster: Cluster,
}

#[derive(Deserialize)]
struct NamedUser {
    name: String,
    #[serde(default)]
    user: Option<User>,
}

#[derive(Deserialize)]
struct NamedContext {
    name: String,
    context: Context,
}

#[derive(Deserialize, Default, Clone)]
#[serde(rename_all = "kebab-case", default)]
struct Cluster {
    server: Option<String>,
    certificate_authority: Option<PathBuf>,
    certificate_authority_data: Option<String>,
    insecure_skip_tls_verify: Option<bool>,
}

#[derive(Deserialize, Default, Clone)]
#[serde(rename_all = "kebab-case", default)]
struct User {
    client_certificate: Option<PathBuf>,
    client_certificate_data: Option<String>,
    client_key: Option<PathBuf>,
    client_key_data: Option<String>,
    token: Option<String>,
    #[serde(rename = "tokenFile")]
    token_file: Option<PathBuf>,
    exec: Option<serde::de::IgnoredAny>,
}

#[derive(Deserialize, Default, Clone)]
#[serde(default)]
struct Context {
    cluster: Option<String>,
    user: Option<String>,
    namespace: Option<String>,
}

/// Everything the files say, merged: the first file that names something wins.
#[derive(Default)]
pub struct Kubeconfig {
    clusters: HashMap<String, Cluster>,
    users: HashMap<String, User>,
    contexts: HashMap<String, Context>,
    current: Option<String>,
}

impl Kubeconfig {
    /// Reads the files that `--kubeconfig`, `KUBECONFIG` or the home directory name.
    ///
    /// # Errors
    /// When one cannot be read. Of the several files of `KUBECONFIG` some may be missing.
    pub fn load(
        flag: Option<&Path>,
        environment: Option<&str>,
        home: Option<&Path>,
    ) -> Result<Self, Error> {
        let mut merged = Self::default();
        if let Some(path) = flag {
            merged.add(path)?;
            return Ok(merged);
        }
        let listed = environment.filter(|list| !list.is_empty());
        let paths: Vec<PathBuf> = match listed {
            Some(list) => std::env::split_paths(list)
                .filter(|path| !path.as_os_str().is_empty())
                .collect(),
            None => home
                .map(|home| home.join(".kube/config"))
                .into_iter()
                .collect(),
        };
        let existing: Vec<_> = paths.iter().filter(|path| path.exists()).collect();
        if let ([path], true, Some(_)) = (paths.as_slice(), existing.is_empty(), listed) {
            merged.add(path)?;
        }
        for path in existing {
            merged.add(path)?;
        }
        Ok(merged)
    }

    fn add(&mut self, path: &Path) -> Result<(), Error> {
        let read = |source| Error::Read {
            path: path.to_owned(),
            source,
        };
        let text = std::fs::read_to_string(path).map_err(read)?;
        if text.trim().is_empty() {
            return Ok(());
        }
        let options = serde_saphyr::options! { with_snippet: false };
        let file: File = serde_saphyr::from_str_with_options(&text, options).map_err(|error| {
            Error::Malformed {
                path: path.to_owned(),
                message: error.to_string(),
            }
        })?;
        let parent = path.parent().unwrap_or_else(|| Path::new("."));
        let anchor = |file: Option<PathBuf>| file.map(|file| parent.join(file));
        for NamedCluster { name, mut cluster } in file.clusters {
            cluster.certificate_authority = anchor(cluster.certificate_authority);
            self.clusters.entry(name).or_insert(cluster);
        }
        for NamedUser { name, user } in file.users {
            let mut user = user.unwrap_or_default();
            user.client_certificate = anchor(user.client_certificate);
            user.client_key = anchor(user.client_key);
            user.token_file = anchor(user.token_file);
            self.users.entry(name).or_insert(user);
        }
        for NamedContext { name, context } in file.contexts {
            self.contexts.entry(name).or_insert(context);
        }
        self.current = self
            .current
            .take()
            .or_else(|| file.current_context.filter(|name| !name.is_empty()));
        Ok(())
    }

    /// How to reach the server that the flags and the current context name.
    ///
    /// # Errors
    /// When a name leads nowhere, a file is missing, or the server's certificate would go unchecked.
    pub fn access(&self, flags: &Overrides) -> Result<Access, Error> {
        let context = self.context(flags.context.as_deref())?;
        let cluster = named(
            &self.clusters,
            "cluster",
            flags.cluster.as_ref().or(context.cluster.as_ref()),
        )?;
        let user = named(
            &self.users,
            "user",
            flags.user.as_ref().or(context.user.as_ref()),
        )?;
        if cluster.insecure_skip_tls_verify == Some(true) {
            return Err(Error::Unsupported(
                "the kubeconfig says insecure-skip-tls-verify: this client always checks the server's certificate; \
                 put the authority into certificate-authority-data instead"
                    .to_owned(),
            ));
        }
        if user.exec.is_some() && user.token.is_none() && user.client_certificate_data.is_none() {
            return Err(Error::Unsupported(
                "credential plugins (exec) are not supported; use a token or a client certificate"
                    .to_owned(),
            ));
        }
        let server = flags
            .server
            .clone()
            .or(cluster.server)
            .ok_or(Error::Missing)?;
        let authority = match &flags.certificate_authority {
            Some(path) => Some(read(path)?),
            None => pem(
                cluster.certificate_authority_data.as_deref(),
                cluster.certificate_authority.as_deref(),
                "certificate-authority-data",
            )?,
        };
        let certificate = pem(
            user.client_certificate_data.as_deref(),
            user.client_certificate.as_deref(),
            "client-certificate-data",
        )?;
        let key = pem(
            user.client_key_data.as_deref(),
            user.client_key.as_deref(),
            "client-key-data",
        )?;
        let identity = match (certificate, key) {
            (Some(mut certificate), Some(key)) => {
                certificate.push(b'\n');
                certificate.extend(key);
                Some(certificate)
            }
            (None, None) => None,
            _ => {
                return Err(Error::Dangling(
                    "a client certificate needs its key, and a key its certificate".to_owned(),
                ));
            }
        };
        let token = match (flags.token.clone().or(user.token), user.token_file) {
            (None, Some(path)) => Some(String::from_utf8_lossy(&read(&path)?).trim().to_owned()),
            (token, _) => token,
        };
        let namespace = flags
            .namespace
            .clone()
            .or(context.namespace)
            .filter(|n| !n.is_empty());
        Ok(Access {
            server: normalise(&server),
            authority,
            identity,
            token,
            namespace: namespace.unwrap_or_else(|| "default".to_owned()),
        })
    }

    fn context(&self, flag: Option<&str>) -> Result<Context, Error> {
        let Some(name) = flag.or(self.current.as_deref()) else {
            return Ok(Context::default());
        };
        self.contexts.get(name).cloned().ok_or_else(|| {
            let mut known: Vec<_> = self.contexts.keys().map(String::as_str).collect();
            known.sort_unstable();
            Error::Dangling(format!(
                "context \"{name}\" does not exist; there are: {}",
                known.join(", ")
            ))
        })
    }
}

fn named<T: Clone + Default>(
    all: &HashMap<String, T>,
    what: &str,
    name: Option<&String>,
) -> Result<T, Error> {
    let Some(name) = name else {
        return Ok(T::default());
    };
    let found = all.get(name).cloned();
    found.ok_or_else(|| {
        Error::Dangling(format!(
            "{what} \"{name}\" does not exist in the kubeconfig"
        ))
    })
}

fn normalise(servers: &str) -> String {
    let one = |server: &str| {
        let server = server.trim().trim_end_matches('/');
        if server.contains("://") {
            server.to_owned()
        } else {
            format!("https://{server}")
        }
    };
    let servers: Vec<_> = servers.split(',').map(one).collect();
    servers.join(",")
}

fn read(path: &Path) -> Result<Vec<u8>, Error> {
    std::fs::read(path).map_err(|source| Error::Read {
        path: path.to_owned(),
        source,
    })
}

fn pem(data: Option<&str>, path: Option<&Path>, field: &str) -> Result<Option<Vec<u8>>, Error> {
    if let Some(data) = data.filter(|data| !data.is_empty()) {
        let packed: String = data.split_whitespace().collect();
        let decoded = base64::engine::general_purpose::STANDARD.decode(packed);
        return decoded
            .map(Some)
            .map_err(|_| Error::Dangling(format!("{field} in the kubeconfig is not base64")));
    }
    path.map(read).transpose()
}

#[cfg(test)]
mod tests {
    use super::*;

    const FILE: &str = "
apiVersion: v1
kind: Config
current-context: troupe
clusters:
- name: troupe
  cluster:
    server: https://127.0.0.1:6443/
    certificate-authority-data: Q0E=
contexts:
- name: troupe
  context: {cluster: troupe, user: admin, namespace: team}
- name: other
  context: {cluster: troupe, user: robot}
users:
- name: admin
  user:
    client-certificate-data: Q0VSVA==
    client-key: admin.key
- name: robot
  user: {token: abc}
";

    fn load(text: &str) -> (tempfile::TempDir, Kubeconfig) {
        let dir = tempfile::tempdir().unwrap();
        std::fs::write(dir.path().join("config"), text).unwrap();
        std::fs::write(dir.path().join("admin.key"), "KEY").unwrap();
        let config = Kubeconfig::load(Some(&dir.path().join("config")), None, None).unwrap();
        (dir, config)
    }

    #[test]
    fn the_current_context_leads_to_server_and_credentials() {
        let (_dir, config) = load(FILE);
        let access = config.access(&Overrides::default()).unwrap();
        assert_eq!(access.server, "https://127.0.0.1:6443");
        assert_eq!(access.authority.as_deref(), Some(&b"CA"[..]));
        assert_eq!(access.identity.as_deref(), Some(&b"CERT\nKEY"[..]));
        assert_eq!(access.namespace, "team");
    }

    #[test]
    fn flags_win() {
        let (_dir, config) = load(FILE);
        let flags = Overrides {
            context: Some("other".to_owned()),
            server: Some("10.0.0.1:6443".to_owned()),
            namespace: Some("mine".to_owned()),
            ..Overrides::default()
        };
        let access = config.access(&flags).unwrap();
        assert_eq!(access.server, "https://10.0.0.1:6443");
        assert_eq!(access.token.as_deref(), Some("abc"));
        assert!(access.identity.is_none());
        assert_eq!(access.namespace, "mine");
    }

    #[test]
    fn of_several_files_the_first_that_names_something_wins() {
        let dir = tempfile::tempdir().unwrap();
        let (a, b) = (dir.path().join("a"), dir.path().join("b"));
        std::fs::write(
            &a,
            "current-context: x\nusers: [{name: u, user: {token: first}}]\n",
        )
        .unwrap();
        std::fs::write(
            &b,
            "current-context: y\nusers: [{name: u, user: {token: second}}]\n\
             clusters: [{name: c, cluster: {server: 'https://h:1'}}]\ncontexts: [{name: x, context: {cluster: c, user: u}}]\n",
        )
        .unwrap();
        let list = std::env::join_paths([&a, &dir.path().join("missing"), &b]).unwrap();
        let config = Kubeconfig::load(None, list.to_str(), None).unwrap();
        let access = config.access(&Overrides::default()).unwrap();
        assert_eq!(
            (access.server.as_str(), access.token.as_deref()),
            ("https://h:1", Some("first"))
        );
    }

    #[test]
    fn unchecked_certificates_are_refused() {
        let text = FILE.replace(
            "    certificate-authority-data: Q0E=",
            "    insecure-skip-tls-verify: true",
        );
        let (_dir, config) = load(&text);
        assert!(matches!(
            config.access(&Overrides::default()),
            Err(Error::Unsupported(_))
        ));
    }

    #[test]
    fn what_is_missing_is_named() {
        let config = Kubeconfig::load(None, None, None).unwrap();
        assert!(matches!(
            config.access(&Overrides::default()),
            Err(Error::Missing)
        ));
        let (_dir, config) = load(FILE);
        let flags = Overrides {
            context: Some("nope".to_owned()),
            ..Overrides::default()
        };
        let text = config.access(&flags).err().unwrap().to_string();
        assert!(
            text.contains("nope") && text.contains("other, troupe"),
            "{text}"
        );
        assert!(Kubeconfig::load(None, Some("/nowhere/config"), None).is_err());
    }
}
