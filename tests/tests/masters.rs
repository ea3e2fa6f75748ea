//! Several masters on one etcd: one leads, the others serve and take over.

use std::fs;
use std::io::Write as _;
use std::net::TcpStream;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use nix::sys::signal::Signal;
use reqwest::Method;
use serde_json::{Value, json};
use tests::{Cluster, Etcd, Http, Identity, Master, Node, Options, S3, eventually, params};

/// A cluster that more masters can join, and what they need for it.
struct Ensemble {
    cluster: Cluster,
    /// Where the second master's API will be.
    api: String,
    settings: Vec<(&'static str, String)>,
    shared: tempfile::TempDir,
    _etcd: Etcd,
}

impl Ensemble {
    fn begin() -> Self {
        let shared = tempfile::tempdir().unwrap();
        let blobs = shared.path().join("blobs").to_str().unwrap().to_owned();
        Self::with(shared, vec![("blobs", blobs)])
    }

    /// Code and layers are in a bucket, and the masters share no directory.
    fn with_bucket(s3: &S3) -> Self {
        let credentials = s3.credentials_file().to_str().unwrap().to_owned();
        let blobs = vec![
            ("blobs", s3.url("troupe")),
            ("s3.endpoint", s3.endpoint()),
            ("s3.credentials-file", credentials),
        ];
        Self::with(tempfile::tempdir().unwrap(), blobs)
    }

    fn with(shared: tempfile::TempDir, blobs: Vec<(&'static str, String)>) -> Self {
        let etcd = Etcd::start();
        let mut settings = vec![
            (
                "cluster-secret-file",
                secret(&shared.path().join("secret"), "s3cret"),
            ),
            ("store", format!("etcd://{}", etcd.address())),
        ];
        settings.extend(blobs);
        let api = Master::free_address();
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
            _etcd: etcd,
        }
    }

