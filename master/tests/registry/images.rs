use std::io::{BufRead as _, BufReader};
use std::path::Path;
use std::process::{Command, Stdio};

use common::digest::Digest;
use master::registry::{Item, OwnRegistry as _, TETHER};
use reqwest::Method;

use super::{MASTER, NAME, image, own, program, until_gone};

pub(super) fn blob_file(directory: &Path, digest: &Digest) -> std::path::PathBuf {
    let hex = digest.hex();
    let blobs = directory.join("data/docker/registry/v2/blobs/sha256");
    blobs.join(&hex[..2]).join(hex).join("data")
}

#[tokio::test]
async fn an_image_is_pushed_read_by_digest_in_parts_and_deleted_with_its_bytes() {
    let directory = tempfile::tempdir().unwrap();
    let home = directory.path().join("registry");
    let (child, images) = own(&home).await;
    let (one, two) = (
        image(directory.path(), "one"),
        image(directory.path(), "two"),
    );
    let index = Digest::of(&one.index);
    assert!(!images.has(&index).await.unwrap());
    let reference = images.publish(&one).await.unwrap().unwrap();
    assert_eq!(reference, format!("{NAME}@{index}"));
    assert_eq!(
        images.publish(&one).await.unwrap().unwrap(),
        reference,
        "again, as after a crash"
    );
    images.publish(&two).await.unwrap();
    assert!(images.has(&index).await.unwrap());

    let layer = one.blobs[0].0;
    let open = async |item, digest: Digest, range| {
        images
            .open(Method::GET, NAME, item, &digest, range)
            .await
            .unwrap()
            .unwrap()
    };
    assert_eq!(
        open(Item::Manifest, index, None)
            .await
            .bytes()
            .await
            .unwrap(),
        one.index
    );
    assert_eq!(
        open(Item::Blob, layer, None).await.text().await.unwrap(),
        "one"
    );
    let part = open(Item::Blob, layer, Some("bytes=1-")).await;
    assert_eq!(
        (part.status().as_u16(), part.text().await.unwrap().as_str()),
        (206, "ne")
    );
    assert_eq!(
        open(Item::Blob, Digest::of(b"absent"), None)
            .await
            .status()
            .as_u16(),
        404
    );
    let elsewhere = images
        .open(Method::GET, "other/name", Item::Blob, &layer, None)
        .await;
    assert!(elsewhere.unwrap().is_none(), "another repository");

    let manifests = [index, Digest::of(&one.manifests[0])];
    assert!(blob_file(&home, &layer).exists());
    images.forget(&manifests).await.unwrap();
    assert!(!images.has(&index).await.unwrap());
    assert!(!blob_file(&home, &layer).exists(), "its bytes are freed");
    assert!(
        blob_file(&home, &two.blobs[0].0).exists(),
        "the other image's stay"
    );
    images.forget(&manifests).await.unwrap();
    images.publish(&one).await.unwrap();
    assert_eq!(
        open(Item::Blob, layer, None).await.text().await.unwrap(),
        "one"
    );
    child.stop().await;
    assert!(!home.join("pid").exists() && !home.join("socket").exists());
}

#[tokio::test]
async fn a_registry_that_died_is_started_again_and_keeps_its_images() {
    let directory = tempfile::tempdir().unwrap();
    let home = directory.path().join("registry");
    let (child, images) = own(&home).await;
    let one = image(directory.path(), "one");
    images.publish(&one).await.unwrap();
    let pid = std::fs::read_to_string(home.join("pid")).unwrap();
    Command::new("kill").args(["-KILL", &pid]).status().unwrap();
    until_gone(&pid).await;
    let there = async {
        loop {
            match images.has(&Digest::of(&one.index)).await {
                Ok(there) => return there,
                // It is being started.
                Err(_) => tokio::time::sleep(std::time::Duration::from_millis(50)).await,
            }
        }
    };
    let patience = std::time::Duration::from_secs(30);
    assert!(tokio::time::timeout(patience, there).await.unwrap());
    child.stop().await;
}

#[tokio::test]
async fn what_a_killed_master_left_is_ended_and_nobody_else() {
    let directory = tempfile::tempdir().unwrap();
    let home = directory.path().join("registry");
    let (child, _) = own(&home).await;
    child.stop().await;
    let mut left = Command::new(program())
        .args(["serve", "config.yml"])
        .current_dir(&home)
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .spawn()
        .unwrap();
    std::fs::write(home.join("pid"), left.id().to_string()).unwrap();
    // The killed master's child is not this test's master's: it is reaped here while the new one waits.
    let reaped = tokio::task::spawn_blocking(move || left.wait().unwrap());
    let (child, images) = own(&home).await;
    reaped.await.unwrap();
    assert!(!images.has(&Digest::of(b"none")).await.unwrap());
    child.stop().await;
    // A pid that is another's by now.
    let mut bystander = Command::new("sleep").arg("60").spawn().unwrap();
    std::fs::write(home.join("pid"), bystander.id().to_string()).unwrap();
    let (child, _) = own(&home).await;
    assert!(bystander.try_wait().unwrap().is_none(), "it still runs");
    bystander.kill().unwrap();
    bystander.wait().unwrap();
    child.stop().await;
}

#[tokio::test]
async fn it_ends_with_its_master_also_with_one_that_is_killed() {
    let directory = tempfile::tempdir().unwrap();
    let home = directory.path().join("registry");
    own(&home).await.0.stop().await;
    // A shell in the place of a master: it starts the registry as a master does, and is killed.
    let script = format!(
        "{MASTER} {TETHER} $$ {} serve config.yml & echo $!; wait",
        program().display()
    );
    let mut parent = Command::new("sh")
        .args(["-c", &script])
        .current_dir(&home)
        .stdout(Stdio::piped())
        .stderr(Stdio::null())
        .spawn()
        .unwrap();
    let mut pid = String::new();
    let mut said = BufReader::new(parent.stdout.as_mut().unwrap());
    said.read_line(&mut pid).unwrap();
    let socket = home.join("socket");
    while !socket.exists() {
        assert!(parent.try_wait().unwrap().is_none());
        tokio::time::sleep(std::time::Duration::from_millis(10)).await;
    }
    parent.kill().unwrap();
    parent.wait().unwrap();
    until_gone(pid.trim()).await;
    // One whose parent has gone before it looked does not even begin.
    let late = Command::new(MASTER)
        .args([TETHER, "1", "/bin/true"])
        .output()
        .unwrap();
    let said = String::from_utf8_lossy(&late.stderr);
    assert!(
        !late.status.success() && said.contains("the master has ended"),
        "{said}"
    );
}
