//! From layers and bases to an image in the registry.

use std::cell::Cell;
use std::collections::{BTreeMap, BTreeSet};

use common::digest::Digest;
use common::link::BuildOutcome;
use common::resources::{Base, Condition, ConditionStatus, Function, set_condition, timestamp};
use serde::{Deserialize, Serialize};

use super::actor::ImagesTools;
use super::compose::{Composed, Over, compose, index};
use super::record;
use super::stand::Stand;
use super::store::Image;
use crate::functions::build_id;
use crate::key::ObjectKey;
use crate::objects::{EventKind, insist};
use crate::platform::Platform;
use crate::registry::Content;
use crate::store::{Durability, Store, StoreError, Txn};

/// Where the records of images are.
pub(super) const PREFIX: &str = "/troupe/images/";

/// Largest config of an image that is read.
const CONFIG_BYTES: u64 = 4 << 20;

/// An image that was pushed.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct ImageRecord {
    /// `NAME@sha256:INDEX`.
    pub(super) reference: String,
    /// Digest of the index.
    pub(super) index: Digest,
    /// By architecture: the manifest, its size, and what it was made of.
    pub(super) manifests: BTreeMap<String, Manifest>,
}

/// An image for one architecture.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Manifest {
    pub(super) digest: Digest,
    pub(super) size: u64,
    pub(super) layer: Digest,
}

/// What came of publishing a build's image.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Published {
    /// It is there.
    Done(ImageRecord),
    /// Something is missing that nodes bring.
    Waits(String),
    /// The registry or a part failed.
    Failed(String),
}

/// The record of a build's image.
pub(super) async fn load(
    store: &dyn Store,
    build: &str,
) -> Result<Option<ImageRecord>, StoreError> {
    let entry = store.get(&format!("{PREFIX}{build}")).await?;
    Ok(entry.and_then(|entry| serde_json::from_slice(&entry.value).ok()))
}

async fn save(store: &dyn Store, build: &str, record: &ImageRecord) -> Result<(), StoreError> {
    // Plain data; writing it as JSON cannot fail.
    let text = serde_json::to_vec(record).unwrap_or_default();
    let txn = Txn::new(Durability::Durable).put(format!("{PREFIX}{build}"), text);
    store.commit(txn).await.map(|_| ())
}

/// Architectures that an image could be made for now.
pub(super) fn possible(tools: &ImagesTools, base: Base) -> BTreeSet<String> {
    tools
        .bases
        .of(base)
        .into_keys()
        .map(|platform| platform.arch)
        .collect()
}

/// Makes sure that a build's image is in the registry, for every architecture that there is a base and
/// a layer of.
pub(super) async fn publish(tools: &ImagesTools, build: &str, base: Base) -> Published {
    match try_publish(tools, build, base).await {
        Ok(published) => published,
        Err(error) => Published::Failed(crate::explain(&*error)),
    }
}

