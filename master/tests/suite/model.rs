//! Random transactions against the store and against a map; lists and watches must agree.

use std::collections::BTreeMap;

use master::store::{Change, Durability, Page, Txn};
use proptest::prelude::*;
use proptest::strategy::ValueTree as _;
use proptest::test_runner::TestRunner;

use super::{Subject, next};

#[derive(Clone, Debug)]
struct Step {
    conditions: Vec<(u8, bool)>,
    puts: BTreeMap<u8, u16>,
    deletes: Vec<u8>,
    durable: bool,
}

fn step() -> impl Strategy<Value = Step> {
    let conditions = prop::collection::vec((0..6_u8, any::<bool>()), 0..2);
    let puts = prop::collection::btree_map(0..6_u8, any::<u16>(), 0..4);
    let deletes = prop::collection::btree_set(0..6_u8, 0..3);
    (conditions, puts, deletes, prop::bool::weighted(0.1)).prop_map(
        |(conditions, puts, deletes, durable)| {
            let deletes = deletes
                .into_iter()
                .filter(|key| !puts.contains_key(key))
                .collect();
            Step {
                conditions,
                puts,
                deletes,
                durable,
            }
        },
    )
}

pub(crate) async fn random_histories_agree_with_a_model(subject: &impl Subject) {
    let store = subject.store();
    let mut runner = TestRunner::default();
    for round in 0..40 {
        let steps = prop::collection::vec(step(), 1..30)
            .new_tree(&mut runner)
            .unwrap()
            .current();
        let key = |k: u8| format!("/round{round:02}/{k}");
        let start = store.revision().await.unwrap();
        let mut watch = store
            .watch(&format!("/round{round:02}/"), start)
            .await
            .unwrap();
        let mut model: BTreeMap<String, (String, u64)> = BTreeMap::new();
        let mut mirror: BTreeMap<String, (String, u64)> = BTreeMap::new();
        let mut last = None;
        for step in steps {
            let durable = if step.durable {
                Durability::Durable
            } else {
                Durability::Eventual
            };
            let mut txn = Txn::new(durable);
            let mut holds = true;
            for (k, right) in step.conditions {
                let found = model.get(&key(k)).map_or(0, |(_, revision)| *revision);
                holds &= right;
                txn = txn.when(key(k), if right { found } else { found + 1 });
            }
            for (k, value) in &step.puts {
                txn = txn.put(key(*k), value.to_string());
            }
            for k in &step.deletes {
                txn = txn.delete(key(*k));
            }
            let result = store.commit(txn).await;
            assert_eq!(result.is_ok(), holds, "{result:?}");
            let Ok(revision) = result else { continue };
            let mut changed = !step.puts.is_empty();
            for (k, value) in step.puts {
                model.insert(key(k), (value.to_string(), revision));
            }
            for k in step.deletes {
                changed |= model.remove(&key(k)).is_some();
            }
            if changed {
                last = Some(revision);
            }
        }
        let mut seen = start;
        while last.is_some_and(|last| seen < last) {
            let batch = next(&mut watch).await;
            seen = batch.revision;
            for change in batch.changes {
                match change {
                    Change::Put(entry) => {
                        let value = String::from_utf8(entry.value.to_vec()).unwrap();
                        mirror.insert(entry.key, (value, entry.mod_revision));
                    }
                    Change::Deleted { key, previous } => {
                        let old = mirror.remove(&key).expect("deleted what was not there");
                        assert_eq!(old.0.as_bytes(), &previous[..]);
                    }
                }
            }
        }
        let listed = store
            .list(Page::all(&format!("/round{round:02}/")))
            .await
            .unwrap();
        let listed: BTreeMap<_, _> = listed
            .entries
            .into_iter()
            .map(|e| {
                (
                    e.key,
                    (String::from_utf8(e.value.to_vec()).unwrap(), e.mod_revision),
                )
            })
            .collect();
        assert_eq!(listed, model);
        assert_eq!(mirror, model);
    }
}
