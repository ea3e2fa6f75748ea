//! Every kind of actor panics in mid-work, and the work goes on.

use std::sync::Arc;
use std::sync::atomic::Ordering;

use asl::{EventKind, Record};
use common::resources::{ObjectMeta, Resource as _, RunPhase, Workflow, WorkflowRun};
use serde_json::json;

use super::village::Village;
use super::{DEADLINE, eventually, is_ok};
use crate::house::tree::Tree;
use crate::invocations::State;
use crate::objects::Change;
use crate::store::Durability::{Durable, Eventual};
use crate::supervisor::{Crash, CrashChild};
use crate::workflows::Journal;

#[actix_web::test]
async fn a_call_held_while_its_functions_actor_falls_is_answered() {
    let village = Village::build().await.unwrap();
    village.apply("f").await;
    village.hold();
    let call = village.begin_call("f");
    eventually("the build", async || {
        (village.agent.builds.load(Ordering::SeqCst) > 0).then_some(())
    })
    .await;
    village
        .tree
        .functions
        .tell(CrashChild("default/f".to_owned()));
    village.release();
    assert!(is_ok(call.await.unwrap()));
    assert!(is_ok(village.call("f").await), "and the next one too");
}

#[actix_web::test]
async fn a_call_in_flight_while_its_functions_actor_falls_is_answered() {
    let village = Village::build().await.unwrap();
    village.apply("f").await;
    assert!(is_ok(village.call("f").await));
    village.hold();
    let call = village.begin_call("f");
    village
        .tree
        .functions
        .tell(CrashChild("default/f".to_owned()));
    village.release();
    assert!(is_ok(call.await.unwrap()));
}

#[actix_web::test]
async fn one_functions_fall_is_invisible_to_another() {
    let village = Village::build().await.unwrap();
    village.apply("f").await;
    village.apply("g").await;
    assert!(is_ok(village.call("g").await));
    let before = village.agent.pods.lock().len();
    for _ in 0..5 {
        village
            .tree
            .functions
            .tell(CrashChild("default/f".to_owned()));
        assert!(is_ok(village.call("g").await));
    }
    assert_eq!(
        village.agent.pods.lock().len(),
        before,
        "no pod came or went"
    );
}

#[actix_web::test]
async fn calls_go_on_while_each_room_falls() {
    let village = Village::build().await.unwrap();
    village.apply("warm").await;
    assert!(is_ok(village.call("warm").await));
    type Crasher = fn(&Tree) -> bool;
    let rooms: [(&str, Crasher); 7] = [
        ("router", |tree| tree.router.tell(Crash)),
        ("scheduler", |tree| tree.scheduler.tell(Crash)),
        ("images", |tree| tree.images.tell(Crash)),
        ("nodes", |tree| tree.nodes.tell(Crash)),
        ("functions", |tree| tree.functions.tell(Crash)),
        ("workflows", |tree| tree.workflows.tell(Crash)),
        ("invocations", |tree| tree.invocations_room.tell(Crash)),
    ];
    for (room, crash) in rooms {
        village.hold();
        let cold = format!("cold-{room}");
        village.apply(&cold).await;
        let held = village.begin_call(&cold);
        let warm = village.begin_call("warm");
        assert!(crash(&village.tree), "{room} was not there to fall");
        village.release();
        assert!(is_ok(warm.await.unwrap()), "warm call while {room} fell");
        assert!(is_ok(held.await.unwrap()), "cold call while {room} fell");
    }
}

#[actix_web::test]
async fn pods_come_up_although_their_nodes_actor_falls() {
    let village = Village::build().await.unwrap();
    village.apply("f").await;
    village.hold();
    let call = village.begin_call("f");
    village.tree.nodes.tell(CrashChild("n1".to_owned()));
    village.release();
    assert!(is_ok(call.await.unwrap()));
}

/// A workflow `w` that calls the function `f` three times.
fn three_steps() -> Workflow {
    let node = |name: &str, next: Option<&str>| json!({ "name": name, "type": "func", "funcData": { "funcName": "f", "nextNodeName": next } });
    let mut workflow = Workflow::with_metadata(ObjectMeta::named("default", "w"));
    workflow.metadata.generation = 1;
    workflow.spec = serde_json::from_value(json!({
        "entryParams": "{}",
        "entryNodeName": "a",
        "workflowNodes": [node("a", Some("b")), node("b", Some("c")), node("c", None)],
    }))
    .unwrap();
    workflow
}

/// The only run there is, once it has ended.
async fn ended_run(village: &Village) -> WorkflowRun {
    eventually("the end of the run", async || {
        let listed = village.ground.objects.list::<WorkflowRun>(None).await;
        let [run] = <[WorkflowRun; 1]>::try_from(listed.unwrap().items).ok()?;
        run.status.phase.filter(|phase| phase.is_final())?;
        Some(run)
    })
    .await
}

