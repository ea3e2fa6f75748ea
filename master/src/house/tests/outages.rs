//! The store fails for a while, and what had to be written is written.

use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use common::resources::{
    ConfigMap, ConfigMapSource, DISRUPTION, EnvFrom, EnvVar, Function, Node, ObjectMeta, Pod,
    Resource as _, Taint, WorkflowRun,
};
use serde_json::json;

use super::village::Village;
use super::{eventually, is_ok};
use crate::store::Durability::Durable;
use crate::store::Txn;
use crate::workflows::Journal;

/// Whether a transaction writes a value with this word beneath a prefix.
fn writes(txn: &Txn, prefix: &str, word: &str) -> bool {
    txn.puts.iter().any(|put| {
        put.key.starts_with(prefix) && String::from_utf8_lossy(&put.value).contains(word)
    })
}

async fn function(village: &Village) -> Function {
    let found = village.ground.objects.get("default", "f").await;
    found.unwrap().unwrap()
}

async fn pods(village: &Village) -> Vec<Pod> {
    village.ground.objects.list(None).await.unwrap().items
}

/// Waits until the store has failed a commit, and a while longer; then it works again.
async fn outage(village: &Village) {
    eventually("a commit that fails", async || {
        (village.faults.failed() > 0).then_some(())
    })
    .await;
    tokio::time::sleep(Duration::from_millis(300)).await;
    village.faults.heal();
}

#[actix_web::test]
async fn a_pod_that_could_not_be_deleted_goes_later() {
    let village = Village::build().await.unwrap();
    village.apply("f").await;
    assert!(is_ok(village.call("f").await));
    let old = pods(&village).await.remove(0).metadata.uid;
    let faults = &village.faults;
    faults.fail(|txn| writes(txn, "/registry/pods/", "deletionTimestamp"));
    let objects = &village.ground.objects;
    let change = |function: &mut Function| {
        let source = function.spec.source.as_mut().unwrap();
        let code = "def main(params): return 2".to_owned();
        source.inline = Some([("func.py".to_owned(), code)].into());
        function.metadata.generation += 1;
        true
    };
    let changed = objects.modify::<Function>("default", "f", Durable, change);
    changed.await.unwrap().unwrap();
    outage(&village).await;
    eventually("the end of the pod of the revision before", async || {
        let left = pods(&village).await;
        (left.len() == 1 && left[0].metadata.uid != old).then_some(())
    })
    .await;
}

#[actix_web::test]
async fn what_a_function_has_is_shown_later() {
    let village = Village::build().await.unwrap();
    village.apply("f").await;
    eventually("the build", async || function(&village).await.status.layer).await;
    let faults = &village.faults;
    faults.fail(|txn| writes(txn, "/registry/functions/", ""));
    assert!(is_ok(village.call("f").await));
    outage(&village).await;
    eventually("the pod in the function's status", async || {
        (function(&village).await.status.ready_replicas == 1).then_some(())
    })
    .await;
}

