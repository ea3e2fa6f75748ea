//! Puts the rooms together and ends them in order.

use std::sync::Arc;
use std::time::Duration;

use common::digest::Digest;
use common::link::RuntimeKind;
use tokio::net::TcpListener;
use tokio::signal::unix::{SignalKind, signal};
use tokio::time::{Instant, MissedTickBehavior};
use tokio_util::sync::CancellationToken;

use crate::backoff::Backoff;
use crate::bases::Bases;
use crate::builds::{self, BuildRoom, BuilderOptions, Builds};
use crate::chain::chain;
use crate::clock::{Chance, Clock, SystemClock};
use crate::func_base;
use crate::layers::{Ahead, Layers, LayersOptions};
use crate::layout::{Layout, Lock};
use crate::link::{self, Credentials, LinkRoom, MasterBlobs, Masters, Standing};
use crate::machine::{Machine, boot_id};
use crate::pods::{PodRoom, Pods};
use crate::pool::{Pool, PoolRoom};
use crate::premises::Premises;
use crate::proxy::{CallCounts, Connections, ProxyRoom, serve};
use crate::registry::{self, Grants, Registry};
use crate::runtime::docker::ImageSource;
use crate::runtime::{Claims, Runtime, Uids, choose};
use crate::settings::Settings;

/// An agent could not start.
#[derive(Debug, thiserror::Error)]
pub enum AgentError {
    /// A step failed.
    #[error("{0}")]
    Start(String),
}

fn failed(error: impl std::error::Error + 'static) -> AgentError {
    AgentError::Start(chain(&error))
}

/// Between two looks at what the runtime keeps up.
const TEND: Duration = Duration::from_secs(30);
/// For the link to say that the last pods are gone.
const FAREWELL: Duration = Duration::from_millis(500);
/// After the drain, for all that remains: SIGTERM promises an end within 30 s.
const LAST_WAIT: Duration = Duration::from_secs(7);
/// For pods whose calls have not ended when the drain has to.
const LAST_GRACE: Duration = Duration::from_secs(2);

/// A started agent.
pub struct Agent {
    settings: Settings,
    pods: Pods,
    builds: Builds,
    link: Arc<LinkRoom>,
    proxy: Arc<ProxyRoom>,
    bases: Arc<Bases>,
    registry: Option<(Arc<Registry>, TcpListener)>,
    runtime: Arc<dyn Runtime>,
    premises: Premises,
    pool: Pool,
    listener: TcpListener,
    _lock: Lock,
}

