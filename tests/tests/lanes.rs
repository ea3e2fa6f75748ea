//! Short calls share a connection to their pod, and calls that take long do them no harm: by the gateway's own way to
//! pods of its machine, and by the agent's.

use std::collections::BTreeMap;
use std::fs;
use std::os::unix::fs::PermissionsExt as _;
use std::path::PathBuf;
use std::sync::Mutex;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};

use serde_json::{Value, json};
use tests::{Cluster, Http, Options, eventually};

const FUNCTION: &str = "/function/f";
/// More short calls than make a pod's calls count as short.
const MANY: usize = 60;
/// One client more than a lane has places.
const CLIENTS: usize = 17;

/// Where the function writes files.
fn notes(cluster: &Cluster) -> PathBuf {
    cluster.home().join("notes")
}

/// A cluster with a function `f` in one pod, of which so many calls were short.
fn warm(options: Options, code: &str) -> Cluster {
    let cluster = Cluster::with(options);
    let notes = notes(&cluster);
    fs::create_dir(&notes).unwrap();
    // Pods have users of their own.
    fs::set_permissions(&notes, fs::Permissions::from_mode(0o777)).unwrap();
    let spec = "timeoutSeconds: 120\nconcurrency: 32\nscaling: { pinned: 1 }";
    let home = format!("HOME = {:?}\n", notes.display().to_string());
    cluster.apply("f", &(home + code), spec);
    let _ = cluster.ready_pods("f", 1);
    eventually("calls go on a lane", || {
        short_calls(&cluster.gateway());
        let ways = ["/metrics", "/api/v1/nodes/node-1/proxy/metrics"];
        if ways.iter().any(|path| calls_on_lanes(&cluster, path) > 0) {
            Ok(())
        } else {
            Err("none does")
        }
    });
    cluster
}

fn calls_on_lanes(cluster: &Cluster, path: &str) -> u64 {
    let text = cluster.kubectl().run(&["get", "--raw", path]);
    let series = "troupe_lane_calls_total{outcome=\"answered\"} ";
    let mut lines = text.lines();
    let count = lines.find_map(|line| line.strip_prefix(series)).unwrap();
    count.parse().unwrap()
}

/// Says so when it is dropped, also by a failed check: other threads wait for it.
struct Says<'a>(&'a AtomicBool);

impl Drop for Says<'_> {
    fn drop(&mut self) {
        self.0.store(true, Ordering::SeqCst);
    }
}

fn short_calls(gateway: &Http) {
    for n in 0..MANY {
        assert_eq!(call(gateway, n), json!(n));
    }
}

fn call(gateway: &Http, n: usize) -> Value {
    let body = json!({ "n": n }).to_string();
    gateway.post(FUNCTION, body).expect(200)
}

/// Returns at once, but for `{"wait": true}`, which waits for a file and notes when it is cancelled.
const WAITS: &str = "
import os, time
def main(params):
    if not params.get('wait'):
        return params['n']
    try:
        open(HOME + '/began', 'w').close()
        while not os.path.exists(HOME + '/gate'):
            time.sleep(0.002)
        return 'waited'
    except BaseException:
        open(HOME + '/cancelled', 'w').close()
        raise
";

fn appears(cluster: &Cluster, name: &str) {
    eventually(name, || {
        if notes(cluster).join(name).exists() {
            Ok(())
        } else {
            Err("not yet")
        }
    });
}

