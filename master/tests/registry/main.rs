//! The master's side of the distribution protocol against a real registry (Debian's docker-registry),
//! which the suite's runner installs.

#![allow(
    missing_docs,
    clippy::unwrap_used,
    clippy::expect_used,
    reason = "a test"
)]

mod container;
mod external;
mod images;
mod token;

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use common::digest::Digest;
use common::trust::install_crypto;
use master::blobs::{Blobs, Directory};
use master::images::{Image, ImageStore, image_store};
use master::registry::{Child, Content, Opened, OwnRegistry};
use serde_json::json;

const NAME: &str = "troupe/functions";
const MASTER: &str = env!("CARGO_BIN_EXE_master");

fn program() -> PathBuf {
    Child::program().expect("install the package docker-registry")
}

/// A registry of the master's own in a directory, as a process.
async fn own(directory: &Path) -> (Arc<Child>, Arc<dyn ImageStore>) {
    install_crypto();
    let child = Child::start(Path::new(MASTER), &program(), directory).await;
    let child = Arc::new(child.unwrap());
    let opened = Opened {
        registry: Arc::new(child.registry(NAME).unwrap()),
        own: Some(Arc::clone(&child) as Arc<dyn OwnRegistry>),
    };
    (child, image_store(Some(opened)))
}

/// Whether a process is there that is more than a zombie.
fn lives(pid: &str) -> bool {
    Path::new(&format!("/proc/{pid}/cwd")).read_link().is_ok()
}

async fn until_gone(pid: &str) {
    let gone = async {
        while lives(pid) {
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
    };
    let patience = Duration::from_secs(30);
    tokio::time::timeout(patience, gone).await.unwrap();
}

/// An image of one architecture whose layer is this text; the layer is a blob.
fn image(directory: &Path, text: &str) -> Image {
    let layer = Digest::of(text.as_bytes());
    let blobs = directory.join("blobs");
    let place = Directory::open(&blobs).unwrap();
    std::fs::write(blobs.join(format!("sha256-{}", layer.hex())), text).unwrap();
    let config =
        Bytes::from(json!({ "architecture": "amd64", "os": "linux", "text": text }).to_string());
    let of = |kind: &str, digest: Digest, size: usize| {
        let media_type = format!("application/vnd.oci.image.{kind}");
        json!({ "mediaType": media_type, "digest": digest, "size": size })
    };
    let manifest = Bytes::from(
        json!({
            "schemaVersion": 2,
            "mediaType": "application/vnd.oci.image.manifest.v1+json",
            "config": of("config.v1+json", Digest::of(&config), config.len()),
            "layers": [of("layer.v1.tar", layer, text.len())],
        })
        .to_string(),
    );
    let index = json!({
        "schemaVersion": 2,
        "mediaType": "application/vnd.oci.image.index.v1+json",
        "manifests": [of("manifest.v1+json", Digest::of(&manifest), manifest.len())],
    });
    Image {
        blobs: vec![
            (
                layer,
                text.len() as u64,
                Content::Blob(Blobs::new(place), layer),
            ),
            (
                Digest::of(&config),
                config.len() as u64,
                Content::Bytes(config),
            ),
        ],
        manifests: vec![manifest],
        index: Bytes::from(index.to_string()),
    }
}
