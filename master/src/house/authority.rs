//! The cluster's certificate authority, in the data directory and, for several masters, in the store:
//! sealed, so that who reads the store cannot make certificates.

use std::path::{Path, PathBuf};

use common::trust::{Authority, write_atomic};
use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use super::HouseError;
use crate::seal::Secret;
use crate::settings::Settings;
use crate::store::{Durability, Store, StoreError, Txn};

/// The sealed authority.
const KEY: &str = "/troupe/authority/sealed";
/// The hash of its certificate, for masters without the secret.
const DIGEST: &str = "/troupe/authority/digest";
/// The files of an authority, certificate and key, as [`Authority`] writes them.
const FILES: [(&str, u32); 2] = [("ca.pem", 0o644), ("ca.key", 0o600)];

#[derive(Serialize, Deserialize)]
struct Files {
    certificate: String,
    key: String,
}

/// The authority of the cluster in `store`. With a cluster secret it is taken from the store, or put
/// there by the first master; without one it must be the one that the cluster began with.
pub(super) async fn open(
    settings: &Settings,
    store: &dyn Store,
    now: Timestamp,
) -> Result<Authority, HouseError> {
    let directory = directory(settings);
    let authority = match find(settings, store, now).await? {
        Some(authority) => authority,
        None => {
            let authority = Authority::load_or_create(&directory, now)?;
            let txn = Txn::new(Durability::Durable).when(DIGEST, 0);
            let digest = authority.ca_digest().to_string();
            store.commit(txn.put(DIGEST, digest)).await?;
            authority
        }
    };
    if let Some(secret) = settings.cluster_secret()?
        && store.get(KEY).await?.is_none()
    {
        let sealed = secret.seal(KEY, &read(&directory)?)?;
        let txn = Txn::new(Durability::Durable).when(KEY, 0).put(KEY, sealed);
        store.commit(txn).await?;
    }
    Ok(authority)
}

/// The same for a master that writes nothing: none when the cluster has none yet.
pub(super) async fn find(
    settings: &Settings,
    store: &dyn Store,
    now: Timestamp,
) -> Result<Option<Authority>, HouseError> {
    let directory = directory(settings);
    if let Some(secret) = settings.cluster_secret()?
        && let Some(sealed) = store.get(KEY).await?
    {
        take_over(&directory, &secret, &sealed.value)?;
    }
    let Some(digest) = store.get(DIGEST).await? else {
        return Ok(None);
    };
    if !directory.join(FILES[0].0).exists() {
        return Err(HouseError::OtherAuthority);
    }
    let authority = Authority::load_or_create(&directory, now)?;
    if digest.value != authority.ca_digest().to_string() {
        return Err(HouseError::OtherAuthority);
    }
    Ok(Some(authority))
}

fn directory(settings: &Settings) -> PathBuf {
    settings.data_dir.join("authority")
}

fn read(directory: &Path) -> Result<Vec<u8>, HouseError> {
    let text = |name: &str| {
        let path = directory.join(name);
        std::fs::read_to_string(&path).map_err(|source| HouseError::Data {
            directory: path,
            source,
        })
    };
    let files = Files {
        certificate: text(FILES[0].0)?,
        key: text(FILES[1].0)?,
    };
    serde_json::to_vec(&files).map_err(|e| StoreError::failed("write the authority", e).into())
}

/// Writes the store's authority into a directory that has none.
fn take_over(directory: &Path, secret: &Secret, sealed: &[u8]) -> Result<(), HouseError> {
    let text = secret.open(KEY, sealed)?;
    if directory.join(FILES[0].0).exists() {
        return Ok(());
    }
    let files: Files = serde_json::from_slice(&text)
        .map_err(|e| StoreError::failed("read the authority in the store", e))?;
    let fail = |source| HouseError::Data {
        directory: directory.to_owned(),
        source,
    };
    std::fs::create_dir_all(directory).map_err(fail)?;
    // The key first: a key without a certificate was never used.
    for ((name, mode), text) in FILES.iter().zip([&files.certificate, &files.key]).rev() {
        write_atomic(&directory.join(name), text.as_bytes(), *mode).map_err(fail)?;
    }
    Ok(())
}
