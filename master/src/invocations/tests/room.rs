//! The room on a real store, with functions that are pretended.

use std::collections::HashMap;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use actix::{Actor as _, Context, Handler};
use async_trait::async_trait;
use bytes::Bytes;
use parking_lot::Mutex;

use crate::calls::{Call, CallError, CallKind};
use crate::clock::{Clock, SystemClock};
use crate::invocations::{
    AcceptError, Accepted, Backlog, Bounds, Carry, Id, Invocations, InvocationsTools, Ledger,
    Policy, Record, RedriveError, Request, State, Terms, Which, Width, keys,
};
use crate::key::ObjectKey;
use crate::store::{EmbeddedStore, Page, Store};
use crate::supervisor::{ChildDown, Guard};
use crate::upstream::Answer;

/// What a pretended function does.
#[derive(Clone, Copy)]
enum Fate {
    Answer(u16, &'static str),
    Hang,
    Missing,
}

#[derive(Default)]
struct Functions {
    fates: Mutex<HashMap<String, Fate>>,
    seen: Mutex<Vec<Call>>,
}

#[async_trait]
impl Carry for Functions {
    async fn carry(&self, call: &Call) -> Result<Answer, CallError> {
        self.seen.lock().push(call.clone());
        let fate = self
            .fates
            .lock()
            .get(&*call.function.name)
            .copied()
            .unwrap_or(Fate::Missing);
        match fate {
            Fate::Answer(status, body) => {
                let status = http::StatusCode::from_u16(status).unwrap();
                let headers = http::HeaderMap::new();
                Ok(Answer {
                    status,
                    headers,
                    body: Bytes::from_static(body.as_bytes()),
                })
            }
            Fate::Hang => std::future::pending().await,
            Fate::Missing => Err(CallError::NoSuchFunction(call.function.clone())),
        }
    }
}

struct Parent;

impl actix::Actor for Parent {
    type Context = Context<Self>;
}

impl Handler<ChildDown> for Parent {
    type Result = ();

