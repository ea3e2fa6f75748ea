//! execute, as command and as plugin.

use assert_cmd::Command;
use serde_json::json;

use crate::fake::{Answer, Fake, err, out};

fn answering() -> Fake {
    Fake::scripted(|asked, _| {
        match asked.path.as_str() {
        "/function/default/echo" | "/function/team/echo" => {
            Some(Answer { code: 200, headers: vec![], body: asked.body.clone() })
        }
        "/function/default/boom" => Some(
            Answer::json(500, json!({"errorType": "ValueError", "errorMessage": "no", "stackTrace": ["  File \"func.py\", line 2"]}))
                .with("X-Invocation-Id", "i1"),
        ),
        "/function/default/later" => Some(Answer::json(202, json!({})).with("Location", "/invocations/abc")),
        "/function/default/off" => Some(Answer::status(503, "Paused", "function off is scaled to 0")),
        "/workflow/default/quick" => Some(Answer::json(200, json!({"x": 4}))),
        "/workflow/default/long" => Some(Answer::json(202, json!({})).with("Location", "/runs/default/long-1")),
        "/state_machine/default/m_1" => Some(Answer::json(500, json!({"error": "E", "cause": "why", "run": "default/m-1"}))),
        _ => None,
    }
    })
}

#[test]
fn the_answer_is_printed_as_it_is() {
    let fake = answering();
    let done = fake
        .kubectl(&["execute", "echo", "{\"x\": 1.50}"])
        .success();
    assert_eq!(out(&done), "{\"x\": 1.50}");
    assert_eq!(
        out(&fake.kubectl(&["execute", "team/echo"]).success()),
        "{}"
    );
    assert_eq!(
        out(&fake
            .kubectl(&["-n", "team", "execute", "echo", "5"])
            .success()),
        "5"
    );
    fake.file("in.json", "[1]");
    assert_eq!(
        out(&fake.kubectl(&["execute", "echo", "@in.json"]).success()),
        "[1]"
    );
    fake.kubectl(&["execute", "echo", "-q", "user=a b"])
        .success();
    assert_eq!(fake.asked().last().unwrap().query, "user=a+b");
}

#[test]
fn failures_go_to_stderr_with_exit_code_1() {
    let fake = answering();
    let failed = fake.kubectl(&["execute", "boom"]).failure().code(1);
    assert_eq!(
        err(&failed),
        "error: the function failed: ValueError: no\n  File \"func.py\", line 2\ninvocation i1\n"
    );
    assert_eq!(out(&failed), "");
    let failed = fake.kubectl(&["execute", "off"]).failure().code(1);
    assert_eq!(
        err(&failed),
        "Error from server (Paused): function off is scaled to 0\n"
    );
    let failed = fake.kubectl(&["execute", "echo", "{x:1}"]).failure();
    assert!(
        err(&failed).contains("Did you mean '{\"x\": 1}'?"),
        "{}",
        err(&failed)
    );
    assert!(
        !fake
            .asked()
            .iter()
            .any(|asked| asked.path.ends_with("echo"))
    );
}

#[test]
fn an_asynchronous_call_gives_its_id() {
    let fake = answering();
    assert_eq!(
        out(&fake.kubectl(&["execute", "later", "--async"]).success()),
        "abc\n"
    );
    assert_eq!(
        fake.asked().last().unwrap().headers["prefer"],
        "respond-async"
    );
}

#[test]
fn runs_are_waited_for_and_their_output_printed() {
    let fake = answering();
    assert_eq!(
        out(&fake.kubectl(&["execute", "workflow/quick", "{}"]).success()),
        "{\"x\":4}"
    );
    let path = "/api/v1/namespaces/default/workflowruns/long-1";
    fake.put(
        path,
        json!({"status": {"phase": "Succeeded", "output": {"y": 1}}}),
    );
    assert_eq!(
        out(&fake.kubectl(&["execute", "workflow/long"]).success()),
        "{\"y\":1}"
    );
    fake.put(path, json!({"status": {"phase": "Running"}}));
    let failed = fake
        .kubectl(&["execute", "workflow/default/long", "--timeout", "1s"])
        .failure();
    assert!(
        err(&failed).contains("run default/long-1 goes on after 1s"),
        "{}",
        err(&failed)
    );
    let failed = fake.kubectl(&["execute", "statemachine/m_1"]).failure();
    assert_eq!(err(&failed), "error: run default/m-1 failed: E: why\n");
    assert_eq!(
        out(&fake
            .kubectl(&["execute", "workflow/long", "--async"])
            .success()),
        "default/long-1\n"
    );
}

#[test]
fn the_plugin_takes_its_options_after_the_name() {
    let fake = answering();
    let mut plugin = Command::new(env!("CARGO_BIN_EXE_kubectl-execute"));
    let kubeconfig = fake.dir.path().join("kubeconfig");
    let done = plugin
        .args(["echo", "{\"a\": 1}", "-n", "team"])
        .arg("--kubeconfig")
        .arg(kubeconfig)
        .assert()
        .success();
    assert_eq!(out(&done), "{\"a\": 1}");
    let mut help = Command::new(env!("CARGO_BIN_EXE_kubectl-execute"));
    assert!(out(&help.arg("--help").assert().success()).contains("kubectl execute"));
}
