//! Functions that misbehave: their caller is told, everybody else notices nothing.

use serde_json::json;
use tests::{Cluster, Options, eventually, mentioning, params};

/// A cluster with a function of this code, `bad`, beside one that behaves.
fn with(code: &str, spec: &str) -> Cluster {
    let cluster = Cluster::start();
    cluster.apply("bad", code, spec);
    cluster.apply("good", &params("params"), "");
    assert_eq!(
        cluster.gateway().post("/function/good", "1").expect(200),
        json!(1)
    );
    cluster
}

fn still_well(cluster: &Cluster) {
    assert_eq!(
        cluster.gateway().post("/function/good", "2").expect(200),
        json!(2)
    );
}

#[test]
fn one_that_ends_its_process_costs_its_caller_only() {
    let cluster = with(
        "import os\ndef main(params):\n    if params.get('exit'):\n        os._exit(3)\n    return 'alive'\n",
        "",
    );
    let answer = cluster.gateway().post("/function/bad", r#"{"exit": true}"#);
    assert!(matches!(answer.status, 500 | 502 | 503), "{answer:?}");
    still_well(&cluster);
    assert_eq!(
        cluster.gateway().post("/function/bad", "{}").expect(200),
        json!("alive")
    );
}

#[test]
fn one_that_prints_a_megabyte_is_answered_and_logged() {
    let cluster = with(
        "def main(params):\n    for _ in range(1024):\n        print('x' * 1023)\n    return 'said'\n",
        "",
    );
    assert_eq!(
        cluster.gateway().post("/function/bad", "{}").expect(200),
        json!("said")
    );
    eventually("the log is there", || {
        let log = cluster.kubectl().run(&["logs", "function/bad"]);
        if log.len() > 1 << 20 {
            Ok(())
        } else {
            Err(log.len())
        }
    });
    still_well(&cluster);
}

#[test]
fn one_that_returns_what_json_cannot_carry_is_500() {
    let cluster = with(
        "def main(params):\n    return {'set': {1}, 'nan': float('nan')}[params['which']]\n",
        "",
    );
    for which in ["set", "nan"] {
        let answer = cluster
            .gateway()
            .post("/function/bad", format!(r#"{{"which": "{which}"}}"#));
        let error = answer.expect(500);
        assert!(error["errorType"].is_string(), "{error}");
    }
    still_well(&cluster);
}

#[test]
fn one_that_sleeps_through_its_deadline_is_replaced() {
    let cluster = with(
        "import time\ndef main(params):\n    time.sleep(params['s'])\n    return 'woke'\n",
        "timeoutSeconds: 1\nconcurrency: 1\nscaling: { maxReplicas: 1 }",
    );
    assert_eq!(
        cluster
            .gateway()
            .post("/function/bad", r#"{"s": 300}"#)
            .status,
        504
    );
    assert_eq!(
        cluster
            .gateway()
            .post("/function/bad", r#"{"s": 0}"#)
            .expect(200),
        json!("woke")
    );
    still_well(&cluster);
}

#[test]
fn children_that_it_forks_end_with_its_pod() {
    let code = "import os, subprocess, sys\ndef main(params):\n    nap = [sys.executable, '-c', 'import time; time.sleep(10000)', params['mark']]\n    subprocess.Popen(nap)\n    if os.fork() == 0:\n        os.setsid()\n        if os.fork() == 0:\n            os.execv(nap[0], nap)\n        os._exit(0)\n    return 'forked'\n";
    let cluster = with(code, "");
    let mark = cluster.home().join("forked");
    let body = json!({ "mark": mark }).to_string();
    assert_eq!(
        cluster.gateway().post("/function/bad", body).expect(200),
        json!("forked")
    );
    eventually("both children run", || match mentioning(&mark) {
        found if found.len() == 2 => Ok(()),
        found => Err(found),
    });
    cluster.kubectl().run(&["delete", "function", "bad"]);
    eventually("no child is left", || match mentioning(&mark) {
        left if left.is_empty() => Ok(()),
        left => Err(left),
    });
    still_well(&cluster);
}

#[test]
fn one_that_eats_memory_is_ended_and_its_neighbour_is_not() {
    let cluster = with(
        "def main(params):\n    if params.get('eat'):\n        return len(bytearray(int(params['eat'])))\n    return 'fed'\n",
        "resources: { memory: 128Mi }",
    );
    let answer = cluster
        .gateway()
        .post("/function/bad", r#"{"eat": 2000000000}"#);
    assert!(matches!(answer.status, 500 | 502 | 503), "{answer:?}");
    still_well(&cluster);
    assert_eq!(
        cluster.gateway().post("/function/bad", "{}").expect(200),
        json!("fed")
    );
}

#[test]
fn ones_that_never_start_do_not_fill_their_node() {
    let options = Options::default().agent("pods.max", "2");
    let cluster = Cluster::with(options);
    for name in ["one", "two"] {
        cluster.apply(
            name,
            "raise RuntimeError('broken')\ndef main(params):\n    pass\n",
            "",
        );
        eventually("two of its pods have failed", || {
            let _ = cluster.gateway().post(&format!("/function/{name}"), "{}");
            let pods = cluster.pods(name);
            let failed = pods.iter().filter(|pod| pod["status"]["phase"] == "Failed");
            if failed.count() == 2 {
                Ok(())
            } else {
                Err(pods.len())
            }
        });
    }
    cluster.apply("good", &params("params"), "");
    still_well(&cluster);
}