#[actix_web::test]
async fn what_a_node_says_of_its_pods_is_written_later() {
    let village = Village::build().await.unwrap();
    village.apply("f").await;
    let faults = &village.faults;
    faults.fail(|txn| writes(txn, "/registry/pods/", r#""phase":"Running""#));
    let call = village.begin_call("f");
    outage(&village).await;
    eventually("that the pod is ready", async || {
        pods(&village).await[0].is_ready().then_some(())
    })
    .await;
    assert!(is_ok(call.await.unwrap()));
}

#[actix_web::test]
async fn that_a_pod_leaves_is_written_once_however_often_its_node_is_looked_at() {
    let village = Village::build().await.unwrap();
    village.apply("f").await;
    assert!(is_ok(village.call("f").await));
    let faults = &village.faults;
    faults.fail(|txn| writes(txn, "/registry/pods/", DISRUPTION));
    let objects = &village.ground.objects;
    for look in 0..20 {
        let change = |node: &mut Node| {
            node.spec.taints = vec![Taint {
                key: "broken".to_owned(),
                value: Some(look.to_string()),
                effect: "NoExecute".to_owned(),
                ..Taint::default()
            }];
            true
        };
        let changed = objects.modify::<Node>("", "n1", Durable, change);
        changed.await.unwrap().unwrap();
    }
    outage(&village).await;
    eventually("that the pod leaves", async || {
        let leaves = |pod: &Pod| pod.disruption().is_some();
        // It may be gone already.
        pods(&village).await.iter().all(leaves).then_some(())
    })
    .await;
    assert!(faults.failed() < 10, "{} tries", faults.failed());
}

#[actix_web::test]
async fn a_call_that_waits_for_a_build_is_answered_once_the_build_can_be_shown() {
    let village = Village::build().await.unwrap();
    let faults = &village.faults;
    faults.fail(|txn| writes(txn, "/registry/functions/", r#""layer":"#));
    village.apply("f").await;
    let call = village.begin_call("f");
    outage(&village).await;
    assert!(is_ok(call.await.unwrap()));
}

#[actix_web::test]
async fn a_call_that_waits_for_a_build_is_answered_once_the_build_can_be_kept() {
    let village = Village::build().await.unwrap();
    let faults = &village.faults;
    faults.fail(|txn| writes(txn, "/troupe/builds/", ""));
    village.apply("f").await;
    let call = village.begin_call("f");
    outage(&village).await;
    assert!(is_ok(call.await.unwrap()));
}

#[actix_web::test]
async fn that_code_is_missing_is_said_later() {
    let village = Village::build().await.unwrap();
    let faults = &village.faults;
    faults.fail(|txn| writes(txn, "/registry/functions/", "SourceMissing"));
    village
        .apply_with("f", |function| function.spec.source = None)
        .await;
    outage(&village).await;
    eventually("why the function is not built", async || {
        let conditions = function(&village).await.status.conditions;
        let missing = conditions.iter().any(|c| c.reason == "SourceMissing");
        missing.then_some(())
    })
    .await;
}

#[actix_web::test]
async fn a_node_that_greets_meanwhile_is_there_later() {
    let village = Village::build().await.unwrap();
    let faults = &village.faults;
    faults.fail(|txn| writes(txn, "/registry/nodes/n2", ""));
    village.join("n2", "amd64");
    outage(&village).await;
    let objects = &village.ground.objects;
    eventually("the node", async || {
        objects.get::<Node>("", "n2").await.unwrap()
    })
    .await;
}

#[actix_web::test]
async fn the_journal_of_a_run_that_was_deleted_goes_later() {
    let village = Village::build().await.unwrap();
    let objects = &village.ground.objects;
    let mut run = WorkflowRun::with_metadata(ObjectMeta::named("default", "r"));
    let definition = json!({ "StartAt": "A", "States": { "A": { "Type": "Succeed" } } });
    run.spec.definition = Some(definition);
    objects.create(run, Durable).await.unwrap();
    let store = Arc::clone(objects.store());
    eventually("the end of the run", async || {
        let run = objects.get::<WorkflowRun>("default", "r").await.unwrap()?;
        run.status.phase.filter(|phase| phase.is_final())
    })
    .await;
    assert_eq!(Journal::owners(&*store).await.unwrap().len(), 1);
    let faults = &village.faults;
    faults.fail(|txn| !txn.deletes.is_empty() && !txn.deletes[0].starts_with("/registry/"));
    let deleted = objects.delete::<WorkflowRun>("default", "r", None);
    deleted.await.unwrap();
    outage(&village).await;
    eventually("the end of the journal", async || {
        let owners = Journal::owners(&*store).await.unwrap();
        owners.is_empty().then_some(())
    })
    .await;
}

/// A function whose pods read a key of the ConfigMap `c`.
async fn apply_with_settings(village: &Village) {
    let mut map = ConfigMap::with_metadata(ObjectMeta::named("default", "c"));
    map.data = [("key".to_owned(), "value".to_owned())].into();
    let objects = &village.ground.objects;
    objects.create(map, Durable).await.unwrap();
    let source = ConfigMapSource {
        name: "c".to_owned(),
        key: "key".to_owned(),
    };
    let variable = EnvVar {
        name: "SETTING".to_owned(),
        value_from: Some(EnvFrom {
            config_map_key_ref: Some(source),
            ..EnvFrom::default()
        }),
        ..EnvVar::default()
    };
    let apply = |function: &mut Function| function.spec.env.push(variable);
    village.apply_with("f", apply).await;
}

#[actix_web::test]
async fn pods_run_on_when_their_agent_dials_while_their_settings_cannot_be_read() {
    let village = Village::build().await.unwrap();
    apply_with_settings(&village).await;
    assert!(is_ok(village.call("f").await));
    let uids = || -> Vec<String> {
        let pods = village.agent.pods.lock();
        pods.iter().map(|pod| pod.uid.clone()).collect()
    };
    let own = uids();
    village.faults.hide("/registry/configmaps/");
    village.agent.redial.notify_one();
    eventually("a read that fails", async || {
        (village.faults.failed() > 0).then_some(())
    })
    .await;
    // A pod that comes before its agent knows what else it shall run.
    village.apply("other").await;
    let call = village.begin_call("other");
    eventually("the other function's pod", async || {
        (pods(&village).await.len() == 2).then_some(())
    })
    .await;
    tokio::time::sleep(Duration::from_millis(300)).await;
    village.faults.heal();
    assert!(is_ok(call.await.unwrap()));
    eventually("the begin of the agent's session", async || {
        (village.agent.begun.load(Ordering::SeqCst) == 2).then_some(())
    })
    .await;
    let now = uids();
    assert_eq!(now.len(), 2, "{now:?}");
    assert!(now.contains(&own[0]), "{now:?} without {own:?}");
    assert!(is_ok(village.call("f").await));
}

#[actix_web::test]
async fn pods_run_on_when_their_agent_dials_after_their_settings_were_deleted() {
    let village = Village::build().await.unwrap();
    apply_with_settings(&village).await;
    assert!(is_ok(village.call("f").await));
    let objects = &village.ground.objects;
    let deleted = objects.delete::<ConfigMap>("default", "c", None).await;
    deleted.unwrap();
    village.agent.redial.notify_one();
    eventually("the begin of the agent's session", async || {
        (village.agent.begun.load(Ordering::SeqCst) == 2).then_some(())
    })
    .await;
    assert_eq!(village.agent.pods.lock().len(), 1);
    assert!(is_ok(village.call("f").await));
}
