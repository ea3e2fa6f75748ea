use bytes::Bytes;

use super::{LeaseId, Revision};

/// What a key holds.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Entry {
    /// The key.
    pub key: String,
    /// The value.
    pub value: Bytes,
    /// When the key last changed.
    pub mod_revision: Revision,
    /// The lease the key dies with.
    pub lease: Option<LeaseId>,
}

/// Which entries to list.
#[derive(Clone, Copy, Debug, Default)]
pub struct Page<'a> {
    /// Keys begin with this.
    pub prefix: &'a str,
    /// Only keys greater than this.
    pub after: Option<&'a str>,
    /// At most so many entries; 0 for all.
    pub limit: usize,
}

impl<'a> Page<'a> {
    /// Everything under a prefix.
    #[must_use]
    pub fn all(prefix: &'a str) -> Self {
        Self {
            prefix,
            ..Self::default()
        }
    }
}

/// Entries under a prefix.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Listed {
    /// The entries, in order of key.
    pub entries: Vec<Entry>,
    /// The store's revision that the entries show.
    pub revision: Revision,
    /// Whether the limit cut the list short.
    pub more: bool,
}

/// The changes of one commit that a watcher asked for. Never empty.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Batch {
    /// Revision of the commit.
    pub revision: Revision,
    /// The changes, in the order of the transaction.
    pub changes: Vec<Change>,
}

/// A key's change.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Change {
    /// The key now holds this.
    Put(Entry),
    /// The key is gone.
    Deleted {
        /// The key.
        key: String,
        /// What it held.
        previous: Bytes,
    },
}

impl Change {
    /// The key that changed.
    #[must_use]
    pub fn key(&self) -> &str {
        match self {
            Self::Put(entry) => &entry.key,
            Self::Deleted { key, .. } => key,
        }
    }

    /// Bytes it takes in memory with its batch, roughly.
    #[must_use]
    pub fn weight(&self) -> usize {
        const FRAME: usize = 256;
        match self {
            Self::Put(entry) => entry.key.len() + entry.value.len() + FRAME,
            Self::Deleted { key, previous } => key.len() + previous.len() + FRAME,
        }
    }
}
