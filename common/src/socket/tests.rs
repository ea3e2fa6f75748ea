use std::fs;
use std::os::unix::fs::symlink;

use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::UnixListener;

use super::*;

fn me() -> u32 {
    nix::unistd::geteuid().as_raw()
}

#[tokio::test]
async fn a_plain_socket_is_connected_to() {
    let directory = tempfile::tempdir().unwrap();
    let listener = UnixListener::bind(directory.path().join("s")).unwrap();
    let mut stream = connect(directory.path(), "s", &[me()..=me()])
        .await
        .unwrap();
    let (mut served, _) = listener.accept().await.unwrap();
    served.write_all(b"x").await.unwrap();
    assert_eq!(stream.read_u8().await.unwrap(), b'x');
}

#[tokio::test]
async fn links_are_not_followed() {
    let directory = tempfile::tempdir().unwrap();
    let _docker = UnixListener::bind(directory.path().join("docker.sock")).unwrap();
    symlink(
        directory.path().join("docker.sock"),
        directory.path().join("s"),
    )
    .unwrap();
    let error = connect(directory.path(), "s", &[me()..=me()])
        .await
        .unwrap_err();
    assert!(error.to_string().ends_with("found a link"), "{error}");
    let run = directory.path().join("run");
    symlink(directory.path(), &run).unwrap();
    let error = connect(&run, "docker.sock", &[me()..=me()])
        .await
        .unwrap_err();
    assert!(matches!(error, Error::Refused { .. }), "{error}");
}

#[tokio::test]
async fn other_files_and_other_owners_are_refused() {
    let directory = tempfile::tempdir().unwrap();
    fs::write(directory.path().join("f"), "").unwrap();
    let refused = |error| matches!(error, Error::Refused { .. });
    assert!(refused(
        connect(directory.path(), "f", &[me()..=me()])
            .await
            .unwrap_err()
    ));
    let _listener = UnixListener::bind(directory.path().join("s")).unwrap();
    assert!(refused(
        connect(directory.path(), "s", &[me() + 1..=me() + 1])
            .await
            .unwrap_err()
    ));
    assert!(refused(
        connect(directory.path(), "../s", &[me()..=me()])
            .await
            .unwrap_err()
    ));
}

#[tokio::test]
async fn an_absent_socket_and_a_dead_one_are_absent() {
    let directory = tempfile::tempdir().unwrap();
    let absent = |error| matches!(error, Error::Absent { .. });
    assert!(absent(
        connect(directory.path(), "s", &[me()..=me()])
            .await
            .unwrap_err()
    ));
    drop(UnixListener::bind(directory.path().join("s")).unwrap());
    assert!(absent(
        connect(directory.path(), "s", &[me()..=me()])
            .await
            .unwrap_err()
    ));
}
