//! Generic pods as processes: they wait, become a function's pod, and leave nothing behind.

#![allow(clippy::unwrap_used, reason = "tests: helpers too may panic")]

mod harness;

use common::link::{PodReport, PodState, ToAgent};
use common::trust::MASTERS;
use harness::agent::Agent;
use harness::functions::{pod, simple};
use harness::master::FakeMaster;
use harness::node::{alive, ensure, pid_of, started};
use harness::{processes_with, until};
use http::{Method, StatusCode};
use nix::sys::signal::{Signal, kill};
use nix::unistd::{AccessFlags, Pid};

const SIZE: &[(&str, &str)] = &[("POOL__SIZE", "1"), ("POOL__MAX", "1")];

/// One value of the agent's exposition.
async fn metric(master: &FakeMaster, data: &str, line: &str) -> Option<f64> {
    let answer = master
        .call(data, MASTERS, Method::GET, "/metrics", "")
        .await
        .unwrap();
    let text = String::from_utf8(answer.1.to_vec()).unwrap();
    let found = text.lines().find_map(|found| found.strip_prefix(line));
    found.and_then(|value| value.trim().parse().ok())
}

async fn filled(master: &FakeMaster, data: &str) {
    loop {
        let line = "troupe_node_pool_size{kind=\"process\"}";
        if metric(master, data, line).await == Some(1.0) {
            return;
        }
        tokio::time::sleep(std::time::Duration::from_millis(50)).await;
    }
}

/// The directory of the one that waits, and the user it runs as.
fn generic(agent: &Agent) -> std::path::PathBuf {
    let pods = std::fs::read_dir(agent.data.join("pods")).unwrap();
    let mut names = pods.flatten().map(|entry| entry.path()).filter(|path| {
        let name = path.file_name().unwrap().to_string_lossy();
        name.starts_with("generic-")
    });
    names.next().unwrap_or_default()
}

async fn ready(master: &FakeMaster, assignment: common::link::PodAssignment) -> PodReport {
    let uid = assignment.uid.clone();
    ensure(master, assignment).await;
    master.pod(&uid, PodState::Ready).await
}

const ENVIRONMENT: &str = "\
import os
print('imported')
def main(params):
    return [os.environ.get('GREETING'), os.getcwd() == os.path.dirname(__file__), open(os.environ['TMPDIR'] + '/x', 'w').write('x'),
            [key for key in os.environ if key.startswith('TROUPE')]]
";

#[tokio::test(flavor = "multi_thread")]
async fn one_that_waits_becomes_the_functions_pod() {
    let (master, mut agent, data) = started(SIZE).await;
    filled(&master, &data).await;
    let waiting = generic(&agent);
    let report = ready(&master, simple(&master, "p1", ENVIRONMENT)).await;
    assert!(report.cold.unwrap().warm, "{report:?}");
    assert!(!waiting.exists());
    let answer = master.execute(&data, "p1", "{}").await;
    assert_eq!(answer.1, "[\"hello\",true,1,[]]");
    let log = master
        .call(&data, MASTERS, Method::GET, "/pods/p1/log", "")
        .await
        .unwrap();
    assert!(String::from_utf8_lossy(&log.1).contains("imported"));
    // The next one waits; it is another.
    filled(&master, &data).await;
    assert_ne!(generic(&agent), waiting);
    master.say(ToAgent::RemovePod {
        uid: "p1".into(),
        grace_seconds: 5,
    });
    master.pod("p1", PodState::Gone).await;
    assert!(!agent.pod("p1").exists());
    assert!(!alive(pid_of(report.runtime_id.as_deref())));
    assert!(agent.terminate().await.success());
    let left = std::fs::read_dir(agent.data.join("pods")).unwrap().count();
    assert_eq!(left, 0);
    assert!(processes_with(agent.data.to_str().unwrap()).is_empty());
}

