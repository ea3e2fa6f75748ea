//! Images, layers, sources and records that nothing names any more are removed.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::Duration;

use common::digest::Digest;
use common::resources::{Base, Function, Pod};

use super::actor::ImagesTools;
use super::keep::{Kept, Named, Unnamed, unnamed};
use super::{publish, record};
use crate::store::{Durability, Page, Txn};

type Failure = Box<dyn std::error::Error + Send + Sync>;

/// Looks for what may go, for as long as it is polled. What was found twice in a row, `grace` apart, and
/// is as old as that, goes: what is uploaded or built right now is not named yet.
pub async fn collect(tools: Arc<ImagesTools>, grace: Duration) {
    let mut suspects = Unnamed::default();
    loop {
        tokio::time::sleep(grace).await;
        match sweep(&tools, &suspects, grace).await {
            Ok(found) => suspects = found,
            Err(error) => tracing::warn!(
                error = crate::explain(&*error),
                "could not collect unused images"
            ),
        }
    }
}

/// Removes what is unnamed now as it was before; returns what is unnamed now.
async fn sweep(
    tools: &ImagesTools,
    suspects: &Unnamed,
    grace: Duration,
) -> Result<Unnamed, Failure> {
    // What there is comes first: what is made meanwhile is not looked at.
    let kept = kept(tools, grace).await?;
    let found = unnamed(&named(tools).await?, &kept);
    let still = |a: &BTreeSet<String>, b: &BTreeSet<String>| -> Vec<String> {
        a.intersection(b).cloned().collect()
    };
    let images = still(&found.images, &suspects.images);
    let manifests: Vec<_> = found
        .manifests
        .intersection(&suspects.manifests)
        .copied()
        .collect();
    let blobs: Vec<_> = found.blobs.intersection(&suspects.blobs).copied().collect();
    let builds = still(&found.builds, &suspects.builds);
    if !manifests.is_empty() {
        tools.images.forget(&manifests).await?;
    }
    for build in &images {
        delete(tools, format!("{}{build}", publish::PREFIX)).await?;
    }
    for build in &builds {
        for key in keys(tools, &format!("{}{build}/", record::PREFIX)).await? {
            delete(tools, key).await?;
        }
    }
    for digest in &blobs {
        tools.blobs.remove_older(digest, grace).await?;
    }
    if !blobs.is_empty() || !images.is_empty() {
        let (blobs, images) = (blobs.len(), images.len());
        tracing::info!(blobs, images, "removed what no function uses any more");
    }
    Ok(found)
}

async fn delete(tools: &ImagesTools, key: String) -> Result<(), Failure> {
    let txn = Txn::new(Durability::Eventual).delete(key);
    tools.objects.store().commit(txn).await?;
    Ok(())
}

async fn keys(tools: &ImagesTools, prefix: &str) -> Result<Vec<String>, Failure> {
    let listed = tools.objects.store().list(Page::all(prefix)).await?;
    Ok(listed.entries.into_iter().map(|entry| entry.key).collect())
}

/// Builds that a prefix has records of: what stands before the next slash.
async fn builds_under(tools: &ImagesTools, prefix: &str) -> Result<BTreeSet<String>, Failure> {
    let keys = keys(tools, prefix).await?;
    let build = |key: &String| Some(key.strip_prefix(prefix)?.split('/').next()?.to_owned());
    Ok(keys.iter().filter_map(build).collect())
}

async fn kept(tools: &ImagesTools, grace: Duration) -> Result<Kept, Failure> {
    let store = &**tools.objects.store();
    let mut builds = BTreeMap::new();
    for build in builds_under(tools, record::PREFIX).await? {
        let parts = record::load(store, &build).await?;
        builds.insert(build, parts);
    }
    let mut images = BTreeMap::new();
    for build in builds_under(tools, publish::PREFIX).await? {
        if let Some(image) = publish::load(store, &build).await? {
            images.insert(build, image);
        }
    }
    let blobs: BTreeSet<Digest> = tools.blobs.older_than(grace).await?.into_iter().collect();
    Ok(Kept {
        builds,
        images,
        blobs,
    })
}

async fn named(tools: &ImagesTools) -> Result<Named, Failure> {
    let mut named = Named::default();
    // A function may move on to what a pod was started from before, so pods are looked at last.
    for function in tools.objects.list::<Function>(None).await?.items {
        named.by_function(&function);
    }
    for pod in tools.objects.list::<Pod>(None).await?.items {
        named.by_pod(&pod);
    }
    for flavour in [Base::Slim, Base::Full] {
        for base in tools.bases.all(flavour) {
            named.by_base(&base);
        }
    }
    Ok(named)
}
