//! Where images are kept: in a registry, or nowhere, when nodes take layers from the master.

use std::sync::Arc;

use async_trait::async_trait;
use bytes::Bytes;
use common::digest::Digest;
use reqwest::{Method, Response};
use tokio::sync::RwLock;

use super::compose::{INDEX, MANIFEST};
use crate::registry::{Content, Item, Opened, RegistryError};

/// An image with all its parts.
pub struct Image {
    /// Layers and configs: digest, size, bytes.
    pub blobs: Vec<(Digest, u64, Content)>,
    /// One manifest for each architecture.
    pub manifests: Vec<Bytes>,
    /// The index over them.
    pub index: Bytes,
}

/// Keeps images.
#[async_trait]
pub trait ImageStore: Send + Sync {
    /// Whether there are to be images at all.
    fn keeps_images(&self) -> bool;

    /// Keeps an image; how nodes call it. `None` where no images are kept.
    async fn publish(&self, image: &Image) -> Result<Option<String>, RegistryError>;

    /// Whether an index is there.
    async fn has(&self, index: &Digest) -> Result<bool, RegistryError>;

    /// Opens a part of an image for reading; `None` where no images are kept, or not by that name.
    async fn open(
        &self,
        method: Method,
        repository: &str,
        item: Item,
        digest: &Digest,
        range: Option<&str>,
    ) -> Result<Option<Response>, RegistryError>;

    /// Forgets manifests and indexes, and frees the disk of what no other one names.
    async fn forget(&self, manifests: &[Digest]) -> Result<(), RegistryError>;
}

/// Layers stay in the master's content store, and nodes take them from there.
pub struct LayersOnly;

#[async_trait]
impl ImageStore for LayersOnly {
    fn keeps_images(&self) -> bool {
        false
    }

    async fn publish(&self, _: &Image) -> Result<Option<String>, RegistryError> {
        Ok(None)
    }

    async fn has(&self, _: &Digest) -> Result<bool, RegistryError> {
        Ok(false)
    }

    async fn open(
        &self,
        _: Method,
        _: &str,
        _: Item,
        _: &Digest,
        _: Option<&str>,
    ) -> Result<Option<Response>, RegistryError> {
        Ok(None)
    }

    async fn forget(&self, _: &[Digest]) -> Result<(), RegistryError> {
        Ok(())
    }
}

/// Images in a registry.
pub struct InRegistry {
    opened: Opened,
    /// Held for writing while garbage is collected: nothing may be pushed then.
    quiet: RwLock<()>,
}

impl InRegistry {
    /// Images in this one.
    #[must_use]
    pub fn new(opened: Opened) -> Self {
        Self {
            opened,
            quiet: RwLock::default(),
        }
    }

    async fn awake(&self) -> Result<(), RegistryError> {
        match &self.opened.own {
            Some(own) => own.keep().await,
            None => Ok(()),
        }
    }
}

#[async_trait]
impl ImageStore for InRegistry {
    fn keeps_images(&self) -> bool {
        true
    }

    async fn publish(&self, image: &Image) -> Result<Option<String>, RegistryError> {
        let _pushing = self.quiet.read().await;
        self.awake().await?;
        let registry = &self.opened.registry;
        for (digest, size, content) in &image.blobs {
            registry.put_blob(digest, *size, content).await?;
        }
        for manifest in &image.manifests {
            registry
                .put_manifest(&Digest::of(manifest), MANIFEST, manifest)
                .await?;
        }
        let index = Digest::of(&image.index);
        registry.put_manifest(&index, INDEX, &image.index).await?;
        Ok(Some(format!("{}@{index}", registry.repository())))
    }

    async fn has(&self, index: &Digest) -> Result<bool, RegistryError> {
        self.awake().await?;
        self.opened.registry.has(Item::Manifest, index).await
    }

    async fn open(
        &self,
        method: Method,
        repository: &str,
        item: Item,
        digest: &Digest,
        range: Option<&str>,
    ) -> Result<Option<Response>, RegistryError> {
        let registry = &self.opened.registry;
        if repository != registry.repository() {
            return Ok(None);
        }
        self.awake().await?;
        registry.open(method, item, digest, range).await.map(Some)
    }

    async fn forget(&self, manifests: &[Digest]) -> Result<(), RegistryError> {
        let _quiet = self.quiet.write().await;
        self.awake().await?;
        for digest in manifests {
            self.opened.registry.delete(Item::Manifest, digest).await?;
        }
        match &self.opened.own {
            Some(own) if !manifests.is_empty() => own.collect().await,
            // An external registry frees its disk when its owner says so.
            _ => Ok(()),
        }
    }
}

/// The store that goes with a registry, or with none.
#[must_use]
pub fn image_store(opened: Option<Opened>) -> Arc<dyn ImageStore> {
    match opened {
        Some(opened) => Arc::new(InRegistry::new(opened)),
        None => Arc::new(LayersOnly),
    }
}
