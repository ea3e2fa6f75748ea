//! A transaction in etcd's words, and what came of it.

use bytes::Bytes;
use etcd_client::{
    Compare, CompareOp, GetOptions, PutOptions, Txn as EtcdTxn, TxnOp, TxnOpResponse, TxnResponse,
};

use super::keys::{Keys, Parts, encode, encode_parts, revision, signed};
use crate::store::{Condition, LeaseId, MAX_OPERATIONS, Revision, StoreError, Txn};

/// Largest transaction in bytes: etcd refuses requests above 1.5 MiB, if not told otherwise.
pub const MAX_TXN_BYTES: usize = 1_500_000;
/// Largest part of a value.
const PART_BYTES: usize = 1 << 20;
/// What an operation takes beside its key and its value, at most.
const OPERATION_BYTES: usize = 48;

/// A transaction that etcd takes.
pub(super) struct Prepared {
    txn: Txn,
    /// What is written, as etcd holds it, in the order of the transaction's.
    raw: Vec<Vec<u8>>,
    /// Parts of values that are too large, which must be there before.
    pub(super) parts: Vec<Part>,
}

/// A part of a value.
pub(super) struct Part {
    pub(super) key: Vec<u8>,
    pub(super) value: Bytes,
    /// The lease that it has in the end.
    lease: Option<LeaseId>,
}

/// What an operation on a key takes.
fn weight(keys: &Keys, key: &str) -> usize {
    keys.raw(key).len() + OPERATION_BYTES
}

/// Makes a transaction small enough: the largest values go into parts, whose ids come from `id`.
pub(super) fn prepare(
    keys: &Keys,
    txn: Txn,
    mut id: impl FnMut() -> String,
) -> Result<Prepared, StoreError> {
    txn.check()?;
    // A condition's key travels twice: to compare, and to tell what was found.
    let conditions = txn.conditions.iter().map(|c| 2 * weight(keys, &c.key));
    let values = txn
        .puts
        .iter()
        .map(|p| weight(keys, &p.key) + p.value.len());
    let deletes = txn.deletes.iter().map(|key| weight(keys, key));
    let mut bytes: usize = conditions.chain(values).chain(deletes).sum();
    let mut by_size: Vec<usize> = (0..txn.puts.len()).collect();
    by_size.sort_by_key(|n| std::cmp::Reverse(txn.puts[*n].value.len()));
    let mut raw: Vec<Option<Vec<u8>>> = vec![None; txn.puts.len()];
    let mut parts = Vec::new();
    for n in by_size {
        if bytes <= MAX_TXN_BYTES {
            break;
        }
        let put = &txn.puts[n];
        let name = Parts {
            id: id(),
            count: put.value.len().div_ceil(PART_BYTES),
        };
        for number in 0..name.count {
            let key = keys.part(&name.id, number, &put.key);
            let end = put.value.len().min((number + 1) * PART_BYTES);
            bytes += key.len() + OPERATION_BYTES;
            parts.push(Part {
                key,
                value: put.value.slice(number * PART_BYTES..end),
                lease: put.lease,
            });
        }
        let name = encode_parts(&name);
        bytes = bytes - put.value.len() + name.len();
        raw[n] = Some(name);
    }
    let operations = txn.puts.len() + txn.deletes.len() + parts.len();
    if bytes > MAX_TXN_BYTES || operations > MAX_OPERATIONS {
        return Err(StoreError::TooLarge(format!(
            "found {bytes} bytes in {operations} operations, etcd takes at most {MAX_TXN_BYTES} in {MAX_OPERATIONS}"
        )));
    }
    let whole = raw.into_iter().zip(&txn.puts);
    let raw = whole.map(|(raw, put)| raw.unwrap_or_else(|| encode(&put.value)));
    Ok(Prepared {
        raw: raw.collect(),
        txn,
        parts,
    })
}

