use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU32, Ordering};
use std::time::Duration;

use common::digest::Digest;
use common::link::{
    BuildOutcome, BuildReport, Built, Hello, PodReport, PodState, RuntimeKind, ToAgent, ToMaster,
};
use common::resources::Style;
use parking_lot::Mutex;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::UnixListener;
use tokio::sync::mpsc;

use super::DEADLINE;
use crate::nodes::{Connect, Disconnected, FromAgent, Nodes};
use crate::supervisor::Mailbox;

/// A pretended agent: dials again whenever its session ends.
pub(super) struct Agent {
    nodes: Mailbox<Nodes>,
    pods_dir: PathBuf,
    pub(super) pods: Mutex<Vec<PodReport>>,
    /// While set, pods come up and builds end; else they wait for it.
    pub(super) swift: AtomicBool,
    /// Calls that pods have answered.
    pub(super) answered: AtomicU32,
    pub(super) builds: AtomicU32,
}

impl Agent {
    pub(super) fn new(nodes: Mailbox<Nodes>, pods_dir: PathBuf) -> Arc<Self> {
        Arc::new(Self {
            nodes,
            pods_dir,
            pods: Mutex::default(),
            swift: AtomicBool::new(true),
            answered: AtomicU32::new(0),
            builds: AtomicU32::new(0),
        })
    }

    pub(super) async fn live(self: Arc<Self>) {
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
