//! The lane over real sockets; the pod is a thread with a script.

use std::io::{ErrorKind, Read as _, Write as _};
use std::os::unix::net::{UnixListener, UnixStream};
use std::sync::Arc;
use std::thread;
use std::time::Duration;

use bytes::Bytes;
use common::pod_protocol as pod;
use nix::unistd::geteuid;
use tempfile::TempDir;

use super::{answer, late};
use crate::Answered;
use crate::PodSocket;
use crate::clock::Monotonic;
use crate::connection::Lane;
use crate::ticket::Ticket;

/// A lane, and the pod's end of it.
fn pair() -> (Arc<Lane>, UnixStream) {
    let (ours, theirs) = tokio::net::UnixStream::pair().unwrap();
    let theirs = theirs.into_std().unwrap();
    theirs.set_nonblocking(false).unwrap();
    theirs
        .set_read_timeout(Some(Duration::from_secs(60)))
        .unwrap();
    (Arc::new(Lane::on(PodSocket::new(ours).unwrap())), theirs)
}

fn request(body: &str) -> http::Request<Bytes> {
    let mut request = http::Request::new(Bytes::from(body.to_owned()));
    *request.method_mut() = http::Method::POST;
    request
}

fn send(lane: &Arc<Lane>, body: &str) -> Ticket {
    lane.send(&request(body)).expect("a lane that takes calls")
}

/// Reads a request with a body of a known text.
fn receive(theirs: &mut UnixStream, body: &str) -> String {
    let mut seen = String::new();
    let mut room = [0; 65536];
    while !seen.ends_with(body) {
        let read = theirs.read(&mut room).unwrap();
        assert_ne!(read, 0, "the lane was closed after {seen:?}");
        seen.push_str(std::str::from_utf8(&room[..read]).unwrap());
    }
    seen
}

fn is_closed(theirs: &mut UnixStream) -> bool {
    let mut rest = Vec::new();
    match theirs.read_to_end(&mut rest) {
        Ok(_) => true,
        Err(error) => error.kind() == ErrorKind::ConnectionReset,
    }
}

/// What came of a call, in a word.
fn word(answered: Option<Answered>) -> String {
    match answered {
        Some(Answered::Whole(_, body)) => String::from_utf8(body.to_vec()).unwrap(),
        Some(Answered::Long(head, _)) => format!("{} bytes", head.length),
        None => "unbegun".into(),
        Some(Answered::Broken(why)) => format!("broken: {why}"),
    }
}

async fn outcome(ticket: Ticket) -> String {
    word(ticket.answer().await)
}

#[tokio::test]
async fn calls_are_sent_before_the_ones_ahead_are_answered() {
    let (lane, mut theirs) = pair();
    let (one, two, three) = (send(&lane, "1"), send(&lane, "2"), send(&lane, "3"));
    let seen = receive(&mut theirs, "3");
    assert_eq!(seen.matches("POST / HTTP/1.1\r\n").count(), 3, "{seen}");
    assert_eq!(seen.matches(pod::BEGIN_BY).count(), 2, "the first: {seen}");
    let answers = ["one", "two", "three"]
        .map(|body| answer(body, ""))
        .concat();
    theirs.write_all(answers.as_bytes()).unwrap();
    // Whoever asks first moves the bytes of all.
    let found = tokio::join!(outcome(three), outcome(one), outcome(two));
    assert_eq!(found, ("three".into(), "one".into(), "two".into()));
}

#[tokio::test]
async fn who_waits_behind_a_call_that_takes_long_is_sent_elsewhere() {
    let (lane, mut theirs) = pair();
    let (one, two) = (send(&lane, "1"), send(&lane, "2"));
    receive(&mut theirs, "2");
    let one = tokio::spawn(outcome(one));
    assert_eq!(outcome(two).await, "unbegun");
    assert!(!one.is_finished());
    assert!(lane.send(&request("3")).is_none(), "it would wait as well");
    theirs.write_all(answer("one", "").as_bytes()).unwrap();
    assert_eq!(one.await.unwrap(), "one");
    theirs.write_all(late().as_bytes()).unwrap();
    // The reactor must hear of it.
    tokio::time::sleep(Duration::from_millis(20)).await;
    let three = send(&lane, "3");
    receive(&mut theirs, "3");
    theirs.write_all(answer("three", "").as_bytes()).unwrap();
    assert_eq!(outcome(three).await, "three");
}