impl Prepared {
    /// The request for etcd.
    pub(super) fn request(&self, keys: &Keys) -> EtcdTxn {
        let compare = |condition: &Condition| {
            let at = signed(condition.mod_revision);
            Compare::mod_revision(keys.raw(&condition.key), CompareOp::Equal, at)
        };
        let found = |condition: &Condition| {
            let options = GetOptions::new().with_keys_only();
            TxnOp::get(keys.raw(&condition.key), Some(options))
        };
        let leased = |lease: Option<LeaseId>| match lease {
            Some(lease) => PutOptions::new().with_lease(signed(lease)),
            None => PutOptions::new(),
        };
        let puts = self.txn.puts.iter().zip(&self.raw);
        let puts = puts
            .map(|(put, raw)| TxnOp::put(keys.raw(&put.key), raw.clone(), Some(leased(put.lease))));
        let deletes = self.txn.deletes.iter();
        let deletes = deletes.map(|key| TxnOp::delete(keys.raw(key), None));
        // What is there already stays as it is, but for the lease it was written with.
        let adopt = self.parts.iter().map(|part| {
            let options = leased(part.lease).with_ignore_value();
            TxnOp::put(part.key.clone(), Vec::new(), Some(options))
        });
        let conditions = &self.txn.conditions;
        EtcdTxn::new()
            .when(conditions.iter().map(compare).collect::<Vec<_>>())
            .and_then(puts.chain(deletes).chain(adopt).collect::<Vec<_>>())
            .or_else(conditions.iter().map(found).collect::<Vec<_>>())
    }

    /// The revision, or the condition that does not hold.
    pub(super) fn outcome(&self, response: &TxnResponse) -> Result<Revision, StoreError> {
        if response.succeeded() {
            return Ok(response.header().map_or(0, |h| revision(h.revision())));
        }
        let found = response.op_responses();
        let found = found.iter().map(|response| match response {
            TxnOpResponse::Get(got) => {
                let first = got.kvs().first();
                first.map_or(0, |kv| revision(kv.mod_revision()))
            }
            _ => 0,
        });
        let mut conditions = self.txn.conditions.iter().zip(found);
        match conditions.find(|(condition, found)| condition.mod_revision != *found) {
            Some((condition, found)) => Err(StoreError::Conflict {
                key: condition.key.clone(),
                wanted: condition.mod_revision,
                found,
            }),
            None => {
                let why = "it refused the transaction without a reason";
                Err(StoreError::failed("commit in etcd", why))
            }
        }
    }

    /// The lease that the transaction names, for the word that it is gone.
    pub(super) fn lease(&self) -> LeaseId {
        self.txn.puts.iter().find_map(|put| put.lease).unwrap_or(0)
    }

    /// Reads all that the transaction changes, at one revision.
    pub(super) fn look(&self, keys: &Keys) -> EtcdTxn {
        let changed = self.txn.puts.iter().map(|put| &put.key);
        let gets: Vec<_> = changed
            .chain(&self.txn.deletes)
            .map(|key| TxnOp::get(keys.raw(key), None))
            .collect();
        EtcdTxn::new().and_then(gets)
    }

    /// Whether the keys stand as the transaction leaves them, and since when. Asked when the answer to it was
    /// lost and its conditions no longer hold: then it is most likely itself the reason.
    pub(super) fn happened(&self, response: &TxnResponse) -> Option<Revision> {
        let now = response.header().map_or(0, |h| revision(h.revision()));
        let mut at = None;
        for (n, response) in response.op_responses().iter().enumerate() {
            let TxnOpResponse::Get(got) = response else {
                return None;
            };
            match (self.raw.get(n), got.kvs().first()) {
                (Some(raw), Some(kv)) => {
                    let revision = revision(kv.mod_revision());
                    if kv.value() != raw || *at.get_or_insert(revision) != revision {
                        return None;
                    }
                }
                (None, None) => {}
                _ => return None,
            }
        }
        at.or_else(|| (!self.txn.deletes.is_empty()).then_some(now))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::store::Durability;

    #[test]
    fn only_what_is_too_large_is_parted_the_largest_first() {
        let keys = Keys::new("/t");
        let txn = |sizes: &[usize]| {
            let txn = Txn::new(Durability::Durable);
            let puts = sizes.iter().enumerate();
            puts.fold(txn, |txn, (n, size)| {
                txn.put(format!("/{n}"), vec![7; *size])
            })
        };
        let mut ids = 0;
        let mut prepare = |sizes: &[usize]| {
            prepare(&keys, txn(sizes), || {
                ids += 1;
                format!("{ids:032x}")
            })
        };
        assert!(prepare(&[700_000, 700_000]).unwrap().parts.is_empty());
        let split = prepare(&[10, 8 << 20, 700_000, 500_000]).unwrap();
        assert_eq!(split.parts.len(), 8);
        assert!(
            split
                .parts
                .iter()
                .all(|part| part.value.len() == PART_BYTES)
        );
        assert_eq!(split.raw[1].len(), 1 + 32 + 1 + 1);
        assert_eq!(split.raw[2].len(), 700_001);
        let many = vec![13_000; MAX_OPERATIONS];
        assert!(matches!(prepare(&many), Err(StoreError::TooLarge(_))));
    }
}
