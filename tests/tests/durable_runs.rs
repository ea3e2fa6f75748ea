//! Runs through crashes, long waits and their limits, in the programs themselves.

use std::collections::HashMap;
use std::fs;

use serde_json::{Value, json};
use tests::{Cluster, Options, eventually};

fn machine(name: &str, definition: &Value) -> String {
    json!({
        "apiVersion": "v1", "kind": "StateMachine",
        "metadata": { "name": name }, "spec": { "definition": definition }
    })
    .to_string()
}

fn apply(cluster: &Cluster, name: &str, definition: &Value) {
    let text = machine(name, definition);
    cluster.kubectl().run_with(&["apply", "-f", "-"], &text);
}

/// Starts a run: the name of its object.
fn begin(cluster: &Cluster, machine: &str, input: &Value) -> String {
    let path = format!("/state_machine/{machine}");
    let reply = cluster.gateway().accepted(&path, &input.to_string());
    let run = reply.json()["run"].as_str().unwrap().to_owned();
    run.trim_start_matches("default/").to_owned()
}

/// The status of a run that has ended.
fn ended(cluster: &Cluster, run: &str) -> Value {
    eventually(&format!("run {run} ends"), || {
        let found = cluster.kubectl().json(&["get", "run", run]);
        match found["status"]["phase"].as_str() {
            Some("Pending" | "Running") | None => Err(found),
            Some(_) => Ok(found["status"].clone()),
        }
    })
}

fn metric(cluster: &Cluster, line: &str) -> Option<String> {
    let text = cluster.kubectl().run(&["get", "--raw", "/metrics"]);
    let rest = text.lines().find_map(|found| found.strip_prefix(line));
    rest.map(|rest| rest.trim().to_owned())
}

#[test]
fn no_finished_step_is_repeated_however_often_the_master_is_killed() {
    const RUNS: u64 = 6;
    const STEPS: u64 = 12;
    let mut cluster = Cluster::start();
    let log = cluster.home().join("log");
    fs::write(&log, "").unwrap();
    fs::set_permissions(&log, std::os::unix::fs::PermissionsExt::from_mode(0o666)).unwrap();
    // One write to a file opened for appending is one line, whoever writes beside it.
    let code = format!(
        "import os\ndef main(params):\n    file = os.open({log:?}, os.O_WRONLY | os.O_APPEND)\n    os.write(file, f\"{{params['run']}} {{params['step']}}\\n\".encode())\n    os.close(file)\n    return {{'run': params['run'], 'step': params['step'] + 1}}\n"
    );
    cluster.apply("step", &code, "scaling: { minReplicas: 1 }");
    assert_eq!(cluster.ready_pods("step", 1).len(), 1);
    let mut states = serde_json::Map::new();
    for step in 0..STEPS {
        let next = if step + 1 == STEPS {
            json!({ "Type": "Task", "Resource": "step", "End": true })
        } else {
            json!({ "Type": "Task", "Resource": "step", "Next": format!("S{}", step + 1) })
        };
        states.insert(format!("S{step}"), next);
    }
    apply(
        &cluster,
        "chain",
        &json!({ "StartAt": "S0", "States": states }),
    );
    let runs: Vec<String> = (0..RUNS)
        .map(|run| begin(&cluster, "chain", &json!({ "run": run, "step": 0 })))
        .collect();
    for _ in 0..3 {
        cluster.crash_master();
        // Some steps happen, and the next crash meets others in the middle.
        let before = fs::read_to_string(&log).unwrap().lines().count();
        let all = usize::try_from(RUNS * STEPS).unwrap();
        eventually("the runs go on", || {
            let now = fs::read_to_string(&log).unwrap().lines().count();
            if now > before || now >= all {
                Ok(())
            } else {
                Err(now)
            }
        });
    }
    for run in &runs {
        let status = ended(&cluster, run);
        assert_eq!(status["phase"], "Succeeded", "{status}");
        assert_eq!(status["output"]["step"], STEPS);
    }
    let mut reached: HashMap<u64, u64> = HashMap::new();
    for line in fs::read_to_string(&log).unwrap().lines() {
        let (run, step) = line.split_once(' ').unwrap();
        let (run, step): (u64, u64) = (run.parse().unwrap(), step.parse().unwrap());
        let last = reached.entry(run).or_insert(step);
        assert!(
            step == *last || step == *last + 1,
            "run {run} did step {step} after step {last}"
        );
        *last = step;
    }
}

