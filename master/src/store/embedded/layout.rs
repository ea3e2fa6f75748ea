//! What the file looks like inside.

use bytes::Bytes;
use redb::{Database, ReadableTable, TableDefinition};

use super::CRASH_GAP;
use crate::store::{Entry, LeaseId, Revision, StoreError};

/// Key to revision (8 bytes), lease (8 bytes, 0 for none) and value.
pub(super) const OBJECTS: TableDefinition<'static, &str, &[u8]> = TableDefinition::new("objects");
/// Lease to its time to live in milliseconds.
pub(super) const LEASES: TableDefinition<'static, u64, u64> = TableDefinition::new("leases");
/// Single numbers.
pub(super) const META: TableDefinition<'static, &str, u64> = TableDefinition::new("meta");

/// Revision of the last change.
pub(super) const REVISION: &str = "revision";
/// 1 while nobody has the file open.
pub(super) const CLEAN: &str = "clean";
/// Layout of the file.
const FORMAT: &str = "format";
const FORMAT_NOW: u64 = 1;
const HEADER: usize = 16;

/// What was found in the file.
pub(super) struct Opened {
    pub(super) revision: Revision,
    /// Leases and their times to live in milliseconds.
    pub(super) leases: Vec<(LeaseId, u64)>,
    /// Keys that die with a lease.
    pub(super) leased: Vec<(LeaseId, String)>,
}

pub(super) fn encode(revision: Revision, lease: Option<LeaseId>, value: &[u8]) -> Vec<u8> {
    let mut row = Vec::with_capacity(HEADER + value.len());
    row.extend_from_slice(&revision.to_le_bytes());
    row.extend_from_slice(&lease.unwrap_or(0).to_le_bytes());
    row.extend_from_slice(value);
    row
}

pub(super) fn decode(key: &str, row: &[u8]) -> Result<Entry, StoreError> {
    let damaged = || StoreError::failed(format!("read {key:?}"), "the row is damaged");
    let (revision, rest) = row.split_first_chunk::<8>().ok_or_else(damaged)?;
    let (lease, value) = rest.split_first_chunk::<8>().ok_or_else(damaged)?;
    let lease = u64::from_le_bytes(*lease);
    Ok(Entry {
        key: key.to_owned(),
        value: Bytes::copy_from_slice(value),
        mod_revision: u64::from_le_bytes(*revision),
        lease: (lease != 0).then_some(lease),
    })
}

/// Makes the tables, marks the file as open, and reads what the writer must know.
pub(super) fn open(database: &Database) -> Result<Opened, StoreError> {
    prepare(database).map_err(|e| match e {
        Failure::Redb(e) => StoreError::failed("open the store", e),
        Failure::Format(found) => StoreError::failed(
            "open the store",
            format!("found layout {found}, this program knows {FORMAT_NOW}"),
        ),
        Failure::Row(e) => e,
    })
}

enum Failure {
    Redb(redb::Error),
    Format(u64),
    Row(StoreError),
}

impl<E: Into<redb::Error>> From<E> for Failure {
    fn from(error: E) -> Self {
        Self::Redb(error.into())
    }
}

fn prepare(database: &Database) -> Result<Opened, Failure> {
    let txn = database.begin_write()?;
    let mut opened = Opened {
        revision: 0,
        leases: Vec::new(),
        leased: Vec::new(),
    };
    {
        let mut meta = txn.open_table(META)?;
        let format = meta.get(FORMAT)?.map(|v| v.value());
        match format {
            None => {
                meta.insert(FORMAT, FORMAT_NOW)?;
            }
            Some(FORMAT_NOW) => {
                let clean = meta.get(CLEAN)?.is_some_and(|v| v.value() == 1);
                opened.revision = meta.get(REVISION)?.map_or(0, |v| v.value());
                opened.revision += if clean { 0 } else { CRASH_GAP };
            }
            Some(found) => return Err(Failure::Format(found)),
        }
        meta.insert(REVISION, opened.revision)?;
        meta.insert(CLEAN, 0)?;
        for row in txn.open_table(LEASES)?.iter()? {
            let (lease, ttl) = row?;
            opened.leases.push((lease.value(), ttl.value()));
        }
        let objects = txn.open_table(OBJECTS)?;
        if !opened.leases.is_empty() {
            for row in objects.iter()? {
                let (key, value) = row?;
                let entry = decode(key.value(), value.value()).map_err(Failure::Row)?;
                opened
                    .leased
                    .extend(entry.lease.map(|lease| (lease, entry.key)));
            }
        }
    }
    txn.commit()?;
    Ok(opened)
}
