use std::path::{Path, PathBuf};
use std::process::Command;
use tempfile::TempDir;

use crate::certificates::write_certificates;
use crate::{Process, eventually, free_addresses};

/// A real etcd of one member in a directory of its own. It can be killed and started again.
pub struct Etcd {
    /// The program.
    pub process: Process,
    home: TempDir,
    address: String,
    peer: String,
}

impl Etcd {
    /// An etcd without TLS.
    #[must_use]
    pub fn start() -> Self {
        Self::with(false, "info")
    }

    /// One whose log tells each request that it carries out, without the values.
    #[must_use]
    pub fn that_tells() -> Self {
        Self::with(false, "debug")
    }

    /// An etcd that speaks TLS and wants a client's certificate. [`Self::file`] has `ca.pem`,
    /// `client.pem` and `client.key`.
    #[must_use]
    pub fn with_tls() -> Self {
        Self::with(true, "info")
    }

    fn with(tls: bool, level: &'static str) -> Self {
        let home = tempfile::Builder::new()
            .prefix("troupe-etcd-")
            .tempdir()
            .unwrap();
        let [address, peer] = free_addresses();
        let path = home.path().to_owned();
        if tls {
            write_certificates(&path);
        }
        let log = path.join("log");
        let client = format!("{}://{address}", if tls { "https" } else { "http" });
        let own_peer = peer.clone();
        let process = Process::start("etcd", log, move || {
            let mut command = command(&path, &client, &own_peer, tls);
            command.args(["--log-level", level]);
            command
        });
        let mut etcd = Self {
            process,
            home,
            address,
            peer,
        };
        etcd.wait();
        etcd
    }

    /// Where it is, as HOST:PORT.
    #[must_use]
    pub fn address(&self) -> &str {
        &self.address
    }

    /// A file of its directory.
    #[must_use]
    pub fn file(&self, name: &str) -> PathBuf {
        self.home.path().join(name)
    }

    /// Waits until it takes connections.
    ///
    /// # Panics
    /// When it ends, or never does.
    pub fn wait(&mut self) {
        let (process, address) = (&mut self.process, &self.address);
        eventually("etcd listens", || {
            assert!(process.is_running(), "etcd ended:\n{}", process.log());
            std::net::TcpStream::connect(address)
        });
    }

    /// Saves what it holds into a file of its directory. Only without TLS.
    ///
    /// # Panics
    /// When that fails.
    pub fn save(&self, name: &str) {
        let mut save = Command::new("etcdctl");
        save.env("ETCDCTL_API", "3");
        save.args(["--endpoints", &self.address, "snapshot", "save"]);
        succeed(save.arg(self.file(name)));
    }

    /// Ends it, and begins it anew with what a file that was saved holds.
    ///
    /// # Panics
    /// When that fails.
    pub fn restore(&mut self, name: &str) {
        self.process.kill();
        std::fs::remove_dir_all(self.file("data")).unwrap();
        let peer = format!("http://{}", self.peer);
        let mut restore = Command::new("etcdctl");
        restore.env("ETCDCTL_API", "3");
        restore.args(["snapshot", "restore", "--name", "one"]);
        restore.args(["--initial-cluster", &format!("one={peer}")]);
        restore.args(["--initial-advertise-peer-urls", &peer]);
        restore.arg("--data-dir").arg(self.file("data"));
        succeed(restore.arg(self.file(name)));
        self.start_again();
    }

    /// Starts it again and waits until it takes connections.
    pub fn start_again(&mut self) {
        self.process.start_again();
        self.wait();
    }
}

fn succeed(command: &mut Command) {
    let said = command.output().unwrap();
    let text = String::from_utf8_lossy(&said.stderr);
    assert!(said.status.success(), "{command:?}: {text}");
}

fn command(home: &Path, client: &str, peer: &str, tls: bool) -> Command {
    let peer = format!("http://{peer}");
    let mut command = Command::new("etcd");
    command
        .args(["--name", "one", "--logger", "zap"])
        .arg("--data-dir")
        .arg(home.join("data"))
        .args(["--listen-client-urls", client])
        .args(["--advertise-client-urls", client])
        .args(["--listen-peer-urls", &peer])
        .args(["--initial-advertise-peer-urls", &peer])
        .args(["--initial-cluster", &format!("one={peer}")])
        // It is alone: an election need not wait for others.
        .args(["--heartbeat-interval", "20", "--election-timeout", "200"]);
    if tls {
        command
            .arg("--cert-file")
            .arg(home.join("server.pem"))
            .arg("--key-file")
            .arg(home.join("server.key"))
            .arg("--trusted-ca-file")
            .arg(home.join("ca.pem"))
            .arg("--client-cert-auth");
    }
    command
}
