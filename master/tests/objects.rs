//! What controllers rely on: compare-and-swap, finalizers, watches that never end, events, garbage
//! collection.

#![allow(clippy::unwrap_used, clippy::expect_used)]

use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::Duration;

use common::resources::{
    ConfigMap, Event, Function, Namespace, ObjectMeta, OwnerReference, Pod, ReplicaSet, Resource,
    Secret,
};
use master::clock::{Clock, ManualClock};
use master::objects::{
    Change, DeleteRequest, Durability, EventKind, ObjectError, Objects, Propagation, gc,
};
use master::store::EmbeddedStore;

const E: Durability = Durability::Eventual;

struct House {
    objects: Objects,
    clock: Arc<ManualClock>,
    _dir: tempfile::TempDir,
}

fn house() -> House {
    let dir = tempfile::tempdir().unwrap();
    let clock = Arc::new(ManualClock::at("2026-01-01T00:00:00Z".parse().unwrap()));
    let as_clock: Arc<dyn Clock> = clock.clone();
    let store = EmbeddedStore::open(&dir.path().join("store.redb"), as_clock.clone()).unwrap();
    House {
        objects: Objects::new(Arc::new(store), as_clock),
        clock,
        _dir: dir,
    }
}

fn named<R: Resource>(name: &str) -> R {
    R::with_metadata(ObjectMeta::named("n", name))
}

fn owned_by<R: Resource, O: Resource>(name: &str, owner: &O) -> R {
    let mut object: R = named(name);
    object.metadata_mut().owner_references = vec![OwnerReference {
        api_version: O::KIND.api_version(),
        kind: O::KIND.kind.to_owned(),
        name: owner.metadata().name.clone(),
        uid: owner.metadata().uid.clone(),
        controller: true,
        block_owner_deletion: true,
    }];
    object
}

/// Waits until the objects of a kind are these.
async fn until_names<R: Resource>(objects: &Objects, wanted: &[&str]) {
    let wanted: BTreeSet<String> = wanted.iter().map(|name| (*name).to_owned()).collect();
    let mut names = BTreeSet::new();
    let mut watch = objects.watch::<R>();
    let reached = tokio::time::timeout(Duration::from_secs(30), async {
        loop {
            match watch.next().await {
                Change::Restarted(all) => {
                    names = all.into_iter().map(|o| o.metadata().name.clone()).collect();
                }
                Change::Applied(object) => {
                    names.insert(object.metadata().name.clone());
                }
                Change::Deleted(object) => {
                    names.remove(&object.metadata().name);
                }
            }
            if names == wanted {
                break;
            }
        }
    });
    assert!(reached.await.is_ok(), "found {names:?}, want {wanted:?}");
}

#[tokio::test]
async fn the_server_completes_what_is_made() {
    let objects = house().objects;
    let made: Function = objects.create(named("f"), E).await.unwrap();
    let meta = made.metadata();
    assert_eq!(meta.uid.len(), 36);
    assert_eq!(
        meta.creation_timestamp.as_deref(),
        Some("2026-01-01T00:00:00Z")
    );
    assert_eq!(meta.generation, 1);
    assert_eq!(
        objects.get::<Function>("n", "f").await.unwrap().unwrap(),
        made
    );
    assert!(
        objects
            .get::<Function>("other", "f")
            .await
            .unwrap()
            .is_none()
    );
    let again = objects.create(named::<Function>("f"), E).await;
    assert!(
        matches!(again, Err(ObjectError::AlreadyExists { .. })),
        "{again:?}"
    );
    let mut generated: Function = named("");
    generated.metadata.generate_name = "run-".to_owned();
    let generated = objects.create(generated, E).await.unwrap();
    assert_eq!(generated.metadata.name.len(), "run-".len() + 5);
}

