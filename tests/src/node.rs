use std::path::{Path, PathBuf};
use std::process::Command;

use nix::errno::Errno;
use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;

use crate::{Process, mentioning, program};

/// A node-agent and what it keeps.
pub struct Node {
    name: String,
    data: PathBuf,
    /// Its program.
    pub process: Process,
}

impl Node {
    /// Starts an agent that joins with `token`.
    #[must_use]
    pub fn start(
        name: &str,
        home: &Path,
        api: &str,
        token: &str,
        settings: &[(String, String)],
    ) -> Self {
        let data = home.join(name);
        let (own_name, own_data, api) = (name.to_owned(), data.clone(), api.to_owned());
        let (token, settings) = (token.to_owned(), settings.to_owned());
        let process = Process::start(name, home.join(format!("{name}.log")), move || {
            let mut command = Command::new(program("node-agent"));
            command
                .arg("--data-dir")
                .arg(&own_data)
                .args(["--master", &api, "--name", &own_name])
                .env("TROUPE_AGENT__TOKEN", &token)
                .env("TROUPE_AGENT__RUNTIME", "process")
                .envs(settings.iter().map(|(key, value)| (key, value)));
            command
        });
        Self {
            name: name.to_owned(),
            data,
            process,
        }
    }

    /// Its name.
    #[must_use]
    pub fn name(&self) -> &str {
        &self.name
    }

    /// Its data directory.
    #[must_use]
    pub fn data(&self) -> &Path {
        &self.data
    }

    /// The Python processes of its pods, as "pid command line".
    #[must_use]
    pub fn pod_processes(&self) -> Vec<String> {
        let all = mentioning(&self.data);
        all.into_iter()
            .filter(|line| line.contains("troupe_pod"))
            .collect()
    }

    /// Kills the Python processes of its pods with SIGKILL.
    ///
    /// # Panics
    /// When one cannot be killed.
    pub fn kill_pods(&self) {
        for line in self.pod_processes() {
            let id = line.split(' ').next().unwrap().parse().unwrap();
            match kill(Pid::from_raw(id), Signal::SIGKILL) {
                // It ended by itself meanwhile.
                Ok(()) | Err(Errno::ESRCH) => {}
                Err(error) => panic!("kill {line}: {error}"),
            }
        }
    }
}
