use std::sync::Arc;
use std::sync::atomic::Ordering;

use bytes::Bytes;
use common::link::BaseImage;
use common::resources::{Function, ObjectMeta, Resource as _, Source};
use tokio::sync::mpsc;

use super::DEADLINE;
use super::agent::Agent;
use super::faulty::Faulty;
use crate::calls::{Call, CallError, CallKind, Calls, InvocationId, Timing};
use crate::house::doors::Doors;
use crate::house::tree::{self, Tree};
use crate::house::{Ground, HouseError};
use crate::images::{ImageStore, LayersOnly};
use crate::invocations::{Id, Request, Terms};
use crate::key::ObjectKey;
use crate::objects::Objects;
use crate::settings::Settings;
use crate::store::Durability::Durable;
use crate::upstream::Answer;

/// A master's inside without its ports, and an agent that starts pods of its own making.
pub(super) struct Village {
    pub(super) ground: Ground,
    pub(super) tree: Tree,
    pub(super) agent: Arc<Agent>,
    /// The store, as all actors have it.
    pub(super) faults: Arc<Faulty>,
    directory: tempfile::TempDir,
}

impl Village {
    pub(super) async fn build() -> Result<Self, HouseError> {
        Self::build_with(Arc::new(LayersOnly)).await
    }

    pub(super) async fn build_with(images: Arc<dyn ImageStore>) -> Result<Self, HouseError> {
        let directory = tempfile::tempdir().unwrap();
        let pods_dir = directory.path().join("pods");
        let mut settings = Settings {
            data_dir: directory.path().join("data"),
            registry: "none".to_owned(),
            api_listen: "127.0.0.1:0".to_owned(),
            gateway_listen: "127.0.0.1:0".to_owned(),
            ..Settings::default()
        };
        settings.gateway.local_pods_dir = pods_dir.clone();
        let doors = Doors::bind(&settings)?;
        let mut ground = Ground::lay(settings, doors).await?;
        ground.images = images;
        let faults = Arc::new(Faulty::new(Arc::clone(ground.objects.store())));
        ground.objects = Objects::new(Arc::clone(&faults) as _, Arc::clone(&ground.clock));
        let (fatal, mut fell) = mpsc::channel(1);
        actix_web::rt::spawn(async move {
            if let Some(fatal) = fell.recv().await {
                panic!("{fatal}");
            }
        });
        let tree = tree::grow(&ground, fatal)?;
        let (nodes, blobs) = (tree.nodes.clone(), ground.blobs.clone());
        let agent = Agent::new("n1", "amd64", nodes, blobs, pods_dir);
        actix_web::rt::spawn(Arc::clone(&agent).live());
        Ok(Self {
            ground,
            tree,
            agent,
            faults,
            directory,
        })
    }

    /// One more node with a function base.
    pub(super) fn join_with(&self, name: &str, arch: &str, base: BaseImage) {
        let pods_dir = self.directory.path().join("pods");
        let (nodes, blobs) = (self.tree.nodes.clone(), self.ground.blobs.clone());
        let agent = Agent::new(name, arch, nodes, blobs, pods_dir);
        agent.brings(base);
        actix_web::rt::spawn(agent.live());
    }

    /// One more node; what it builds is as what the first one builds.
    pub(super) fn join(&self, name: &str, arch: &str) -> Arc<Agent> {
        let pods_dir = self.directory.path().join("pods");
        let (nodes, blobs) = (self.tree.nodes.clone(), self.ground.blobs.clone());
        let agent = Agent::new(name, arch, nodes, blobs, pods_dir);
        let native = self.agent.native.load(Ordering::SeqCst);
        agent.native.store(native, Ordering::SeqCst);
        actix_web::rt::spawn(Arc::clone(&agent).live());
        agent
    }

    pub(super) async fn apply(&self, name: &str) {
        self.apply_with(name, |_| {}).await;
    }

    pub(super) async fn apply_with(&self, name: &str, change: impl FnOnce(&mut Function)) {
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
        change(&mut function);
        self.ground.objects.create(function, Durable).await.unwrap();
    }

    pub(super) async fn call(&self, name: &str) -> Result<Answer, CallError> {
        make_call(self.tree.calls.clone(), name.to_owned()).await
    }

    /// A call that is made and not waited for.
    pub(super) fn begin_call(
        &self,
        name: &str,
    ) -> tokio::task::JoinHandle<Result<Answer, CallError>> {
        actix_web::rt::spawn(make_call(self.tree.calls.clone(), name.to_owned()))
    }

    /// Stores a call that is made later.
    pub(super) async fn accept_call(&self, name: &str) -> Id {
        let id = Id(rand::random());
        let function = ObjectKey::new("default", name);
        let kind = CallKind::Http {
            method: http::Method::POST,
            path_and_query: "/".to_owned(),
            headers: http::HeaderMap::new(),
        };
        let request = Request::of(&kind).unwrap();
        let ledger = &self.tree.invocations;
        let body = Bytes::from_static(b"{}");
        let accepted = ledger
            .accept(id, &function, &request, body, Terms::default())
            .await;
        accepted.unwrap().id
    }

    pub(super) fn hold(&self) {
        self.agent.swift.store(false, Ordering::SeqCst);
    }

    pub(super) fn release(&self) {
        self.agent.swift.store(true, Ordering::SeqCst);
    }
}

async fn make_call(calls: Calls, name: String) -> Result<Answer, CallError> {
    let call = Call {
        function: ObjectKey::new("default", &name),
        id: InvocationId::new(rand::random()),
        kind: CallKind::Event,
        body: Bytes::from_static(b"{}"),
        patience: Some(DEADLINE),
        repeatable: false,
        recorded: false,
    };
    calls.call(&call, &mut Timing::default()).await
}
