//! A master with one agent.

use common::link::{PodAssignment, ToAgent};
use nix::sys::signal::kill;
use nix::unistd::Pid;

use super::agent::Agent;
use super::master::FakeMaster;
use super::until;

pub async fn started(settings: &[(&str, &str)]) -> (FakeMaster, Agent, String) {
    let master = FakeMaster::start().await;
    let agent = Agent::start(&master, settings);
    let hello = master.hello().await;
    (master, agent, hello.data_addr)
}

pub async fn ensure(master: &FakeMaster, assignment: PodAssignment) {
    until("a link", || {
        (master
            .shared()
            .sessions
            .load(std::sync::atomic::Ordering::SeqCst)
            > 0)
        .then_some(())
    })
    .await;
    master.say(ToAgent::EnsurePod(Box::new(assignment)));
}

pub fn alive(pid: i32) -> bool {
    kill(Pid::from_raw(pid), None).is_ok()
        && std::fs::read_to_string(format!("/proc/{pid}/stat"))
            .is_ok_and(|stat| !stat.contains(") Z "))
}

pub fn pid_of(runtime_id: Option<&str>) -> i32 {
    runtime_id
        .unwrap()
        .strip_prefix("process://")
        .unwrap()
        .parse()
        .unwrap()
}
