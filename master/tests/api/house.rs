//! A server on a free port, with its own authority and store.

use std::path::PathBuf;
use std::sync::Arc;
use std::sync::mpsc;
use std::time::Duration;

use actix_web::{App, HttpServer, web};
use common::resources::{Namespace, ObjectMeta, Resource as _, Workflow};
use common::trust::{Authority, ClientAuth, Identity, client_config, server_config};
use futures_util::StreamExt as _;
use master::api::{
    self, ApiError, ApiState, Caches, DefinitionProblem, Definitions, LogOptions, LogStream,
    PodLogs,
};
use master::clock::{Clock, SystemClock};
use master::objects::{Durability, Objects, gc};
use master::store::EmbeddedStore;
use reqwest::{Client, Method};
use serde_json::Value;

/// Says `line 1` and `line 2`.
struct TwoLines;

#[async_trait::async_trait]
impl PodLogs for TwoLines {
    async fn open(&self, _: &str, pod: &str, o: LogOptions) -> Result<LogStream, ApiError> {
        let lines = [
            format!("{pod} line 1\n"),
            format!("tail {:?}\n", o.tail_lines),
        ];
        Ok(futures_util::stream::iter(lines.map(|line| Ok(line.into()))).boxed())
    }
}

/// Wants every workflow to have an entry.
struct WantsEntry;

impl Definitions for WantsEntry {
    fn check_workflow(&self, workflow: &Workflow) -> Vec<DefinitionProblem> {
        let mut problems = Vec::new();
        if workflow.spec.entry_node_name.is_empty() {
            problems.push(DefinitionProblem {
                path: "spec.entryNodeName".to_owned(),
                message: "found nothing, want the first node's name".to_owned(),
                warning: false,
            });
        }
        if workflow.spec.workflow_nodes.is_empty() {
            problems.push(DefinitionProblem {
                path: "spec.workflowNodes".to_owned(),
                message: "found none, want at least one".to_owned(),
                warning: false,
            });
        }
        problems
    }

    fn check_state_machine(&self, _: &common::resources::StateMachine) -> Vec<DefinitionProblem> {
        Vec::new()
    }
}

pub(crate) struct House {
    pub(crate) url: String,
    pub(crate) objects: Objects,
    authority: Authority,
    dir: tempfile::TempDir,
    stop: Option<tokio::sync::oneshot::Sender<()>>,
    server: Option<std::thread::JoinHandle<()>>,
}

impl House {
    pub(crate) fn new() -> Self {
        let dir = tempfile::tempdir().unwrap();
        let now = jiff::Timestamp::now();
        let authority = Authority::load_or_create(&dir.path().join("ca"), now).unwrap();
        let names = ["127.0.0.1".to_owned(), "localhost".to_owned()];
        let identity = authority.issue_server(&names, now).unwrap();
        let tls = server_config(&identity, authority.ca_pem(), ClientAuth::Optional).unwrap();
        let clock: Arc<dyn Clock> = Arc::new(SystemClock::default());
        let store = EmbeddedStore::open(&dir.path().join("store.redb"), clock.clone()).unwrap();
        let objects = Objects::new(Arc::new(store), clock);
        let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
        let url = format!("https://{}", listener.local_addr().unwrap());
        let (stop, stopped) = tokio::sync::oneshot::channel();
        let (up, is_up) = mpsc::channel();
        let of_server = objects.clone();
        let server = std::thread::spawn(move || {
            let runtime = tokio::runtime::Builder::new_multi_thread()
                .worker_threads(2)
                .enable_all()
                .build()
                .unwrap();
            runtime.block_on(async move {
                tokio::spawn(gc::run(of_server.clone()));
                // A life before this one wrote something: there are versions older than the caches.
                for name in ["default", "kube-system"] {
                    let space = Namespace::with_metadata(ObjectMeta::named("", name));
                    of_server.create(space, Durability::Durable).await.unwrap();
                }
                let caches = Arc::new(Caches::start(&of_server));
                let (logs, definitions) = (Arc::new(TwoLines), Arc::new(WantsEntry));
                let state = ApiState::start(of_server, caches, logs, definitions);
                let state = web::Data::new(state.await.unwrap());
                let server = HttpServer::new(move || {
                    App::new()
                        .app_data(state.clone())
                        .app_data(actix_web::web::Data::new(api::Role::Leader))
                        .configure(api::configure)
                })
                .on_connect(api::on_connect)
                .workers(2)
                .shutdown_timeout(0)
                .disable_signals()
                .listen_rustls_0_23(listener, tls)
                .unwrap()
                .run();
                up.send(()).unwrap();
                let handle = server.handle();
                tokio::spawn(async move {
                    let _ = stopped.await;
                    handle.stop(false).await;
                });
                server.await.unwrap();
            });
            runtime.shutdown_timeout(Duration::from_secs(1));
        });
        is_up.recv().unwrap();
        Self {
            url,
            objects,
            authority,
            dir,
            stop: Some(stop),
            server: Some(server),
        }
    }

