//! The tree of actors: every room with what it needs.

use std::sync::Arc;

use actix::Actor as _;
use async_trait::async_trait;
use common::metrics::Metrics;
use common::trust::{Authority, MASTERS, client_config};
use jiff::Timestamp;
use lane::LaneCounts;
use rustls::ClientConfig;
use tokio::sync::mpsc;

use super::{Ground, HouseError};
use crate::api::Role;
use crate::arn::Realm;
use crate::calls::{Calls, Directory, PodHealth};
use crate::functions::plan::Event;
use crate::functions::{Demanded, Find, Functions, Report, Resting, Tools};
use crate::images::{BuildCounts, BuildLogs, Images, ImagesTools};
use crate::invocations::{InvocationMetrics, Invocations, InvocationsTools, Ledger};
use crate::key::ObjectKey;
use crate::nodes::{Bases, Grants, LocalPods, NodeBook, Nodes, NodesTools, PodCounts};
use crate::router::{DemandSink, Route, RouteMetrics, Router, Routes};
use crate::scheduler::Scheduler;
use crate::settings::Settings;
use crate::supervisor::{AskError, Fatal, Mailbox, Rooms, Root};
use crate::workflows::{
    Allowed, Buckets, Retention, RunCounts, RunWaiters, TaskQueue, Workflows, WorkflowsTools,
};

/// Images pushed at once.
const PUSHES: usize = 2;
/// Longest wait for a room's answer.
const ASK_DEADLINE: std::time::Duration = std::time::Duration::from_secs(5);
/// Life of the certificate that the master shows to agents; it is made anew at each start.
const MASTER_VALIDITY: std::time::Duration = std::time::Duration::from_secs(366 * 24 * 3600);

/// What the ports need of the tree.
pub(super) struct Tree {
    pub(super) calls: Calls,
    pub(super) nodes: Mailbox<Nodes>,
    pub(super) book: NodeBook,
    pub(super) grants: Grants,
    pub(super) build_logs: BuildLogs,
    pub(super) image_tools: Arc<ImagesTools>,
    pub(super) waiters: RunWaiters,
    pub(super) task_queue: TaskQueue,
    pub(super) workflow_tools: Arc<WorkflowsTools>,
    pub(super) invocations: Ledger,
    pub(super) metrics: Arc<Metrics>,
    #[cfg(test)]
    pub(super) router: Mailbox<Router>,
    #[cfg(test)]
    pub(super) scheduler: Mailbox<Scheduler>,
    #[cfg(test)]
    pub(super) images: Mailbox<Images>,
    #[cfg(test)]
    pub(super) functions: Mailbox<Functions>,
    #[cfg(test)]
    pub(super) workflows: Mailbox<Workflows>,
    #[cfg(test)]
    pub(super) invocations_room: Mailbox<Invocations>,
}

/// The functions' room, for those who only know a part of it.
struct FunctionsDoor(Mailbox<Functions>);

impl DemandSink for FunctionsDoor {
    fn demand(&self, function: &ObjectKey) -> bool {
        self.0.tell(Demanded(function.clone()))
    }
}

#[async_trait]
impl Directory for FunctionsDoor {
    async fn find(&self, function: &ObjectKey) -> Result<Option<Arc<Route>>, AskError> {
        self.0.ask(Find(function.clone()), ASK_DEADLINE).await?
    }

    fn expect(&self, function: &ObjectKey) {
        // Where it is lost the call itself starts a pod.
        self.0.tell(Report {
            function: function.clone(),
            event: Event::Expected,
        });
    }
}

impl PodHealth for FunctionsDoor {
    fn stuck(&self, function: &ObjectKey, uid: &str) {
        self.report(function, uid, "PodStuck");
    }

    fn unreachable(&self, function: &ObjectKey, uid: &str) {
        self.report(function, uid, "PodUnreachable");
    }
}

