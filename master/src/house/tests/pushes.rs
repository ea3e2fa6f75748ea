//! Images: composed over the bases that nodes bring, pushed, and run by digest.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use async_trait::async_trait;
use common::digest::Digest;
use common::link::{BaseImage, BaseLayer, Origin};
use common::resources::{Base, Function, Pod};
use parking_lot::Mutex;
use reqwest::{Method, Response};
use serde_json::json;

use super::village::Village;
use super::{eventually, is_ok};
use crate::blobs::Blobs;
use crate::images::{Image, ImageStore};
use crate::registry::{Item, RegistryError};

/// A registry of the mind; it can be down.
#[derive(Default)]
struct Pretended {
    down: AtomicBool,
    indexes: Mutex<Vec<Digest>>,
}

impl Pretended {
    fn answer(&self) -> Result<(), RegistryError> {
        if self.down.load(Ordering::SeqCst) {
            return Err(RegistryError::Own {
                directory: "r".into(),
                message: "it is down".to_owned(),
            });
        }
        Ok(())
    }
}

#[async_trait]
impl ImageStore for Pretended {
    fn keeps_images(&self) -> bool {
        true
    }

    async fn publish(&self, image: &Image) -> Result<Option<String>, RegistryError> {
        self.answer()?;
        let index = Digest::of(&image.index);
        self.indexes.lock().push(index);
        Ok(Some(format!("troupe/functions@{index}")))
    }

    async fn has(&self, index: &Digest) -> Result<bool, RegistryError> {
        self.answer()?;
        Ok(self.indexes.lock().contains(index))
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

    async fn forget(&self, gone: &[Digest]) -> Result<(), RegistryError> {
        self.answer()?;
        self.indexes.lock().retain(|index| !gone.contains(index));
        Ok(())
    }
}

/// A base whose parts are not brought yet, and the bytes to bring.
fn base(arch: &str) -> (BaseImage, [Vec<u8>; 2]) {
    let layer = format!("base of {arch}").into_bytes();
    let config = json!({
        "architecture": arch, "os": "linux", "config": { "Entrypoint": ["python3"] },
        "rootfs": { "type": "layers", "diff_ids": [Digest::of(&layer)] },
    });
    let config = config.to_string().into_bytes();
    let image = BaseImage {
        flavour: Base::Slim,
        config: Digest::of(&config),
        layers: vec![BaseLayer {
            digest: Digest::of(&layer),
            size: layer.len() as u64,
        }],
    };
    (image, [config, layer])
}

async fn bring(blobs: &Blobs, parts: &[Vec<u8>]) {
    for part in parts {
        blobs.put(part.clone()).await.unwrap();
    }
}

async fn pushed(village: &Village, reason: &str) -> Function {
    eventually(&format!("Pushed={reason}"), async || {
        let found = village.ground.objects.get::<Function>("default", "f").await;
        let found = found.unwrap()?;
        let mut conditions = found.status.conditions.iter();
        conditions
            .any(|c| c.r#type == "Pushed" && c.reason == reason)
            .then_some(found)
    })
    .await
}

#[actix_web::test]
async fn a_function_waits_for_its_base_and_then_runs_by_the_images_digest() {
    let images = Arc::new(Pretended::default());
    let village = Village::build_with(Arc::clone(&images) as _).await.unwrap();
    let (image, parts) = base("amd64");
    village.agent.brings(image);
    village.apply("f").await;
    let waiting = pushed(&village, "WaitsForBase").await;
    assert!(!waiting.status.image.unwrap().contains('@'));
    bring(&village.ground.blobs, &parts).await;
    let done = pushed(&village, "Pushed").await.status;
    let reference = done.image.unwrap();
    assert!(
        reference.starts_with("troupe/functions@sha256:"),
        "{reference}"
    );
    assert_eq!(done.image_architectures, ["amd64"]);
    // Pods that were started before it was pushed run from the layer; the next ones by digest.
    eventually("a pod of the image", async || {
        assert!(is_ok(village.call("f").await));
        let last = village.agent.assigned.lock().last().cloned()?;
        match last.origin {
            Origin::Layer {
                image: Some(image), ..
            } => {
                assert_eq!(image, reference);
                Some(())
            }
            _ => {
                let objects = &village.ground.objects;
                objects
                    .delete::<Pod>("default", &last.name, None)
                    .await
                    .unwrap();
                None
            }
        }
    })
    .await;
    // A kind of node that comes later: the index grows, the revision stays.
    let revision = done.revision;
    let (image, parts) = base("arm64");
    bring(&village.ground.blobs, &parts).await;
    village.join_with("n2", "arm64", image);
    let both = eventually("an index over both", async || {
        let found = pushed(&village, "Pushed").await.status;
        (found.image_architectures == ["amd64", "arm64"]).then_some(found)
    })
    .await;
    assert_ne!(both.image.unwrap(), reference);
    assert!(revision.is_none() || both.revision == revision);
}

#[actix_web::test]
async fn what_a_deleted_function_leaves_is_collected_and_nothing_else() {
    let images = Arc::new(Pretended::default());
    let village = Village::build_with(Arc::clone(&images) as _).await.unwrap();
    let (image, parts) = base("amd64");
    village.agent.brings(image);
    bring(&village.ground.blobs, &parts).await;
    village.apply("g").await;
    village.apply("f").await;
    let layer = pushed(&village, "Pushed").await.status.layer.unwrap();
    eventually("both images", async || {
        (images.indexes.lock().len() == 2).then_some(())
    })
    .await;
    let objects = &village.ground.objects;
    let other = objects
        .get::<Function>("default", "g")
        .await
        .unwrap()
        .unwrap();
    objects
        .delete::<Function>("default", "f", None)
        .await
        .unwrap();
    let tools = Arc::clone(&village.tree.image_tools);
    let sweeper = crate::images::collect(tools, std::time::Duration::from_millis(50));
    let sweeper = actix_web::rt::spawn(sweeper);
    let blobs = &village.ground.blobs;
    eventually("the sweep", async || {
        let gone = blobs.size(&layer).await.unwrap().is_none() && images.indexes.lock().len() == 1;
        gone.then_some(())
    })
    .await;
    sweeper.abort();
    let kept = blobs.size(&other.status.layer.unwrap()).await;
    assert!(kept.unwrap().is_some());
    for part in parts {
        let kept = blobs.size(&Digest::of(&part)).await.unwrap();
        assert!(kept.is_some(), "nodes have the base still");
    }
    let records = objects
        .store()
        .list(crate::store::Page::all("/troupe/builds/"))
        .await;
    assert_eq!(records.unwrap().entries.len(), 1);
}

#[actix_web::test]
async fn with_the_registry_down_the_function_says_so_runs_all_the_same_and_is_pushed_later() {
    let images = Arc::new(Pretended::default());
    images.down.store(true, Ordering::SeqCst);
    let village = Village::build_with(Arc::clone(&images) as _).await.unwrap();
    let (image, parts) = base("amd64");
    village.agent.brings(image);
    bring(&village.ground.blobs, &parts).await;
    village.apply("f").await;
    let failed = pushed(&village, "PushFailed").await;
    let mut conditions = failed.status.conditions.iter();
    let condition = conditions.find(|c| c.r#type == "Pushed").unwrap();
    assert!(
        condition.message.contains("it is down"),
        "{}",
        condition.message
    );
    assert!(is_ok(village.call("f").await));
    images.down.store(false, Ordering::SeqCst);
    assert!(
        pushed(&village, "Pushed")
            .await
            .status
            .image
            .unwrap()
            .contains('@')
    );
}