async fn try_publish(
    tools: &ImagesTools,
    build: &str,
    base: Base,
) -> Result<Published, Box<dyn std::error::Error + Send + Sync>> {
    let store = &**tools.objects.store();
    let parts = record::load(store, build).await?;
    let layers = Stand::of(&parts)
        .map(|stand| stand.layers)
        .unwrap_or_default();
    let built = |digest: Digest| {
        parts.iter().find_map(|part| match &part.outcome {
            BuildOutcome::Built(built) if built.layer == digest => Some(built.clone()),
            _ => None,
        })
    };
    let known = load(store, build).await?;
    let known = match known {
        // What an operator deleted in the registry is pushed again.
        Some(known) if tools.images.has(&known.index).await? => Some(known),
        _ => None,
    };
    let mut made: BTreeMap<String, (Composed, Digest)> = BTreeMap::new();
    let mut missing = None;
    for (platform, base) in tools.bases.of(base) {
        let serves = |layer: &&common::resources::FunctionLayer| {
            Platform::of_layer(layer).is_none_or(|made| made.serves(&platform))
        };
        let layer = layers
            .iter()
            .filter(|layer| layer.digest.is_some())
            .find(serves);
        let Some(built) = layer.and_then(|layer| built(layer.digest?)) else {
            continue;
        };
        if made.contains_key(&platform.arch)
            || is_known(known.as_ref(), &platform.arch, &built.layer)
        {
            continue;
        }
        let parts = base.layers.iter().map(|layer| layer.digest);
        let mut lacks = false;
        for digest in parts.chain([base.config]) {
            lacks |= tools.blobs.size(&digest).await?.is_none();
        }
        if lacks {
            missing = Some(format!(
                "the function base for {} is being brought",
                platform.arch
            ));
            continue;
        }
        let config = tools.blobs.bytes(&base.config, CONFIG_BYTES).await?;
        let over = Over {
            layer: built.layer,
            size: built.size,
            handler: &built.handler,
            style: built.style.as_str(),
            build,
        };
        let composed = compose(&base, &config, &over)?;
        made.insert(composed.arch.clone(), (composed, built.layer));
    }
    if made.is_empty() {
        let none =
            "no node with containers has brought its function base yet; pods run from the layer";
        return Ok(match (known, missing) {
            (Some(known), _) => Published::Done(known),
            (None, missing) => Published::Waits(missing.unwrap_or_else(|| none.to_owned())),
        });
    }
    let mut manifests = known.map(|known| known.manifests).unwrap_or_default();
    let mut image = Image {
        blobs: Vec::new(),
        manifests: Vec::new(),
        index: Default::default(),
    };
    for (arch, (composed, layer)) in made {
        for (digest, size) in &composed.layers {
            image
                .blobs
                .push((*digest, *size, Content::Blob(tools.blobs.clone(), *digest)));
        }
        let config = composed.config;
        let size = config.len() as u64;
        image
            .blobs
            .push((Digest::of(&config), size, Content::Bytes(config)));
        let manifest = Manifest {
            digest: Digest::of(&composed.manifest),
            size: composed.manifest.len() as u64,
            layer,
        };
        image.manifests.push(composed.manifest);
        manifests.insert(arch, manifest);
    }
    let entries = manifests.iter();
    image.index = index(entries.map(|(arch, m)| (arch.as_str(), m.digest, m.size)));
    let Some(reference) = tools.images.publish(&image).await? else {
        return Ok(Published::Waits("no images are kept".to_owned()));
    };
    let record = ImageRecord {
        reference,
        index: Digest::of(&image.index),
        manifests,
    };
    save(store, build, &record).await?;
    Ok(Published::Done(record))
}

fn is_known(known: Option<&ImageRecord>, arch: &str, layer: &Digest) -> bool {
    let manifest = known.and_then(|known| known.manifests.get(arch));
    manifest.is_some_and(|manifest| manifest.layer == *layer)
}

/// Shows in a function what came of publishing its image.
pub(super) async fn show(tools: &ImagesTools, key: &ObjectKey, build: &str, published: &Published) {
    let now = timestamp(tools.clock.now());
    let condition = match published {
        Published::Done(_) => Condition::new("Pushed", true, "Pushed", ""),
        Published::Waits(message) => {
            let unknown = ConditionStatus::Unknown;
            Condition::new("Pushed", unknown, "WaitsForBase", message.clone())
        }
        Published::Failed(message) => {
            let message = format!("{message}; pods run from the layer, and it is tried again");
            Condition::new("Pushed", false, "PushFailed", message)
        }
    };
    let changed = Cell::new(false);
    let write = |function: &mut Function| {
        let wanted = build_id(&key.namespace, function.metadata.generation, &function.spec);
        if wanted.as_deref() != Some(build) {
            return false;
        }
        let before = function.status.clone();
        if let Published::Done(record) = published {
            function.status.image = Some(record.reference.clone());
            function.status.image_architectures = record.manifests.keys().cloned().collect();
        }
        set_condition(&mut function.status.conditions, condition.clone(), &now);
        changed.set(function.status != before);
        changed.get()
    };
    let (namespace, name) = (&key.namespace, &key.name);
    let show = || {
        let objects = &tools.objects;
        objects.modify::<Function>(namespace, name, Durability::Durable, write)
    };
    let shown = insist("show an image", show).await;
    let (kind, reason, message) = match published {
        Published::Done(record) => (EventKind::Normal, "Pushed", record.reference.clone()),
        Published::Failed(message) => (EventKind::Warning, "PushFailed", message.clone()),
        Published::Waits(_) => return,
    };
    match shown {
        Ok(Some(function)) if changed.get() => {
            tools
                .objects
                .record(&function, kind, "images", reason, &message)
                .await;
        }
        Ok(_) => {}
        Err(error) => tracing::error!(function = %key, %error, "could not show an image"),
    }
}