#[tokio::test]
async fn nobody_overwrites_what_he_has_not_seen() {
    let objects = house().objects;
    let first: Function = objects.create(named("f"), E).await.unwrap();
    let mut second = first.clone();
    second.spec.timeout_seconds = Some(5);
    let second = objects.update(second, E).await.unwrap();
    assert_eq!(second.metadata.generation, 2);
    let late = objects.update(first, E).await;
    assert!(
        matches!(late, Err(ObjectError::Conflict { .. })),
        "{late:?}"
    );
    let same = objects.update(second.clone(), E).await.unwrap();
    assert_eq!(
        same, second,
        "an update that changes nothing writes nothing"
    );
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn changes_of_many_add_up() {
    let objects = house().objects;
    objects.create(named::<Function>("f"), E).await.unwrap();
    let tasks: Vec<_> = (0..8)
        .map(|_| {
            let objects = objects.clone();
            tokio::spawn(async move {
                objects
                    .modify("n", "f", E, |f: &mut Function| {
                        f.status.replicas += 1;
                        true
                    })
                    .await
                    .unwrap()
            })
        })
        .collect();
    for task in tasks {
        task.await.unwrap();
    }
    let f = objects.get::<Function>("n", "f").await.unwrap().unwrap();
    assert_eq!((f.status.replicas, f.metadata.generation), (8, 1));
    let gone = objects
        .modify("n", "g", E, |_: &mut Function| true)
        .await
        .unwrap();
    assert!(gone.is_none());
}

#[tokio::test]
async fn finalizers_hold_an_object() {
    let objects = house().objects;
    let mut function: Function = named("f");
    function.metadata.finalizers = vec!["troupe.dev/pods".to_owned()];
    let function = objects.create(function, E).await.unwrap();
    let other = objects.delete::<Function>("n", "f", Some("other")).await;
    assert!(matches!(other, Err(ObjectError::Conflict { .. })));
    let uid = function.metadata.uid.as_str();
    let held = objects
        .delete::<Function>("n", "f", Some(uid))
        .await
        .unwrap()
        .unwrap();
    assert!(held.metadata.deletion_timestamp.is_some());
    assert!(objects.get::<Function>("n", "f").await.unwrap().is_some());
    objects
        .modify("n", "f", E, |f: &mut Function| {
            f.metadata.finalizers.clear();
            true
        })
        .await
        .unwrap();
    assert!(objects.get::<Function>("n", "f").await.unwrap().is_none());
    assert!(
        objects
            .delete::<Function>("n", "f", None)
            .await
            .unwrap()
            .is_none()
    );
}

#[tokio::test]
async fn a_watch_begins_with_all_and_goes_on() {
    let objects = house().objects;
    objects.create(named::<Secret>("a"), E).await.unwrap();
    let mut watch = objects.watch::<Secret>();
    match watch.next().await {
        Change::Restarted(all) => assert_eq!(all.len(), 1),
        other => panic!("{other:?}"),
    }
    objects
        .create(named::<ConfigMap>("other kind"), E)
        .await
        .unwrap();
    let b = objects.create(named::<Secret>("b"), E).await.unwrap();
    assert_eq!(watch.next().await, Change::Applied(b.clone()));
    objects.delete::<Secret>("n", "b", None).await.unwrap();
    match watch.next().await {
        Change::Deleted(gone) => assert_eq!(gone.metadata.uid, b.metadata.uid),
        other => panic!("{other:?}"),
    }
}

#[tokio::test]
async fn events_are_counted_and_expire() {
    let House {
        objects,
        clock,
        _dir,
    } = house();
    let function = objects
        .create(named::<Function>("My_func"), E)
        .await
        .unwrap();
    for _ in 0..3 {
        objects
            .record(
                &function,
                EventKind::Warning,
                "functions",
                "NoCapacity",
                "no room",
            )
            .await;
    }
    objects
        .record(&function, EventKind::Normal, "functions", "Built", "in 2 s")
        .await;
    let mut events = objects.list::<Event>(Some("n")).await.unwrap().items;
    events.sort_by_key(|event| event.count);
    assert_eq!(events.iter().map(|e| e.count).collect::<Vec<_>>(), [1, 3]);
    assert_eq!(events[1].involved_object.uid, function.metadata.uid);
    assert!(events[1].metadata.name.starts_with("my-func."));
    clock.advance(Duration::from_secs(3700));
    until_names::<Event>(&objects, &[]).await;
    objects
        .record(&function, EventKind::Normal, "functions", "Built", "in 2 s")
        .await;
    assert_eq!(objects.list::<Event>(None).await.unwrap().items.len(), 1);
}

#[tokio::test]
async fn what_belongs_to_nobody_goes() {
    let House { objects, _dir, .. } = house();
    let function = objects.create(named::<Function>("f"), E).await.unwrap();
    let set = objects
        .create(owned_by::<ReplicaSet, _>("rs", &function), E)
        .await
        .unwrap();
    objects
        .create(owned_by::<Pod, _>("p1", &set), E)
        .await
        .unwrap();
    let collector = tokio::spawn(gc::run(objects.clone()));
    objects
        .create(owned_by::<Pod, _>("p2", &set), E)
        .await
        .unwrap();
    objects.create(named::<Pod>("mine"), E).await.unwrap();
    objects.delete::<Function>("n", "f", None).await.unwrap();
    until_names::<Pod>(&objects, &["mine"]).await;
    assert!(
        objects
            .list::<ReplicaSet>(None)
            .await
            .unwrap()
            .items
            .is_empty()
    );
    collector.abort();
}

#[tokio::test]
async fn foreground_and_orphan_are_honoured() {
    let House { objects, _dir, .. } = house();
    tokio::spawn(gc::run(objects.clone()));
    for (name, propagation, left) in [
        ("f", Propagation::Foreground, vec![]),
        ("g", Propagation::Orphan, vec!["pod-g"]),
    ] {
        let function = objects.create(named::<Function>(name), E).await.unwrap();
        objects
            .create(owned_by::<Pod, _>(&format!("pod-{name}"), &function), E)
            .await
            .unwrap();
        let request = DeleteRequest {
            propagation,
            ..DeleteRequest::default()
        };
        objects
            .delete_raw(Function::KIND, "n", name, &request)
            .await
            .unwrap();
        until_names::<Function>(&objects, &[]).await;
        until_names::<Pod>(&objects, &left).await;
    }
    let pod = objects.get::<Pod>("n", "pod-g").await.unwrap().unwrap();
    assert!(pod.metadata.owner_references.is_empty());
}

#[tokio::test]
async fn a_namespace_goes_with_all_that_is_in_it() {
    let House { objects, _dir, .. } = house();
    let space = Namespace::with_metadata(ObjectMeta::named("", "n"));
    objects.create(space, E).await.unwrap();
    objects.create(named::<Secret>("s"), E).await.unwrap();
    let mut held: Function = named("f");
    held.metadata.finalizers = vec!["troupe.dev/pods".to_owned()];
    objects.create(held, E).await.unwrap();
    let space = objects
        .delete::<Namespace>("", "n", None)
        .await
        .unwrap()
        .unwrap();
    assert_eq!(space.status.phase, "Terminating");
    tokio::spawn(gc::run(objects.clone()));
    until_names::<Secret>(&objects, &[]).await;
    assert!(objects.get::<Namespace>("", "n").await.unwrap().is_some());
    objects
        .modify("n", "f", E, |f: &mut Function| {
            f.metadata.finalizers.clear();
            true
        })
        .await
        .unwrap();
    until_names::<Namespace>(&objects, &[]).await;
}