    fn handle(&mut self, _: ChildDown, _: &mut Self::Context) {}
}

fn function(name: &str) -> ObjectKey {
    ObjectKey::new("default", name)
}

fn ledger(path: &Path, policy: Policy) -> (Ledger, Arc<dyn Store>) {
    let clock: Arc<dyn Clock> = Arc::new(SystemClock::default());
    let store: Arc<dyn Store> = Arc::new(EmbeddedStore::open(path, Arc::clone(&clock)).unwrap());
    let ledger = Ledger::new(Arc::clone(&store), clock);
    (
        ledger.with(
            Bounds {
                count: 10,
                bytes: 1 << 20,
                results: 1 << 20,
            },
            policy,
        ),
        store,
    )
}

/// Retries without much ado.
fn hasty() -> Policy {
    Policy {
        first_delay: Duration::from_millis(2),
        ..Policy::default()
    }
}

fn request() -> Request {
    let headers = http::HeaderMap::new();
    let path_and_query = "/p?q=1".to_owned();
    let kind = CallKind::Http {
        method: http::Method::PUT,
        path_and_query,
        headers,
    };
    Request::of(&kind).unwrap()
}

async fn accept(ledger: &Ledger, name: &str, key: Option<&str>) -> Result<Accepted, AcceptError> {
    let id = Id(rand::random());
    ledger
        .accept(
            id,
            &function(name),
            &request(),
            Bytes::from_static(b"{\"a\":1}"),
            Terms { key, retry: None },
        )
        .await
}

/// Starts a room; the address stops it.
fn room(ledger: &Ledger, functions: &Arc<Functions>) -> actix::Addr<Invocations> {
    let carry = Arc::clone(functions) as Arc<dyn Carry>;
    let tools = InvocationsTools {
        ledger: ledger.clone(),
        carry,
        width: Width::default(),
    };
    let guard = Guard::new(
        "invocations".to_owned(),
        1,
        Parent.start().recipient(),
        tokio_util::sync::CancellationToken::new(),
    );
    Invocations::new(Arc::new(tools), guard).start()
}

async fn until(ledger: &Ledger, id: Id, wanted: impl Fn(&Record) -> bool) -> Record {
    let wait = async {
        loop {
            if let Some(record) = ledger.find(id).await.unwrap()
                && wanted(&record)
            {
                return record;
            }
            tokio::time::sleep(Duration::from_millis(2)).await;
        }
    };
    tokio::time::timeout(Duration::from_secs(20), wait)
        .await
        .unwrap()
}

async fn ended(ledger: &Ledger, id: Id) -> Record {
    until(ledger, id, |record| record.state.is_final()).await
}

async fn drained(backlog: &Backlog) {
    while backlog.size() != (0, 0) {
        tokio::time::sleep(Duration::from_millis(2)).await;
    }
}

#[actix::test]
async fn calls_are_made_results_kept_and_failures_made_dead_letters() {
    let directory = tempfile::tempdir().unwrap();
    let (ledger, store) = ledger(&directory.path().join("s"), hasty());
    let functions = Arc::new(Functions::default());
    functions
        .fates
        .lock()
        .insert("good".to_owned(), Fate::Answer(200, "[1]"));
    functions
        .fates
        .lock()
        .insert("bad".to_owned(), Fate::Answer(500, "{\"errorType\":\"E\"}"));
    functions
        .fates
        .lock()
        .insert("wrong".to_owned(), Fate::Answer(400, "no"));
    let _room = room(&ledger, &functions);

    let good = accept(&ledger, "good", None).await.unwrap().id;
    let record = ended(&ledger, good).await;
    assert_eq!(
        (record.state, record.attempts, record.status),
        (State::Succeeded, 1, Some(200))
    );
    assert_eq!(ledger.result(good).await.unwrap(), "[1]");
    assert!(
        store.get(&keys::body(good)).await.unwrap().is_none(),
        "a body nobody needs any more"
    );
    let call = functions.seen.lock()[0].clone();
    assert_eq!(
        (call.id.as_str(), &call.body[..]),
        (good.to_string().as_str(), &b"{\"a\":1}"[..])
    );
    let CallKind::Http {
        method,
        path_and_query,
        ..
    } = call.kind
    else {
        panic!()
    };
    assert_eq!(
        (method, path_and_query.as_str()),
        (http::Method::PUT, "/p?q=1")
    );

    let bad = accept(&ledger, "bad", None).await.unwrap().id;
    let record = ended(&ledger, bad).await;
    assert_eq!((record.state, record.attempts), (State::Failed, 3));
    assert_eq!(
        record.error.as_deref(),
        Some("the function failed with 500: E")
    );
    let wrong = ended(&ledger, accept(&ledger, "wrong", None).await.unwrap().id).await;
    assert_eq!((wrong.state, wrong.attempts), (State::Failed, 1));
    let gone = ended(&ledger, accept(&ledger, "gone", None).await.unwrap().id).await;
    assert_eq!(
        gone.error.as_deref(),
        Some("the function does not exist any more")
    );

    let first = ledger
        .list(Which::In(State::Failed), None, 2)
        .await
        .unwrap();
    let second = ledger
        .list(Which::In(State::Failed), first.next.as_deref(), 2)
        .await
        .unwrap();
    assert_eq!(
        (first.items.len(), second.items.len(), second.next),
        (2, 1, None)
    );
    assert_eq!(first.items[0].0, bad, "the oldest first");

    functions
        .fates
        .lock()
        .insert("bad".to_owned(), Fate::Answer(200, "\"well\""));
    ledger.redrive(bad).await.unwrap();
    assert_eq!(ended(&ledger, bad).await.state, State::Succeeded);
    assert_eq!(ledger.result(bad).await.unwrap(), "\"well\"");
    assert!(matches!(
        ledger.redrive(bad).await,
        Err(RedriveError::NotFailed(..))
    ));
    assert!(matches!(
        ledger.redrive(Id(1)).await,
        Err(RedriveError::NotFound(_))
    ));
    drained(ledger.backlog()).await;
}

#[actix::test]
async fn a_key_means_one_invocation_even_for_those_who_send_it_at_once() {
    let directory = tempfile::tempdir().unwrap();
    let (ledger, _store) = ledger(&directory.path().join("s"), hasty());
    let sends = (0..6).map(|_| accept(&ledger, "f", Some("k")));
    let accepted = futures_util::future::join_all(sends).await;
    let ids: Vec<Id> = accepted
        .into_iter()
        .map(|accepted| accepted.unwrap().id)
        .collect();
    assert!(ids.iter().all(|id| *id == ids[0]));
    assert_ne!(
        accept(&ledger, "g", Some("k")).await.unwrap().id,
        ids[0],
        "another function"
    );
    assert_eq!(ledger.backlog().size().0, 2, "unused places came back");

    let functions = Arc::new(Functions::default());
    functions
        .fates
        .lock()
        .insert("f".to_owned(), Fate::Answer(200, "1"));
    let _room = room(&ledger, &functions);
    ended(&ledger, ids[0]).await;
    let again = accept(&ledger, "f", Some("k")).await.unwrap();
    assert_eq!(
        again,
        Accepted {
            id: ids[0],
            state: State::Succeeded
        }
    );
    let runs = functions
        .seen
        .lock()
        .iter()
        .filter(|call| &*call.function.name == "f")
        .count();
    assert_eq!(runs, 1);
}

#[actix::test]
async fn a_restart_of_the_master_loses_nothing() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("s");
    let functions = Arc::new(Functions::default());
    functions.fates.lock().insert("f".to_owned(), Fate::Hang);
    let mut ids = Vec::new();
    {
        let (ledger, store) = ledger(&path, hasty());
        for _ in 0..3 {
            ids.push(accept(&ledger, "f", None).await.unwrap().id);
        }
        let system = actix::System::current();
        let arbiter = actix::Arbiter::new();
        let (there, shared) = (ledger.clone(), Arc::clone(&functions));
        arbiter.spawn_fn(move || {
            actix::System::set_current(system);
            room(&there, &shared);
        });
        for id in &ids {
            until(&ledger, *id, |record| record.state == State::Running).await;
        }
        while functions.seen.lock().len() < ids.len() {
            tokio::time::sleep(Duration::from_millis(2)).await;
        }
        // Killed with all attempts under way: nothing of the room is left.
        arbiter.stop();
        arbiter.join().unwrap();
        drop(ledger);
        assert_eq!(
            Arc::strong_count(&store),
            1,
            "the store is closed with the master"
        );
    }
    functions
        .fates
        .lock()
        .insert("f".to_owned(), Fate::Answer(200, "2"));
    let (ledger, store) = ledger(&path, hasty());
    let _room = room(&ledger, &functions);
    for id in &ids {
        let record = ended(&ledger, *id).await;
        assert_eq!((record.state, record.attempts), (State::Succeeded, 1));
    }
    assert_eq!(functions.seen.lock().len(), 6, "once in each life");
    drained(ledger.backlog()).await;
    assert!(
        store
            .list(Page::all(keys::OPEN))
            .await
            .unwrap()
            .entries
            .is_empty()
    );
}