    pub(crate) fn identity(&self, name: &str, group: &str) -> Identity {
        self.authority
            .issue_client(
                name,
                &[group],
                Duration::from_secs(3600),
                jiff::Timestamp::now(),
            )
            .unwrap()
    }

    /// A client with a certificate, or with none.
    pub(crate) fn client(&self, identity: Option<&Identity>) -> Client {
        let tls = client_config(self.authority.ca_pem(), identity).unwrap();
        Client::builder()
            .tls_backend_preconfigured(tls)
            .timeout(Duration::from_secs(30))
            .build()
            .unwrap()
    }

    pub(crate) fn admin(&self) -> Caller<'_> {
        let identity = self.identity("admin", "system:masters");
        Caller {
            url: &self.url,
            client: self.client(Some(&identity)),
        }
    }

    /// A kubeconfig of the administrator.
    pub(crate) fn kubeconfig(&self) -> PathBuf {
        let path = self.dir.path().join("kubeconfig");
        let (ca, client) = (
            self.dir.path().join("ca.pem"),
            self.dir.path().join("client.pem"),
        );
        let identity = self.identity("admin", "system:masters");
        std::fs::write(&ca, self.authority.ca_pem()).unwrap();
        identity.save(&client).unwrap();
        let config = serde_json::json!({
            "apiVersion": "v1", "kind": "Config", "current-context": "t",
            "clusters": [{ "name": "t", "cluster": { "server": self.url, "certificate-authority": ca } }],
            "users": [{ "name": "t", "user": { "client-certificate": client, "client-key": client } }],
            "contexts": [{ "name": "t", "context": { "cluster": "t", "user": "t" } }],
        });
        std::fs::write(&path, config.to_string()).unwrap();
        path
    }

    pub(crate) fn path(&self, name: &str) -> PathBuf {
        self.dir.path().join(name)
    }
}

impl Drop for House {
    fn drop(&mut self) {
        drop(self.stop.take());
        if let Some(server) = self.server.take() {
            let _ = server.join();
        }
    }
}

/// An HTTP client of the API.
pub(crate) struct Caller<'a> {
    pub(crate) url: &'a str,
    pub(crate) client: Client,
}

impl Caller<'_> {
    /// Sends JSON, gets JSON and the status.
    pub(crate) async fn send(&self, method: Method, path: &str, body: Value) -> (u16, Value) {
        let media = match method {
            Method::PATCH => "application/merge-patch+json",
            _ => "application/json",
        };
        self.send_as(method, path, media, body.to_string()).await
    }

    pub(crate) async fn send_as(
        &self,
        method: Method,
        path: &str,
        media: &str,
        body: String,
    ) -> (u16, Value) {
        let request = self.client.request(method, format!("{}{path}", self.url));
        let answer = request
            .header("content-type", media)
            .body(body)
            .send()
            .await
            .unwrap();
        let status = answer.status().as_u16();
        let text = answer.text().await.unwrap();
        (
            status,
            serde_json::from_str(&text).unwrap_or(Value::String(text)),
        )
    }

    pub(crate) async fn get(&self, path: &str) -> (u16, Value) {
        self.get_as(path, "application/json").await
    }

    pub(crate) async fn get_as(&self, path: &str, accept: &str) -> (u16, Value) {
        let request = self
            .client
            .get(format!("{}{path}", self.url))
            .header("accept", accept);
        let answer = request.send().await.unwrap();
        let status = answer.status().as_u16();
        let text = answer.text().await.unwrap();
        (
            status,
            serde_json::from_str(&text).unwrap_or(Value::String(text)),
        )
    }

    pub(crate) async fn create(&self, plural: &str, object: Value) -> Value {
        let path = format!("/api/v1/namespaces/default/{plural}");
        let (status, body) = self.send(Method::POST, &path, object).await;
        assert_eq!(status, 201, "{body}");
        body
    }
}

/// A function that is right.
pub(crate) fn function(name: &str) -> Value {
    serde_json::json!({
        "apiVersion": "v1", "kind": "Function", "metadata": { "name": name },
        "spec": { "source": { "inline": { "func.py": "def main(params):\n    return params\n" } } },
    })
}