#[tokio::test(flavor = "multi_thread")]
async fn where_memory_is_short_none_waits_and_pods_start_from_nothing() {
    let short: Vec<_> = [SIZE, &[("POOL__MIN_FREE", "1000Gi")]].concat();
    let (master, mut agent, data) = started(&short).await;
    let report = ready(&master, simple(&master, "p1", ENVIRONMENT)).await;
    assert!(!report.cold.unwrap().warm, "{report:?}");
    let line = "troupe_node_pool_size{kind=\"process\"}";
    assert_eq!(metric(&master, &data, line).await.unwrap_or(0.0), 0.0);
    let pods = std::fs::read_dir(agent.data.join("pods")).unwrap();
    assert_eq!(pods.count(), 1, "the function's");
    assert!(agent.terminate().await.success());
}

#[tokio::test(flavor = "multi_thread")]
async fn what_cannot_be_told_to_one_that_runs_starts_from_nothing() {
    let (master, _agent, data) = started(SIZE).await;
    filled(&master, &data).await;
    let mut locale = simple(&master, "p1", ENVIRONMENT);
    locale.env.push(("LC_ALL".into(), "C.UTF-8".into()));
    assert!(!ready(&master, locale).await.cold.unwrap().warm);
    for (outcome, count) in [("environment", 1.0), ("hit", 0.0)] {
        let line = format!("troupe_node_pool_claims_total{{outcome=\"{outcome}\"}}");
        assert_eq!(
            metric(&master, &data, &line).await,
            Some(count),
            "{outcome}"
        );
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn one_that_does_not_answer_is_replaced_by_a_start_from_nothing() {
    let (master, agent, data) = started(SIZE).await;
    filled(&master, &data).await;
    // The socket is there, and nobody answers.
    let text = std::fs::read_to_string(generic(&agent).join("born")).unwrap();
    let stopped = pids_of(&agent, &text);
    for pid in &stopped {
        kill(Pid::from_raw(*pid), Signal::SIGSTOP).unwrap();
    }
    let report = ready(&master, simple(&master, "p1", ENVIRONMENT)).await;
    assert!(!report.cold.unwrap().warm, "{report:?}");
    let (status, body) = master.execute(&data, "p1", "{}").await;
    assert_eq!(status, StatusCode::OK, "{body}");
    assert!(stopped.iter().all(|pid| !alive(*pid)));
}

/// The function was deleted before its pod had taken the word.
#[tokio::test(flavor = "multi_thread")]
async fn one_that_is_removed_while_it_is_told_leaves_nothing() {
    let (master, mut agent, data) = started(SIZE).await;
    filled(&master, &data).await;
    let text = std::fs::read_to_string(generic(&agent).join("born")).unwrap();
    let frozen = pids_of(&agent, &text);
    for pid in &frozen {
        kill(Pid::from_raw(*pid), Signal::SIGSTOP).unwrap();
    }
    ensure(&master, simple(&master, "p1", ENVIRONMENT)).await;
    until("it is this pod", || agent.pod("p1").exists().then_some(())).await;
    master.say(ToAgent::RemovePod {
        uid: "p1".into(),
        grace_seconds: 5,
    });
    master.pod("p1", PodState::Gone).await;
    assert!(!agent.pod("p1").exists());
    assert!(frozen.iter().all(|pid| !alive(*pid)));
    filled(&master, &data).await;
    assert!(agent.terminate().await.success());
    assert!(processes_with(agent.data.to_str().unwrap()).is_empty());
}

/// Processes whose working directory is in one that waits.
fn pids_of(agent: &Agent, id: &str) -> Vec<i32> {
    let place = agent.data.join("pods").join(id).join("run");
    let all = std::fs::read_dir("/proc").unwrap().flatten();
    all.filter_map(|entry| entry.file_name().to_string_lossy().parse::<i32>().ok())
        .filter(|pid| std::fs::read_link(format!("/proc/{pid}/cwd")).is_ok_and(|cwd| cwd == place))
        .collect()
}

/// What a process counts when cores are short, in shares of 1024; `None` where this machine weighs none.
fn shares(pid: i32) -> Option<u64> {
    let text = std::fs::read_to_string(format!("/proc/{pid}/cgroup")).ok()?;
    let mut places = text.lines().filter_map(|line| {
        let mut parts = line.splitn(3, ':').skip(1);
        let (controllers, path) = (parts.next()?, parts.next()?);
        let tree = if controllers.is_empty() { "" } else { "/cpu" };
        let mine = path.contains("/troupe-");
        mine.then(|| format!("/sys/fs/cgroup{tree}{path}"))
    });
    let number = |file: String| std::fs::read_to_string(file).ok()?.trim().parse().ok();
    places.find_map(|place| {
        let weight = || number(format!("{place}/cpu.weight")).map(|weight: u64| weight * 26);
        number(format!("{place}/cpu.shares")).or_else(weight)
    })
}

#[tokio::test(flavor = "multi_thread")]
async fn one_that_is_being_started_comes_behind_calls() {
    let (master, mut agent, data) = started(SIZE).await;
    filled(&master, &data).await;
    let weighed = || {
        let id = generic(&agent).file_name()?.to_string_lossy().into_owned();
        let mut pids = pids_of(&agent, &id).into_iter();
        pids.find_map(|pid| Some((pid, shares(pid)?)))
    };
    let Some((mut pid, waiting)) = weighed() else {
        for tree in ["/sys/fs/cgroup/cpu", "/sys/fs/cgroup"] {
            let writable = nix::unistd::access(tree, AccessFlags::W_OK).is_ok();
            assert!(!writable, "it weighs nothing, but groups can be made");
        }
        eprintln!("skipped: no control groups can be made here");
        return;
    };
    assert!((1000..1100).contains(&waiting), "it waits: {waiting}");
    // Each one that is found too late makes room for the next.
    let mut tries = 20;
    let slow = loop {
        tries -= 1;
        assert!(tries > 0, "none is behind while it starts");
        kill(Pid::from_raw(pid), Signal::SIGKILL).unwrap();
        let (next, found) = until("another one starts", || {
            weighed().filter(|(next, _)| *next != pid)
        })
        .await;
        if found < 100 {
            break next;
        }
        pid = next;
    };
    filled(&master, &data).await;
    assert_eq!(shares(slow), Some(waiting), "it waits");
    assert!(agent.terminate().await.success());
}

#[tokio::test(flavor = "multi_thread")]
async fn one_that_dies_while_it_waits_is_replaced() {
    let (master, agent, data) = started(SIZE).await;
    filled(&master, &data).await;
    let waiting = generic(&agent);
    let id = waiting.file_name().unwrap().to_string_lossy().into_owned();
    for pid in pids_of(&agent, &id) {
        kill(Pid::from_raw(pid), Signal::SIGKILL).unwrap();
    }
    until("its directory goes", || (!waiting.exists()).then_some(())).await;
    filled(&master, &data).await;
    assert!(
        ready(&master, simple(&master, "p1", ENVIRONMENT))
            .await
            .cold
            .unwrap()
            .warm
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn after_sigkill_the_next_agent_has_the_pod_and_ends_those_that_waited() {
    let (master, mut agent, data) = started(SIZE).await;
    filled(&master, &data).await;
    let assignment = pod(&master, "p1", &[("func.py", ENVIRONMENT)]);
    assert!(ready(&master, assignment.clone()).await.cold.unwrap().warm);
    filled(&master, &data).await;
    let waiting = generic(&agent);
    agent.kill();
    master.desire(vec![assignment]);
    agent.restart();
    let hello = master.hello().await;
    master.pod("p1", PodState::Ready).await;
    let (status, body) = master.execute(&hello.data_addr, "p1", "{}").await;
    assert_eq!(status, StatusCode::OK, "{body}");
    until("what waited is gone", || (!waiting.exists()).then_some(())).await;
    assert!(agent.terminate().await.success());
    assert!(processes_with(agent.data.to_str().unwrap()).is_empty());
}