#[tokio::test]
async fn an_answer_of_which_the_system_has_told_nobody_yet_is_seen() {
    let (lane, mut theirs) = pair();
    let (one, two) = (send(&lane, "1"), send(&lane, "2"));
    receive(&mut theirs, "2");
    theirs.write_all(answer("one", "").as_bytes()).unwrap();
    // Nothing was awaited since: the reactor has had no turn.
    assert!(!lane.is_too_late(1), "it may have begun");
    theirs.write_all(answer("two", "").as_bytes()).unwrap();
    let found = tokio::join!(outcome(two), outcome(one));
    assert_eq!(found, ("two".into(), "one".into()));
}

#[tokio::test]
async fn the_only_one_who_leaves_closes_the_connection() {
    let (lane, mut theirs) = pair();
    let one = send(&lane, "1");
    receive(&mut theirs, "1");
    drop(one);
    assert!(is_closed(&mut theirs));
    assert!(!lane.is_open());
    assert!(lane.send(&request("2")).is_none());
}

#[tokio::test]
async fn one_who_leaves_with_another_behind_him_is_cancelled_when_that_one_has_gone() {
    let (lane, mut theirs) = pair();
    let (one, two) = (send(&lane, "1"), send(&lane, "2"));
    receive(&mut theirs, "2");
    drop(one);
    assert!(!lane.is_open());
    assert_eq!(outcome(two).await, "unbegun");
    assert!(is_closed(&mut theirs));
}

#[tokio::test]
async fn one_who_leaves_his_place_in_the_middle_is_not_waited_for() {
    let (lane, mut theirs) = pair();
    let (one, two) = (send(&lane, "1"), send(&lane, "2"));
    receive(&mut theirs, "2");
    drop(two);
    theirs.write_all(answer("one", "").as_bytes()).unwrap();
    assert_eq!(outcome(one).await, "one");
    assert!(is_closed(&mut theirs), "the pod works on what nobody wants");
}

#[tokio::test]
async fn a_pod_that_ends_breaks_the_call_it_works_on_and_no_other() {
    let (lane, mut theirs) = pair();
    let (one, two, three) = (send(&lane, "1"), send(&lane, "2"), send(&lane, "3"));
    receive(&mut theirs, "3");
    theirs.write_all(answer("one", "").as_bytes()).unwrap();
    drop(theirs);
    let found = tokio::join!(outcome(one), outcome(two), outcome(three));
    let broken = "broken: the pod closed the connection".to_owned();
    assert_eq!(found, ("one".into(), broken, "unbegun".into()));
    assert!(lane.send(&request("4")).is_none());
}

#[tokio::test]
async fn answers_that_came_before_the_pods_end_count_also_when_it_is_noticed_by_sending() {
    let (lane, mut theirs) = pair();
    let (one, two, three) = (send(&lane, "1"), send(&lane, "2"), send(&lane, "3"));
    receive(&mut theirs, "3");
    let answers = answer("one", "") + &answer("two", "");
    theirs.write_all(answers.as_bytes()).unwrap();
    drop(theirs);
    assert!(lane.send(&request("4")).is_none());
    let found = tokio::join!(outcome(one), outcome(two), outcome(three));
    assert_eq!((found.0.as_str(), found.1.as_str()), ("one", "two"));
    assert!(
        found.2.starts_with("broken"),
        "it may have begun: {found:?}"
    );
}

#[test]
fn when_the_thread_that_opened_it_ends_nobody_knows_what_was_begun() {
    let runtime = || {
        let mut builder = tokio::runtime::Builder::new_current_thread();
        builder.enable_all().build().unwrap()
    };
    let opener = runtime();
    let (lane, mut theirs) = opener.block_on(async { pair() });
    let [one, two, three] = ["1", "2", "3"].map(|body| send(&lane, body));
    receive(&mut theirs, "3");
    theirs.write_all(answer("one", "").as_bytes()).unwrap();
    drop(opener);
    let all = async { tokio::join!(outcome(two), outcome(one), outcome(three)) };
    let (two, one, three) = runtime().block_on(all);
    assert_eq!(one, "one");
    assert!(two.starts_with("broken"), "the pod works on it: {two}");
    assert!(
        three.starts_with("broken"),
        "the pod goes on with it: {three}"
    );
    assert!(is_closed(&mut theirs));
}

#[tokio::test]
async fn a_pod_that_sends_without_an_end_holds_up_nobody() {
    let (lane, mut theirs) = pair();
    let (one, two) = (send(&lane, "1"), send(&lane, "2"));
    receive(&mut theirs, "2");
    let pod = thread::spawn(move || {
        let head = "HTTP/1.1 200 OK\r\nContent-Length: 900000000\r\nConnection: close\r\n\r\n";
        let mut more = theirs.write_all(head.as_bytes());
        while more.is_ok() {
            more = theirs.write_all(&[b'x'; 65536]);
        }
    });
    assert_eq!(outcome(two).await, "unbegun");
    assert_eq!(outcome(one).await, "900000000 bytes");
    pod.join().unwrap();
}

