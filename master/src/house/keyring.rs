//! The keys that Secret objects are sealed with: in the data directory beside the authority and, for several masters, in
//! the store, sealed with the cluster's secret.

use std::path::Path;

use common::trust::write_atomic;

use super::HouseError;
use crate::seal::{Keyring, Secret};
use crate::settings::Settings;
use crate::store::{Durability, Store, StoreError, Txn};

/// The sealed keys.
const KEY: &str = "/troupe/encryption/sealed";
/// The id of the key that seals, for masters that lack it.
const CURRENT: &str = "/troupe/encryption/current";
/// The keys' file, in the directory that is backed up with the store.
const FILE: &str = "authority/encryption-keys";

/// The keys of the cluster in `store`; new ones for a cluster that has none.
pub(super) async fn open(settings: &Settings, store: &dyn Store) -> Result<Keyring, HouseError> {
    let file = settings.data_dir.join(FILE);
    let secret = settings.cluster_secret()?;
    let own = read(&file)?;
    let sealed = match &secret {
        Some(secret) => shared(secret, store).await?,
        None => None,
    };
    let current = store.get(CURRENT).await?;
    let is_shared = sealed.is_some();
    let keys = match (sealed.or_else(|| own.clone()), &current) {
        (Some(text), _) => Keyring::parse(&text)?,
        (None, None) => Keyring::random(),
        (None, Some(_)) => return Err(HouseError::OtherKeys),
    };
    let text = keys.text();
    if own.as_ref() != Some(&text) {
        // Before anything is sealed with them.
        let fail = |source| HouseError::Data {
            directory: file.clone(),
            source,
        };
        write_atomic(&file, text.as_bytes(), 0o600).map_err(fail)?;
    }
    match current {
        Some(id) if !keys.has(&String::from_utf8_lossy(&id.value)) => {
            return Err(HouseError::OtherKeys);
        }
        Some(_) => {}
        None => {
            let txn = Txn::new(Durability::Durable).when(CURRENT, 0);
            store
                .commit(txn.put(CURRENT, keys.current().to_owned()))
                .await?;
        }
    }
    if let (Some(secret), false) = (&secret, is_shared) {
        let sealed = secret.seal(KEY, text.as_bytes())?;
        let txn = Txn::new(Durability::Durable).when(KEY, 0);
        store.commit(txn.put(KEY, sealed)).await?;
    }
    Ok(keys)
}

async fn shared(secret: &Secret, store: &dyn Store) -> Result<Option<String>, HouseError> {
    let Some(sealed) = store.get(KEY).await? else {
        return Ok(None);
    };
    let text = String::from_utf8(secret.open(KEY, &sealed.value)?);
    let text = text.map_err(|e| StoreError::failed("read the encryption keys", e))?;
    Ok(Some(text))
}

fn read(file: &Path) -> Result<Option<String>, HouseError> {
    match std::fs::read_to_string(file) {
        Ok(text) => Ok(Some(text)),
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => Ok(None),
        Err(source) => Err(HouseError::Data {
            directory: file.to_owned(),
            source,
        }),
    }
}
