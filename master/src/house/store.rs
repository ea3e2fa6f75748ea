//! The store that the settings name.

use std::sync::Arc;

use super::HouseError;
use crate::clock::{Clock, SystemClock};
use crate::settings::Settings;
use crate::store::lead::Lead;
use crate::store::{EmbeddedStore, EtcdStore, Store, StoreCounts, StoreError, migration};

pub(super) async fn open(
    settings: &Settings,
    clock: &Arc<dyn Clock>,
    counts: &StoreCounts,
) -> Result<(Arc<dyn Store>, Option<Arc<Lead>>), HouseError> {
    let etcd = settings.etcd()?;
    let shared = etcd.is_some();
    let store: Arc<dyn Store> = match etcd {
        Some(target) => Arc::new(EtcdStore::open(&target).await?),
        None => Arc::new(embedded(settings, clock, counts)?),
    };
    if migration::is_unfinished(&*store).await? {
        return Err(HouseError::Unfinished(settings.store.clone()));
    }
    if !shared {
        // Nobody else can have the file open.
        return Ok((store, None));
    }
    let lead = Arc::new(Lead::take(store, &who()).await?);
    let kept = Arc::clone(&lead);
    actix_web::rt::spawn(async move { kept.keep().await });
    Ok((lead.fence(), Some(lead)))
}

/// What others are told of this master; nobody else says the same.
fn who() -> String {
    let host = nix::unistd::gethostname().unwrap_or_default();
    let (host, process) = (host.to_string_lossy(), std::process::id());
    format!("{host}, process {process}, {:08x}", rand::random::<u32>())
}

fn embedded(
    settings: &Settings,
    clock: &Arc<dyn Clock>,
    counts: &StoreCounts,
) -> Result<EmbeddedStore, StoreError> {
    let path = settings.data_dir.join("store.redb");
    EmbeddedStore::open_with(&path, Arc::clone(clock), settings.fsync(), counts.clone())
}

/// Takes the embedded store over into the etcd `to`; how many keys there were. `progress` hears how many
/// are done, of how many.
///
/// # Errors
/// When there is no embedded store, a master has it open, or the migration fails.
pub async fn migrate(
    settings: &Settings,
    to: &str,
    progress: impl FnMut(usize, usize),
) -> Result<usize, HouseError> {
    let directory = &settings.data_dir;
    let file = directory.join("store.redb");
    // Opening would make one.
    std::fs::metadata(&file).map_err(|source| HouseError::Data {
        directory: file,
        source,
    })?;
    let target = settings.etcd_at(to)?;
    let clock: Arc<dyn Clock> = Arc::new(SystemClock::default());
    let from = embedded(settings, &clock, &StoreCounts::default())?;
    let to = EtcdStore::open(&target).await?;
    Ok(migration::migrate(&from, &to, progress).await?)
}
