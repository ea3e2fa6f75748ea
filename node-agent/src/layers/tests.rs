use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use async_trait::async_trait;
use common::archive::{Limits, Packing, pack};
use common::digest::Digest;

use super::*;

/// Blobs in a directory; counts what is asked for.
struct Directory(tempfile::TempDir, AtomicUsize);

#[async_trait]
impl Blobs for Directory {
    async fn has(&self, _: Digest) -> Result<bool, BlobError> {
        Ok(false)
    }

    async fn get(&self, digest: Digest, file: &Path, _: u64) -> Result<u64, BlobError> {
        self.1.fetch_add(1, Ordering::SeqCst);
        tokio::task::yield_now().await;
        std::fs::copy(self.0.path().join(digest.hex()), file)
            .map_err(|error| BlobError::lasting(error.to_string()))
    }

    async fn put(&self, _: Digest, _: &Path) -> Result<(), BlobError> {
        Ok(())
    }
}

fn layer(blobs: &Directory, text: &str) -> (Digest, u64) {
    let source = tempfile::tempdir().unwrap();
    std::fs::write(source.path().join("func.py"), text).unwrap();
    let packing = Packing {
        prefix: "function",
        ..Packing::upload(Limits::bytes(1 << 20))
    };
    let mut tar = Vec::new();
    pack(source.path(), &packing, &mut tar).unwrap();
    let digest = Digest::of(&tar);
    std::fs::write(blobs.0.path().join(digest.hex()), &tar).unwrap();
    (digest, tar.len() as u64)
}

fn blobs() -> Arc<Directory> {
    Arc::new(Directory(tempfile::tempdir().unwrap(), AtomicUsize::new(0)))
}

fn open(blobs: &Arc<Directory>, directory: &Path, budget: u64, boot: &str) -> Layers {
    let options = LayersOptions {
        directory: directory.to_owned(),
        budget,
        max_bytes: 1 << 20,
        boot_id: boot.to_owned(),
    };
    Layers::open(options, Arc::clone(blobs) as Arc<dyn Blobs>).unwrap()
}

fn names(directory: &Path) -> Vec<String> {
    let entries = std::fs::read_dir(directory).unwrap();
    let mut names: Vec<_> = entries
        .map(|entry| entry.unwrap().file_name().into_string().unwrap())
        .collect();
    names.retain(|name| !name.starts_with('.'));
    names
}

#[tokio::test]
async fn many_who_want_the_same_layer_cause_one_fetch() {
    let (blobs, directory) = (blobs(), tempfile::tempdir().unwrap());
    let layers = open(&blobs, directory.path(), 1 << 20, "b");
    let (digest, size) = layer(&blobs, "x = 1");
    let (one, two) = tokio::join!(layers.get(digest, size), layers.get(digest, size));
    let path = one.unwrap().function().join("func.py");
    assert_eq!(std::fs::read_to_string(path).unwrap(), "x = 1");
    assert!(two.is_ok());
    assert_eq!(blobs.1.load(Ordering::SeqCst), 1);
    assert_eq!(names(directory.path()).len(), 1);
}

#[tokio::test]
async fn layers_are_found_again_but_not_after_a_reboot() {
    let (blobs, directory) = (blobs(), tempfile::tempdir().unwrap());
    let (digest, size) = layer(&blobs, "x = 1");
    open(&blobs, directory.path(), 1 << 20, "b")
        .get(digest, size)
        .await
        .unwrap();
    assert!(
        open(&blobs, directory.path(), 1 << 20, "b")
            .hold(digest)
            .is_some()
    );
    assert!(
        open(&blobs, directory.path(), 1 << 20, "c")
            .hold(digest)
            .is_none()
    );
    assert!(names(directory.path()).is_empty());
}

#[tokio::test]
async fn the_budget_is_kept_but_no_layer_in_use_goes() {
    let (blobs, directory) = (blobs(), tempfile::tempdir().unwrap());
    let layers = open(&blobs, directory.path(), 1, "b");
    let (first, size) = layer(&blobs, "x = 1");
    let held = layers.get(first, size).await.unwrap();
    let (second, size) = layer(&blobs, "x = 2");
    drop(layers.get(second, size).await.unwrap());
    let (third, size) = layer(&blobs, "x = 3");
    let third_held = layers.get(third, size).await.unwrap();
    assert!(held.function().exists() && third_held.function().exists());
    assert!(layers.hold(second).is_none());
}