impl FunctionsDoor {
    fn report(&self, function: &ObjectKey, uid: &str, reason: &'static str) {
        let event = Event::Unhealthy {
            uid: uid.to_owned(),
            reason,
        };
        self.0.tell(Report {
            function: function.clone(),
            event,
        });
    }
}

/// Starts the tree on the current arbiter.
pub(super) fn grow(ground: &Ground, fatal: mpsc::Sender<Fatal>) -> Result<Tree, HouseError> {
    let router: Mailbox<Router> = Mailbox::new("router");
    let scheduler: Mailbox<Scheduler> = Mailbox::new("scheduler");
    let images: Mailbox<Images> = Mailbox::new("images");
    let nodes: Mailbox<Nodes> = Mailbox::new("nodes");
    let functions: Mailbox<Functions> = Mailbox::new("functions");
    let workflows: Mailbox<Workflows> = Mailbox::new("workflows");
    let invocations: Mailbox<Invocations> = Mailbox::new("invocations");

    let door = Arc::new(FunctionsDoor(functions.clone()));
    let routes = Routes::default();
    let book = book(ground)?;
    let waiters = RunWaiters::default();
    let task_queue = TaskQueue::default();
    let grants = Grants::default();
    let build_logs = BuildLogs::default();
    let bases = Bases::default();
    let calls = Calls::new(
        routes.clone(),
        Arc::clone(&door) as _,
        Arc::clone(&door) as _,
        ground.tenure(),
    );
    let objects = &ground.objects;
    let clock = || Arc::clone(&ground.clock);
    let settings = &ground.settings;

    let (builds, runs) = (BuildCounts::default(), RunCounts::default());
    let pods = PodCounts::default();
    let function_tools = Arc::new(Tools {
        objects: objects.clone(),
        clock: clock(),
        router: router.clone(),
        routes: routes.clone(),
        scheduler: scheduler.clone(),
        nodes: book.clone(),
        hold: settings.gateway.hold,
        queue_limit: settings.gateway.queue,
        max_body_bytes: settings.gateway.max_body.0,
        resting: Resting::default(),
    });
    let image_tools = Arc::new(ImagesTools {
        objects: objects.clone(),
        clock: clock(),
        blobs: ground.blobs.clone(),
        images: Arc::clone(&ground.images),
        bases: bases.clone(),
        push_turns: tokio::sync::Semaphore::new(PUSHES),
        logs: build_logs.clone(),
        nodes: nodes.clone(),
        build_timeout: settings.builds.timeout,
        max_layer_bytes: settings.builds.max_layer.0,
        counts: builds.clone(),
    });
    let node_tools = Arc::new(NodesTools {
        counts: pods.clone(),
        objects: objects.clone(),
        clock: clock(),
        book: book.clone(),
        grants: grants.clone(),
        images: images.clone(),
        functions: functions.clone(),
        bases,
        has_registry: ground.images.keeps_images(),
        epoch: ground.epoch,
        not_ready_after: settings.nodes.not_ready_after,
        replace_after: settings.nodes.replace_after,
    });
    let workflow_tools = Arc::new(WorkflowsTools {
        counts: runs.clone(),
        objects: objects.clone(),
        clock: clock(),
        tenure: ground.tenure(),
        calls: calls.clone(),
        waiters: waiters.clone(),
        wait_for_function: settings.runs.wait_for_function,
        retention: Retention {
            keep: settings.runs.keep,
            keep_last: settings.runs.keep_last,
        },
        limits: asl::Limits {
            events: settings.runs.max_events,
            payload: usize::try_from(settings.runs.max_payload.0).unwrap_or(usize::MAX),
            ..asl::Limits::default()
        },
        realm: realm(settings),
        // The settings were checked when they were read.
        allowed: Allowed::parse(&settings.runs.http_allow).unwrap_or_default(),
        buckets: Buckets::beneath(&settings.runs.data_dir),
        task_queue: task_queue.clone(),
    });

    let asynchronous = &settings.invocations;
    let ledger = Ledger::new(Arc::clone(objects.store()), clock())
        .with(asynchronous.bounds(), asynchronous.policy());
    let invocation_tools = Arc::new(InvocationsTools {
        ledger: ledger.clone(),
        carry: Arc::new(calls.clone()),
        width: asynchronous.width(),
    });

    let metrics = Metrics::default()
        .with(RouteMetrics::new(routes.clone()))
        .with(InvocationMetrics::new(ledger.clone()))
        .with(ground.store_counts.clone())
        .with(Role::Leader)
        .with(LaneCounts)
        .with(pods)
        .with(builds)
        .with(runs);

    let sched_objects = objects.clone();
    let tree = Tree {
        calls,
        nodes: nodes.clone(),
        book,
        grants,
        build_logs,
        image_tools: Arc::clone(&image_tools),
        waiters,
        task_queue,
        workflow_tools: Arc::clone(&workflow_tools),
        invocations: ledger,
        metrics: Arc::new(metrics),
        #[cfg(test)]
        router: router.clone(),
        #[cfg(test)]
        scheduler: scheduler.clone(),
        #[cfg(test)]
        images: images.clone(),
        #[cfg(test)]
        functions: functions.clone(),
        #[cfg(test)]
        workflows: workflows.clone(),
        #[cfg(test)]
        invocations_room: invocations.clone(),
    };
    let rooms = Rooms::default()
        .with("router", move |guard| {
            router.attach(Router::new(routes.clone(), Arc::clone(&door) as _, guard).start());
        })
        .with("scheduler", move |guard| {
            scheduler.attach(Scheduler::new(sched_objects.clone(), guard).start());
        })
        .with("images", move |guard| {
            images.attach(Images::new(Arc::clone(&image_tools), guard).start());
        })
        .with("nodes", move |guard| {
            nodes.attach(Nodes::new(Arc::clone(&node_tools), guard).start());
        })
        .with("functions", move |guard| {
            functions.attach(Functions::new(Arc::clone(&function_tools), guard).start());
        })
        .with("workflows", move |guard| {
            workflows.attach(Workflows::new(Arc::clone(&workflow_tools), guard).start());
        })
        .with("invocations", move |guard| {
            invocations.attach(Invocations::new(Arc::clone(&invocation_tools), guard).start());
        });
    Root::new(rooms, clock(), fatal).start();
    Ok(tree)
}

