//! What is kept of builds: one record for each platform a build was made for.

use common::link::BuildOutcome;
use serde::{Deserialize, Serialize};

use crate::platform::Platform;
use crate::store::{Durability, Page, Store, StoreError, Txn};

/// Where the records are.
pub(super) const PREFIX: &str = "/troupe/builds/";

/// A build for one platform that ended.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct BuildPart {
    /// The id that its node knew it by.
    pub job: String,
    /// What it was for; empty when it failed before that was known.
    pub platform: Platform,
    /// When it ended, RFC 3339. The layer that came first names the function's revisions.
    pub ended: String,
    /// How it ended.
    pub outcome: BuildOutcome,
    /// The last lines of its log.
    pub log: Vec<String>,
}

fn prefix(build: &str) -> String {
    format!("{PREFIX}{build}/")
}

fn key(build: &str, platform: &Platform) -> String {
    format!("{}{}-{}", prefix(build), platform.arch, platform.python)
}

/// The parts of a build that ended, in the order they did.
pub(super) async fn load(store: &dyn Store, build: &str) -> Result<Vec<BuildPart>, StoreError> {
    let listed = store.list(Page::all(&prefix(build))).await?;
    let read = |entry: &crate::store::Entry| serde_json::from_slice(&entry.value).ok();
    let mut parts: Vec<BuildPart> = listed.entries.iter().filter_map(read).collect();
    parts.sort_by(|a, b| (&a.ended, &a.platform).cmp(&(&b.ended, &b.platform)));
    Ok(parts)
}

/// Keeps a part of a build.
pub(super) async fn save(
    store: &dyn Store,
    build: &str,
    part: &BuildPart,
) -> Result<(), StoreError> {
    // Plain data; writing it as JSON cannot fail.
    let text = serde_json::to_vec(part).unwrap_or_default();
    let unknown = Platform::default();
    let mut txn = Txn::new(Durability::Durable).put(key(build, &part.platform), text);
    if part.platform != unknown {
        // It got further than the try before.
        txn = txn.delete(key(build, &unknown));
    }
    store.commit(txn).await.map(|_| ())
}
