//! Puts the rooms together: store, authority, the tree of actors, the two ports.

mod authority;
mod doors;
mod keyring;
mod kubeconfig;
mod ports;
mod standby;
mod store;
mod tree;

#[cfg(test)]
mod tests;

pub use kubeconfig::{Admin, AdminError, Credential, kubeconfig};
pub use store::migrate;

use std::path::PathBuf;
use std::sync::Arc;

use common::trust::Authority;
use futures_util::FutureExt as _;
use futures_util::future::try_join_all;
use jiff::Timestamp;
use tokio::sync::mpsc;

use self::doors::Doors;
use crate::api::Caches;
use crate::blobs::{self, Blobs};
use crate::clock::{Clock, SystemClock};
use crate::images::{self, ImageStore, image_store};
use crate::objects::{Objects, gc};
use crate::registry::{self, OwnRegistry};
use crate::settings::{Settings, SettingsError};
use crate::store::lead::Lead;
use crate::store::migration::MigrationError;
use crate::store::{Durability, Store, StoreCounts, StoreError, Tenure, Txn};
use crate::supervisor::Fatal;

/// The master cannot start, or ends for a reason.
#[derive(Debug, thiserror::Error)]
pub enum HouseError {
    /// The data directory cannot be used.
    #[error("use data directory {directory}")]
    Data {
        /// The directory.
        directory: PathBuf,
        /// Why.
        source: std::io::Error,
    },
    /// A setting cannot be used.
    #[error(transparent)]
    Settings(#[from] SettingsError),
    /// The store cannot be opened.
    #[error("open the store")]
    Store(#[from] StoreError),
    /// The store does not hold everything yet.
    #[error(
        "what was in the old store is not all here: a migration has not finished; run it again, as master migrate --from embedded --to {0}"
    )]
    Unfinished(String),
    /// Another master leads.
    #[error(
        "another master leads the cluster now: this one was silent for too long; start it again and it waits for its turn"
    )]
    Deposed,
    /// The master has no part in the cluster.
    #[error(
        "the cluster in this store has an authority that this master does not have: give all its masters the same --cluster-secret-file"
    )]
    OtherAuthority,
    /// The master lacks the keys of what is sealed.
    #[error(
        "the secrets in this store are sealed with a key that this master does not have: restore \
         authority/encryption-keys in its data directory, or give it the cluster's --cluster-secret-file"
    )]
    OtherKeys,
    /// The cluster's secret.
    #[error(transparent)]
    Seal(#[from] crate::seal::SealError),
    /// The store cannot be taken over.
    #[error("take the store over; the old one is as it was")]
    Migration(#[from] MigrationError),
    /// Certificates.
    #[error("prepare the cluster's certificates")]
    Trust(#[from] common::trust::Error),
    /// Sources and layers.
    #[error("open the store of code and layers")]
    Blobs(#[from] crate::blobs::BlobError),
    /// The registry.
    #[error("open the registry; --registry none does without")]
    Registry(#[from] crate::registry::RegistryError),
    /// Objects.
    #[error("prepare the API's objects")]
    Objects(#[from] crate::objects::ObjectError),
    /// A port.
    #[error("listen on {address}; choose another one with --{flag}")]
    Listen {
        /// The flag that names the address.
        flag: &'static str,
        /// The address.
        address: String,
        /// Why.
        source: std::io::Error,
    },
    /// A port ended.
    #[error("serve the ports")]
    Serve(#[source] std::io::Error),
    /// The administrators' file.
    #[error("write the administrators' kubeconfig")]
    Admin(#[from] AdminError),
    /// A room fell too often.
    #[error(transparent)]
    Fatal(#[from] Fatal),
}

/// What all rooms stand on.
pub(crate) struct Ground {
    pub(crate) settings: Settings,
    pub(crate) clock: Arc<dyn Clock>,
    pub(crate) objects: Objects,
    /// What watches are served from.
    caches: Arc<Caches>,
    pub(crate) store_counts: StoreCounts,
    pub(crate) authority: Arc<Authority>,
    pub(crate) blobs: Blobs,
    pub(crate) images: Arc<dyn ImageStore>,
    /// The registry that the master runs itself.
    pub(crate) registry: Option<Arc<dyn OwnRegistry>>,
    pub(crate) epoch: u64,
    /// The ports.
    doors: Doors,
    /// The lead over the store, where there may be several masters.
    lead: Option<Arc<Lead>>,
}

impl Ground {
    /// Opens what there is, once this master leads.
    async fn lay(settings: Settings, doors: Doors) -> Result<Self, HouseError> {
        let directory = settings.data_dir.clone();
        prepare_directory(&directory).map_err(|source| HouseError::Data {
            directory: directory.clone(),
            source,
        })?;
        let clock: Arc<dyn Clock> = Arc::new(SystemClock::default());
        let store_counts = StoreCounts::default();
        // One that stands by shall say now what it would lack later.
        let blobs = blobs::open(settings.bucket()?.as_ref(), &settings.blobs_dir()).await?;
        let (store, etcd) = store::open(&settings, &clock, &store_counts).await?;
        let (lead, caches) = match etcd {
            Some(etcd) => {
                let taken = standby::lead(&settings, &doors, &etcd, &store, &clock).await?;
                (Some(taken.0), taken.1)
            }
            // Nobody else can have the file open.
            None => (None, None),
        };
        let store = lead.as_ref().map_or(store, |lead| lead.fence());
        let authority = authority::open(&settings, &*store, clock.now()).await?;
        let keys = keyring::open(&settings, &*store).await?;
        let store = store::sealed(store, keys);
        blobs.tidy().await?;
        let opened = registry::open(&settings).await?;
        let registry = opened.as_ref().and_then(|opened| opened.own.clone());
        let objects = Objects::new(Arc::clone(&store), Arc::clone(&clock));
        let caches = caches.unwrap_or_else(|| Arc::new(Caches::start(&objects)));
        let epoch = next_epoch(&*store, clock.now()).await?;
        let authority = Arc::new(authority);
        Ok(Self {
            settings,
            clock,
            objects,
            caches,
            store_counts,
            authority,
            blobs,
            images: image_store(opened),
            registry,
            epoch,
            doors,
            lead,
        })
    }

    /// Until when this master is sure of its lead.
    pub(crate) fn tenure(&self) -> Tenure {
        let lead = self.lead.as_deref();
        lead.map_or_else(Tenure::unlimited, Lead::tenure)
    }
}

fn prepare_directory(directory: &std::path::Path) -> std::io::Result<()> {
    use std::os::unix::fs::{DirBuilderExt as _, PermissionsExt as _};
    if !directory.exists() {
        std::fs::DirBuilder::new()
            .recursive(true)
            .mode(0o700)
            .create(directory)?;
    }
    // Keys and people's code are in it.
    std::fs::set_permissions(directory, std::fs::Permissions::from_mode(0o700))
}

/// A number for this start of a master: greater than all before it, and than those that a store which was restored
/// from a backup has forgotten, as the clock says.
async fn next_epoch(store: &dyn Store, now: Timestamp) -> Result<u64, StoreError> {
    const KEY: &str = "/troupe/epoch";
    let text = |entry: crate::store::Entry| String::from_utf8_lossy(&entry.value).into_owned();
    let last = store
        .get(KEY)
        .await?
        .map(text)
        .and_then(|text| text.parse::<u64>().ok());
    let clock = u64::try_from(now.as_second()).unwrap_or(0);
    let epoch = (last.unwrap_or(0) + 1).max(clock);
    store
        .commit(Txn::new(Durability::Durable).put(KEY, epoch.to_string()))
        .await?;
    Ok(epoch)
}

/// Runs the master until it is told to end (SIGTERM, SIGINT) or a room falls too often.
///
/// # Errors
/// When it cannot start, or a room fell too often.
pub async fn run(settings: Settings) -> Result<(), HouseError> {
    // A master may stand by for long until it leads.
    let mut end = Box::pin(told_to_end());
    let doors = Doors::bind(&settings)?;
    let ground = tokio::select! {
        ground = Ground::lay(settings, doors) => ground?,
        () = &mut end => return Ok(()),
    };
    let ended = live(&ground, end).await;
    if let Some(registry) = &ground.registry {
        registry.stop().await;
    }
    if let (Some(lead), false) = (&ground.lead, matches!(ended, Err(HouseError::Deposed))) {
        lead.resign().await;
    }
    ended
}

/// Serves until a port or a room ends, or the lead is lost; not at all when `end` came before the
/// ports hear the signals themselves.
async fn live(ground: &Ground, end: impl Future<Output = ()>) -> Result<(), HouseError> {
    let collector = actix_web::rt::spawn(gc::run(ground.objects.clone()));
    let (fatal, mut fell) = mpsc::channel(1);
    let tree = tree::grow(ground, fatal)?;
    let keep_unused = ground.settings.builds.keep_unused;
    let sweeper = images::collect(Arc::clone(&tree.image_tools), keep_unused);
    let sweeper = actix_web::rt::spawn(sweeper);
    let servers = ports::open(ground, &tree).await?;
    let url = ground.doors.api_url();
    let admin = Admin::issue(&ground.authority, &url, ground.clock.now())?;
    admin.write(&ground.settings.data_dir)?;
    announce(ground);
    // From here on the ports hear the signals.
    if end.now_or_never().is_some() {
        return Ok(());
    }
    let ended = tokio::select! {
        ended = try_join_all(servers) => ended.map(|_| ()).map_err(HouseError::Serve),
        Some(fatal) = fell.recv() => Err(fatal.into()),
        () = lost(ground.lead.as_deref()) => Err(HouseError::Deposed),
    };
    collector.abort();
    sweeper.abort();
    ended
}

/// Waits until another master leads; for ever where there is one only.
async fn lost(lead: Option<&Lead>) {
    match lead {
        Some(lead) => lead.lost().await,
        None => std::future::pending().await,
    }
}

/// Waits for SIGTERM or SIGINT.
async fn told_to_end() {
    use tokio::signal::unix::{SignalKind, signal};
    let (terminate, interrupt) = (
        signal(SignalKind::terminate()),
        signal(SignalKind::interrupt()),
    );
    match (terminate, interrupt) {
        (Ok(mut terminate), Ok(mut interrupt)) => {
            tokio::select! {
                _ = terminate.recv() => {}
                _ = interrupt.recv() => {}
            }
        }
        // Then the signals end the process by themselves.
        _ => std::future::pending().await,
    }
}

fn announce(ground: &Ground) {
    let doors = &ground.doors;
    tracing::info!(
        version = env!("CARGO_PKG_VERSION"),
        api = doors.api_url(),
        gateway = doors.gateway_url(),
        step_functions = doors.step_functions_url(),
        data = %ground.settings.data_dir.display(),
        epoch = ground.epoch,
        "master is up"
    );
}
