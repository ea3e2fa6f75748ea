//! The whole tree with a pretended agent: every kind of actor panics in mid-work, and the work goes on.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU32, Ordering};
use std::time::Duration;

use bytes::Bytes;
use common::digest::Digest;
use common::link::{
    BuildOutcome, BuildReport, Built, Hello, PodReport, PodState, RuntimeKind, ToAgent, ToMaster,
};
use common::resources::{
    Function, ObjectMeta, Pod, ReplicaSet, Resource as _, RunPhase, Service, Source, Style,
    Workflow, WorkflowRun,
};
use parking_lot::Mutex;
use serde_json::json;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::UnixListener;
use tokio::sync::mpsc;

use super::tree::{self, Tree};
use super::{Ground, HouseError};
use crate::calls::{Call, CallError, CallKind, InvocationId, Timing};
use crate::key::ObjectKey;
use crate::nodes::{Connect, Disconnected, FromAgent, Nodes};
use crate::settings::Settings;
use crate::store::Durability::Durable;
use crate::supervisor::{Crash, CrashChild, Mailbox};
use crate::upstream::Answer;

const DEADLINE: Duration = Duration::from_secs(20);

/// A master's inside without its ports, and an agent that starts pods of its own making.
struct Village {
    ground: Ground,
    tree: Tree,
    agent: Arc<Agent>,
    _directory: tempfile::TempDir,
}

/// A pretended agent: dials again whenever its session ends.
struct Agent {
    nodes: Mailbox<Nodes>,
    pods_dir: PathBuf,
    pods: Mutex<Vec<PodReport>>,
    /// While set, pods come up and builds end; else they wait for it.
    swift: AtomicBool,
    /// Calls that pods have answered.
    answered: AtomicU32,
    builds: AtomicU32,
}

impl Village {
    async fn build() -> Result<Self, HouseError> {
        let directory = tempfile::tempdir().unwrap();
        let pods_dir = directory.path().join("pods");
        let mut settings = Settings {
            data_dir: directory.path().join("data"),
            ..Settings::default()
        };
        settings.gateway.local_pods_dir = pods_dir.clone();
        let ground = Ground::lay(settings).await?;
        let (fatal, mut fell) = mpsc::channel(1);
        actix_web::rt::spawn(async move {
            if let Some(fatal) = fell.recv().await {
                panic!("{fatal}");
            }
        });
        let tree = tree::grow(&ground, fatal)?;
        let agent = Arc::new(Agent {
            nodes: tree.nodes.clone(),
            pods_dir,
            pods: Mutex::default(),
            swift: AtomicBool::new(true),
            answered: AtomicU32::new(0),
            builds: AtomicU32::new(0),
        });
        actix_web::rt::spawn(Arc::clone(&agent).live());
        Ok(Self {
            ground,
            tree,
            agent,
            _directory: directory,
        })
    }

    async fn apply(&self, name: &str) {
        let mut function = Function::with_metadata(ObjectMeta::named("default", name));
        let files = [(
            "func.py".to_owned(),
            format!("def main(params): return {name:?}"),
        )];
        let source = Source {
            inline: Some(files.into()),
            ..Source::default()
        };
        function.spec.source = Some(source);
        self.ground.objects.create(function, Durable).await.unwrap();
    }

    async fn call(&self, name: &str) -> Result<Answer, CallError> {
        let call = Call {
            function: ObjectKey::new("default", name),
            id: InvocationId::new(rand::random()),
            kind: CallKind::Event,
            body: Bytes::from_static(b"{}"),
            patience: Some(DEADLINE),
            repeatable: false,
        };
        self.tree.calls.call(&call, &mut Timing::default()).await
    }

    /// A call that is made and not waited for.
    fn begin_call(&self, name: &str) -> tokio::task::JoinHandle<Result<Answer, CallError>> {
        let calls = self.tree.calls.clone();
        let function = ObjectKey::new("default", name);
        actix_web::rt::spawn(async move {
            let id = InvocationId::new(rand::random());
            let body = Bytes::from_static(b"{}");
            let call = Call {
                function,
                id,
                kind: CallKind::Event,
                body,
                patience: Some(DEADLINE),
                repeatable: false,
            };
            calls.call(&call, &mut Timing::default()).await
        })
    }

