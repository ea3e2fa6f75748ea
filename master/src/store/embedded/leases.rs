//! Which leases live, until when, and which keys die with them. Pure: time comes in.

use std::collections::{BTreeSet, HashMap};
use std::time::Duration;

use crate::store::LeaseId;

#[derive(Default)]
pub(super) struct Leases {
    by_id: HashMap<LeaseId, Lease>,
    by_key: HashMap<String, LeaseId>,
    by_deadline: BTreeSet<(Duration, LeaseId)>,
}

struct Lease {
    ttl: Duration,
    deadline: Duration,
    keys: BTreeSet<String>,
}

impl Leases {
    pub(super) fn contains(&self, id: LeaseId) -> bool {
        self.by_id.contains_key(&id)
    }

    pub(super) fn grant(&mut self, id: LeaseId, ttl: Duration, now: Duration) {
        let deadline = now + ttl;
        self.by_id.insert(
            id,
            Lease {
                ttl,
                deadline,
                keys: BTreeSet::new(),
            },
        );
        self.by_deadline.insert((deadline, id));
    }

    /// A sign of life; false when the lease is gone.
    pub(super) fn keep_alive(&mut self, id: LeaseId, now: Duration) -> bool {
        let Some(lease) = self.by_id.get_mut(&id) else {
            return false;
        };
        self.by_deadline.remove(&(lease.deadline, id));
        lease.deadline = now + lease.ttl;
        self.by_deadline.insert((lease.deadline, id));
        true
    }

    /// A key was written, with or without a lease, or deleted.
    pub(super) fn attach(&mut self, key: &str, lease: Option<LeaseId>) {
        if let Some(old) = self.by_key.remove(key)
            && let Some(old) = self.by_id.get_mut(&old)
        {
            old.keys.remove(key);
        }
        if let Some(id) = lease
            && let Some(lease) = self.by_id.get_mut(&id)
        {
            lease.keys.insert(key.to_owned());
            self.by_key.insert(key.to_owned(), id);
        }
    }

    /// Forgets a lease; the keys that must be deleted.
    pub(super) fn remove(&mut self, id: LeaseId) -> Option<Vec<String>> {
        let lease = self.by_id.remove(&id)?;
        self.by_deadline.remove(&(lease.deadline, id));
        for key in &lease.keys {
            self.by_key.remove(key);
        }
        Some(lease.keys.into_iter().collect())
    }

    /// A lease that is over.
    pub(super) fn expired(&self, now: Duration) -> Option<LeaseId> {
        self.by_deadline
            .first()
            .filter(|(deadline, _)| *deadline <= now)
            .map(|(_, id)| *id)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const S: Duration = Duration::from_secs(1);

    #[test]
    fn a_lease_lives_as_long_as_it_is_kept_alive() {
        let mut leases = Leases::default();
        leases.grant(7, 10 * S, Duration::ZERO);
        leases.attach("a", Some(7));
        leases.attach("b", Some(7));
        leases.attach("b", None);
        assert_eq!(leases.expired(9 * S), None);
        assert!(leases.keep_alive(7, 9 * S));
        assert_eq!(leases.expired(18 * S), None);
        assert_eq!(leases.expired(19 * S), Some(7));
        assert_eq!(leases.remove(7), Some(vec!["a".to_owned()]));
        assert!(!leases.keep_alive(7, 19 * S));
    }
}
