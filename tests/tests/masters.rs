//! Two masters on one etcd: one leads, the other takes over.

use std::fs;
use std::net::TcpListener;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Instant;

use nix::sys::signal::Signal;
use serde_json::json;
use tests::{Cluster, Etcd, Http, Kubectl, Options, Process, eventually, params, program};

/// A master beside the cluster's first.
struct Second {
    process: Process,
    home: PathBuf,
    gateway: Http,
}

impl Second {
    fn start(cluster: &Cluster, api: &str, settings: &[(&str, String)]) -> Self {
        let home = cluster.home().join("second");
        let gateway = free();
        let (data, own_gateway, api) = (home.clone(), gateway.clone(), api.to_owned());
        let settings: Vec<_> = settings
            .iter()
            .map(|(key, value)| tests::master_variable(key, value))
            .collect();
        let log = cluster.home().join("second.log");
        let process = Process::start("second master", log, move || {
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
            gateway: Http::new(&format!("http://{gateway}")),
        }
    }

    fn kubectl(&self, cluster: &Cluster) -> Kubectl {
        let kubectl = program("kubectl");
        let bin = kubectl.parent().unwrap().to_owned();
        Kubectl::new(
            kubectl,
            &self.home.join("admin.kubeconfig"),
            cluster.home(),
            &bin,
        )
    }

    /// Waits until it leads.
    fn await_lead(&mut self, cluster: &Cluster) {
        let kubectl = self.kubectl(cluster);
        let (process, kubeconfig) = (&mut self.process, self.home.join("admin.kubeconfig"));
        eventually("the second master leads", || {
            assert!(process.is_running(), "it ended:\n{}", process.log());
            if !kubeconfig.exists() {
                return Err("no admin.kubeconfig".to_owned());
            }
            let said = kubectl.say(&["get", "node", "node-1"]);
            if said.code == 0 && said.out.contains(" Ready") {
                Ok(())
            } else {
                Err(format!("{said:?}"))
            }
        });
    }
}

fn free() -> String {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    listener.local_addr().unwrap().to_string()
}

fn await_word(process: &Process, word: &str, times: usize) {
    eventually(&format!("the log says {word:?}"), || {
        let log = process.log();
        if log.matches(word).count() >= times {
            Ok(())
        } else {
            Err(log)
        }
    });
}

fn secret(path: &Path, text: &str) -> String {
    fs::write(path, text.repeat(16)).unwrap();
    path.to_str().unwrap().to_owned()
}

#[test]
fn a_second_master_takes_over_and_the_old_leader_changes_nothing() {
    const WAITS: &str = "waits to take over";
    let etcd = Etcd::start();
    let shared = tempfile::tempdir().unwrap();
    let settings = [
        ("store", format!("etcd://{}", etcd.address())),
        (
            "blobs",
            shared.path().join("blobs").to_str().unwrap().to_owned(),
        ),
        (
            "cluster-secret-file",
            secret(&shared.path().join("secret"), "s3cret"),
        ),
    ];
    let api = free();
    let options = settings
        .iter()
        .fold(Options::default(), |options, (key, value)| {
            options.master(key, value)
        });
    let mut cluster = Cluster::with(options.also_master(&format!("https://{api}")));
    cluster.apply(
        "f",
        &params("params['n'] + 1"),
        "scaling: { minReplicas: 1 }",
    );
    assert_eq!(
        cluster
            .gateway()
            .post("/function/f", r#"{"n": 1}"#)
            .expect(200),
        json!(2)
    );

    // Somebody without the secret, and somebody with another one, are not let in.
    for (wrong, why) in [
        (String::new(), "cluster-secret-file"),
        (
            secret(&shared.path().join("other"), "wr0ng!"),
            "another secret",
        ),
    ] {
        let mut stranger = settings.clone();
        stranger[2].1 = wrong;
        cluster.master.signal(Signal::SIGSTOP);
        let mut stranger = Second::start(&cluster, &api, &stranger);
        assert!(!stranger.process.wait().success());
        assert!(
            stranger.process.log().contains(why),
            "{}",
            stranger.process.log()
        );
        cluster.master.signal(Signal::SIGCONT);
        cluster.master.wait();
        cluster.master.start_again();
        cluster.wait_for_master();
        fs::remove_dir_all(&stranger.home).unwrap();
    }

    // The agent is linked again when this is answered.
    let answer = cluster.gateway().post("/function/f", r#"{"n": 1}"#);
    assert_eq!(answer.expect(200), json!(2));
    let before = cluster.ready_pods("f", 1)[0]["metadata"]["uid"].clone();
    let mut second = Second::start(&cluster, &api, &settings);
    await_word(&second.process, WAITS, 1);
    let since = Instant::now();
    cluster.master.kill();
    second.await_lead(&cluster);
    eprintln!("the second master led after {:?}", since.elapsed());
    let answer = second.gateway.post("/function/f", r#"{"n": 2}"#);
    assert_eq!(answer.expect(200), json!(3));
    let pods = second
        .kubectl(&cluster)
        .items(&["get", "pods", "-l", "troupe.dev/function=f"]);
    assert!(
        pods.iter().any(|pod| pod["metadata"]["uid"] == before),
        "the pod runs on: {pods:?}"
    );

    // The first comes back, waits, and leads again when the second is paused; which then wakes up.
    cluster.master.start_again();
    await_word(&cluster.master, WAITS, 1);
    second.process.signal(Signal::SIGSTOP);
    cluster.wait_for_master();
    cluster.wait_for_node("node-1");
    cluster.kubectl().run(&["create", "namespace", "mine"]);
    second.process.signal(Signal::SIGCONT);
    assert!(!second.process.wait().success());
    assert!(
        second.process.log().contains("another master leads"),
        "{}",
        second.process.log()
    );
    assert_eq!(
        cluster
            .gateway()
            .post("/function/f", r#"{"n": 3}"#)
            .expect(200),
        json!(4)
    );

    // One that ends in order leaves the lead at once.
    second.process.start_again();
    await_word(&second.process, WAITS, 2);
    assert!(cluster.master.stop().success());
    second.await_lead(&cluster);
    assert!(second.process.stop().success());
}