impl Agent {
    /// Joins, chooses the runtime, adopts the pods of an earlier agent. Needs an actix system.
    ///
    /// # Errors
    /// When something is missing that waiting does not bring.
    pub async fn start(settings: Settings) -> Result<Self, AgentError> {
        let chance = Chance::random();
        let clock: Arc<dyn Clock> = Arc::new(SystemClock);
        let (layout, lock) = Layout::open(&settings.data_dir).map_err(failed)?;
        let server = func_base::write(&layout.func_base()).map_err(failed)?;
        let uids = Arc::new(uids(&settings, &chance));
        let node_id = node_id(&layout);
        let (images, address) = registry::bind(&layout.registry_port())
            .await
            .map_err(|error| AgentError::Start(format!("listen for the engine: {error}")))?;
        let grants = Grants::default();
        let source = ImageSource {
            address,
            grants: grants.clone(),
        };
        // To try things out with.
        let user = uids.take().map_err(failed)?;
        let runtime = choose::choose(&settings, &layout, &server, &node_id, user, source, &chance)
            .await
            .map_err(failed)?;
        uids.give_back(user);
        report_runtime(runtime.as_ref());
        let masters = Arc::new(Masters::new(&settings).map_err(failed)?);
        let credentials = match join(&settings, &layout, &masters, &chance).await {
            Ok(credentials) => Arc::new(credentials),
            Err(error) => {
                runtime.close().await;
                return Err(error);
            }
        };
        let blobs = Arc::new(MasterBlobs::new(
            masters.clone(),
            credentials.clone(),
            chance.clone(),
        ));
        // Processes have no images.
        let docker = runtime.facts().kind == RuntimeKind::Docker;
        let master = blobs.clone();
        let registry = docker.then(|| (Arc::new(Registry { grants, master }), images));
        let options = LayersOptions {
            directory: layout.layers(),
            budget: settings.layers.budget.0,
            max_bytes: settings.layers.max_bytes.0,
            boot_id: boot_id(),
        };
        let (noted, work) = (layout.bases(), layout.bases_work());
        let bases = Bases::new(runtime.clone(), blobs.clone(), noted, work, chance.clone());
        let bases = Arc::new(bases);
        let layers = Arc::new(Layers::open(options, blobs.clone()).map_err(failed)?);
        let ahead = Ahead::new(layers.clone(), settings.layers.ahead.0, chance.clone());
        clean_builds(&layout);
        let builder = BuilderOptions {
            settings: settings.builds.clone(),
            environment: std::env::vars().collect(),
        };
        let room = BuildRoom {
            runtime: runtime.clone(),
            blobs,
            layers: layers.clone(),
            layout: layout.clone(),
            uids: uids.clone(),
            options: builder,
        };
        let builds = Builds::new(room, settings.builds.parallel);
        let premises = Premises {
            runtime: runtime.clone(),
            layout: layout.clone(),
            uids,
            chance: chance.clone(),
        };
        let pool = Pool::new(PoolRoom {
            premises: premises.clone(),
            clock: clock.clone(),
            bounds: settings.pool.bounds(),
            start_timeout: settings.pods.start_timeout,
        });
        let pods = Pods::new(
            PodRoom {
                premises: premises.clone(),
                pool: pool.clone(),
                layers,
                preinstalled: builds.preinstalled(),
                clock: clock.clone(),
                start_timeout: settings.pods.start_timeout,
            },
            settings.pods.max,
        );
        pods.adopt().await;
        if pods.count() == 0 {
            builds.preinstalled().sweep();
        }
        let listener = TcpListener::bind(&settings.data.listen)
            .await
            .map_err(|error| {
                AgentError::Start(format!("listen on {}: {error}", settings.data.listen))
            })?;
        let machine = Machine {
            node: settings.name.clone(),
            runtime: runtime.clone(),
            max_pods: settings.pods.max,
            labels: settings.labels.clone(),
            advertise: settings.data.advertise.clone(),
            data_port: listener.local_addr().map_err(failed)?.port(),
            data: layout.data().to_owned(),
            pool: pool.clone(),
        };
        let connections = Arc::new(Connections::default());
        let standing = Arc::<Standing>::default();
        let proxy = ProxyRoom {
            standing: standing.clone(),
            credentials: credentials.clone(),
            pods: pods.clone(),
            runtime: runtime.clone(),
            connections,
            counts: CallCounts::default(),
            pool: pool.clone(),
        };
        let link = LinkRoom {
            masters,
            credentials,
            pods: pods.clone(),
            builds: builds.clone(),
            node: settings.name.clone(),
            token: settings.token.clone(),
            ahead,
            machine,
            bases: bases.clone(),
            clock,
            chance,
            standing,
        };
        let (link, proxy) = (Arc::new(link), Arc::new(proxy));
        Ok(Self {
            settings,
            pods,
            builds,
            link,
            proxy,
            bases,
            registry,
            runtime,
            premises,
            pool,
            listener,
            _lock: lock,
        })
    }

