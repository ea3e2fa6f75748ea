//! A registry through Docker: `TROUPE_TEST_DOCKER_HOST` names the engine's socket and
//! `TROUPE_TEST_REGISTRY_IMAGE` an image of a registry that it has. Without them there is nothing to test;
//! with `CI=true` that is a failure.

use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::Arc;

use common::digest::Digest;
use common::trust::install_crypto;
use master::images::{ImageStore, image_store};
use master::registry::{Container, Image, Opened, open};
use master::settings::{OwnRegistry as OwnSettings, Settings};

use super::{NAME, image};

struct Engine {
    settings: OwnSettings,
}

impl Engine {
    fn find() -> Option<Self> {
        let host = std::env::var("TROUPE_TEST_DOCKER_HOST");
        let image = std::env::var("TROUPE_TEST_REGISTRY_IMAGE");
        if let (Ok(docker_host), Ok(image)) = (host, image) {
            install_crypto();
            let settings = OwnSettings { image, docker_host };
            return Some(Self { settings });
        }
        assert!(
            std::env::var("CI").as_deref() != Ok("true"),
            "CI=true needs TROUPE_TEST_DOCKER_HOST and TROUPE_TEST_REGISTRY_IMAGE"
        );
        eprintln!("no engine with an image of a registry: not tested");
        None
    }

    fn docker(&self, arguments: &[&str]) -> String {
        let output = Command::new("docker")
            .args(["-H", &self.settings.docker_host])
            .args(arguments)
            .output()
            .unwrap();
        let said = String::from_utf8_lossy(&output.stderr);
        assert!(output.status.success(), "{arguments:?}: {said}");
        String::from_utf8_lossy(&output.stdout).trim().to_owned()
    }

    /// The containers that serve a directory.
    fn containers(&self, directory: &Path) -> String {
        let label = format!("label=troupe.dev/registry={}", directory.display());
        self.docker(&["ps", "-aq", "--filter", &label])
    }

    async fn start(&self, directory: &Path) -> Arc<Container> {
        let image = Image::find(&self.settings).await.unwrap();
        Arc::new(Container::start(image, directory).await.unwrap())
    }
}

fn store(container: &Arc<Container>) -> Arc<dyn ImageStore> {
    image_store(Some(Opened {
        registry: Arc::new(container.registry(NAME).unwrap()),
        own: Some(Arc::clone(container) as _),
    }))
}

fn home() -> (tempfile::TempDir, PathBuf) {
    let directory = tempfile::tempdir().unwrap();
    let home = std::fs::canonicalize(directory.path())
        .unwrap()
        .join("registry");
    (directory, home)
}

#[tokio::test]
async fn a_registry_in_a_container_keeps_images_frees_them_and_ends_with_its_master() {
    let Some(engine) = Engine::find() else { return };
    let (directory, home) = home();
    let settings = Settings {
        registry: "auto".to_owned(),
        own_registry: engine.settings.clone(),
        data_dir: directory.path().to_owned(),
        ..Settings::default()
    };
    let opened = open(&settings).await.unwrap().unwrap();
    let own = opened.own.clone().unwrap();
    let images = image_store(Some(opened));
    let (one, two) = (
        image(directory.path(), "one"),
        image(directory.path(), "two"),
    );
    let reference = images.publish(&one).await.unwrap().unwrap();
    assert!(
        reference.starts_with("troupe/functions@sha256:"),
        "{reference}"
    );
    images.publish(&two).await.unwrap();
    // It reaches nothing and nobody reaches it, but by its directory.
    let container = engine.containers(&home);
    let host = "{{.HostConfig.NetworkMode}} {{.HostConfig.ReadonlyRootfs}} {{.HostConfig.CapDrop}}";
    let host = engine.docker(&["inspect", "-f", host, &container]);
    assert_eq!(host, "none true [ALL]");
    let layer = super::images::blob_file(&home, &one.blobs[0].0);
    assert!(layer.exists());
    let manifests = [Digest::of(&one.index), Digest::of(&one.manifests[0])];
    images.forget(&manifests).await.unwrap();
    assert!(!layer.exists(), "its bytes are freed");
    assert!(images.has(&Digest::of(&two.index)).await.unwrap());
    // One that somebody kills is started again.
    engine.docker(&["kill", &container]);
    assert!(images.has(&Digest::of(&two.index)).await.unwrap());
    own.stop().await;
    assert_eq!(engine.containers(&home), "");
    // The next master finds its images.
    let next = engine.start(&home).await;
    assert!(store(&next).has(&Digest::of(&two.index)).await.unwrap());
    master::registry::OwnRegistry::stop(&*next).await;
    assert_eq!(engine.containers(&home), "");
}

#[tokio::test]
async fn what_a_killed_master_left_is_taken_over_and_one_that_is_ill_is_replaced() {
    let Some(engine) = Engine::find() else { return };
    let (directory, home) = home();
    let first = engine.start(&home).await;
    let one = image(directory.path(), "one");
    store(&first).publish(&one).await.unwrap();
    let before = engine.containers(&home);
    // Killed, a master says nothing to its container.
    drop(first);
    let second = engine.start(&home).await;
    assert_eq!(engine.containers(&home), before, "the same container");
    assert!(store(&second).has(&Digest::of(&one.index)).await.unwrap());
    drop(second);
    engine.docker(&["kill", &before]);
    let third = engine.start(&home).await;
    let after = engine.containers(&home);
    assert!(after != before && after.lines().count() == 1, "{after}");
    assert!(store(&third).has(&Digest::of(&one.index)).await.unwrap());
    master::registry::OwnRegistry::stop(&*third).await;
    assert_eq!(engine.containers(&home), "");
}

#[tokio::test]
async fn without_an_engine_or_an_image_it_says_what_is_missing() {
    let Some(engine) = Engine::find() else { return };
    let look = async |image: &str, host: &str| {
        let settings = OwnSettings {
            image: image.to_owned(),
            docker_host: host.to_owned(),
        };
        Image::find(&settings).await.err().unwrap()
    };
    let host = &engine.settings.docker_host;
    let absent = look("troupe/nosuch:1", host).await;
    assert!(absent.contains("troupe/nosuch:1"), "{absent}");
    let nowhere = look("registry:2", "unix:///nowhere/docker.sock").await;
    assert!(nowhere.contains("/nowhere/docker.sock"), "{nowhere}");
    let far = look("registry:2", "tcp://127.0.0.1:1").await;
    assert!(far.contains("want unix:///PATH"), "{far}");
    assert!(look("", host).await.contains("own-registry.image"));
}
