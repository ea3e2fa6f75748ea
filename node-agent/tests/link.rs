//! Joining, certificates and sessions, against a fake master over real TLS.

#![allow(clippy::unwrap_used, reason = "tests: helpers too may panic")]

mod harness;

use std::sync::atomic::Ordering;
use std::time::Duration;

use common::link::{PodState, RuntimeKind, ToAgent, ToMaster};
use common::pod_protocol::EPOCH;
use common::trust::{JoinToken, MASTERS};
use harness::agent::Agent;
use harness::functions::simple;
use harness::master::FakeMaster;
use harness::node::{ensure, started};
use harness::until;
use http::{Request, StatusCode};

const MAIN: &str = "def main(params):\n    return params\n";

#[tokio::test(flavor = "multi_thread")]
async fn a_node_joins_introduces_itself_and_joins_only_once() {
    let master = FakeMaster::start().await;
    let mut agent = Agent::start(&master, &[]);
    let hello = master.hello().await;
    assert_eq!(
        (hello.node.as_str(), hello.runtime),
        ("node-1", RuntimeKind::Process)
    );
    assert!(hello.cpu_milli > 0 && hello.memory_bytes > 0 && !hello.boot_id.is_empty());
    assert_eq!(hello.labels["kubernetes.io/hostname"], "node-1");
    assert_eq!(hello.isolated, harness::is_root());
    assert!(master.inventory().await.is_empty());
    master
        .hear("usage", |message| {
            matches!(message, ToMaster::Usage(u) if u.memory_bytes > 0).then_some(())
        })
        .await;
    agent.kill();
    agent.restart();
    master.hello().await;
    assert_eq!(master.shared().joins.load(Ordering::SeqCst), 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn without_a_token_it_says_how_to_get_one() {
    let master = FakeMaster::start().await;
    let mut agent = Agent::start(&master, &[("TOKEN", "")]);
    let (status, said) = agent.ended().await;
    assert!(!status.success());
    assert!(said.contains("master token create"), "{said}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_token_of_another_cluster_does_not_let_it_speak_to_this_one() {
    let (master, other) = (FakeMaster::start().await, FakeMaster::start().await);
    let agent = Agent::start(&master, &[("TOKEN", &other.token())]);
    until("the refusal is logged", || {
        agent
            .stderr()
            .contains("hash in the join token")
            .then_some(())
    })
    .await;
    assert_eq!(master.shared().joins.load(Ordering::SeqCst), 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_bad_secret_is_refused_and_said() {
    let master = FakeMaster::start().await;
    let digest = master.shared().authority.ca_digest();
    let forged = JoinToken::random(digest, &mut rand::rng()).to_string();
    let mut agent = Agent::start(&master, &[("TOKEN", &forged)]);
    let (status, said) = agent.ended().await;
    assert!(!status.success());
    assert!(said.contains("401"), "{said}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_lost_link_comes_back_with_everything_said_anew() {
    let master = FakeMaster::start().await;
    let _agent = Agent::start(&master, &[]);
    master.inventory().await;
    let first = simple(&master, "p1", MAIN);
    let second = simple(&master, "p2", MAIN);
    master.say(ToAgent::EnsurePod(Box::new(first.clone())));
    master.pod("p1", PodState::Ready).await;
    master.desire(vec![second.clone()]);
    master.hang_up();
    let inventory = master.inventory().await;
    assert_eq!(inventory.len(), 1);
    assert_eq!(
        (inventory[0].uid.as_str(), inventory[0].state),
        ("p1", PodState::Ready)
    );
    // What is not desired any more goes, what is new comes.
    let (mut gone, mut ready) = (false, false);
    master
        .hear("p1 gone and p2 ready", |message| {
            if let ToMaster::Pod(report) = message {
                gone |= report.uid == "p1" && report.state == PodState::Gone;
                ready |= report.uid == "p2" && report.state == PodState::Ready;
            }
            (gone && ready).then_some(())
        })
        .await;
    // Saying it again changes nothing.
    master.desire(vec![second]);
    master.hang_up();
    let inventory = master.inventory().await;
    assert_eq!((inventory.len(), inventory[0].state), (1, PodState::Ready));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_certificate_is_renewed_and_used() {
    let master = FakeMaster::start().await;
    // Valid for an hour before now: two thirds of its life have passed at once.
    *master.shared().validity.lock() = Duration::from_secs(600);
    let _agent = Agent::start(&master, &[]);
    let data = master.hello().await.data_addr;
    until("a renewal", || {
        (master.shared().renewals.load(Ordering::SeqCst) > 0).then_some(())
    })
    .await;
    master.hang_up();
    master.hello().await;
    let path = "/healthz";
    let health = master
        .call(&data, common::trust::MASTERS, http::Method::GET, path, "")
        .await;
    assert_eq!(health.unwrap().0, http::StatusCode::OK);
}

#[tokio::test(flavor = "multi_thread")]
async fn of_several_masters_the_one_that_answers_is_used() {
    let master = FakeMaster::start().await;
    let dead = std::net::TcpListener::bind("127.0.0.1:0")
        .unwrap()
        .local_addr()
        .unwrap();
    let both = format!("https://{dead},{}", master.url());
    let _agent = Agent::start(&master, &[("MASTER", &both)]);
    master.hello().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_second_agent_on_the_same_data_is_refused() {
    let master = FakeMaster::start().await;
    let agent = Agent::start(&master, &[]);
    master.hello().await;
    let output = std::process::Command::new(env!("CARGO_BIN_EXE_node-agent"))
        .args(["--runtime", "process", "--data-dir"])
        .arg(&agent.data)
        .output()
        .unwrap();
    assert!(!output.status.success());
    assert!(String::from_utf8_lossy(&output.stderr).contains("another node-agent uses"));
}

#[test]
fn bad_settings_are_answered_with_place_key_and_what_is_wanted() {
    let run = |arguments: &[&str], variable: (&str, &str)| {
        let output = std::process::Command::new(env!("CARGO_BIN_EXE_node-agent"))
            .args(arguments)
            .env(variable.0, variable.1)
            .output()
            .unwrap();
        assert!(!output.status.success());
        String::from_utf8_lossy(&output.stderr).into_owned()
    };
    let none = ("UNUSED", "");
    let said = run(&["--runtime", "podman"], none);
    assert!(
        said.contains("runtime") && said.contains("podman") && said.contains("process"),
        "{said}"
    );
    let said = run(&["--master", "http://x"], none);
    assert!(
        said.contains("master") && said.contains("https://HOST:PORT"),
        "{said}"
    );
    let said = run(&["--config", "/nonexistent.toml"], none);
    assert!(said.contains("/nonexistent.toml"), "{said}");
    let said = run(&[], ("TROUPE_AGENT__PODS__MAXX", "1"));
    assert!(
        said.contains("TROUPE_AGENT__PODS__MAXX") && said.contains("`max`"),
        "{said}"
    );
    let said = run(&["--token", "K10x"], none);
    assert!(said.contains("master token create"), "{said}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_master_that_led_before_gets_no_call_to_a_pod() {
    let (master, _agent, data) = started(&[]).await;
    ensure(&master, simple(&master, "p1", MAIN)).await;
    master.pod("p1", PodState::Ready).await;
    let (refused, done) = (StatusCode::BAD_GATEWAY, StatusCode::OK);
    // The one that it is linked to says 1; the next one may call before it is linked to that.
    for (epoch, wanted) in [("0", refused), ("1", done), ("2", done), ("1", refused)] {
        let mut sender = master.connect(&data, MASTERS).await.unwrap();
        let request = Request::post("/pods/p1/call/")
            .header("host", "node")
            .header(EPOCH, epoch)
            .body("{}".to_owned().into())
            .unwrap();
        let answer = sender.send_request(request).await.unwrap();
        assert_eq!(answer.status(), wanted);
        let not_sent = answer.headers().get("x-troupe-proxy-error");
        assert_eq!(
            not_sent.is_some_and(|word| word == "PodGone"),
            wanted == refused
        );
    }
}
