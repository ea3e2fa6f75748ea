//! Clusters whose store is an etcd.

use std::fs;
use std::path::PathBuf;
use std::process::Command;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use serde_json::json;
use tests::{Cluster, Etcd, Options, eventually, params, program, repository, waits_for};

fn store(etcd: &Etcd) -> String {
    format!("etcd://{}", etcd.address())
}

fn on(etcd: &Etcd) -> Cluster {
    let options = Options::default();
    let options = options
        .master("store", &store(etcd))
        .master("blobs", "local");
    Cluster::with(options)
}

fn example(name: &str) -> String {
    let path = repository().join("examples").join(name);
    path.to_str().unwrap().to_owned()
}

/// Applies the files of both seeds and asks what the seeds ask.
fn seeds(cluster: &Cluster) {
    let kubectl = cluster.kubectl();
    kubectl.run(&["apply", &example("seed1/function.yaml")]);
    kubectl.run(&["apply", &example("seed1/workflow.yaml")]);
    kubectl.run(&[
        "apply",
        &example("seed2/def.yaml"),
        &example("seed2/state_machine.json"),
    ]);
    ask(cluster);
}

fn ask(cluster: &Cluster) {
    let kubectl = cluster.kubectl();
    let answer = kubectl.run(&["execute", "default/func2", r#"{"x": 1, "y": 2}"#]);
    assert_eq!(answer.trim(), r#"{"x":3,"y":-1}"#);
    eventually("the workflow shows its result", || {
        let shown = kubectl.run(&["get", "workflow", "default/workflow-example"]);
        if shown.contains("Succeeded") && shown.contains(r#"{"x":4,"y":-4}"#) {
            Ok(())
        } else {
            Err(shown)
        }
    });
    let gateway = cluster.gateway();
    let answer = gateway.post("/workflow/workflow-example", r#"{"x": 5, "y": 1}"#);
    assert_eq!(answer.expect(200), json!({"x": 36, "y": 16}));
    let bought = gateway.post(
        "/state_machine/test_state_machine1",
        r#"{"symbol": "TRPE"}"#,
    );
    assert_eq!(bought.expect(200), json!({"report": "bought TRPE at 42"}));
}

/// A run whose first step is over and whose second waits for a gate.
struct Run {
    count: PathBuf,
    gate: PathBuf,
}

impl Run {
    fn start(cluster: &Cluster) -> Self {
        let run = Self {
            count: cluster.home().join("count"),
            gate: cluster.home().join("gate"),
        };
        fs::create_dir(&run.count).unwrap();
        fs::set_permissions(
            &run.count,
            std::os::unix::fs::PermissionsExt::from_mode(0o777),
        )
        .unwrap();
        let first = format!(
            "import tempfile\ndef main(params):\n    tempfile.mkstemp(dir={:?})\n    return {{'n': 1}}\n",
            run.count
        );
        cluster.apply("first", &first, "");
        let second = waits_for(&run.gate, "{'n': params.get('n', 0) + 1}");
        cluster.apply("second", &second, "timeoutSeconds: 300");
        let workflow = "kind: Workflow\napiVersion: v1\nmetadata: { name: w }\nspec:\n  entryParams: '{}'\n  entryNodeName: a\n  workflowNodes:\n  - { name: a, type: func, funcData: { funcName: first, funcNamespace: default, nextNodeName: b } }\n  - { name: b, type: func, funcData: { funcName: second, funcNamespace: default } }\n";
        cluster.kubectl().run_with(&["apply", "-f", "-"], workflow);
        cluster.await_began("second");
        run
    }

    fn open_gate(&self) {
        fs::write(&self.gate, "").unwrap();
    }

    /// It ends with the right result, and its first step ran once.
    fn check(&self, cluster: &Cluster) {
        eventually("the run ends", || {
            let workflow = cluster.kubectl().json(&["get", "workflow", "w"]);
            if workflow["status"]["result"] == r#"{"n":2}"# {
                Ok(())
            } else {
                Err(workflow)
            }
        });
        assert_eq!(fs::read_dir(&self.count).unwrap().count(), 1);
    }
}

#[test]
fn the_seeds_work_on_etcd_and_while_it_is_away_running_pods_answer_and_nothing_is_lost() {
    let mut etcd = Etcd::start();
    let mut cluster = on(&etcd);
    seeds(&cluster);
    cluster.apply(
        "steady",
        &params("params['n'] + 1"),
        "scaling: { minReplicas: 1 }",
    );
    let _ = cluster.ready_pods("steady", 1);
    let run = Run::start(&cluster);

    let (enough, answered) = (
        Arc::new(AtomicBool::new(false)),
        Arc::new(AtomicUsize::new(0)),
    );
    let callers: Vec<_> = (0..2)
        .map(|n: u64| {
            let (enough, answered) = (Arc::clone(&enough), Arc::clone(&answered));
            let gateway = cluster.gateway();
            std::thread::spawn(move || {
                while !enough.load(Ordering::SeqCst) {
                    let answer = gateway.post("/function/steady", json!({ "n": n }).to_string());
                    assert_eq!(answer.expect(200), json!(n + 1));
                    answered.fetch_add(1, Ordering::SeqCst);
                }
            })
        })
        .collect();
    etcd.process.kill();
    let (before, since) = (answered.load(Ordering::SeqCst), Instant::now());
    // The step ends while nobody can write it down.
    run.open_gate();
    let gateway = cluster.gateway();
    let later = std::thread::spawn(move || {
        gateway.post_with(
            "/function/steady",
            "prefer",
            "respond-async",
            r#"{"n": 41}"#,
        )
    });
    eventually("calls are answered without etcd, for some seconds", || {
        let calls = answered.load(Ordering::SeqCst) - before;
        if calls > 100 && since.elapsed() > Duration::from_secs(4) {
            Ok(())
        } else {
            Err(calls)
        }
    });
    assert!(cluster.master.is_running());
    etcd.start_again();
    run.check(&cluster);
    let accepted = later.join().unwrap();
    assert_eq!(accepted.status, 202, "{accepted:?}");
    let location = accepted.header("location").unwrap().to_owned();
    eventually("the accepted call is over", || {
        let found = cluster.gateway().get(&location);
        if found.json()["result"] == 42 {
            Ok(())
        } else {
            Err(found)
        }
    });
    enough.store(true, Ordering::SeqCst);
    for caller in callers {
        caller.join().unwrap();
    }

    cluster.crash_master();
    cluster.wait_for_node("node-1");
    ask(&cluster);
}

#[test]
fn pods_that_die_while_etcd_is_away_for_long_are_replaced_once_it_is_back() {
    let mut etcd = Etcd::start();
    let options = Options::default()
        .master("store", &store(&etcd))
        .master("blobs", "local")
        .master("etcd.patience", "1s");
    let cluster = Cluster::with(options);
    let code = params("params['n'] + 1");
    cluster.apply("steady", &code, "scaling: { minReplicas: 2 }");
    let before = cluster.ready_pods("steady", 2);
    etcd.process.kill();
    cluster.nodes[0].kill_pods();
    // Several times as long as the master waits before a write fails.
    std::thread::sleep(Duration::from_secs(4));
    etcd.start_again();
    eventually("both pods are replaced, and the function says so", || {
        let failed = |pod: &&serde_json::Value| pod["status"]["phase"] == "Failed";
        let pods = cluster.pods("steady");
        let (failed, fresh): (Vec<_>, Vec<_>) = pods.iter().partition(failed);
        let uid = |pod: &serde_json::Value| pod["metadata"]["uid"].clone();
        let old = |pod: &&serde_json::Value| before.iter().any(|old| uid(old) == uid(pod));
        let function = cluster.kubectl().json(&["get", "function", "steady"]);
        let shown = function["status"]["readyReplicas"] == 2;
        if failed.iter().all(old) && fresh.len() == 2 && !fresh.iter().any(old) && shown {
            Ok(())
        } else {
            Err((pods.clone(), function))
        }
    });
    let answer = cluster.gateway().post("/function/steady", r#"{"n": 1}"#);
    assert_eq!(answer.expect(200), json!(2));
}

#[test]
fn a_cluster_moves_to_etcd_with_its_functions_and_runs() {
    let etcd = Etcd::start();
    let mut cluster = Cluster::start();
    seeds(&cluster);
    let run = Run::start(&cluster);
    let names = |cluster: &Cluster, kind: &str| -> Vec<String> {
        let items = cluster.kubectl().items(&["get", kind]);
        let mut names: Vec<_> = items
            .iter()
            .map(|item| format!("{} {}", item["metadata"]["name"], item["metadata"]["uid"]))
            .collect();
        names.sort();
        names
    };
    let kinds = [
        "functions",
        "workflows",
        "statemachines",
        "workflowruns",
        "pods",
    ];
    let before = kinds.map(|kind| names(&cluster, kind));
    let data = cluster.home().join("master");
    let to = store(&etcd);
    let migrate = || {
        let mut command = Command::new(program("master"));
        command.args(["migrate", "--from", "embedded", "--to", &to, "--data-dir"]);
        let said = command.arg(&data).output().unwrap();
        let text = String::from_utf8_lossy(&said.stderr).into_owned();
        (
            said.status.success(),
            String::from_utf8(said.stdout).unwrap(),
            text,
        )
    };
    let (done, _, why) = migrate();
    assert!(
        !done && why.contains("open the store"),
        "a master has it open: {why}"
    );
    assert!(cluster.master.stop().success());
    let (done, said, shown) = migrate();
    assert!(done, "{shown}");
    assert!(said.contains("keys were taken over"), "{said}");
    assert!(shown.contains(" keys"), "{shown}");
    let (done, _, why) = migrate();
    assert!(!done && why.contains("is not empty"), "{why}");

    cluster.set_master("store", &to);
    cluster.set_master("blobs", "local");
    cluster.master.start_again();
    cluster.wait_for_master();
    cluster.wait_for_node("node-1");
    assert_eq!(kinds.map(|kind| names(&cluster, kind)), before);
    run.open_gate();
    run.check(&cluster);
    ask(&cluster);
    cluster.apply("new", &params("'made on etcd'"), "");
    let answer = cluster.gateway().post("/function/new", "{}");
    assert_eq!(answer.expect(200), json!("made on etcd"));
}
