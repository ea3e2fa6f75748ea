//! An engine that says what a test wants.

use std::collections::VecDeque;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};

use parking_lot::Mutex;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::UnixListener;

/// An engine that speaks the API from version `oldest` to version `newest`, 1.x, and refuses all others
/// as dockerd does. It may become another one.
pub(super) struct Speaks {
    pub(super) oldest: AtomicU32,
    pub(super) newest: AtomicU32,
    /// What it answers to the next looks for containers, before it says that there are none.
    pub(super) lists: Mutex<VecDeque<(&'static str, &'static str)>>,
}

pub(super) fn engine(socket: &Path, oldest: u32, newest: u32) -> Arc<Speaks> {
    let listener = UnixListener::bind(socket).unwrap();
    let speaks = Arc::new(Speaks {
        oldest: oldest.into(),
        newest: newest.into(),
        lists: Mutex::default(),
    });
    let shared = Arc::clone(&speaks);
    tokio::spawn(async move {
        while let Ok((mut stream, _)) = listener.accept().await {
            let speaks = Arc::clone(&shared);
            tokio::spawn(async move {
                let mut head = Vec::new();
                while stream.read_buf(&mut head).await.is_ok_and(|read| read > 0) {
                    if !head.ends_with(b"\r\n\r\n") {
                        continue;
                    }
                    let text = String::from_utf8(std::mem::take(&mut head)).unwrap();
                    let (status, body) = answer(&text, &speaks);
                    let length = body.len();
                    let answer = format!(
                        "HTTP/1.1 {status}\r\ncontent-type: application/json\r\ncontent-length: {length}\r\n\r\n{body}"
                    );
                    stream.write_all(answer.as_bytes()).await.unwrap();
                }
            });
        }
    });
    speaks
}

fn answer(request: &str, speaks: &Speaks) -> (&'static str, String) {
    let oldest = speaks.oldest.load(Ordering::SeqCst);
    let newest = speaks.newest.load(Ordering::SeqCst);
    let path = request.split(' ').nth(1).unwrap();
    let asked = path
        .strip_prefix("/v1.")
        .and_then(|rest| rest.split('/').next())
        .and_then(|minor| minor.parse::<u32>().ok());
    let refuse = |how: &str, bound: &str, minor: u32| {
        let asked = asked.unwrap_or_default();
        let message = format!(
            "client version 1.{asked} is too {how}. {bound} supported API version is 1.{minor}, please upgrade your client to a newer version"
        );
        let body = serde_json::json!({ "message": message });
        ("400 Bad Request", body.to_string())
    };
    // Dockerd tells its version in whatever version it is asked.
    let is_version = path.ends_with("/version");
    match asked {
        Some(minor) if minor > newest && !is_version => refuse("new", "Maximum", newest),
        Some(minor) if minor < oldest && !is_version => refuse("old", "Minimum", oldest),
        _ if is_version => {
            let body = serde_json::json!({
                "Version": "29.0.0",
                "ApiVersion": format!("1.{newest}"),
                "MinAPIVersion": format!("1.{oldest}"),
            });
            ("200 OK", body.to_string())
        }
        _ => {
            let next = speaks.lists.lock().pop_front();
            let (status, body) = next.unwrap_or(("200 OK", "[]"));
            (status, body.to_owned())
        }
    }
}