    /// Runs until SIGTERM or Ctrl-C, then ends all pods and builds.
    ///
    /// # Errors
    /// When signals cannot be listened to.
    pub async fn run(self) -> Result<(), AgentError> {
        let mut terminate = signal(SignalKind::terminate()).map_err(failed)?;
        let mut interrupt = signal(SignalKind::interrupt()).map_err(failed)?;
        let stop = CancellationToken::new();
        let proxy = tokio::spawn(serve(self.proxy, self.listener, stop.clone()));
        let registry = self.registry.map(|(registry, images)| {
            tokio::spawn(registry::serve(registry, images, stop.clone()))
        });
        let supplying = self.bases.clone();
        let supplying = tokio::spawn(async move { supplying.keep().await });
        let tending = tokio::spawn(tend(self.premises.clone()));
        let fetching = tokio::spawn(self.link.ahead.clone().run());
        let filling = tokio::spawn(self.pool.clone().run());
        // Actors are started from here, which binds it to this thread.
        let link = actix_rt::spawn(link::run(self.link.clone()));
        let room = self.link.clone();
        let node = self.settings.name.clone();
        let renewal = tokio::spawn(async move {
            let (clock, chance) = (room.clock.as_ref(), &room.chance);
            link::keep_fresh(&room.credentials, &room.masters, &node, clock, chance).await;
        });
        tokio::select! {
            _ = terminate.recv() => {}
            _ = interrupt.recv() => {}
        }
        let longest = self.settings.pods.drain;
        tracing::info!(pods = self.pods.count(), "told to end; pods drain");
        self.pods.close();
        filling.abort();
        fetching.abort();
        let began = Instant::now();
        self.link.standing.leave();
        tokio::select! {
            () = self.pods.emptied() => {}
            // Nobody moves them then.
            () = self.link.standing.unheard() => {}
            () = tokio::time::sleep(longest) => {}
        }
        let longest = longest.saturating_sub(began.elapsed()).max(LAST_GRACE);
        let end = async {
            tokio::join!(
                self.pods.drain(longest),
                self.builds.drain(),
                self.pool.close()
            )
        };
        if tokio::time::timeout(longest + LAST_WAIT, end)
            .await
            .is_err()
        {
            tracing::warn!("some pods could not be removed; the next start does");
        }
        tokio::time::sleep(FAREWELL).await;
        supplying.abort();
        tending.abort();
        // Aborted is not ended: what it does to the network must not come after the end of it.
        let _ = tending.await;
        self.runtime.close().await;
        stop.cancel();
        renewal.abort();
        link.abort();
        let _ = tokio::time::timeout(FAREWELL, proxy).await;
        if let Some(registry) = registry {
            let _ = tokio::time::timeout(FAREWELL, registry).await;
        }
        Ok(())
    }
}

/// Mends from time to time what others may have undone.
async fn tend(premises: Premises) {
    let mut turns = tokio::time::interval(TEND);
    turns.set_missed_tick_behavior(MissedTickBehavior::Delay);
    loop {
        turns.tick().await;
        let own = premises.clone();
        let known = move |id: &str| own.has(id);
        premises.runtime.tend(&known).await;
    }
}

fn uids(settings: &Settings, chance: &Chance) -> Uids {
    if !nix::unistd::geteuid().is_root() {
        return Uids::none();
    }
    let (first, count) = (settings.pods.uid_first, settings.pods.uid_count);
    let claims = Claims::at(settings.pods.uid_claims.clone());
    Uids::new(first, count, chance.below(count), claims)
}

/// Tells this agent's cgroups and containers from others' on the machine.
fn node_id(layout: &Layout) -> String {
    let path = std::fs::canonicalize(layout.data()).unwrap_or_else(|_| layout.data().to_owned());
    Digest::of(path.as_os_str().as_encoded_bytes()).hex()[..8].to_owned()
}

fn report_runtime(runtime: &dyn Runtime) {
    let facts = runtime.facts();
    let (kind, version) = (facts.kind.as_str(), facts.version.as_str());
    if facts.isolated {
        tracing::info!(kind, version, note = facts.isolation_message, "runtime");
    } else {
        tracing::warn!(
            kind,
            version,
            missing = facts.isolation_message,
            "pods are not isolated"
        );
    }
}

/// Joins, trying as long as only time is missing.
async fn join(
    settings: &Settings,
    layout: &Layout,
    masters: &Masters,
    chance: &Chance,
) -> Result<Credentials, AgentError> {
    let mut backoff = Backoff::new(chance.clone());
    loop {
        match link::ensure_joined(layout, masters, &settings.name, &settings.token).await {
            Ok(credentials) => return Ok(credentials),
            Err(error) if error.is_transient() => {
                tracing::warn!(error = chain(&error), "join; trying again");
                tokio::time::sleep(backoff.fail()).await;
            }
            Err(error) => return Err(failed(error)),
        }
    }
}

/// Builds do not survive their agent; what a killed one left goes.
fn clean_builds(layout: &Layout) {
    for entry in std::fs::read_dir(layout.builds())
        .into_iter()
        .flatten()
        .flatten()
    {
        if let Err(error) = builds::clear(&entry.path()) {
            tracing::warn!(error = chain(&error), "remove old build");
        }
    }
}