#[tokio::test]
async fn a_layer_that_cannot_be_had_leaves_nothing_behind() {
    let (blobs, directory) = (blobs(), tempfile::tempdir().unwrap());
    let layers = open(&blobs, directory.path(), 1 << 20, "b");
    let absent = layers.get(Digest::of(b"absent"), 10).await.err().unwrap();
    assert!(matches!(absent, LayerError::Fetch { .. }));
    let broken = Digest::of(b"broken");
    std::fs::write(blobs.0.path().join(broken.hex()), vec![1; 2000]).unwrap();
    assert!(matches!(
        layers.get(broken, 10).await.err().unwrap(),
        LayerError::Unpack { .. }
    ));
    assert!(names(directory.path()).is_empty());
}

#[tokio::test]
async fn layers_are_fetched_ahead_as_far_as_the_disk_for_it_goes() {
    let (blobs, directory) = (blobs(), tempfile::tempdir().unwrap());
    let layers = Arc::new(open(&blobs, directory.path(), 1 << 20, "b"));
    let sized = |letter: &str, size| layer(&blobs, &letter.repeat(size));
    let made = ["a", "b"].map(|letter| sized(letter, 2500));
    let large = sized("#", 9000);
    let wanted = [made[0], large, made[1]];
    let wanted = wanted.map(|(digest, size)| common::link::LayerToKeep { digest, size });
    let chance = crate::clock::Chance::seeded(1);
    let ahead = Ahead::new(Arc::clone(&layers), 8192, chance);
    let running = tokio::spawn(ahead.clone().run());
    ahead.want(wanted.to_vec());
    while !layers.has(made[1].0) {
        tokio::task::yield_now().await;
    }
    assert!(layers.has(made[0].0) && !layers.has(large.0));
    assert_eq!(blobs.1.load(Ordering::SeqCst), 2);
    // A newer one comes while a pod uses the first: the other, which nobody used, gives way.
    let held = layers.get(made[0].0, made[0].1).await.unwrap();
    let (newer, size) = sized("c", 2500);
    let all = [(newer, size), made[0], made[1]];
    let all = all.map(|(digest, size)| common::link::LayerToKeep { digest, size });
    ahead.want(all.to_vec());
    while !layers.has(newer) {
        tokio::task::yield_now().await;
    }
    assert!(layers.has(made[0].0) && !layers.has(made[1].0));
    running.abort();
    drop(held);
}

#[tokio::test]
async fn what_is_left_of_a_layer_is_never_taken_for_it() {
    let (blobs, directory) = (blobs(), tempfile::tempdir().unwrap());
    let layers = open(&blobs, directory.path(), 1, "b");
    let (digest, size) = layer(&blobs, "x = 1");
    // As a removal that failed half-way leaves it.
    let left = directory.path().join(format!("sha256-{}", digest.hex()));
    std::fs::create_dir_all(left.join("function")).unwrap();
    let got = layers.get(digest, size).await.unwrap();
    let path = got.function().join("func.py");
    assert_eq!(std::fs::read_to_string(path).unwrap(), "x = 1");
    assert_eq!(
        names(directory.path()).len(),
        1,
        "nothing is left beside it"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn a_layer_that_comes_while_it_is_being_removed_is_whole() {
    let (blobs, directory) = (blobs(), tempfile::tempdir().unwrap());
    // No two fit: each that comes has the other removed, as soon as nobody holds it.
    let layers = Arc::new(open(&blobs, directory.path(), 1, "b"));
    let made = ["x = 1", "x = 2", "x = 3"].map(|text| (text, layer(&blobs, text)));
    let tasks = (0..6).map(|number| {
        let layers = Arc::clone(&layers);
        tokio::spawn(async move {
            for round in 0..40 {
                let (text, (digest, size)) = made[(number + round) % 3];
                let held = layers.get(digest, size).await.unwrap();
                let path = held.function().join("func.py");
                assert_eq!(std::fs::read_to_string(path).unwrap(), text);
            }
        })
    });
    for task in tasks.collect::<Vec<_>>() {
        task.await.unwrap();
    }
}