/// What ARNs name.
pub(super) fn realm(settings: &Settings) -> Realm {
    Realm {
        region: settings.step_functions.region.clone(),
        account: settings.step_functions.account.clone(),
    }
}

fn book(ground: &Ground) -> Result<NodeBook, HouseError> {
    let tls = master_tls(&ground.authority, ground.clock.now(), b"h2")?;
    Ok(NodeBook::new(tls, ground.epoch, local_pods(ground)))
}

/// TLS towards agents and other masters, with a certificate of a master, for one protocol (ALPN).
pub(super) fn master_tls(
    authority: &Authority,
    now: Timestamp,
    protocol: &[u8],
) -> Result<Arc<ClientConfig>, HouseError> {
    let identity = authority.issue_client("troupe:master", &[MASTERS], MASTER_VALIDITY, now)?;
    let mut tls = client_config(authority.ca_pem(), Some(&identity))?;
    tls.alpn_protocols = vec![protocol.to_vec()];
    Ok(Arc::new(tls))
}

/// Pods on this machine, when the settings name their directory.
fn local_pods(ground: &Ground) -> Option<LocalPods> {
    let gateway = &ground.settings.gateway;
    if gateway.local_pods_dir.as_os_str().is_empty() {
        return None;
    }
    let first = gateway.local_pods_uid_first;
    let last = first.saturating_add(gateway.local_pods_uid_count.saturating_sub(1));
    let me = nix::unistd::geteuid().as_raw();
    let machine_id = std::fs::read_to_string("/etc/machine-id").unwrap_or_default();
    Some(LocalPods {
        directory: gateway.local_pods_dir.clone(),
        machine_id: machine_id.trim().to_owned(),
        owners: vec![first..=last, me..=me],
    })
}
