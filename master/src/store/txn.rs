use bytes::Bytes;

use super::{LeaseId, Revision, StoreError};

/// Most conditions, and most changes, in one transaction; etcd's default.
pub const MAX_OPERATIONS: usize = 128;

/// Largest value.
pub const MAX_VALUE_BYTES: usize = 8 << 20;

/// When a commit is on disk.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Durability {
    /// Before the commit returns.
    #[default]
    Durable,
    /// Within about 50 ms.
    Eventual,
}

/// What must hold for a transaction to happen.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Condition {
    /// The key.
    pub key: String,
    /// When it last changed; 0: it is absent.
    pub mod_revision: Revision,
}

/// A key's new value.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Put {
    /// The key.
    pub key: String,
    /// The value.
    pub value: Bytes,
    /// The lease the key dies with.
    pub lease: Option<LeaseId>,
}

/// A transaction: conditions and changes. A key may be changed once in it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Txn {
    /// All must hold.
    pub conditions: Vec<Condition>,
    /// Keys to write.
    pub puts: Vec<Put>,
    /// Keys to delete; absent ones are no error.
    pub deletes: Vec<String>,
    /// When it is on disk.
    pub durability: Durability,
}

impl Txn {
    /// An empty transaction.
    #[must_use]
    pub fn new(durability: Durability) -> Self {
        Self {
            durability,
            ..Self::default()
        }
    }

    /// Only when `key` last changed at `mod_revision`; 0: when it is absent.
    #[must_use]
    pub fn when(mut self, key: impl Into<String>, mod_revision: Revision) -> Self {
        self.conditions.push(Condition {
            key: key.into(),
            mod_revision,
        });
        self
    }

    /// Writes a key.
    #[must_use]
    pub fn put(mut self, key: impl Into<String>, value: impl Into<Bytes>) -> Self {
        self.puts.push(Put {
            key: key.into(),
            value: value.into(),
            lease: None,
        });
        self
    }

    /// Writes a key that dies with a lease.
    #[must_use]
    pub fn put_leased(
        mut self,
        key: impl Into<String>,
        value: impl Into<Bytes>,
        lease: LeaseId,
    ) -> Self {
        self.puts.push(Put {
            key: key.into(),
            value: value.into(),
            lease: Some(lease),
        });
        self
    }

    /// Deletes a key.
    #[must_use]
    pub fn delete(mut self, key: impl Into<String>) -> Self {
        self.deletes.push(key.into());
        self
    }

    /// Checks the limits every store keeps.
    ///
    /// # Errors
    /// When a limit is broken.
    pub fn check(&self) -> Result<(), StoreError> {
        let changes = self.puts.len() + self.deletes.len();
        if changes > MAX_OPERATIONS || self.conditions.len() > MAX_OPERATIONS {
            return Err(StoreError::TooLarge(format!(
                "found {} conditions and {changes} changes, want at most {MAX_OPERATIONS} of each",
                self.conditions.len()
            )));
        }
        if let Some(put) = self
            .puts
            .iter()
            .find(|put| put.value.len() > MAX_VALUE_BYTES)
        {
            return Err(StoreError::TooLarge(format!(
                "{:?} has {} bytes, want at most {MAX_VALUE_BYTES}",
                put.key,
                put.value.len()
            )));
        }
        let mut keys: Vec<_> = self
            .puts
            .iter()
            .map(|put| &put.key)
            .chain(&self.deletes)
            .collect();
        keys.sort_unstable();
        match keys.windows(2).find(|pair| pair[0] == pair[1]) {
            Some(pair) => Err(StoreError::TooLarge(format!(
                "{:?} is changed twice",
                pair[0]
            ))),
            None => Ok(()),
        }
    }
}
