use std::sync::Arc;
use std::time::Duration;

use common::resources::Kind;
use futures_util::StreamExt as _;

use super::{Cached, KindCache};
use crate::objects::prefix;
use crate::store::{Change, Page, Store, StoreError};

const RETRY: Duration = Duration::from_millis(200);

/// Keeps a cache like the store, until it is aborted or the store closes.
pub(super) async fn run(store: Arc<dyn Store>, kind: &'static Kind, cache: Arc<KindCache>) {
    loop {
        match live(store.as_ref(), kind, &cache).await {
            Ok(()) => {}
            Err(StoreError::Closed) => return,
            Err(error) => tracing::warn!(kind = kind.plural, %error, "the watch cache begins anew"),
        }
        tokio::time::sleep(RETRY).await;
    }
}

async fn live(store: &dyn Store, kind: &Kind, cache: &KindCache) -> Result<(), StoreError> {
    let prefix = prefix(kind, None);
    let listed = store.list(Page::all(&prefix)).await?;
    let mut changes = store.watch(&prefix, listed.revision).await?;
    let objects = listed.entries.into_iter().map(|entry| {
        (
            entry.key,
            Cached {
                text: entry.value,
                revision: entry.mod_revision,
            },
        )
    });
    // A store that was never written to stands at 0, which here means "not filled".
    let revision = listed.revision.max(1);
    cache.ring.write().begin(objects.collect(), revision);
    cache.head.send_replace(revision);
    while let Some(batch) = changes.next().await {
        let batch = batch?;
        {
            let mut ring = cache.ring.write();
            for change in batch.changes {
                match change {
                    Change::Put(entry) => ring.put(entry.key, entry.value, batch.revision),
                    Change::Deleted { key, previous } => {
                        ring.delete(key, previous, batch.revision);
                    }
                }
            }
        }
        cache.head.send_replace(batch.revision);
    }
    Ok(())
}