    /// The second master, which stands by.
    fn second(&self) -> Master {
        let mut second = Master::start("second", &self.cluster, &self.api, &self.settings);
        second.await_role("standby");
        second
    }
}

fn secret(path: &Path, text: &str) -> String {
    fs::write(path, text.repeat(16)).unwrap();
    path.to_str().unwrap().to_owned()
}

fn await_first(cluster: &mut Cluster, role: &str) {
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

#[test]
fn a_second_master_takes_over_and_the_old_leader_changes_nothing() {
    let mut ensemble = Ensemble::begin();
    ensemble.cluster.apply(
        "f",
        &params("params['n'] + 1"),
        "scaling: { minReplicas: 1 }",
    );
    let call = |gateway: &Http, n: u32| {
        let answer = gateway.post("/function/f", json!({ "n": n }).to_string());
        assert_eq!(answer.expect(200), json!(n + 1));
    };
    call(&ensemble.cluster.gateway(), 1);

    // Somebody without the secret, and somebody with another one, are not let in.
    for (wrong, why) in [
        (String::new(), "cluster-secret-file"),
        (
            secret(&ensemble.shared.path().join("other"), "wr0ng!"),
            "another secret",
        ),
    ] {
        let mut settings = ensemble.settings.clone();
        settings[0].1 = wrong;
        let mut stranger = Master::start("stranger", &ensemble.cluster, &ensemble.api, &settings);
        assert!(!stranger.process.wait().success());
        let log = stranger.process.log();
        assert!(log.contains(why), "{log}");
        fs::remove_dir_all(stranger.data()).unwrap();
    }

    let before = ensemble.cluster.ready_pods("f", 1)[0]["metadata"]["uid"].clone();
    let mut second = ensemble.second();
    let cluster = &mut ensemble.cluster;
    cluster.master.kill();
    second.await_role("leader");
    call(second.gateway(), 2);
    let pods = second
        .kubectl()
        .items(&["get", "pods", "-l", "troupe.dev/function=f"]);
    assert!(
        pods.iter().any(|pod| pod["metadata"]["uid"] == before),
        "the pod runs on: {pods:?}"
    );

    // The first comes back, stands by, and leads again when the second is paused; which then wakes up.
    cluster.master.start_again();
    await_first(cluster, "standby");
    second.process.signal(Signal::SIGSTOP);
    await_first(cluster, "leader");
    cluster.wait_for_node("node-1");
    cluster.kubectl().run(&["create", "namespace", "mine"]);
    second.process.signal(Signal::SIGCONT);
    assert!(!second.process.wait().success());
    let log = second.process.log();
    assert!(log.contains("another master leads"), "{log}");
    call(&cluster.gateway(), 3);

    // One that ends in order leaves the lead at once.
    second.process.start_again();
    second.await_role("standby");
    assert!(cluster.master.stop().success());
    second.await_role("leader");
    call(second.gateway(), 4);
    assert!(second.process.stop().success());
}

/// What clients saw who called again and again.
#[derive(Debug, Default)]
struct Seen {
    answered: usize,
    /// Status and text of the other answers.
    refused: Vec<(u16, String)>,
    longest: Duration,
}

/// Calls through a gateway until it is told to end.
fn caller(gateway: Http, end: Arc<AtomicBool>) -> std::thread::JoinHandle<Seen> {
    std::thread::spawn(move || {
        let mut seen = Seen::default();
        let mut last = Instant::now();
        while !end.load(Ordering::Relaxed) {
            let answer = gateway.post("/function/f", r#"{"n": 1}"#);
            if answer.status == 200 {
                assert_eq!(answer.json(), json!(2));
                seen.answered += 1;
                seen.longest = seen.longest.max(last.elapsed());
                last = Instant::now();
            } else {
                seen.refused.push((answer.status, answer.text()));
            }
        }
        seen
    })
}

#[test]
fn calls_by_a_standby_are_held_while_the_lead_changes() {
    let mut ensemble = Ensemble::begin();
    ensemble.cluster.apply(
        "f",
        &params("params['n'] + 1"),
        "scaling: { minReplicas: 1 }\nconcurrency: 16",
    );
    let pods = |kubectl: tests::Kubectl| -> Vec<Value> {
        let pods = kubectl.items(&["get", "pods", "-l", "troupe.dev/function=f"]);
        pods.iter()
            .map(|pod| pod["metadata"]["uid"].clone())
            .collect()
    };
    let _ = ensemble.cluster.ready_pods("f", 1);
    let before = pods(ensemble.cluster.kubectl());
    let mut second = ensemble.second();
    let end = Arc::new(AtomicBool::new(false));
    let callers: Vec<_> = (0..4)
        .map(|_| caller(second.gateway().clone(), Arc::clone(&end)))
        .collect();
    std::thread::sleep(Duration::from_millis(500));
    ensemble.cluster.master.kill();
    second.await_role("leader");
    second
        .gateway()
        .post("/function/f", r#"{"n": 1}"#)
        .expect(200);
    end.store(true, Ordering::Relaxed);
    for caller in callers {
        let seen = caller.join().unwrap();
        eprintln!("{seen:?}");
        assert!(seen.answered > 0);
        // What the leader had in hand when it was killed, and what was sent to it before its end was noticed, is not
        // sent again: it may have been carried out.
        assert!(seen.refused.len() <= 3, "{seen:?}");
        assert!(
            seen.refused.iter().all(|(status, _)| *status == 502),
            "{seen:?}"
        );
    }
    // The load may have brought one more.
    let after = pods(second.kubectl());
    assert!(
        before.iter().all(|pod| after.contains(pod)),
        "the pods run on: {before:?}, {after:?}"
    );
}

#[test]
fn a_master_that_stands_by_serves_as_the_leader_does() {
    let mut ensemble = Ensemble::begin();
    let second = ensemble.second();
    let cluster = &mut ensemble.cluster;

    // An agent that knows only the standby joins by it and finds the leader.
    let quiet = [tests::agent_variable("pool.size", "0")];
    let only = format!("https://{}", ensemble.api);
    let token = cluster.token();
    cluster
        .nodes
        .push(Node::start("node-2", cluster.home(), &only, &token, &quiet));
    cluster.wait_for_node("node-2");

    // Code is uploaded, objects are written and read, functions and runs are executed.
    let source = tests::Source::write(
        cluster.home(),
        "f",
        "def main(params):\n    print('heard', flush=True)\n    return len(params.get('text', ''))\n",
        "",
    );
    let kubectl = second.kubectl();
    kubectl.run(&["apply", source.yaml()]);
    assert_eq!(
        kubectl.run(&["execute", "f", r#"{"text": "four"}"#]).trim(),
        "4"
    );
    let gateway = second.gateway();
    let text = "x".repeat(3 << 20);
    let answer = gateway.post("/function/f", json!({ "text": text }).to_string());
    assert!(answer.is_stamped(), "{answer:?}");
    assert_eq!(answer.expect(200), json!(text.len()));
    let accepted = gateway.post_with(
        "/function/f",
        "prefer",
        "respond-async",
        r#"{"text": "abc"}"#,
    );
    assert_eq!(accepted.status, 202, "{accepted:?}");
    let location = accepted.header("location").unwrap().to_owned();
    eventually("the asynchronous call has a result", || {
        match gateway.get(&location).json() {
            shown if shown["state"] == "Succeeded" => Ok(()),
            shown => Err(shown),
        }
    });
    let log = kubectl.run(&["logs", "function/f"]);
    assert!(log.contains("heard"), "{log}");
    let real = second.real_kubectl();
    real.run(&["create", "configmap", "m", "--from-literal=a=1"]);
    assert_eq!(
        real.run(&["get", "configmap", "m", "-o", "jsonpath={.data.a}"]),
        "1"
    );
    assert_eq!(
        cluster
            .kubectl()
            .run(&["get", "configmap", "m", "-o", "jsonpath={.data.a}"]),
        "1"
    );
    let seen = real.run(&[
        "wait",
        "--for=condition=Ready",
        "function/f",
        "--timeout=60s",
    ]);
    assert!(seen.contains("condition met"), "{seen}");

    // Each says what it is.
    let role = |http: Http| {
        http.get("/healthz")
            .header("x-troupe-role")
            .map(str::to_owned)
    };
    assert_eq!(role(cluster.api().as_nobody()).as_deref(), Some("leader"));
    assert_eq!(role(second.api().as_nobody()).as_deref(), Some("standby"));
    let metrics = second.api().as_admin().get("/metrics");
    assert!(
        metrics.text().contains("troupe_master_leads{} 0"),
        "{metrics:?}"
    );

    // The first of its list is not there.
    let gone = format!(
        "https://{},{}",
        Master::free_address(),
        second.api().server()
    );
    assert_eq!(
        kubectl
            .run(&["--server", &gone, "get", "function", "f", "-o", "name"])
            .trim(),
        "function/f"
    );

    // Nobody gets further by a standby than by the leader, and nobody introduces himself.
    let identity = Identity::load(&cluster.nodes[0].data().join("node.pem")).unwrap();
    let forged = forged_introduction();
    for api in [cluster.api(), second.api()] {
        let (nobody, node) = (api.as_nobody(), api.with(&identity));
        for path in ["/api/v1/namespaces/default/functions/f", "/invocations"] {
            for (who, least) in [(&nobody, 401), (&node, 401)] {
                let plain = who.get(path);
                assert!((least..=403).contains(&plain.status), "{path}: {plain:?}");
                let lied = who.send(Method::GET, path, |request| {
                    request.header("x-troupe-introduction", &forged)
                });
                assert_eq!(lied.status, plain.status, "{path}: {lied:?}");
            }
        }
        let call = nobody.send(Method::POST, "/function/f", |request| {
            request.header("x-troupe-introduction", &forged).body("{}")
        });
        assert_eq!(call.status, 401, "{call:?}");
        let token = node.send(Method::POST, "/tokens", |request| {
            request
                .header("x-troupe-introduction", &forged)
                .header("content-type", "application/json")
                .body("{}")
        });
        assert_eq!(token.status, 403, "{token:?}");
    }
}

/// What a master says of an administrator who came by a gateway on loopback.
fn forged_introduction() -> String {
    use base64::Engine as _;
    let digest = common::digest::Digest::of(b"any").to_string();
    let said = json!({
        "entrance": "LocalGateway",
        "certificate": { "name": "admin", "groups": [common::trust::ADMINS], "key": digest },
    });
    base64::engine::general_purpose::URL_SAFE_NO_PAD.encode(said.to_string())
}

#[test]
fn a_client_that_leaves_a_standby_frees_its_slot_with_the_leader() {
    let ensemble = Ensemble::begin();
    let second = ensemble.second();
    let cluster = &ensemble.cluster;
    let code = "import time\ndef main(params):\n    print('began', flush=True)\n    for _ in range(params['n']):\n        time.sleep(0.01)\n    return 'done'\n";
    cluster.apply(
        "one",
        code,
        "timeoutSeconds: 600\nconcurrency: 1\nscaling: { maxReplicas: 1 }",
    );
    let gateway = second.gateway();
    let address = gateway.base().trim_start_matches("http://").to_owned();
    let mut client = TcpStream::connect(address).unwrap();
    let body = r#"{"n": 60000}"#;
    let length = body.len();
    write!(
        client,
        "POST /function/one HTTP/1.1\r\nHost: localhost\r\nContent-Length: {length}\r\n\r\n{body}"
    )
    .unwrap();
    cluster.await_began("one");
    drop(client);
    // There is one slot only: an answer means that the first call was ended.
    let answer = gateway.post("/function/one", r#"{"n": 0}"#);
    assert_eq!(answer.expect(200), json!("done"));
}

#[test]
fn code_in_a_bucket_is_there_for_whoever_leads() {
    let mut s3 = S3::start();
    let mut ensemble = Ensemble::with_bucket(&s3);
    let mut second = ensemble.second();
    let cluster = &mut ensemble.cluster;
    // Uploaded by the standby, built by a node, called.
    let source = tests::Source::write(cluster.home(), "f", &params("params['n'] + 1"), "");
    second.kubectl().run(&["apply", source.yaml()]);
    let call = |gateway: &Http, function: &str| {
        let answer = gateway.post(&format!("/function/{function}"), r#"{"n": 1}"#);
        assert_eq!(answer.expect(200), json!(2));
    };
    call(&cluster.gateway(), "f");
    let kept = s3.objects();
    let blobs = kept
        .iter()
        .filter(|name| name.starts_with("troupe/sha256-"));
    assert!(blobs.count() >= 2, "its source and its layer: {kept:?}");

    // A node that has nothing of it starts it with what the new leader reads from the bucket.
    let token = cluster.token();
    cluster.master.kill();
    second.await_role("leader");
    let kubectl = second.kubectl();
    let url = second.api().server().to_owned();
    let quiet = [tests::agent_variable("pool.size", "0")];
    cluster
        .nodes
        .push(Node::start("node-2", cluster.home(), &url, &token, &quiet));
    eventually("node-2 is ready", || {
        let nodes = kubectl.run(&["get", "nodes"]);
        let ready = |line: &str| line.starts_with("node-2") && line.contains(" Ready");
        if nodes.lines().any(ready) {
            Ok(())
        } else {
            Err(nodes)
        }
    });
    kubectl.run(&["cordon", "node-1"]);
    kubectl.run(&["delete", "pods", "-l", "troupe.dev/function=f"]);
    call(second.gateway(), "f");
    let pods = kubectl.items(&["get", "pods", "-l", "troupe.dev/function=f"]);
    assert!(
        pods.iter().any(|pod| pod["spec"]["nodeName"] == "node-2"),
        "{pods:?}"
    );
    for data in [second.data(), &cluster.home().join("master")] {
        assert!(!data.join("blobs").exists(), "{} has blobs", data.display());
    }

    // Without the bucket nothing is uploaded, and it is said why; what was asked for meanwhile is built later.
    s3.process.kill();
    let upload = format!("/blobs/sha256:{}", "0".repeat(64));
    let refused = second
        .api()
        .as_admin()
        .send(Method::PUT, &upload, |request| request.body("x"));
    assert_eq!(refused.status, 503, "{refused:?}");
    assert_eq!(refused.json()["reason"], "BlobsUnavailable", "{refused:?}");
    let inline = "apiVersion: v1\nkind: Function\nmetadata: { name: g }\nspec:\n  source: { inline: { func.py: \"def main(params): return params['n'] + 1\" } }\n";
    kubectl.run_with(&["apply", "-f", "-"], inline);
    s3.start_again();
    call(second.gateway(), "g");
}

/// The uids of a function's pods.
fn uids(kubectl: &tests::Kubectl) -> Vec<Value> {
    let pods = kubectl.items(&["get", "pods", "-l", "troupe.dev/function=f"]);
    let uid = |pod: &Value| pod["metadata"]["uid"].clone();
    pods.iter().map(uid).collect()
}

#[test]
fn a_leader_that_falls_silent_is_replaced_and_when_it_wakes_up_changes_nothing() {
    let mut ensemble = Ensemble::begin();
    ensemble.cluster.apply(
        "f",
        &params("params['n'] + 1"),
        "scaling: { minReplicas: 1, maxReplicas: 1 }",
    );
    let _ = ensemble.cluster.ready_pods("f", 1);
    let before = uids(&ensemble.cluster.kubectl());
    let mut second = ensemble.second();
    let cluster = &mut ensemble.cluster;
    let call = |gateway: &Http| {
        let answer = gateway.post("/function/f", r#"{"n": 1}"#);
        assert_eq!(answer.expect(200), json!(2));
    };

    cluster.master.signal(Signal::SIGSTOP);
    second.await_role("leader");
    call(second.gateway());
    assert_eq!(uids(&second.kubectl()), before, "the pod runs on, alone");
    second.kubectl().run(&["create", "namespace", "mine"]);

    cluster.master.signal(Signal::SIGCONT);
    assert!(!cluster.master.wait().success());
    let log = cluster.master.log();
    assert!(log.contains("another master leads"), "{log}");
    second.kubectl().run(&["get", "namespace", "mine"]);
    cluster.master.start_again();
    await_first(cluster, "standby");
    call(&cluster.gateway());
    call(second.gateway());
    assert_eq!(uids(&second.kubectl()), before, "the pod runs on, alone");
}

/// A command that goes on by itself, and what it has said so far.
struct Running {
    child: std::process::Child,
    said: std::path::PathBuf,
}

impl Running {
    fn start(kubectl: &tests::Kubectl, said: std::path::PathBuf, words: &[&str]) -> Self {
        let file = fs::File::create(&said).unwrap();
        let mut command = kubectl.command(words);
        command.stdin(std::process::Stdio::null());
        command.stderr(file.try_clone().unwrap()).stdout(file);
        let child = command.spawn().unwrap();
        Self { child, said }
    }

    fn await_said(&self, text: &str) -> String {
        eventually(&format!("it says {text}"), || {
            let said = fs::read_to_string(&self.said).unwrap();
            if said.contains(text) {
                Ok(said)
            } else {
                Err(said)
            }
        })
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

#[test]
fn what_is_followed_by_a_standby_goes_on_where_it_was_when_the_leader_dies() {
    let mut ensemble = Ensemble::begin();
    let mut second = ensemble.second();
    let cluster = &mut ensemble.cluster;
    let home = cluster.home().to_owned();
    let code =
        "def main(params):\n    print('heard', params['n'], flush=True)\n    return params['n']\n";
    cluster.apply("f", code, "scaling: { minReplicas: 1 }");
    let _ = cluster.ready_pods("f", 1);
    let kubectl = second.kubectl();
    let create = |name: &str| kubectl.run(&["create", "configmap", name, "--from-literal=a=1"]);
    let revision = |name: &str| {
        kubectl.json(&["get", "configmap", name])["metadata"]["resourceVersion"]
            .as_str()
            .unwrap()
            .to_owned()
    };
    let watch = |from: &str, file: &str| {
        let path =
            format!("/api/v1/namespaces/default/configmaps?watch=true&resourceVersion={from}");
        Running::start(&kubectl, home.join(file), &["get", "--raw", &path])
    };
    let heard = |n: u32| {
        let answer = second
            .gateway()
            .post("/function/f", json!({ "n": n }).to_string());
        assert_eq!(answer.expect(200), json!(n));
    };

    create("one");
    let one = revision("one");
    let raw = watch(&one, "raw");
    let listed = ["get", "configmaps", "-w", "-o", "name"];
    let seen = Running::start(&second.real_kubectl(), home.join("seen"), &listed);
    let log = Running::start(&kubectl, home.join("log"), &["logs", "-f", "function/f"]);
    seen.await_said("configmap/one");
    create("two");
    let said = raw.await_said("\"two\"");
    assert!(!said.contains("\"one\""), "it began after that: {said}");
    seen.await_said("configmap/two");
    heard(1);
    log.await_said("heard 1");

    let two = revision("two");
    create("three");
    cluster.master.kill();
    second.await_role("leader");
    create("four");
    let said = watch(&two, "resumed").await_said("\"four\"");
    assert!(
        said.contains("\"three\"") && !said.contains("\"two\""),
        "{said}"
    );
    let log = Running::start(&kubectl, home.join("later"), &["logs", "-f", "function/f"]);
    log.await_said("heard 1");
    second
        .gateway()
        .post("/function/f", r#"{"n": 2}"#)
        .expect(200);
    log.await_said("heard 2");
}

#[test]
fn runs_and_asynchronous_calls_begun_by_a_standby_end_by_another_leader() {
    let mut ensemble = Ensemble::begin();
    let door = Master::free_address();
    let mut settings = ensemble.settings.clone();
    settings.push(("sfn-listen", door.clone()));
    let mut second = Master::start("second", &ensemble.cluster, &ensemble.api, &settings);
    second.await_role("standby");
    let cluster = &mut ensemble.cluster;
    cluster.apply(
        "f",
        &params("params['n'] + 1"),
        "scaling: { minReplicas: 1 }",
    );
    let _ = cluster.ready_pods("f", 1);
    let states = Http::new(&format!("http://{door}"));
    let ask = |action: &str, input: Value| {
        let answer = states.send(Method::POST, "/", |request| {
            request
                .header("x-amz-target", format!("AWSStepFunctions.{action}"))
                .header("content-type", "application/x-amz-json-1.0")
                .body(input.to_string())
        });
        answer.expect(200)
    };
    let definition = json!({
        "StartAt": "Pause",
        "States": {
            "Pause": { "Type": "Wait", "Seconds": 2, "Next": "Add" },
            "Add": { "Type": "Task", "Resource": "f", "End": true },
        },
    });
    let made = ask(
        "CreateStateMachine",
        json!({
            "name": "machine",
            "roleArn": "arn:aws:iam::111111111111:role/any",
            "definition": definition.to_string(),
        }),
    );
    let started = ask(
        "StartExecution",
        json!({ "stateMachineArn": made["stateMachineArn"], "input": r#"{"n": 4}"# }),
    );
    let execution = json!({ "executionArn": started["executionArn"] });
    assert_eq!(
        ask("DescribeExecution", execution.clone())["status"],
        "RUNNING"
    );
    let gateway = second.gateway().clone();
    let accepted: Vec<String> = (0..5)
        .map(|n| {
            let body = json!({ "n": n }).to_string();
            let answer = gateway.post_with("/function/f", "prefer", "respond-async", &body);
            assert_eq!(answer.status, 202, "{answer:?}");
            answer.header("location").unwrap().to_owned()
        })
        .collect();

    cluster.master.kill();
    second.await_role("leader");
    for (n, location) in accepted.iter().enumerate() {
        eventually("the asynchronous call has a result", || {
            match gateway.get(location).json() {
                shown if shown["state"] == "Succeeded" => Ok(()),
                shown => Err((n, shown)),
            }
        });
    }
    let described = eventually("the execution has ended", || {
        match ask("DescribeExecution", execution.clone()) {
            shown if shown["status"] == "SUCCEEDED" => Ok(shown),
            shown => Err(shown),
        }
    });
    assert_eq!(described["output"], "5");
    let history = ask("GetExecutionHistory", execution);
    let events = history["events"].as_array().unwrap();
    let named = |name: &str| events.iter().filter(|event| event["type"] == name).count();
    assert_eq!(
        (named("ExecutionStarted"), named("ExecutionSucceeded")),
        (1, 1),
        "{history}"
    );
}
