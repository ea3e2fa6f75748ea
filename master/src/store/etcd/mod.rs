//! The store in an etcd.
//!
//! Keys and values are etcd's, beneath a prefix of the cluster's own; revisions, transactions and
//! leases are etcd's too. All commits are durable; those that are under way together share etcd's
//! fsync. One watch per master feeds a log in memory that all watchers read (`pump`).
//!
//! While etcd is away, calls wait and are tried again for as long as [`Target::patience`] says. A commit
//! whose answer was lost is tried again too: when its conditions no longer hold because it had happened
//! after all, that is seen by the values it wrote. Values too large for etcd lie in parts (`parts`).

mod keys;
mod line;
mod parts;
mod pump;
mod settings;
mod target;
mod txn;

use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use etcd_client::{Client, GetOptions};
use tokio::runtime::Runtime;

pub use self::settings::EtcdSettings;
pub(crate) use self::settings::is_loopback;
pub use self::target::Target;
pub use self::txn::MAX_TXN_BYTES;

use self::keys::{Keys, revision, signed};
use self::line::{Line, persist};
use self::pump::Pump;
use self::txn::Prepared;
use super::log::{self, EventLog};
use super::{Changes, Entry, LeaseId, Listed, Page, Revision, Store, StoreError, Txn};

/// Entries that are listed at once.
const PAGE: usize = 256;
/// Largest answer that is taken.
const MAX_ANSWER: usize = 512 << 20;
/// Tries to read when etcd is compacted meanwhile.
const READINGS: usize = 3;

/// The store in an etcd. Dropping it ends its watch.
pub struct EtcdStore {
    line: Arc<Line>,
    keys: Keys,
    log: Arc<EventLog>,
    _thread: Thread,
}

/// What the connections run on: the master's own threads may be busy when etcd wants a sign of life.
struct Thread(Option<Runtime>);

impl Thread {
    fn start() -> Result<Self, StoreError> {
        let runtime = tokio::runtime::Builder::new_multi_thread()
            .worker_threads(1)
            .thread_name("store-etcd")
            .enable_all()
            .build();
        let runtime = runtime.map_err(|e| StoreError::failed("start the store's thread", e))?;
        Ok(Self(Some(runtime)))
    }

    fn handle(&self) -> Result<&Runtime, StoreError> {
        self.0.as_ref().ok_or(StoreError::Closed)
    }
}

impl Drop for Thread {
    fn drop(&mut self) {
        // A plain drop waits for its tasks, which asynchronous code may not.
        if let Some(runtime) = self.0.take() {
            runtime.shutdown_background();
        }
    }
}

impl EtcdStore {
    /// Connects to etcd, and waits for it if need be.
    ///
    /// # Errors
    /// When a file that is named cannot be read, or etcd does not let us in or cannot be reached.
    pub async fn open(target: &Target) -> Result<Self, StoreError> {
        let options = target.options()?;
        let thread = Thread::start()?;
        let line = Arc::new(connect(target, options, &thread).await?);
        let keys = Keys::new(&target.prefix);
        let now = head(&line, &keys).await?;
        let log = Arc::new(EventLog::new(now));
        let pump = Pump {
            line: Arc::clone(&line),
            keys: keys.clone(),
            log: Arc::downgrade(&log),
            seen: now,
        };
        thread.handle()?.spawn(pump.run());
        let sweeper = (Arc::clone(&line), keys.clone());
        thread.handle()?.spawn(async move {
            let (line, keys) = sweeper;
            if let Err(error) = parts::sweep(&line, &keys).await {
                tracing::warn!(%error, "could not look for parts of large values that are left behind");
            }
        });
        Ok(Self {
            line,
            keys,
            log,
            _thread: thread,
        })
    }

    async fn list_once(&self, page: &Page<'_>) -> Result<Listed, StoreError> {
        let attempt = format!("list {:?}", page.prefix);
        let end = self.keys.end(page.prefix);
        let mut start = match page.after.filter(|after| *after >= page.prefix) {
            Some(after) => self.keys.next(after),
            None => self.keys.raw(page.prefix),
        };
        let mut listed = Listed {
            entries: Vec::new(),
            revision: 0,
            more: false,
        };
        while start < end {
            let want = match page.limit {
                0 => PAGE,
                limit => PAGE.min(limit - listed.entries.len()),
            };
            let options = GetOptions::new()
                .with_range(end.clone())
                .with_limit(signed(want as u64))
                .with_revision(signed(listed.revision));
            let answer = self.line.call(&attempt, |client| {
                let (start, options) = (start.clone(), options.clone());
                async move { kv(&client).get(start, Some(options)).await }
            });
            let mut answer = answer.await?.value;
            if listed.revision == 0 {
                listed.revision = answer.header().map_or(0, |h| revision(h.revision()));
            }
            for found in answer.take_kvs() {
                let found = self.keys.found(found)?;
                let entry = parts::complete(&self.line, &self.keys, found, listed.revision);
                listed.entries.push(entry.await?);
            }
            listed.more = answer.more();
            let full = page.limit > 0 && listed.entries.len() >= page.limit;
            match listed.entries.last() {
                Some(last) if listed.more && !full => start = self.keys.next(&last.key),
                _ => return Ok(listed),
            }
        }
        listed.revision = self.revision().await?;
        Ok(listed)
    }

