//! A package index of our own, with a certificate that only its own authority vouches for.

use std::io::{BufRead as _, BufReader};
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};

use common::trust::Authority;
use jiff::Timestamp;

/// It serves as long as this lives.
pub struct Index {
    child: Child,
    address: String,
    directory: tempfile::TempDir,
}

impl Index {
    pub fn start() -> Self {
        Self::at("127.0.0.1")
    }

    /// On another address of this machine, for those who cannot reach its loopback.
    pub fn at(host: &str) -> Self {
        let directory = tempfile::tempdir().unwrap();
        // Builds read the certificate as users of their own.
        let open = std::os::unix::fs::PermissionsExt::from_mode(0o755);
        std::fs::set_permissions(directory.path(), open).unwrap();
        let now = Timestamp::now();
        let authority = Authority::load_or_create(directory.path(), now).unwrap();
        let identity = authority.issue_server(&[host.to_owned()], now).unwrap();
        let pem = directory.path().join("server.pem");
        identity.save(&pem).unwrap();
        std::fs::write(directory.path().join("trusted.pem"), authority.ca_pem()).unwrap();
        let mut child = Command::new("python3")
            .args(["-c", include_str!("index.py")])
            .arg(directory.path())
            .arg(concat!(
                env!("CARGO_MANIFEST_DIR"),
                "/../func-base/image/full.txt"
            ))
            .arg(&pem)
            .arg(host)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let mut line = String::new();
        BufReader::new(child.stdout.take().unwrap())
            .read_line(&mut line)
            .unwrap();
        Self {
            child,
            address: format!("{host}:{}", line.trim()),
            directory,
        }
    }

    pub fn url(&self) -> String {
        format!("https://{}/simple", self.address)
    }

    /// Where it listens.
    pub fn address(&self) -> &str {
        &self.address
    }

    /// A directory with all its packages.
    pub fn files(&self) -> PathBuf {
        self.directory.path().join("files")
    }

    /// The certificate that vouches for it.
    pub fn trusted(&self) -> PathBuf {
        self.directory.path().join("trusted.pem")
    }
}

impl Drop for Index {
    fn drop(&mut self) {
        drop(self.child.stdin.take());
        let _ = self.child.wait();
    }
}
