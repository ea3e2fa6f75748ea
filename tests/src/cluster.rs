use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::{Arc, Mutex};

use serde_json::Value;
use tempfile::TempDir;

use crate::options::{agent_variable, master_variable};
use crate::{
    Api, Http, Kubectl, Node, Options, Process, Source, eventually, free_addresses, mentioning,
    program, real_kubectl,
};

/// One master and its agents, started for one test.
pub struct Cluster {
    home: Option<TempDir>,
    path: PathBuf,
    api: String,
    gateway: Http,
    options: Options,
    master_settings: Arc<Mutex<Vec<(String, String)>>>,
    /// The master's program.
    pub master: Process,
    /// The agents, in the order of their start.
    pub nodes: Vec<Node>,
}

impl Cluster {
    /// A master and one agent, ready for work.
    #[must_use]
    pub fn start() -> Self {
        Self::with(Options::default())
    }

    /// A cluster as the options say, ready for work.
    ///
    /// # Panics
    /// When it does not get ready.
    #[must_use]
    pub fn with(options: Options) -> Self {
        let home = tempfile::Builder::new()
            .prefix("troupe-test-")
            .tempdir()
            .unwrap();
        // Pods run under users of their own when root starts them: they must be able to pass.
        std::fs::set_permissions(home.path(), std::fs::Permissions::from_mode(0o711)).unwrap();
        let path = home.path().to_owned();
        let [api, gateway] = free_addresses();
        let mut settings = options.master.clone();
        if options.near {
            let pods = path.join("node-1/pods").display().to_string();
            settings.push(master_variable("gateway.local-pods-dir", &pods));
        }
        let settings = Arc::new(Mutex::new(settings));
        let master = {
            let (data, api) = (path.join("master"), api.clone());
            let gateway = gateway.replace("127.0.0.1", options.gateway_host);
            let settings = Arc::clone(&settings);
            Process::start("master", path.join("master.log"), move || {
                let mut command = Command::new(program("master"));
                command
                    .arg("--data-dir")
                    .arg(&data)
                    .args(["--api-listen", &api, "--gateway-listen", &gateway])
                    // Tests kill masters, and whoever needs a registry asks for it.
                    .env("TROUPE_MASTER__REGISTRY", "none")
                    .envs(settings.lock().unwrap().iter().cloned());
                command
            })
        };
        let gateway = Http::new(&format!("http://{gateway}"));
        let mut cluster = Self {
            home: Some(home),
            path,
            api: format!("https://{api}"),
            gateway,
            options,
            master_settings: settings,
            master,
            nodes: Vec::new(),
        };
        cluster.wait_for_master();
        for number in 1..=cluster.options.agents {
            cluster.add_node(&format!("node-{number}"));
        }
        for node in &cluster.nodes {
            cluster.wait_for_node(node.name());
        }
        cluster
    }

    /// The test's directory: files written there are gone when it passes.
    #[must_use]
    pub fn home(&self) -> &Path {
        &self.path
    }

    /// The administrators' kubeconfig.
    #[must_use]
    pub fn kubeconfig(&self) -> PathBuf {
        self.path.join("master/admin.kubeconfig")
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
        Kubectl::new(
            program_path,
            &self.kubeconfig(),
            &self.path,
            bin.parent().unwrap(),
        )
    }

    /// The gateway.
    #[must_use]
    pub fn gateway(&self) -> Http {
        self.gateway.clone()
    }

    /// The API, for requests that no kubectl makes.
    #[must_use]
    pub fn api(&self) -> Api {
        Api::of(&self.kubeconfig())
    }

    /// The API's URL.
    #[must_use]
    pub fn api_url(&self) -> &str {
        &self.api
    }

    /// A new join token.
    ///
    /// # Panics
    /// When the master gives none.
    #[must_use]
    pub fn token(&self) -> String {
        let mut command = Command::new(program("master"));
        command
            .args(["token", "create", "--data-dir"])
            .arg(self.path.join("master"));
        let said = command.output().unwrap();
        assert!(
            said.status.success(),
            "{}",
            String::from_utf8_lossy(&said.stderr)
        );
        String::from_utf8(said.stdout).unwrap().trim().to_owned()
    }

    /// Starts one more agent; does not wait for it.
    pub fn add_node(&mut self, name: &str) {
        self.add_node_with(name, &[]);
    }

    /// Starts one more agent with settings of its own, by their keys in `config/node-agent.toml`; does
    /// not wait for it.
    pub fn add_node_with(&mut self, name: &str, settings: &[(&str, &str)]) {
        let mut all = self.options.agent.clone();
        all.extend(
            settings
                .iter()
                .map(|(key, value)| agent_variable(key, value)),
        );
        let masters = format!("{}{}", self.api, self.options.more_masters);
        let node = Node::start(name, &self.path, &masters, &self.token(), &all);
        self.nodes.push(node);
    }

