use std::collections::HashMap;
use std::sync::Arc;

use common::link::{BuildOrder, BuildOutcome, BuildReport};
use parking_lot::Mutex;
use tokio::sync::Semaphore;
use tokio_util::sync::CancellationToken;

use super::build::{Build, BuildRoom};
use super::error::BuildError;
use super::preinstalled::Preinstalled;
use super::progress::Progress;

use crate::layout::is_uid;

/// Builds that wait; more are refused.
const MAX_WAITING: usize = 1000;

/// The node's builds: a few at a time. Cheap to clone.
#[derive(Clone)]
pub struct Builds {
    room: Arc<BuildRoom>,
    preinstalled: Arc<Preinstalled>,
    progress: Arc<Progress>,
    turns: Arc<Semaphore>,
    running: Arc<Mutex<HashMap<String, CancellationToken>>>,
}

impl Builds {
    /// No builds yet.
    #[must_use]
    pub fn new(room: BuildRoom, parallel: u32) -> Self {
        let turns = usize::try_from(parallel)
            .unwrap_or(1)
            .clamp(1, Semaphore::MAX_PERMITS);
        let room = Arc::new(room);
        Self {
            preinstalled: Preinstalled::new(room.clone()),
            room,
            progress: Arc::default(),
            turns: Arc::new(Semaphore::new(turns)),
            running: Arc::default(),
        }
    }

    /// The packages of base full, for pods.
    #[must_use]
    pub fn preinstalled(&self) -> Arc<Preinstalled> {
        self.preinstalled.clone()
    }

    /// Builds a layer. One that runs goes on; one that ended is told again.
    pub fn order(&self, order: BuildOrder) {
        if !self.progress.begin(&order.id) {
            return;
        }
        let id = order.id.clone();
        let mut running = self.running.lock();
        if running.len() >= MAX_WAITING || !is_uid(&id) {
            let error = BuildError::Node("too many builds wait, or the id is not one".into());
            return self
                .progress
                .end(&id, BuildOutcome::Failed(error.failure()));
        }
        let cancel = CancellationToken::new();
        running.insert(id, cancel.clone());
        drop(running);
        let builds = self.clone();
        tokio::spawn(async move { builds.run(order, cancel).await });
    }

    async fn run(&self, order: BuildOrder, cancel: CancellationToken) {
        let turn = tokio::select! {
            () = cancel.cancelled() => None,
            turn = self.turns.acquire() => turn.ok(),
        };
        let id = order.id.clone();
        let result = match turn {
            Some(_turn) => {
                let say = |line: &str| self.progress.line(&id, line);
                Build {
                    room: &self.room,
                    order: &order,
                    say: &say,
                    cancel: &cancel,
                    preinstalled: Some(&self.preinstalled),
                }
                .run()
                .await
            }
            None => Err(BuildError::Cancelled),
        };
        self.running.lock().remove(&id);
        let outcome = match result {
            Ok(built) => BuildOutcome::Built(built),
            Err(error) => {
                let failure = error.failure();
                self.progress
                    .line(&id, &format!("{}: {}", failure.reason, failure.message));
                BuildOutcome::Failed(failure)
            }
        };
        self.progress.end(&id, outcome);
    }

    /// Ends a build.
    pub fn cancel(&self, id: &str) {
        if let Some(cancel) = self.running.lock().get(id) {
            cancel.cancel();
        }
    }

    /// Ends all builds and waits for it.
    pub async fn drain(&self) {
        for cancel in self.running.lock().values() {
            cancel.cancel();
        }
        while !self.running.lock().is_empty() {
            let reports = self.progress.take().await;
            drop(reports);
        }
    }

    /// Waits for news.
    pub async fn take_reports(&self) -> Vec<BuildReport> {
        self.progress.take().await
    }

    /// A new session with the master has begun.
    pub fn tell_again(&self) {
        self.progress.tell_again();
    }

    /// The master knows how a build ended.
    pub fn told(&self, id: &str) {
        self.progress.told(id);
    }
}
