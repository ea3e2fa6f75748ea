//! An actor that panics in mid-work: the pod lives on and its actor is made anew.

use std::collections::BTreeSet;
use std::os::fd::OwnedFd;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU32, Ordering};
use std::time::Duration;

use async_trait::async_trait;
use common::digest::Digest;
use common::link::{Exit, Origin, PodAssignment, PodReport, PodState, RuntimeKind};
use futures_util::stream::BoxStream;
use jiff::Timestamp;
use tokio::sync::Notify;
use tokio::time::Instant;

use super::{PodRoom, Pods};
use crate::builds::{BuildRoom, BuilderOptions, Preinstalled};
use crate::clock::{Clock, SystemClock};
use crate::layers::{BlobError, Blobs, Layers, LayersOptions};
use crate::layout::Layout;
use crate::pool::{Pool, PoolRoom};
use crate::premises::Premises;
use crate::runtime::{
    Adopted, Facts, Image, LogOptions, PodStart, Runtime, RuntimeError, Step, StepEnd, Uids,
};

/// Panics when told to, once.
#[derive(Default)]
struct Trap(AtomicBool);

impl Clock for Trap {
    fn wall(&self) -> Timestamp {
        Timestamp::UNIX_EPOCH
    }

    fn now(&self) -> Instant {
        assert!(!self.0.swap(false, Ordering::SeqCst), "the trap");
        Instant::now()
    }
}

/// A pod that runs until it is stopped.
struct Fake {
    facts: Facts,
    starts: AtomicU32,
    stopped: AtomicBool,
    changed: Notify,
}

#[async_trait]
impl Runtime for Fake {
    fn facts(&self) -> &Facts {
        &self.facts
    }

    async fn image(&self, _: &Origin) -> Result<Option<Image>, RuntimeError> {
        Ok(None)
    }

    async fn network(&self, _: &str) -> Result<OwnedFd, RuntimeError> {
        Err(RuntimeError::Refused("it has none".to_owned()))
    }

    async fn start(&self, _: PodStart<'_>) -> Result<String, RuntimeError> {
        self.starts.fetch_add(1, Ordering::SeqCst);
        Ok("fake://1".to_owned())
    }

    async fn stop(&self, _: &str, _: Duration) {
        self.stopped.store(true, Ordering::SeqCst);
        self.changed.notify_waiters();
    }

    async fn wait(&self, _: &str) -> Exit {
        loop {
            let changed = self.changed.notified();
            if self.stopped.load(Ordering::SeqCst) {
                return Exit {
                    code: 0,
                    oom: false,
                };
            }
            changed.await;
        }
    }

    async fn remove(&self, _: &str, _: Option<u32>) -> Result<(), RuntimeError> {
        Ok(())
    }

    async fn adopt(&self, _: &str, _: &Path, _: Option<u32>) -> Adopted {
        Adopted::Running
    }

    async fn sweep(&self, _: &BTreeSet<String>) {}

    async fn close(&self) {}

    async fn step(&self, _: Step<'_>) -> Result<StepEnd, RuntimeError> {
        Ok(StepEnd::TimedOut)
    }

    async fn log(
        &self,
        _: &Path,
        _: LogOptions,
    ) -> Result<BoxStream<'static, Result<bytes::Bytes, std::io::Error>>, RuntimeError> {
        Err(RuntimeError::Refused(String::new()))
    }
}

struct NoBlobs;

#[async_trait]
impl Blobs for NoBlobs {
    async fn has(&self, _: Digest) -> Result<bool, BlobError> {
        Ok(false)
    }

    async fn get(&self, _: Digest, _: &Path, _: u64) -> Result<u64, BlobError> {
        Err(BlobError::lasting("none"))
    }

    async fn put(&self, _: Digest, _: &Path) -> Result<(), BlobError> {
        Err(BlobError::lasting("none"))
    }
}

fn image(uid: &str) -> PodAssignment {
    PodAssignment {
        uid: uid.to_owned(),
        namespace: "default".to_owned(),
        name: uid.to_owned(),
        function: "f".to_owned(),
        revision: "r".to_owned(),
        origin: Origin::Image {
            reference: "i".to_owned(),
            port: None,
        },
        handler: None,
        style: None,
        concurrency: 1,
        timeout_seconds: 1,
        max_body_bytes: 1,
        env: Vec::new(),
        cpu_milli: 1,
        memory_bytes: 1,
        egress: false,
        grace_seconds: 1,
    }
}

async fn state(pods: &Pods, wanted: PodState) -> PodReport {
    let seen = async {
        loop {
            for report in pods.take_changes(100).await {
                if report.state == wanted && report.runtime_id.is_some() {
                    return report;
                }
            }
        }
    };
    tokio::time::timeout(Duration::from_secs(30), seen)
        .await
        .unwrap()
}

#[test]
fn a_pod_whose_actor_panics_runs_on_and_can_still_be_removed() {
    let directory = tempfile::tempdir().unwrap();
    let data = directory.path().to_owned();
    actix_rt::System::new().block_on(async move {
        let (layout, _lock) = Layout::open(&data).unwrap();
        let facts = Facts {
            kind: RuntimeKind::Process,
            version: String::new(),
            arch: String::new(),
            python: String::new(),
            isolated: false,
            isolation_message: String::new(),
        };
        let fake = Arc::new(Fake {
            facts,
            starts: AtomicU32::new(0),
            stopped: AtomicBool::new(false),
            changed: Notify::new(),
        });
        let options = LayersOptions {
            directory: layout.layers(),
            budget: 1,
            max_bytes: 1,
            boot_id: String::new(),
        };
        let trap = Arc::new(Trap::default());
        let layers = Arc::new(Layers::open(options, Arc::new(NoBlobs)).unwrap());
        let uids = Arc::new(Uids::none());
        let builds = BuildRoom {
            runtime: Arc::clone(&fake) as Arc<dyn Runtime>,
            blobs: Arc::new(NoBlobs),
            layers: layers.clone(),
            layout: layout.clone(),
            uids: uids.clone(),
            options: BuilderOptions::default(),
        };
        let premises = Premises {
            runtime: Arc::clone(&fake) as Arc<dyn Runtime>,
            layout,
            uids,
            chance: crate::clock::Chance::seeded(1),
        };
        let pool = Pool::new(PoolRoom {
            premises: premises.clone(),
            clock: Arc::new(SystemClock),
            bounds: crate::settings::Pool::default().bounds(),
            start_timeout: Duration::from_secs(3600),
        });
        let pods = Pods::new(
            PodRoom {
                premises,
                pool,
                layers,
                preinstalled: Preinstalled::new(Arc::new(builds)),
                clock: Arc::clone(&trap) as Arc<dyn Clock>,
                start_timeout: Duration::from_secs(3600),
            },
            10,
        );
        pods.ensure(image("p1"));
        state(&pods, PodState::Starting).await;
        trap.0.store(true, Ordering::SeqCst);
        // The wish itself hits the trap; it outlives the actor that it kills.
        pods.remove("p1", Some(Duration::ZERO));
        state(&pods, PodState::Gone).await;
        assert!(!trap.0.load(Ordering::SeqCst));
        assert_eq!(fake.starts.load(Ordering::SeqCst), 1);
        assert_eq!(pods.count(), 0);
    });
}
