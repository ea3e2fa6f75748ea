//! The store that the settings name.

use std::sync::Arc;

use common::resources::{Resource as _, Secret};

use super::HouseError;
use crate::clock::{Clock, SystemClock};
use crate::objects::prefix;
use crate::seal::Keyring;
use crate::settings::Settings;
use crate::store::etcd::Target;
use crate::store::{EmbeddedStore, EtcdStore, Sealed, Store, StoreCounts, StoreError, migration};

/// The store, as it is; and the etcd that it is in, which other masters may share.
pub(super) async fn open(
    settings: &Settings,
    clock: &Arc<dyn Clock>,
    counts: &StoreCounts,
) -> Result<(Arc<dyn Store>, Option<Target>), HouseError> {
    let etcd = settings.etcd()?;
    let store: Arc<dyn Store> = match &etcd {
        Some(target) => Arc::new(EtcdStore::open(target).await?),
        None => Arc::new(embedded(settings, clock, counts)?),
    };
    if migration::is_unfinished(&*store).await? {
        return Err(HouseError::Unfinished(settings.store.clone()));
    }
    Ok((store, etcd))
}

/// A store that opens and seals the cluster's secrets.
pub(super) fn sealed(store: Arc<dyn Store>, keys: Keyring) -> Arc<dyn Store> {
    let secrets = prefix(Secret::KIND, None);
    Arc::new(Sealed::new(store, keys, &secrets))
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
