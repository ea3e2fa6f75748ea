use std::path::{Path, PathBuf};
use std::process::Command;

use crate::{
    Api, Cluster, Http, Kubectl, Process, eventually, free_address, master_variable, program,
    real_kubectl,
};

/// One more master beside a cluster's first.
pub struct Master {
    /// Its program.
    pub process: Process,
    home: PathBuf,
    cluster: PathBuf,
    gateway: Http,
}

impl Master {
    /// Starts one in a directory of its own, with its API at an address and settings by their keys in
    /// `config/master.toml`.
    #[must_use]
    pub fn start(name: &str, cluster: &Cluster, api: &str, settings: &[(&str, String)]) -> Self {
        let home = cluster.home().join(name);
        let gateway = free_address();
        let (data, own_gateway, api) = (home.clone(), gateway.clone(), api.to_owned());
        let settings: Vec<_> = settings
            .iter()
            .map(|(key, value)| master_variable(key, value))
            .collect();
        let log = cluster.home().join(format!("{name}.log"));
        let process = Process::start(name, log, move || {
            let mut command = Command::new(program("master"));
            command
                .arg("--data-dir")
                .arg(&data)
                .args(["--api-listen", &api, "--gateway-listen", &own_gateway])
                .env("TROUPE_MASTER__REGISTRY", "none")
                .envs(settings.iter().cloned());
            command
        });
        Self {
            process,
            home,
            cluster: cluster.home().to_owned(),
            gateway: Http::new(&format!("http://{gateway}")),
        }
    }

    /// Its data directory.
    #[must_use]
    pub fn data(&self) -> &Path {
        &self.home
    }

    /// Its gateway.
    #[must_use]
    pub fn gateway(&self) -> &Http {
        &self.gateway
    }

    /// Its API, for requests that no kubectl makes.
    #[must_use]
    pub fn api(&self) -> Api {
        Api::of(&self.kubeconfig())
    }

    /// The administrators' kubeconfig, which leads to this master.
    #[must_use]
    pub fn kubeconfig(&self) -> PathBuf {
        self.home.join("admin.kubeconfig")
    }

    /// Our kubectl.
    #[must_use]
    pub fn kubectl(&self) -> Kubectl {
        self.command_line(program("kubectl"))
    }

    /// The real kubectl.
    #[must_use]
    pub fn real_kubectl(&self) -> Kubectl {
        self.command_line(real_kubectl())
    }

    fn command_line(&self, program_path: PathBuf) -> Kubectl {
        let bin = program("kubectl");
        let bin = bin.parent().unwrap_or(&self.home);
        Kubectl::new(program_path, &self.kubeconfig(), &self.cluster, bin)
    }

    /// Waits until it says that it is a `leader` or a `standby`, and that it is ready.
    ///
    /// # Panics
    /// When it ends, or never does.
    pub fn await_role(&mut self, role: &str) {
        let kubeconfig = self.kubeconfig();
        let process = &mut self.process;
        eventually(&format!("the master is {role}"), || {
            assert!(process.is_running(), "it ended:\n{}", process.log());
            if !kubeconfig.exists() {
                return Err("no admin.kubeconfig".to_owned());
            }
            let nobody = Api::of(&kubeconfig).as_nobody();
            let answer = nobody.try_send(reqwest::Method::GET, "/readyz", |request| request)?;
            if answer.status == 200 && answer.header("x-troupe-role") == Some(role) {
                Ok(())
            } else {
                Err(format!("{answer:?}"))
            }
        });
    }
}