#[actix_web::test]
async fn the_end_of_a_run_that_only_its_journal_has_is_shown() {
    let village = Village::build().await.unwrap();
    village.apply("f").await;
    let objects = &village.ground.objects;
    objects.create(three_steps(), Durable).await.unwrap();
    let ended = ended_run(&village).await;
    // As a master leaves it that lost the lead right after the last record.
    let forget = |run: &mut WorkflowRun| {
        run.status.phase = Some(RunPhase::Running);
        (run.status.output, run.status.completion_time) = (None, None);
        run.status.conditions.clear();
        true
    };
    let name = &ended.metadata.name;
    let forgotten = objects.modify::<WorkflowRun>("default", name, Durable, forget);
    let forgotten = forgotten.await.unwrap().unwrap();
    assert_eq!(forgotten.status.phase, Some(RunPhase::Running));
    let shown = ended_run(&village).await;
    assert_eq!(shown.status.phase, Some(RunPhase::Succeeded));
    assert_eq!(shown.status.output, ended.status.output);
    let answered = village.agent.answered.load(Ordering::SeqCst);
    assert_eq!(answered, 3, "no step is repeated");
}

/// The actor that wrote the end still ends itself then.
#[actix_web::test]
async fn a_run_that_is_redriven_the_moment_it_fails_goes_on() {
    let village = Village::build().await.unwrap();
    let objects = &village.ground.objects;
    let mut run = WorkflowRun::with_metadata(ObjectMeta::named("default", "r"));
    let definition = json!({ "StartAt": "No", "States": { "No": { "Type": "Fail" } } });
    run.spec.definition = Some(definition);
    let mut seen = objects.watch::<WorkflowRun>();
    assert_eq!(seen.next().await, Change::Restarted(Vec::new()));
    objects.create(run, Durable).await.unwrap();
    for redrives in 0..50 {
        // Not [`ended_run`], which looks now and then: the moment counts.
        let failed = async {
            loop {
                if let Change::Applied(run) = seen.next().await
                    && run.status.phase == Some(RunPhase::Failed)
                    && run.status.redrives == redrives
                {
                    return run.metadata.uid;
                }
            }
        };
        let failed = tokio::time::timeout(DEADLINE, failed).await;
        let uid = failed.unwrap_or_else(|_| panic!("end {redrives} was waited for in vain"));
        let journal = Journal::load(Arc::clone(objects.store()), &uid).await;
        let again = |record: &Record| {
            let kind = record.event.as_ref().map(|event| &event.kind);
            matches!(kind, Some(EventKind::ExecutionRedriven { .. }))
        };
        let again = journal
            .unwrap()
            .1
            .iter()
            .filter(|record| again(record))
            .count();
        assert_eq!(
            again, redrives as usize,
            "what is shown stands in the journal"
        );
        let redrive = |run: &mut WorkflowRun| {
            run.spec.redrives += 1;
            true
        };
        let redriven = objects.modify::<WorkflowRun>("default", "r", Eventual, redrive);
        redriven.await.unwrap().unwrap();
    }
}

#[actix_web::test]
async fn a_run_goes_on_although_its_actor_falls() {
    let village = Village::build().await.unwrap();
    village.apply("f").await;
    let workflow = three_steps();
    village.hold();
    village
        .ground
        .objects
        .create(workflow, Durable)
        .await
        .unwrap();
    let run = eventually("the run's first task", async || {
        let runs = village
            .ground
            .objects
            .list::<WorkflowRun>(None)
            .await
            .unwrap()
            .items;
        runs.into_iter()
            .find(|run| run.status.phase == Some(RunPhase::Running))
    })
    .await;
    village
        .tree
        .workflows
        .tell(CrashChild(run.metadata.uid.clone()));
    village.tree.workflows.tell(Crash);
    village.release();
    let workflow = eventually("the end of the run", async || {
        let found = village
            .ground
            .objects
            .get::<Workflow>("default", "w")
            .await
            .unwrap()?;
        found.status.phase.filter(|phase| phase.is_final())?;
        Some(found)
    })
    .await;
    assert_eq!(workflow.status.phase, Some(RunPhase::Succeeded));
    assert_eq!(workflow.status.result.as_deref(), Some(r#"{"ok":true}"#));
    let runs = village
        .ground
        .objects
        .list::<WorkflowRun>(None)
        .await
        .unwrap()
        .items;
    assert_eq!(runs.len(), 1, "no second run");
    assert_eq!(runs[0].status.steps.len(), 3);
    // Only the task in flight when the actor fell may have been called twice.
    let answered = village.agent.answered.load(Ordering::SeqCst);
    assert!(
        (3..=4).contains(&answered),
        "{answered} calls for three steps"
    );
}

#[actix_web::test]
async fn stored_calls_are_made_although_their_room_falls() {
    let village = Village::build().await.unwrap();
    village.apply("f").await;
    village.hold();
    let in_hand = village.accept_call("f").await;
    eventually("the attempt of the first", async || {
        (village.agent.builds.load(Ordering::SeqCst) > 0).then_some(())
    })
    .await;
    assert!(village.tree.invocations_room.tell(Crash));
    let later = village.accept_call("f").await;
    village.release();
    for id in [in_hand, later] {
        eventually("the end of a stored call", async || {
            let record = village.tree.invocations.find(id).await.unwrap().unwrap();
            (record.state == State::Succeeded).then_some(())
        })
        .await;
    }
}