fn a_call_that_takes_long_holds_up_no_other(options: Options) {
    let cluster = warm(options, WAITS);
    let long_began = AtomicBool::new(false);
    std::thread::scope(|scope| {
        let clients: Vec<_> = (0..CLIENTS)
            .map(|client| {
                let (gateway, long_began) = (cluster.gateway(), &long_began);
                scope.spawn(move || {
                    let mut more = MANY;
                    while more > 0 {
                        assert_eq!(call(&gateway, client), json!(client));
                        more -= usize::from(long_began.load(Ordering::SeqCst));
                    }
                })
            })
            .collect();
        let says_so = Says(&long_began);
        let gateway = cluster.gateway();
        let long = scope.spawn(move || gateway.post(FUNCTION, r#"{"wait": true}"#));
        appears(&cluster, "began");
        drop(says_so);
        for client in clients {
            client.join().unwrap();
        }
        assert!(!long.is_finished());
        fs::write(notes(&cluster).join("gate"), "").unwrap();
        assert_eq!(long.join().unwrap().expect(200), json!("waited"));
    });
}

#[test]
fn a_call_that_takes_long_holds_up_no_other_by_the_gateway() {
    a_call_that_takes_long_holds_up_no_other(Options::default().near());
}

#[test]
fn a_call_that_takes_long_holds_up_no_other_by_the_agent() {
    a_call_that_takes_long_holds_up_no_other(Options::default());
}

fn a_client_that_leaves_cancels_its_call_and_no_other(options: Options) {
    let cluster = warm(options, WAITS);
    let stop = AtomicBool::new(false);
    std::thread::scope(|scope| {
        for client in 0..4 {
            let (gateway, stop) = (cluster.gateway(), &stop);
            scope.spawn(move || {
                while !stop.load(Ordering::SeqCst) {
                    assert_eq!(call(&gateway, client), json!(client));
                }
            });
        }
        let _stop = Says(&stop);
        let leaves = cluster.gateway().unanswered(FUNCTION, r#"{"wait": true}"#);
        appears(&cluster, "began");
        drop(leaves);
        appears(&cluster, "cancelled");
    });
    short_calls(&cluster.gateway());
}

#[test]
fn a_client_that_leaves_cancels_its_call_and_no_other_by_the_gateway() {
    a_client_that_leaves_cancels_its_call_and_no_other(Options::default().near());
}

#[test]
fn a_client_that_leaves_cancels_its_call_and_no_other_by_the_agent() {
    a_client_that_leaves_cancels_its_call_and_no_other(Options::default());
}

/// Writes down each call it makes. Some take as long as others wait for their turn, some longer.
const NOTES: &str = "
import os, tempfile, time
file, _ = tempfile.mkstemp(prefix='made', dir=HOME)
def main(params):
    os.write(file, b'%d\\n' % params['n'])
    if params['n'] % 97 == 96:
        time.sleep((params['n'] % 4) * 0.005)
    return params['n']
";

/// How often each call was made, without those that warmed the pod up: they have the same numbers each time.
fn made(cluster: &Cluster) -> BTreeMap<usize, usize> {
    let mut made = BTreeMap::new();
    for file in fs::read_dir(notes(cluster)).unwrap() {
        let lines = fs::read_to_string(file.unwrap().path()).unwrap();
        for line in lines.lines() {
            *made.entry(line.parse().unwrap()).or_default() += 1;
        }
    }
    made.split_off(&MANY)
}

fn each_call_is_made_once_however_long_others_take(options: Options) {
    let cluster = warm(options, NOTES);
    let next = AtomicUsize::new(MANY);
    let last = MANY + 6000;
    std::thread::scope(|scope| {
        for _ in 0..CLIENTS {
            let (gateway, next) = (cluster.gateway(), &next);
            scope.spawn(move || {
                loop {
                    let n = next.fetch_add(1, Ordering::SeqCst);
                    if n >= last {
                        break;
                    }
                    assert_eq!(call(&gateway, n), json!(n));
                }
            });
        }
    });
    let made = made(&cluster);
    let wrong: Vec<_> = made.iter().filter(|(_, times)| **times != 1).collect();
    assert!(wrong.is_empty(), "not once: {wrong:?}");
    assert_eq!(made.len(), last - MANY);
}

#[test]
fn each_call_is_made_once_however_long_others_take_by_the_gateway() {
    each_call_is_made_once_however_long_others_take(Options::default().near());
}

#[test]
fn each_call_is_made_once_however_long_others_take_by_the_agent() {
    each_call_is_made_once_however_long_others_take(Options::default());
}

fn a_pod_that_is_killed_takes_only_what_it_worked_on(options: Options) {
    let cluster = warm(options, NOTES);
    let (next, stop) = (AtomicUsize::new(MANY), AtomicBool::new(false));
    let lost = Mutex::new(Vec::new());
    let answered = AtomicUsize::new(0);
    std::thread::scope(|scope| {
        for _ in 0..CLIENTS {
            let gateway = cluster.gateway();
            let (next, stop, lost, answered) = (&next, &stop, &lost, &answered);
            scope.spawn(move || {
                while !stop.load(Ordering::SeqCst) {
                    let n = next.fetch_add(1, Ordering::SeqCst);
                    let answer = gateway.post(FUNCTION, json!({ "n": n }).to_string());
                    if answer.status == 502 {
                        lost.lock().unwrap().push(n);
                    } else {
                        assert_eq!(answer.expect(200), json!(n));
                        answered.fetch_add(1, Ordering::SeqCst);
                    }
                }
            });
        }
        let _stop = Says(&stop);
        for _ in 0..3 {
            let before = answered.load(Ordering::SeqCst);
            eventually("calls are answered", || {
                let more = answered.load(Ordering::SeqCst) - before;
                if more > 500 { Ok(()) } else { Err(more) }
            });
            cluster.nodes[0].kill_pods();
        }
    });
    let made = made(&cluster);
    let twice: Vec<_> = made.iter().filter(|(_, times)| **times > 1).collect();
    assert!(twice.is_empty(), "more than once: {twice:?}");
    let lost = lost.into_inner().unwrap();
    assert!(lost.len() <= 3 * CLIENTS, "{lost:?}");
    let asked = next.load(Ordering::SeqCst);
    let missing: Vec<_> = (MANY..asked)
        .filter(|n| !made.contains_key(n) && !lost.contains(n))
        .collect();
    assert!(missing.is_empty(), "answered and not made: {missing:?}");
}

#[test]
fn a_pod_that_is_killed_takes_only_what_it_worked_on_by_the_gateway() {
    a_pod_that_is_killed_takes_only_what_it_worked_on(Options::default().near());
}

#[test]
fn a_pod_that_is_killed_takes_only_what_it_worked_on_by_the_agent() {
    a_pod_that_is_killed_takes_only_what_it_worked_on(Options::default());
}

fn long_answers_come_whole_among_short_ones(options: Options) {
    let code = "
def main(params):
    return params['n'] if params['n'] < 1000 else 'x' * params['n']
";
    let cluster = warm(options, code);
    std::thread::scope(|scope| {
        for client in 0..CLIENTS {
            let gateway = cluster.gateway();
            scope.spawn(move || {
                for _ in 0..4 {
                    let size = 900_000 + 50_000 * client;
                    let answer = call(&gateway, size);
                    assert_eq!(answer.as_str().unwrap().len(), size);
                    for _ in 0..MANY {
                        assert_eq!(call(&gateway, client), json!(client));
                    }
                }
            });
        }
    });
}

#[test]
fn long_answers_come_whole_among_short_ones_by_the_gateway() {
    long_answers_come_whole_among_short_ones(Options::default().near());
}

#[test]
fn long_answers_come_whole_among_short_ones_by_the_agent() {
    long_answers_come_whole_among_short_ones(Options::default());
}
