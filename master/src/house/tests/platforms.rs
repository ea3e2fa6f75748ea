//! Machine code: layers for each kind of node, and pods where they run.

use std::sync::atomic::Ordering;

use common::link::Origin;
use common::resources::{Event, Function};

use super::village::Village;
use super::{eventually, is_ok};

async fn function(village: &Village, name: &str) -> Function {
    let found = village
        .ground
        .objects
        .get::<Function>("default", name)
        .await;
    found.unwrap().unwrap()
}

/// Waits until a condition has a reason; its message.
async fn condition(village: &Village, name: &str, kind: &str, reason: &str) -> String {
    let what = format!("{kind}={reason} of {name}");
    eventually(&what, async || {
        let conditions = function(village, name).await.status.conditions;
        let found = conditions.into_iter().find(|c| c.r#type == kind)?;
        (found.reason == reason).then_some(found.message)
    })
    .await
}

async fn architectures(village: &Village, name: &str) -> Vec<String> {
    let layers = function(village, name).await.status.layers;
    let of = |layer: common::resources::FunctionLayer| layer.digest.and(layer.architecture);
    let mut all: Vec<_> = layers.into_iter().filter_map(of).collect();
    all.sort();
    all
}

async fn event(village: &Village, reason: &str) {
    eventually(reason, async || {
        let events = village.ground.objects.list::<Event>(Some("default")).await;
        let mut events = events.unwrap().items.into_iter();
        events.any(|event| event.reason == reason).then_some(())
    })
    .await;
}

/// Waits until a function answers. That there is a node for it now, its actor learns from the function's
/// own condition, a moment after that can be read.
async fn answers(village: &Village, name: &str) {
    eventually(&format!("{name} answers"), async || {
        let answer = village.call(name).await.ok()?;
        (answer.status == 200).then_some(())
    })
    .await;
}

fn arm_only(function: &mut Function) {
    let selector = &mut function.spec.node_selector;
    selector.insert("kubernetes.io/arch".to_owned(), "arm64".to_owned());
}

#[actix_web::test]
async fn machine_code_is_built_for_each_kind_of_node_and_a_new_kind_triggers_its_build() {
    let village = Village::build().await.unwrap();
    village.agent.native.store(true, Ordering::SeqCst);
    village.apply("f").await;
    condition(&village, "f", "Built", "Built").await;
    assert_eq!(architectures(&village, "f").await, ["amd64"]);
    assert!(is_ok(village.call("f").await));
    let revision = eventually("the revision is shown", async || {
        function(&village, "f").await.status.revision
    })
    .await;
    let arm = village.join("n2", "arm64");
    eventually("the layer for arm64", async || {
        (architectures(&village, "f").await == ["amd64", "arm64"]).then_some(())
    })
    .await;
    assert_eq!(
        arm.builds.load(Ordering::SeqCst),
        1,
        "built on a node of its kind"
    );
    assert_eq!(
        function(&village, "f").await.status.revision,
        Some(revision)
    );
    // Another function with the same code, for the new kind only: nothing is built, its pod gets the
    // right layer.
    village
        .apply_with("f2", |f2| {
            arm_only(f2);
            let mut files = f2.spec.source.clone().unwrap().inline.unwrap();
            files.insert(
                "func.py".to_owned(),
                "def main(params): return \"f\"".to_owned(),
            );
            f2.spec.source.as_mut().unwrap().inline = Some(files);
        })
        .await;
    assert!(is_ok(village.call("f2").await));
    assert_eq!(arm.builds.load(Ordering::SeqCst), 1);
    let layers = function(&village, "f").await.status.layers;
    let of_arm = layers
        .iter()
        .find(|l| l.architecture.as_deref() == Some("arm64"))
        .unwrap();
    let assigned = arm.assigned.lock().clone();
    assert!(!assigned.is_empty());
    for pod in assigned {
        assert!(
            matches!(pod.origin, Origin::Layer { digest, .. } if Some(digest) == of_arm.digest)
        );
    }
}

#[actix_web::test]
async fn a_layer_without_machine_code_is_built_once_for_all() {
    let village = Village::build().await.unwrap();
    let arm = village.join("n2", "arm64");
    village.apply_with("f", arm_only).await;
    condition(&village, "f", "Schedulable", "NodesMatch").await;
    answers(&village, "f").await;
    village.apply("g").await;
    condition(&village, "g", "Built", "Built").await;
    let builds = arm.builds.load(Ordering::SeqCst) + village.agent.builds.load(Ordering::SeqCst);
    assert_eq!(builds, 2, "one for each function");
    assert!(architectures(&village, "g").await.is_empty());
}

#[actix_web::test]
async fn a_function_without_a_node_of_its_architecture_says_so_and_runs_once_there_is_one() {
    let village = Village::build().await.unwrap();
    // Of pure Python: built on what there is, but nothing can run it.
    village.apply_with("pure", arm_only).await;
    let message = condition(&village, "pure", "Schedulable", "NoMatchingNode").await;
    assert!(message.contains("kubernetes.io/arch=arm64"), "{message}");
    event(&village, "NoMatchingNode").await;
    let refused = village.call("pure").await.unwrap_err().explain();
    assert!(refused.contains("kubernetes.io/arch=arm64"), "{refused}");
    // With machine code the build itself waits for such a node.
    village.agent.native.store(true, Ordering::SeqCst);
    village.apply_with("native", arm_only).await;
    let message = condition(&village, "native", "Built", "NeedsArchitecture").await;
    assert!(message.contains("arm64"), "{message}");
    event(&village, "NeedsArchitecture").await;
    village.join("n2", "arm64");
    condition(&village, "native", "Schedulable", "NodesMatch").await;
    condition(&village, "native", "Built", "Built").await;
    assert_eq!(architectures(&village, "native").await, ["arm64"]);
    answers(&village, "native").await;
    answers(&village, "pure").await;
}