#[tokio::test]
async fn an_end_that_came_while_nobody_looked_is_noticed_before_a_call_is_sent() {
    let (lane, theirs) = pair();
    drop(theirs);
    tokio::time::sleep(Duration::from_millis(20)).await;
    assert!(lane.send(&request("1")).is_none());
    let (lane, theirs) = pair();
    drop(theirs);
    // Not even the reactor has heard of it: nothing was sent either.
    assert!(lane.send(&request("1")).is_none());
}

#[tokio::test]
async fn a_request_that_the_socket_has_no_room_for_is_sent_as_there_is() {
    let (lane, mut theirs) = pair();
    let large = "x".repeat(2 << 20);
    let one = send(&lane, &large);
    let pod = thread::spawn(move || {
        let seen = receive(&mut theirs, &"x".repeat(1 << 20));
        theirs.write_all(answer("one", "").as_bytes()).unwrap();
        (seen.len(), theirs)
    });
    assert_eq!(outcome(one).await, "one");
    assert!(pod.join().unwrap().0 >= 1 << 20);
}

#[tokio::test]
async fn a_long_answer_comes_in_pieces() {
    let (lane, mut theirs) = pair();
    let one = send(&lane, "1");
    let whole = answer(&"x".repeat(3 << 20), "Connection: close\r\n");
    let pod = thread::spawn(move || theirs.write_all(whole.as_bytes()));
    let Some(Answered::Long(head, mut body)) = one.answer().await else {
        panic!("not long");
    };
    assert_eq!(head.length, 3 << 20);
    let mut seen = 0;
    while let Some(piece) = body.piece().await.unwrap() {
        seen += piece.len();
    }
    assert_eq!(seen, 3 << 20);
    assert_eq!(body.piece().await.unwrap(), None);
    pod.join().unwrap().unwrap();
}

#[tokio::test]
async fn who_leaves_a_long_answer_closes_the_connection() {
    let (lane, mut theirs) = pair();
    let one = send(&lane, "1");
    let whole = answer(&"x".repeat(3 << 20), "Connection: close\r\n");
    let pod = thread::spawn(move || theirs.write_all(whole.as_bytes()));
    let Some(Answered::Long(_, body)) = one.answer().await else {
        panic!("not long");
    };
    drop(body);
    assert!(pod.join().unwrap().is_err(), "nobody reads it");
}

/// A pod's server that answers the first request so.
fn serving(home: &TempDir, answer: impl FnOnce() -> String + Send + 'static) {
    let listener = UnixListener::bind(home.path().join(pod::SOCKET_NAME)).unwrap();
    thread::spawn(move || {
        let (mut stream, _) = listener.accept().unwrap();
        let seen = receive(&mut stream, "\r\n\r\n");
        assert!(seen.starts_with(&format!("GET {} ", pod::CLOCK_PATH)));
        stream.write_all(answer().as_bytes()).unwrap();
        receive(&mut stream, "never");
    });
}

async fn opens(answer: impl FnOnce() -> String + Send + 'static) -> bool {
    let home = tempfile::tempdir().unwrap();
    serving(&home, answer);
    let me = geteuid().as_raw();
    let lane = Lane::open(home.path(), &[me..=me]).await.unwrap();
    lane.is_some()
}

fn clock(nanoseconds: u64) -> String {
    answer(&format!(r#"{{"monotonicNs":{nanoseconds}}}"#), "")
}

#[tokio::test]
async fn only_a_pod_with_our_clock_gets_a_lane() {
    let now = || Monotonic::now().unwrap().nanoseconds();
    assert!(opens(move || clock(now())).await);
    // Another kernel's, say.
    assert!(!opens(move || clock(now() - 3_600_000_000_000)).await);
    assert!(!opens(move || clock(now() + 1_000_000_000)).await);
}

#[tokio::test]
async fn a_server_that_knows_no_clock_gets_no_lane() {
    assert!(!opens(|| answer("hello", "")).await);
    assert!(!opens(|| answer("{}", "").replace("200 OK", "404 Not Found")).await);
}

#[tokio::test]
async fn a_pod_that_is_too_busy_to_say_the_time_is_asked_again() {
    for answer in [
        answer("{}", "").replace("200 OK", "503 Service Unavailable"),
        "HTTP/1.0 200 OK\r\n\r\n".into(),
    ] {
        let home = tempfile::tempdir().unwrap();
        serving(&home, || answer);
        let me = geteuid().as_raw();
        assert!(Lane::open(home.path(), &[me..=me]).await.is_err());
    }
}
