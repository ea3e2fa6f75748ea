use std::fs;
use std::path::{Path, PathBuf};

use reqwest::Method;
use serde_json::Value;
use tests::{Cluster, Etcd, Kubectl, Master, Options, S3, eventually, free_address};

/// A cluster that more masters can join, and what they need for it.
pub(crate) struct Ensemble {
    pub(crate) cluster: Cluster,
    /// Where the second master's API will be.
    pub(crate) api: String,
    pub(crate) settings: Vec<(&'static str, String)>,
    pub(crate) shared: tempfile::TempDir,
    pub(crate) etcd: Etcd,
}

impl Ensemble {
    pub(crate) fn begin() -> Self {
        Self::on(Etcd::start())
    }

    pub(crate) fn on(etcd: Etcd) -> Self {
        let shared = tempfile::tempdir().unwrap();
        let blobs = shared.path().join("blobs").to_str().unwrap().to_owned();
        Self::with(etcd, shared, vec![("blobs", blobs)])
    }

    /// Code and layers are in a bucket, and the masters share no directory.
    pub(crate) fn with_bucket(s3: &S3, more: &[(&'static str, &str)]) -> Self {
        let credentials = s3.credentials_file().to_str().unwrap().to_owned();
        let mut settings = vec![
            ("blobs", s3.url("troupe")),
            ("s3.endpoint", s3.endpoint()),
            ("s3.credentials-file", credentials),
        ];
        let more = more.iter().map(|(key, value)| (*key, (*value).to_owned()));
        settings.extend(more);
        Self::with(Etcd::start(), tempfile::tempdir().unwrap(), settings)
    }

    /// Its masters reach pods by their sockets, in a directory that the test has yet to make.
    pub(crate) fn beside_its_pods() -> (Self, PathBuf) {
        let shared = tempfile::tempdir().unwrap();
        let named = |name: &str| shared.path().join(name).to_str().unwrap().to_owned();
        let settings = vec![
            ("blobs", named("blobs")),
            ("gateway.local-pods-dir", named("pods")),
        ];
        let pods = shared.path().join("pods");
        (Self::with(Etcd::start(), shared, settings), pods)
    }

    fn with(etcd: Etcd, shared: tempfile::TempDir, more: Vec<(&'static str, String)>) -> Self {
        let mut settings = vec![
            (
                "cluster-secret-file",
                secret(&shared.path().join("secret"), "s3cret"),
            ),
            ("store", format!("etcd://{}", etcd.address())),
        ];
        settings.extend(more);
        let api = free_address();
        let options = settings
            .iter()
            .fold(Options::default(), |options, (key, value)| {
                options.master(key, value)
            });
        let cluster = Cluster::with(options.also_master(&format!("https://{api}")));
        Self {
            cluster,
            api,
            settings,
            shared,
            etcd,
        }
    }

    /// The second master, which stands by.
    pub(crate) fn second(&self) -> Master {
        let mut second = Master::start("second", &self.cluster, &self.api, &self.settings);
        second.await_role("standby");
        second
    }
}

pub(crate) fn secret(path: &Path, text: &str) -> String {
    fs::write(path, text.repeat(16)).unwrap();
    path.to_str().unwrap().to_owned()
}

pub(crate) fn await_first(cluster: &mut Cluster, role: &str) {
    let (kubeconfig, master) = (cluster.kubeconfig(), &mut cluster.master);
    eventually(&format!("the first master is {role}"), || {
        assert!(master.is_running(), "it ended:\n{}", master.log());
        let nobody = tests::Api::of(&kubeconfig).as_nobody();
        let answer = nobody.try_send(Method::GET, "/readyz", |request| request)?;
        match (answer.status, answer.header("x-troupe-role")) {
            (200, Some(found)) if found == role => Ok(()),
            _ => Err(format!("{answer:?}")),
        }
    });
}

/// The uids of a function's pods.
pub(crate) fn uids(kubectl: &Kubectl) -> Vec<Value> {
    let pods = kubectl.items(&["get", "pods", "-l", "troupe.dev/function=f"]);
    let uid = |pod: &Value| pod["metadata"]["uid"].clone();
    pods.iter().map(uid).collect()
}
