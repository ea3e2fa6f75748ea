use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Stdio};

use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;

use super::master::FakeMaster;
use super::until;

/// The real agent, as a process. It is ended, and with it its pods, when this goes.
pub struct Agent {
    child: Child,
    /// Its data directory as the kernel names it: mounts and processes can be looked for by it.
    pub data: PathBuf,
    settings: Vec<(String, String)>,
    _directory: Option<tempfile::TempDir>,
}

impl Agent {
    /// Starts an agent that joins the master.
    pub fn start(master: &FakeMaster, settings: &[(&str, &str)]) -> Self {
        let directory = tempfile::Builder::new().prefix("ag").tempdir().unwrap();
        // Pods run as users of their own.
        let mode = std::fs::Permissions::from_mode(0o711);
        std::fs::set_permissions(directory.path(), mode).unwrap();
        let data = std::fs::canonicalize(directory.path()).unwrap().join("d");
        let mut all = vec![
            ("MASTER".to_owned(), master.url()),
            ("TOKEN".to_owned(), master.token()),
            ("NAME".to_owned(), "node-1".to_owned()),
            ("RUNTIME".to_owned(), "process".to_owned()),
            ("PODS__ORPHAN_AFTER".to_owned(), "60s".to_owned()),
            // Where generic pods are not the question there are none.
            ("POOL__SIZE".to_owned(), "0".to_owned()),
        ];
        all.extend(
            settings
                .iter()
                .map(|(key, value)| ((*key).to_owned(), (*value).to_owned())),
        );
        let child = spawn(&data, &all);
        Self {
            child,
            data,
            settings: all,
            _directory: Some(directory),
        }
    }

    pub fn pid(&self) -> Pid {
        Pid::from_raw(i32::try_from(self.child.id()).unwrap())
    }

    /// SIGKILL; pods live on.
    pub fn kill(&mut self) {
        self.child.kill().unwrap();
        self.child.wait().unwrap();
    }

    /// Starts it again on the same data.
    pub fn restart(&mut self) {
        self.child = spawn(&self.data, &self.settings);
    }

    /// The next start has another setting.
    pub fn set(&mut self, key: &str, value: &str) {
        self.settings.retain(|(other, _)| other != key);
        self.settings.push((key.to_owned(), value.to_owned()));
    }

    /// SIGTERM; waits for the end.
    pub async fn terminate(&mut self) -> ExitStatus {
        kill(self.pid(), Signal::SIGTERM).unwrap();
        until("the agent ends", || self.child.try_wait().unwrap()).await
    }

    /// Waits for an end by itself; returns what it said.
    pub async fn ended(&mut self) -> (ExitStatus, String) {
        let status = until("the agent ends by itself", || {
            self.child.try_wait().unwrap()
        })
        .await;
        (
            status,
            std::fs::read_to_string(self.data.with_extension("err")).unwrap_or_default(),
        )
    }

    pub fn pod(&self, uid: &str) -> PathBuf {
        self.data.join("pods").join(uid)
    }

    pub fn stderr(&self) -> String {
        std::fs::read_to_string(self.data.with_extension("err")).unwrap_or_default()
    }
}

fn spawn(data: &Path, settings: &[(String, String)]) -> Child {
    let log = std::fs::OpenOptions::new()
        .create(true)
        .append(true)
        .open(data.with_extension("err"))
        .unwrap();
    // Reached over a link, as where /var/lib lies on another disk.
    let link = data.with_extension("link");
    if !link.is_symlink() {
        std::os::unix::fs::symlink("d", &link).unwrap();
    }
    std::fs::create_dir_all(data).unwrap();
    let mut command = Command::new(env!("CARGO_BIN_EXE_node-agent"));
    for (key, value) in settings {
        command.env(format!("TROUPE_AGENT__{key}"), value);
    }
    command
        .arg("--data-dir")
        .arg(link)
        .env("RUST_LOG", "node_agent=debug,info")
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(log)
        .spawn()
        .unwrap()
}

impl Drop for Agent {
    fn drop(&mut self) {
        if std::thread::panicking() {
            eprintln!("--- agent ---\n{}", self.stderr());
        }
        // In order when it can, by force when it does not.
        let _ = kill(self.pid(), Signal::SIGTERM);
        for _ in 0..1000 {
            if !matches!(self.child.try_wait(), Ok(None)) {
                break;
            }
            std::thread::sleep(std::time::Duration::from_millis(10));
        }
        let _ = self.child.kill();
        let _ = self.child.wait();
        // What a failed test leaves running is ended by its supervisor's own name.
        for entry in std::fs::read_dir(self.data.join("pods"))
            .into_iter()
            .flatten()
            .flatten()
        {
            let text =
                std::fs::read_to_string(entry.path().join("record.json")).unwrap_or_default();
            if let Ok(record) = serde_json::from_str::<node_agent::pods::Record>(&text) {
                let id = record.report.runtime_id.unwrap_or_default();
                if let Some(pid) = id
                    .strip_prefix("process://")
                    .and_then(|pid| pid.parse().ok())
                {
                    let _ = kill(Pid::from_raw(pid), Signal::SIGKILL);
                }
            }
        }
    }
}