    fn hold(&self) {
        self.agent.swift.store(false, Ordering::SeqCst);
    }

    fn release(&self) {
        self.agent.swift.store(true, Ordering::SeqCst);
    }
}

impl Agent {
    async fn live(self: Arc<Self>) {
        loop {
            self.session().await;
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    }

    async fn session(self: &Arc<Self>) {
        let (outbox, mut inbox) = mpsc::channel(100);
        let inventory = self.pods.lock().clone();
        let connect = Connect {
            hello: Box::new(hello()),
            inventory,
            outbox,
        };
        let Ok(Ok(connected)) = self.nodes.ask(connect, DEADLINE).await else {
            return;
        };
        let (session, recipient) = (connected.session, connected.recipient);
        let (news, mut to_send) = mpsc::channel::<ToMaster>(100);
        loop {
            tokio::select! {
                message = inbox.recv() => match message {
                    Some(message) => self.obey(message, &news),
                    None => break,
                },
                Some(body) = to_send.recv() => {
                    if recipient.send(FromAgent { session, body }).await.is_err() {
                        break;
                    }
                }
                // An idle link notices a fallen actor as a real one does: by its heartbeat.
                () = tokio::time::sleep(Duration::from_millis(20)) => {
                    if recipient.send(FromAgent { session, body: ToMaster::Ack }).await.is_err() {
                        break;
                    }
                }
            }
        }
        self.nodes.tell(Disconnected {
            node: "n1".to_owned(),
            session,
        });
    }

    fn obey(self: &Arc<Self>, message: ToAgent, news: &mpsc::Sender<ToMaster>) {
        match message {
            ToAgent::Desired(pods) => {
                for pod in pods {
                    self.ensure(pod.uid, pod.namespace, pod.name, news);
                }
            }
            ToAgent::EnsurePod(pod) => self.ensure(pod.uid, pod.namespace, pod.name, news),
            ToAgent::RemovePod { uid, .. } => {
                self.pods.lock().retain(|pod| pod.uid != uid);
                // As an agent that does not know the pod any more: by its uid only.
                let gone = report(&uid, "", "", PodState::Gone);
                let _ = news.try_send(ToMaster::Pod(Box::new(gone)));
            }
            ToAgent::Build(order) => {
                let (agent, news) = (Arc::clone(self), news.clone());
                self.builds.fetch_add(1, Ordering::SeqCst);
                actix_web::rt::spawn(async move {
                    agent.until_swift().await;
                    let built = Built {
                        layer: Digest::of(order.id.as_bytes()),
                        size: 1,
                        handler: "func.main".to_owned(),
                        style: Style::Params,
                        native: false,
                    };
                    let outcome = Some(BuildOutcome::Built(built));
                    let report = BuildReport {
                        id: order.id,
                        log: vec!["built".to_owned()],
                        outcome,
                    };
                    let _ = news.send(ToMaster::Build(Box::new(report))).await;
                });
            }
            ToAgent::Welcome(_) | ToAgent::CancelBuild { .. } | ToAgent::Ack => {}
        }
    }

    fn ensure(
        self: &Arc<Self>,
        uid: String,
        namespace: String,
        name: String,
        news: &mpsc::Sender<ToMaster>,
    ) {
        let known = self.pods.lock().iter().any(|pod| pod.uid == uid);
        if !known {
            self.pods
                .lock()
                .push(report(&uid, &namespace, &name, PodState::Starting));
        }
        let (agent, news) = (Arc::clone(self), news.clone());
        actix_web::rt::spawn(async move {
            agent.until_swift().await;
            agent.serve(&uid);
            let ready = report(&uid, &namespace, &name, PodState::Ready);
            if let Some(pod) = agent.pods.lock().iter_mut().find(|pod| pod.uid == uid) {
                *pod = ready.clone();
            }
            let _ = news.send(ToMaster::Pod(Box::new(ready))).await;
        });
    }

    async fn until_swift(&self) {
        while !self.swift.load(Ordering::SeqCst) {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    }

    /// A pod's server: answers every request with `{"ok":true}`, as soon as the agent is swift.
    fn serve(self: &Arc<Self>, uid: &str) {
        let directory: &Path = &self.pods_dir.join(uid).join("run");
        std::fs::create_dir_all(directory).unwrap();
        let Ok(listener) = UnixListener::bind(directory.join("http.sock")) else {
            return;
        };
        let agent = Arc::clone(self);
        actix_web::rt::spawn(async move {
            while let Ok((mut stream, _)) = listener.accept().await {
                let agent = Arc::clone(&agent);
                actix_web::rt::spawn(async move {
                    let mut buffer = [0; 4096];
                    while stream.read(&mut buffer).await.is_ok_and(|n| n > 0) {
                        agent.until_swift().await;
                        agent.answered.fetch_add(1, Ordering::SeqCst);
                        let answer = b"HTTP/1.1 200 OK\r\ncontent-type: application/json\r\n\
                                       content-length: 11\r\n\r\n{\"ok\":true}";
                        if stream.write_all(answer).await.is_err() {
                            return;
                        }
                    }
                });
            }
        });
    }
}

fn report(uid: &str, namespace: &str, name: &str, state: PodState) -> PodReport {
    PodReport {
        uid: uid.to_owned(),
        namespace: namespace.to_owned(),
        name: name.to_owned(),
        state,
        reason: None,
        message: None,
        exit: None,
        runtime_id: None,
        started_at: None,
        cold: None,
    }
}

fn hello() -> Hello {
    let machine_id = std::fs::read_to_string("/etc/machine-id").unwrap_or_default();
    Hello {
        node: "n1".to_owned(),
        version: "0".to_owned(),
        arch: "amd64".to_owned(),
        python: "3.11".to_owned(),
        bases: Vec::new(),
        runtime: RuntimeKind::Process,
        runtime_version: "3".to_owned(),
        isolated: true,
        isolation_message: String::new(),
        cpu_milli: 8000,
        memory_bytes: 8 << 30,
        max_pods: 50,
        machine_id: machine_id.trim().to_owned(),
        boot_id: String::new(),
        kernel: String::new(),
        os_image: String::new(),
        data_addr: "127.0.0.1:1".to_owned(),
        labels: Default::default(),
    }
}

async fn eventually<T>(what: &str, mut look: impl AsyncFnMut() -> Option<T>) -> T {
    let begun = std::time::Instant::now();
    loop {
        if let Some(found) = look().await {
            return found;
        }
        assert!(begun.elapsed() < DEADLINE, "waited in vain for: {what}");
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
}

fn is_ok(answer: Result<Answer, CallError>) -> bool {
    match answer {
        Ok(answer) => answer.status == 200,
        Err(error) => panic!("{}", error.explain()),
    }
}

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
    let rooms: [(&str, Crasher); 6] = [
        ("router", |tree| tree.router.tell(Crash)),
        ("scheduler", |tree| tree.scheduler.tell(Crash)),
        ("images", |tree| tree.images.tell(Crash)),
        ("nodes", |tree| tree.nodes.tell(Crash)),
        ("functions", |tree| tree.functions.tell(Crash)),
        ("workflows", |tree| tree.workflows.tell(Crash)),
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

#[actix_web::test]
async fn a_run_goes_on_although_its_actor_falls() {
    let village = Village::build().await.unwrap();
    village.apply("f").await;
    let node = |name: &str, next: Option<&str>| json!({ "name": name, "type": "func", "funcData": { "funcName": "f", "nextNodeName": next } });
    let mut workflow = Workflow::with_metadata(ObjectMeta::named("default", "w"));
    workflow.metadata.generation = 1;
    workflow.spec = serde_json::from_value(json!({
        "entryParams": "{}",
        "entryNodeName": "a",
        "workflowNodes": [node("a", Some("b")), node("b", Some("c")), node("c", None)],
    }))
    .unwrap();
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