#[test]
fn a_run_that_loops_with_a_large_document_keeps_neither_the_memory_nor_the_others() {
    // MiB. What the store keeps of recent changes and of its pages is 128 of them.
    const MOST: usize = 400;
    let mut cluster = Cluster::start();
    let next = json!({ "n.$": "States.MathAdd($.n, 1)", "text.$": "$.text" });
    let loops = json!({ "StartAt": "P", "States": {
        "P": { "Type": "Pass", "Parameters": next, "Next": "P" }
    } });
    apply(&cluster, "loops", &loops);
    let short = json!({ "StartAt": "P", "States": { "P": { "Type": "Pass", "End": true } } });
    apply(&cluster, "short", &short);
    let input = json!({ "n": 0, "text": "x".repeat(200_000) });
    let run = begin(&cluster, "loops", &input);
    let written = |cluster: &Cluster| {
        let store = fs::metadata(cluster.home().join("master/store.redb")).unwrap();
        usize::try_from(store.len()).unwrap() >> 20
    };
    eventually("much is written", || {
        let now = written(&cluster);
        if now > 200 { Ok(()) } else { Err(now) }
    });
    let status = ended(&cluster, &begin(&cluster, "short", &json!({})));
    assert_eq!(status["phase"], "Succeeded", "{status}");
    let peak = cluster.master.most_resident() >> 20;
    assert!(peak < MOST, "{peak} MiB of {} written", written(&cluster));
    // The next life of the master reads all of it.
    cluster.crash_master();
    cluster.kubectl().run(&["stop", "run", &run]);
    assert_eq!(ended(&cluster, &run)["phase"], "Aborted");
    let peak = cluster.master.most_resident() >> 20;
    assert!(peak < MOST, "{peak} MiB of {} written", written(&cluster));
}

#[test]
fn a_run_that_only_waits_needs_no_actor_and_goes_on_in_time_after_a_crash() {
    const SECONDS: u64 = 14;
    let mut cluster = Cluster::start();
    let definition = json!({ "StartAt": "W", "States": {
        "W": { "Type": "Wait", "Seconds": SECONDS, "Next": "P" },
        "P": { "Type": "Pass", "End": true }
    } });
    apply(&cluster, "waits", &definition);
    let (run, stopped) = (
        begin(&cluster, "waits", &json!({ "a": 1 })),
        begin(&cluster, "waits", &json!({})),
    );
    let parked = |cluster: &Cluster, wanted: &str| {
        eventually("the runs are parked", || {
            match metric(cluster, r#"troupe_runs_open{state="parked"}"#) {
                Some(count) if count.trim_end_matches(".0") == wanted => Ok(()),
                other => Err(other),
            }
        });
    };
    parked(&cluster, "2");
    let there = cluster.kubectl().json(&["get", "run", &run]);
    assert_eq!(there["status"]["phase"], "Running");
    assert!(there["status"]["wakeTime"].is_string(), "{there}");
    cluster.crash_master();
    parked(&cluster, "2");
    cluster.kubectl().run(&["stop", "run", &stopped]);
    assert_eq!(ended(&cluster, &stopped)["phase"], "Aborted");
    let status = ended(&cluster, &run);
    assert_eq!(status["phase"], "Succeeded", "{status}");
    assert_eq!(status["output"], json!({ "a": 1 }));
    assert!(status["wakeTime"].is_null(), "{status}");
    let waited = status["steps"][0]["durationMs"].as_u64().unwrap();
    assert!(
        waited >= SECONDS * 1000,
        "it waited {waited} ms of {SECONDS} s"
    );
}

#[test]
fn histories_payloads_and_definitions_have_limits_that_hold() {
    let cluster = Cluster::with(Options::default().master("runs.max-events", "1000"));
    let forever = json!({ "StartAt": "A", "States": {
        "A": { "Type": "Pass", "Next": "B" },
        "B": { "Type": "Choice", "Default": "A", "Choices": [
            { "Variable": "$.never", "IsPresent": true, "Next": "C" }
        ] },
        "C": { "Type": "Succeed" }
    } });
    apply(&cluster, "forever", &forever);
    let status = ended(&cluster, &begin(&cluster, "forever", &json!({})));
    assert_eq!(status["phase"], "Failed");
    let cause = status["cause"].as_str().unwrap();
    assert!(cause.contains("history events (1000)"), "{cause}");

    let hostile = json!({ "QueryLanguage": "JSONata", "StartAt": "E", "States": { "E": {
        "Type": "Pass", "End": true,
        "Output": "{% ( $f := function($n) { $f($n + 1) + 1 }; $f(0) ) %}"
    } } });
    apply(&cluster, "hostile", &hostile);
    let status = ended(&cluster, &begin(&cluster, "hostile", &json!({})));
    assert_eq!(status["phase"], "Failed");
    assert_eq!(status["error"], "States.QueryEvaluationError", "{status}");

    // Almost a megabyte of definition, in one state that is run.
    let long = "x".repeat(200_000);
    let mut states = json!({ "P": { "Type": "Pass", "Result": long, "End": true } });
    for number in 0..4 {
        let next = states.as_object().unwrap().len() - 1;
        let name = format!("Q{number}");
        let onward = if next == 0 {
            "P".to_owned()
        } else {
            format!("Q{}", number - 1)
        };
        states[name] = json!({ "Type": "Pass", "Comment": long, "Next": onward });
    }
    // Not applied: the annotation of what was applied last would be too large.
    let text = machine("large", &json!({ "StartAt": "Q3", "States": states }));
    cluster.kubectl().run_with(&["create", "-f", "-"], &text);
    let status = ended(&cluster, &begin(&cluster, "large", &json!({})));
    assert_eq!(status["phase"], "Succeeded", "{}", status["cause"]);
    assert_eq!(status["output"].as_str().map(str::len), Some(200_000));
}