#[actix::test]
async fn too_much_is_refused_and_what_was_kept_long_enough_is_forgotten() {
    let directory = tempfile::tempdir().unwrap();
    let policy = Policy {
        keep: Duration::ZERO,
        ..hasty()
    };
    let (ledger, store) = ledger(&directory.path().join("s"), policy);
    for n in 0..10 {
        accept(&ledger, "f", Some(&n.to_string())).await.unwrap();
    }
    assert!(matches!(
        accept(&ledger, "f", None).await,
        Err(AcceptError::Full(10))
    ));
    let functions = Arc::new(Functions::default());
    functions
        .fates
        .lock()
        .insert("f".to_owned(), Fate::Answer(500, "x"));
    let _room = room(&ledger, &functions);
    drained(ledger.backlog()).await;
    ledger.sweep().await.unwrap();
    let left = store.list(Page::all("/troupe/invocations/")).await.unwrap();
    assert_eq!(left.entries, [], "nothing stays behind");
    accept(&ledger, "f", Some("0")).await.unwrap();
}

/// All pages of at most three.
async fn all(ledger: &Ledger, which: Which) -> Vec<(Id, State)> {
    let (mut found, mut after) = (Vec::new(), None);
    loop {
        let page = ledger.list(which, after.as_deref(), 3).await.unwrap();
        found.extend(page.items.iter().map(|(id, record)| (*id, record.state)));
        match page.next {
            Some(next) => after = Some(next),
            None => return found,
        }
    }
}