    /// Waits until the master answers.
    ///
    /// # Panics
    /// When it ends, or never does.
    pub fn wait_for_master(&mut self) {
        let kubeconfig = self.kubeconfig();
        let kubectl = self.kubectl();
        let master = &mut self.master;
        eventually("the master answers", || {
            assert!(master.is_running(), "the master ended:\n{}", master.log());
            if !kubeconfig.exists() {
                return Err("no admin.kubeconfig".to_owned());
            }
            let said = kubectl.say(&["get", "namespaces"]);
            if said.code == 0 {
                Ok(())
            } else {
                Err(said.err)
            }
        });
    }

    /// Waits until a node is Ready.
    pub fn wait_for_node(&self, name: &str) {
        let kubectl = self.kubectl();
        eventually(&format!("node {name} is Ready"), || {
            let said = kubectl.say(&["get", "node", name, "-o", "json"]);
            let node: Value = serde_json::from_str(&said.out).unwrap_or_default();
            if condition(&node, "Ready") == Some("True") {
                Ok(())
            } else {
                Err(said)
            }
        });
    }

    /// A setting of the master, by its key in `config/master.toml`, from its next start on.
    ///
    /// # Panics
    /// When a start of it panicked.
    pub fn set_master(&self, key: &str, value: &str) {
        let mut settings = self.master_settings.lock().unwrap();
        settings.push(master_variable(key, value));
    }

    /// Kills the master with SIGKILL, starts it again and waits until it answers.
    pub fn crash_master(&mut self) {
        self.master.kill();
        self.master.start_again();
        self.wait_for_master();
    }

    /// Writes and applies a function whose `func.py` is `code`, with more fields of its spec.
    pub fn apply(&self, name: &str, code: &str, spec: &str) -> Source {
        let source = Source::write(&self.path, name, code, spec);
        self.kubectl().run(&["apply", source.yaml()]);
        source
    }

    /// Waits until a function made by [`crate::waits_for`] has begun a call.
    ///
    /// # Panics
    /// When it never does.
    pub fn await_began(&self, function: &str) {
        eventually("the call has begun", || {
            let said = self
                .kubectl()
                .say(&["logs", &format!("function/{function}")]);
            if said.out.contains("began") {
                Ok(())
            } else {
                Err(said)
            }
        });
    }

    /// The pods of a function, by the label that they carry.
    #[must_use]
    pub fn pods(&self, function: &str) -> Vec<Value> {
        self.kubectl().items(&[
            "get",
            "pods",
            "-l",
            &format!("troupe.dev/function={function}"),
        ])
    }

    /// Waits until a function has just this many pods that are ready, and no others.
    ///
    /// # Panics
    /// When it never does.
    #[must_use]
    pub fn ready_pods(&self, function: &str, count: usize) -> Vec<Value> {
        eventually(&format!("{count} ready pods of {function}"), || {
            let pods = self.pods(function);
            let ready = pods
                .iter()
                .filter(|pod| condition(pod, "Ready") == Some("True"))
                .count();
            if ready == count && pods.len() == count {
                Ok(pods)
            } else {
                Err(pods)
            }
        })
    }
}

/// The status of one of an object's conditions.
fn condition<'a>(object: &'a Value, wanted: &str) -> Option<&'a str> {
    let conditions = object.pointer("/status/conditions")?.as_array()?;
    let found = conditions
        .iter()
        .find(|condition| condition["type"] == wanted)?;
    found["status"].as_str()
}

impl Drop for Cluster {
    fn drop(&mut self) {
        if std::thread::panicking() {
            self.master.show_log();
            for node in &self.nodes {
                node.process.show_log();
            }
            if let Some(home) = self.home.take() {
                eprintln!("kept: {}", home.keep().display());
            }
            for node in &mut self.nodes {
                if node.process.is_running() {
                    node.process.signal(nix::sys::signal::Signal::SIGTERM);
                }
            }
            for node in &mut self.nodes {
                if node.process.is_running() {
                    let _ = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| {
                        node.process.wait()
                    }));
                }
            }
            return;
        }
        for node in &mut self.nodes {
            if node.process.is_running() {
                let status = node.process.stop();
                assert!(status.success(), "{} ended with {status}", node.name());
            }
        }
        if self.master.is_running() {
            let status = self.master.stop();
            assert!(status.success(), "the master ended with {status}");
        }
        let path = self.path.clone();
        eventually("nothing is left running", || match mentioning(&path) {
            left if left.is_empty() => Ok(()),
            left => Err(left),
        });
    }
}
