//! Functions come, are called, and go.

use common::resources::{Function, Pod, PodPhase, ReplicaSet, Service};

use super::village::Village;
use super::{eventually, is_ok};
use crate::calls::CallError;
use crate::store::Durability::Durable;
use crate::supervisor::CrashChild;

#[actix_web::test]
async fn many_calls_from_zero_start_one_pod() {
    let village = Village::build().await.unwrap();
    village.apply("f").await;
    village.hold();
    let calls: Vec<_> = (0..20).map(|_| village.begin_call("f")).collect();
    village.release();
    for call in calls {
        assert!(is_ok(call.await.unwrap()));
    }
    assert_eq!(village.agent.pods.lock().len(), 1);
}

#[actix_web::test]
async fn deleting_a_function_leaves_nothing() {
    let village = Village::build().await.unwrap();
    let collector = actix_web::rt::spawn(crate::objects::gc::run(village.ground.objects.clone()));
    village.apply("f").await;
    assert!(is_ok(village.call("f").await));
    village
        .ground
        .objects
        .delete::<Function>("default", "f", None)
        .await
        .unwrap();
    let objects = &village.ground.objects;
    eventually("the end of its pods, sets and service", async || {
        let pods = objects.list::<Pod>(None).await.unwrap().items.len();
        let sets = objects.list::<ReplicaSet>(None).await.unwrap().items.len();
        let services = objects.list::<Service>(None).await.unwrap().items.len();
        (pods + sets + services == 0).then_some(())
    })
    .await;
    assert!(
        village.agent.pods.lock().is_empty(),
        "the node still has a pod"
    );
    assert!(matches!(
        village.call("f").await,
        Err(CallError::NoSuchFunction(_))
    ));
    collector.abort();
}

#[actix_web::test]
async fn a_function_made_anew_while_the_old_one_ends_answers() {
    let village = Village::build().await.unwrap();
    let collector = actix_web::rt::spawn(crate::objects::gc::run(village.ground.objects.clone()));
    village.apply("f").await;
    for _ in 0..5 {
        assert!(is_ok(village.call("f").await));
        let objects = &village.ground.objects;
        let before = objects
            .get::<Function>("default", "f")
            .await
            .unwrap()
            .unwrap()
            .metadata
            .uid;
        objects
            .delete::<Function>("default", "f", None)
            .await
            .unwrap();
        village.apply("f").await;
        let now = objects
            .get::<Function>("default", "f")
            .await
            .unwrap()
            .unwrap()
            .metadata
            .uid;
        assert_ne!(before, now);
    }
    assert!(is_ok(village.call("f").await));
    eventually("the end of the old ones' pods", async || {
        (village.agent.pods.lock().len() == 1).then_some(())
    })
    .await;
    collector.abort();
}

#[actix_web::test]
async fn a_pod_that_counts_as_ended_does_not_run_on() {
    let village = Village::build().await.unwrap();
    village.apply("f").await;
    assert!(is_ok(village.call("f").await));
    let pod = village.agent.pods.lock()[0].clone();
    let end = |pod: &mut Pod| {
        pod.status.phase = Some(PodPhase::Failed);
        true
    };
    let objects = &village.ground.objects;
    let ended = objects
        .modify::<Pod>("default", &pod.name, Durable, end)
        .await;
    assert!(ended.unwrap().is_some());
    // Its agent dials anew and says that it runs.
    village.tree.nodes.tell(CrashChild("n1".to_owned()));
    eventually("its agent was told to end it", async || {
        let pods = village.agent.pods.lock();
        pods.iter().all(|other| other.uid != pod.uid).then_some(())
    })
    .await;
    assert!(
        is_ok(village.call("f").await),
        "another one takes its calls"
    );
}