    async fn get_once(&self, key: &str) -> Result<Option<Entry>, StoreError> {
        let answer = self.line.call("get", |client| {
            let raw = self.keys.raw(key);
            async move { kv(&client).get(raw, None).await }
        });
        let mut answer = answer.await?.value;
        let at = answer.header().map_or(0, |h| revision(h.revision()));
        let Some(found) = answer.take_kvs().into_iter().next() else {
            return Ok(None);
        };
        let found = self.keys.found(found)?;
        let entry = parts::complete(&self.line, &self.keys, found, at).await?;
        Ok(Some(entry))
    }

    async fn commit_prepared(&self, prepared: &Prepared) -> Result<Revision, StoreError> {
        let request = prepared.request(&self.keys);
        let answer = self.line.call("commit", |client| {
            let request = request.clone();
            async move { kv(&client).txn(request).await }
        });
        let answer = match answer.await {
            Err(StoreError::LeaseGone(_)) => return Err(StoreError::LeaseGone(prepared.lease())),
            answer => answer?,
        };
        match prepared.outcome(&answer.value) {
            Err(conflict @ StoreError::Conflict { .. }) if answer.repeated => {
                self.happened(prepared).await?.ok_or(conflict)
            }
            outcome => outcome,
        }
    }

    /// Whether a transaction whose answer was lost happened after all.
    async fn happened(&self, prepared: &Prepared) -> Result<Option<Revision>, StoreError> {
        let look = prepared.look(&self.keys);
        let answer = self.line.call("look after a commit", |client| {
            let look = look.clone();
            async move { kv(&client).txn(look).await }
        });
        Ok(prepared.happened(&answer.await?.value))
    }
}

async fn connect(
    target: &Target,
    options: etcd_client::ConnectOptions,
    thread: &Thread,
) -> Result<Line, StoreError> {
    let (urls, patience) = (target.urls(), target.patience);
    let connecting = thread.handle()?.spawn(async move {
        let attempt = format!("connect to {}", urls.join(", "));
        persist(&attempt, patience, || {
            Client::connect(&urls, Some(options.clone()))
        })
        .await
    });
    let client = connecting
        .await
        .map_err(|error| StoreError::failed("connect to etcd", error))?;
    Ok(Line::new(client?.value, patience))
}

fn kv(client: &Client) -> etcd_client::KvClient {
    client.kv_client().max_decoding_message_size(MAX_ANSWER)
}

/// etcd's revision.
async fn head(line: &Line, keys: &Keys) -> Result<Revision, StoreError> {
    let answer = line.call("read the revision", |client| {
        let options = GetOptions::new()
            .with_range(keys.end(""))
            .with_count_only()
            .with_limit(1);
        let key = keys.raw("");
        async move { kv(&client).get(key, Some(options)).await }
    });
    let answer = answer.await?.value;
    Ok(answer.header().map_or(0, |h| revision(h.revision())))
}

async fn grant(line: &Line, ttl: Duration) -> Result<LeaseId, StoreError> {
    // etcd counts in seconds.
    let seconds = ttl.as_millis().div_ceil(1000).max(1);
    let seconds = i64::try_from(seconds).unwrap_or(i64::MAX);
    let answer = line.call("grant a lease", |client| async move {
        client.lease_client().grant(seconds, None).await
    });
    Ok(revision(answer.await?.value.id()))
}

async fn revoke(line: &Line, lease: LeaseId) -> Result<(), StoreError> {
    let answer = line.call("revoke a lease", |client| async move {
        client.lease_client().revoke(signed(lease)).await
    });
    match answer.await {
        Ok(_) => Ok(()),
        Err(StoreError::LeaseGone(_)) => Err(StoreError::LeaseGone(lease)),
        Err(error) => Err(error),
    }
}

#[async_trait]
impl Store for EtcdStore {
    async fn get(&self, key: &str) -> Result<Option<Entry>, StoreError> {
        let mut tries = 0;
        loop {
            tries += 1;
            match self.get_once(key).await {
                Err(StoreError::Compacted { .. }) if tries < READINGS => {}
                got => return got,
            }
        }
    }

    async fn list(&self, page: Page<'_>) -> Result<Listed, StoreError> {
        let mut tries = 0;
        loop {
            tries += 1;
            match self.list_once(&page).await {
                Err(StoreError::Compacted { .. }) if tries < READINGS => {}
                listed => return listed,
            }
        }
    }

    async fn commit(&self, txn: Txn) -> Result<Revision, StoreError> {
        let prepared = txn::prepare(&self.keys, txn, || {
            format!("{:032x}", rand::random::<u128>())
        })?;
        let lease = parts::write(&self.line, &prepared.parts).await?;
        let outcome = self.commit_prepared(&prepared).await;
        parts::release(&self.line, lease).await;
        outcome
    }

    async fn watch(&self, prefix: &str, after: Revision) -> Result<Changes, StoreError> {
        log::follow(&self.log, prefix.to_owned(), after)
    }

    async fn grant(&self, ttl: Duration) -> Result<LeaseId, StoreError> {
        grant(&self.line, ttl).await
    }

    async fn keep_alive(&self, lease: LeaseId) -> Result<(), StoreError> {
        // The library waits for the first answer, which is the sign of life.
        let answer = self.line.call("keep a lease alive", |client| async move {
            client.lease_client().keep_alive(signed(lease)).await
        });
        match answer.await {
            Ok(_) => Ok(()),
            Err(StoreError::LeaseGone(_)) => Err(StoreError::LeaseGone(lease)),
            Err(error) => Err(error),
        }
    }

    async fn revoke(&self, lease: LeaseId) -> Result<(), StoreError> {
        revoke(&self.line, lease).await
    }

    async fn revision(&self) -> Result<Revision, StoreError> {
        head(&self.line, &self.keys).await
    }
}