#[test]
fn a_map_of_many_batches_of_history_ends_and_reads_back() {
    const ITEMS: u64 = 20_000;
    let mut cluster = Cluster::with(Options::default().master("runs.max-events", "1000000"));
    let definition = json!({ "QueryLanguage": "JSONata", "StartAt": "M", "States": {
        "M": { "Type": "Map", "Items": format!("{{% [1..{ITEMS}] %}}"), "Next": "W",
            "Output": "{% $count($states.result) %}",
            "ItemProcessor": { "StartAt": "P", "States": {
                "P": { "Type": "Pass", "Output": 1, "End": true }
            } } },
        "W": { "Type": "Wait", "Seconds": 3, "End": true }
    } });
    apply(&cluster, "many", &definition);
    let run = begin(&cluster, "many", &json!({}));
    eventually("the Map is over", || {
        let found = cluster.kubectl().json(&["get", "run", &run]);
        let steps = found["status"]["steps"].as_array().cloned();
        match steps.unwrap_or_default().last() {
            Some(last) if last["name"] == "W" => Ok(()),
            last => Err(last.cloned()),
        }
    });
    // The next life of the master reads all of it.
    cluster.crash_master();
    let status = ended(&cluster, &run);
    assert_eq!(status["phase"], "Succeeded", "{}", status["cause"]);
    assert_eq!(status["output"], ITEMS);
}

#[test]
fn a_large_document_is_whole_after_a_crash() {
    let mut cluster = Cluster::start();
    let mut states = json!({ "W": { "Type": "Wait", "Seconds": 4, "End": true } });
    for number in 0..6 {
        let next = if number == 5 {
            "W".to_owned()
        } else {
            format!("P{}", number + 1)
        };
        states[format!("P{number}")] = json!({ "Type": "Pass", "Next": next });
    }
    apply(
        &cluster,
        "large",
        &json!({ "StartAt": "P0", "States": states }),
    );
    let input = json!({ "text": "ü".repeat(100_000), "n": 1 });
    let run = begin(&cluster, "large", &input);
    eventually("the run waits", || {
        let found = cluster.kubectl().json(&["get", "run", &run]);
        match found["status"]["steps"][6]["name"].as_str() {
            Some("W") => Ok(()),
            _ => Err(found["status"]["steps"].to_string()),
        }
    });
    cluster.crash_master();
    let status = ended(&cluster, &run);
    assert_eq!(status["phase"], "Succeeded", "{}", status["cause"]);
    assert!(status["output"] == input);
}

#[test]
fn a_run_that_waits_for_somebody_needs_no_actor_and_hears_the_answer_after_a_crash() {
    let mut cluster = Cluster::start();
    let activity = json!({ "apiVersion": "v1", "kind": "Activity", "metadata": { "name": "ask" } });
    let kubectl = cluster.kubectl();
    kubectl.run_with(&["apply", "-f", "-"], &activity.to_string());
    let resource = "arn:aws:states:us-east-1:111111111111:activity:ask";
    let definition = json!({ "StartAt": "Ask", "States": {
        "Ask": { "Type": "Task", "Resource": resource, "End": true }
    } });
    apply(&cluster, "asks", &definition);
    let run = begin(&cluster, "asks", &json!({ "a": 1 }));
    let is_parked = |cluster: &Cluster| {
        eventually("the run is parked", || {
            match metric(cluster, r#"troupe_runs_open{state="parked"}"#).as_deref() {
                Some("1.0" | "1") => Ok(()),
                other => Err(format!("{other:?}")),
            }
        });
    };
    is_parked(&cluster);
    let there = cluster.kubectl().json(&["get", "run", &run]);
    assert_eq!(there["status"]["waitingTasks"], 1, "{there}");
    cluster.crash_master();
    is_parked(&cluster);
    let tasks = cluster.kubectl().json(&["get", "tasks"]);
    let task = tasks["items"][0]["metadata"]["name"].as_str().unwrap();
    let answer = ["task", "approve", task, r#"{"yes": true}"#];
    cluster.kubectl().run(&answer);
    let status = ended(&cluster, &run);
    assert_eq!(status["phase"], "Succeeded", "{status}");
    assert_eq!(status["output"], json!({ "yes": true }));
    assert!(status["waitingTasks"].is_null(), "{status}");
}
