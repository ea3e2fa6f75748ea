use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU32, Ordering};
use std::time::Duration;

use common::link::{
    BaseImage, BuildFailure, BuildOutcome, BuildReport, Built, Hello, NEEDS_ARCHITECTURE,
    PodAssignment, PodReport, PodState, RuntimeKind, ToAgent, ToMaster,
};
use common::resources::Style;
use parking_lot::Mutex;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::UnixListener;
use tokio::sync::{Notify, mpsc};

use super::DEADLINE;
use crate::blobs::Blobs;
use crate::nodes::{Connect, Disconnected, FromAgent, Nodes};
use crate::supervisor::Mailbox;

/// A pretended agent: dials again whenever its session ends.
pub(super) struct Agent {
    pub(super) name: String,
    arch: String,
    nodes: Mailbox<Nodes>,
    blobs: Blobs,
    pods_dir: PathBuf,
    pub(super) pods: Mutex<Vec<PodReport>>,
    /// The function bases of its engine.
    bases: Mutex<Vec<BaseImage>>,
    /// What it was told to run.
    pub(super) assigned: Mutex<Vec<PodAssignment>>,
    /// Whether what it builds holds machine code.
    pub(super) native: AtomicBool,
    /// While set, pods come up and builds end; else they wait for it.
    pub(super) swift: AtomicBool,
    /// Calls that pods have answered.
    pub(super) answered: AtomicU32,
    pub(super) builds: AtomicU32,
    /// Ends its session; it dials again.
    pub(super) redial: Notify,
    /// How often it was told all that it shall run.
    pub(super) begun: AtomicU32,
}

impl Agent {
    pub(super) fn new(
        name: &str,
        arch: &str,
        nodes: Mailbox<Nodes>,
        blobs: Blobs,
        pods_dir: PathBuf,
    ) -> Arc<Self> {
        Arc::new(Self {
            name: name.to_owned(),
            arch: arch.to_owned(),
            nodes,
            blobs,
            pods_dir,
            pods: Mutex::default(),
            bases: Mutex::default(),
            assigned: Mutex::default(),
            native: AtomicBool::new(false),
            swift: AtomicBool::new(true),
            answered: AtomicU32::new(0),
            builds: AtomicU32::new(0),
            redial: Notify::new(),
            begun: AtomicU32::new(0),
        })
    }

    /// It has this base; said when it dials, which it has not yet.
    pub(super) fn brings(&self, base: BaseImage) {
        self.bases.lock().push(base);
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
            hello: Box::new(Hello {
                bases: self.bases.lock().clone(),
                ..hello(&self.name, &self.arch)
            }),
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
                () = self.redial.notified() => break,
                // An idle link notices a fallen actor as a real one does: by its heartbeat.
                () = tokio::time::sleep(Duration::from_millis(20)) => {
                    if recipient.send(FromAgent { session, body: ToMaster::Ack }).await.is_err() {
                        break;
                    }
                }
            }
        }
        self.nodes.tell(Disconnected {
            node: self.name.clone(),
            session,
            silent: Duration::ZERO,
        });
    }

    fn obey(self: &Arc<Self>, message: ToAgent, news: &mpsc::Sender<ToMaster>) {
        match message {
            ToAgent::Desired(pods) => {
                self.begun.fetch_add(1, Ordering::SeqCst);
                let mut own = self.pods.lock();
                own.retain(|pod| pods.iter().any(|wanted| wanted.uid == pod.uid));
                drop(own);
                for pod in pods {
                    self.assigned.lock().push(pod.clone());
                    self.ensure(pod.uid, pod.namespace, pod.name, news);
                }
            }
            ToAgent::EnsurePod(pod) => {
                self.assigned.lock().push((*pod).clone());
                self.ensure(pod.uid, pod.namespace, pod.name, news);
            }
            ToAgent::RemovePod { uid, .. } => {
                self.pods.lock().retain(|pod| pod.uid != uid);
                // As an agent that does not know the pod any more: by its uid only.
                let gone = PodReport::gone(&uid);
                let _ = news.try_send(ToMaster::Pod(Box::new(gone)));
            }
            ToAgent::Build(order) => {
                let (agent, news) = (Arc::clone(self), news.clone());
                self.builds.fetch_add(1, Ordering::SeqCst);
                actix_web::rt::spawn(async move {
                    agent.until_swift().await;
                    let built = Built {
                        layer: agent.blobs.put(order.id.clone()).await.unwrap(),
                        size: 1,
                        handler: "func.main".to_owned(),
                        style: Style::Params,
                        native: agent.native.load(Ordering::SeqCst),
                    };
                    let outcome = if built.native && order.arch != agent.arch {
                        BuildOutcome::Failed(BuildFailure {
                            reason: NEEDS_ARCHITECTURE.to_owned(),
                            message: "a requirement has no wheel for it".to_owned(),
                            transient: false,
                        })
                    } else {
                        BuildOutcome::Built(built)
                    };
                    let outcome = Some(outcome);
                    let report = BuildReport {
                        id: order.id,
                        log: vec!["built".to_owned()],
                        outcome,
                    };
                    let _ = news.send(ToMaster::Build(Box::new(report))).await;
                });
            }
            ToAgent::Welcome(_)
            | ToAgent::KeepLayers(_)
            | ToAgent::CancelBuild { .. }
            | ToAgent::Ack => {}
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
                .push(PodReport::new(&uid, &namespace, &name, PodState::Starting));
        }
        let (agent, news) = (Arc::clone(self), news.clone());
        actix_web::rt::spawn(async move {
            agent.until_swift().await;
            agent.serve(&uid);
            let ready = PodReport::new(&uid, &namespace, &name, PodState::Ready);
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

fn hello(node: &str, arch: &str) -> Hello {
    let machine_id = std::fs::read_to_string("/etc/machine-id").unwrap_or_default();
    Hello {
        node: node.to_owned(),
        version: "0".to_owned(),
        arch: arch.to_owned(),
        python: "3.11".to_owned(),
        bases: Vec::new(),
        runtime: RuntimeKind::Process,
        runtime_version: "3".to_owned(),
        isolated: true,
        isolation_message: String::new(),
        no_warm_pods: None,
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
