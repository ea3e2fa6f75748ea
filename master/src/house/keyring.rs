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
    let keys = match find(settings, store).await? {
        Some(keys) => keys,
        None => {
            let file = settings.data_dir.join(FILE);
            let keys = match read(&file)? {
                Some(text) => Keyring::parse(&text)?,
                None => Keyring::random(),
            };
            // Before anything is sealed with them.
            write(&file, &keys)?;
            let txn = Txn::new(Durability::Durable).when(CURRENT, 0);
            let current = keys.current().to_owned();
            store.commit(txn.put(CURRENT, current)).await?;
            keys
        }
    };
    if let Some(secret) = settings.cluster_secret()?
        && store.get(KEY).await?.is_none()
    {
        let sealed = secret.seal(KEY, keys.text().as_bytes())?;
        let txn = Txn::new(Durability::Durable).when(KEY, 0);
        store.commit(txn.put(KEY, sealed)).await?;
    }
    Ok(keys)
}

/// The same for a master that writes nothing to the store: none when the cluster has none yet.
pub(super) async fn find(
    settings: &Settings,
    store: &dyn Store,
) -> Result<Option<Keyring>, HouseError> {
    let Some(current) = store.get(CURRENT).await? else {
        return Ok(None);
    };
    let file = settings.data_dir.join(FILE);
    let own = read(&file)?;
    let shared = match settings.cluster_secret()? {
        Some(secret) => shared(&secret, store).await?,
        None => None,
    };
    let Some(text) = shared.or_else(|| own.clone()) else {
        return Err(HouseError::OtherKeys);
    };
    let keys = Keyring::parse(&text)?;
    if !keys.has(&String::from_utf8_lossy(&current.value)) {
        return Err(HouseError::OtherKeys);
    }
    if own.as_ref() != Some(&text) {
        write(&file, &keys)?;
    }
    Ok(Some(keys))
}

fn write(file: &Path, keys: &Keyring) -> Result<(), HouseError> {
    let written = write_atomic(file, keys.text().as_bytes(), 0o600);
    written.map_err(|source| HouseError::Data {
        directory: file.to_owned(),
        source,
    })
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