#[actix::test]
async fn all_are_listed_page_by_page_those_that_wait_first() {
    let directory = tempfile::tempdir().unwrap();
    let (ledger, _store) = ledger(&directory.path().join("s"), hasty());
    let functions = Arc::new(Functions::default());
    for (name, fate) in [("good", Fate::Answer(200, "1")), ("hangs", Fate::Hang)] {
        functions.fates.lock().insert(name.to_owned(), fate);
    }
    let _room = room(&ledger, &functions);
    let mut ids = Vec::new();
    for name in ["good", "good", "good", "good", "gone", "hangs", "hangs"] {
        ids.push(accept(&ledger, name, None).await.unwrap().id);
    }
    for id in &ids[..5] {
        ended(&ledger, *id).await;
    }
    for id in &ids[5..] {
        until(&ledger, *id, |record| record.state == State::Running).await;
    }
    let listed = all(&ledger, Which::All).await;
    assert_eq!(listed.len(), 7, "{listed:?}");
    assert!(
        listed[..2]
            .iter()
            .all(|(_, state)| *state == State::Running)
    );
    assert_eq!(all(&ledger, Which::In(State::Succeeded)).await.len(), 4);
    assert_eq!(
        all(&ledger, Which::In(State::Failed)).await,
        [(ids[4], State::Failed)]
    );
    assert_eq!(all(&ledger, Which::In(State::Pending)).await, []);
}

#[actix::test]
async fn the_oldest_results_go_when_all_are_larger_than_they_may_be() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("s");
    let results = |ledger: Ledger, results| {
        let bounds = Bounds {
            results,
            ..Bounds::default()
        };
        ledger.with(bounds, hasty())
    };
    let (plain, _store) = ledger(&path, hasty());
    let ledger = results(plain, 10);
    let functions = Arc::new(Functions::default());
    functions
        .fates
        .lock()
        .insert("f".to_owned(), Fate::Answer(200, "1234"));
    let _room = room(&ledger, &functions);
    let mut ids = Vec::new();
    for _ in 0..5 {
        let id = accept(&ledger, "f", None).await.unwrap().id;
        ended(&ledger, id).await;
        ids.push(id);
        // The index is in order of milliseconds.
        tokio::time::sleep(Duration::from_millis(2)).await;
    }
    ledger.sweep().await.unwrap();
    for (id, emptied) in ids.iter().zip([true, true, true, false, false]) {
        let record = ledger.find(*id).await.unwrap().unwrap();
        assert_eq!((record.state, record.emptied), (State::Succeeded, emptied));
        assert_eq!(ledger.result(*id).await.unwrap().is_empty(), emptied);
    }
    // A master that starts counts what it finds.
    let next = results(
        Ledger::new(Arc::clone(&ledger.store), Arc::clone(&ledger.clock)),
        4,
    );
    next.count_kept().await.unwrap();
    assert_eq!(next.sweep().await.unwrap(), 1);
}

#[actix::test]
async fn requests_of_dead_letters_count_and_make_room_while_their_keys_go_on_counting() {
    let directory = tempfile::tempdir().unwrap();
    let (plain, store) = ledger(&directory.path().join("s"), hasty());
    // Room for two requests of 7 bytes.
    let bounds = Bounds {
        results: 14,
        ..Bounds::default()
    };
    let ledger = plain.with(bounds, hasty());
    let functions = Arc::new(Functions::default());
    functions
        .fates
        .lock()
        .insert("f".to_owned(), Fate::Answer(400, ""));
    let _room = room(&ledger, &functions);
    let mut ids = Vec::new();
    for key in ["a", "b", "c"] {
        let id = accept(&ledger, "f", Some(key)).await.unwrap().id;
        assert_eq!(ended(&ledger, id).await.state, State::Failed);
        ids.push(id);
        tokio::time::sleep(Duration::from_millis(2)).await;
    }
    ledger.sweep().await.unwrap();
    let requests = store.list(Page::all("/troupe/invocations/body/")).await;
    assert_eq!(requests.unwrap().entries.len(), 2);
    let again = accept(&ledger, "f", Some("a")).await.unwrap();
    assert_eq!((again.id, again.state), (ids[0], State::Failed));
    assert!(matches!(
        ledger.redrive(ids[0]).await,
        Err(RedriveError::NotKept(_))
    ));
    ledger.redrive(ids[1]).await.unwrap();
    assert_eq!(
        ledger.sweep().await.unwrap(),
        0,
        "a redriven one is no letter"
    );
}

#[actix::test]
async fn a_key_counts_for_as_long_as_its_call_waits() {
    let directory = tempfile::tempdir().unwrap();
    let policy = Policy {
        keep: Duration::ZERO,
        ..hasty()
    };
    let (ledger, _store) = ledger(&directory.path().join("s"), policy);
    let first = accept(&ledger, "f", Some("k")).await.unwrap();
    let second = accept(&ledger, "f", Some("k")).await.unwrap();
    assert_eq!(second, first);
}
