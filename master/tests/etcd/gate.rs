//! A way to etcd that can be cut, in one direction or both.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::watch;

/// Forwards connections to an address.
pub(crate) struct Gate {
    address: String,
    deaf: Arc<AtomicBool>,
    /// Counts the cuts; connections of an earlier count are over.
    cuts: watch::Sender<u32>,
    open: Arc<AtomicBool>,
}

impl Gate {
    pub(crate) async fn to(target: &str) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let gate = Self {
            address: listener.local_addr().unwrap().to_string(),
            deaf: Arc::new(AtomicBool::new(false)),
            cuts: watch::Sender::new(0),
            open: Arc::new(AtomicBool::new(true)),
        };
        let (deaf, open) = (Arc::clone(&gate.deaf), Arc::clone(&gate.open));
        let (cuts, target) = (gate.cuts.clone(), target.to_owned());
        tokio::spawn(async move {
            while let Ok((client, _)) = listener.accept().await {
                if !open.load(Ordering::SeqCst) {
                    continue;
                }
                let (deaf, mut cut, target) = (Arc::clone(&deaf), cuts.subscribe(), target.clone());
                cut.mark_unchanged();
                tokio::spawn(async move {
                    let Ok(server) = TcpStream::connect(&target).await else {
                        return;
                    };
                    tokio::select! {
                        () = forward(client, server, &deaf) => {}
                        _ = cut.changed() => {}
                    }
                });
            }
        });
        gate
    }

    pub(crate) fn address(&self) -> &str {
        &self.address
    }

    /// Answers are swallowed from now on; requests still pass.
    pub(crate) fn swallow_answers(&self) {
        self.deaf.store(true, Ordering::SeqCst);
    }

    /// Breaks all connections and takes no new ones.
    pub(crate) fn close(&self) {
        self.open.store(false, Ordering::SeqCst);
        self.cuts.send_modify(|cuts| *cuts += 1);
    }

    /// Takes connections, and lets everything pass.
    pub(crate) fn open(&self) {
        self.deaf.store(false, Ordering::SeqCst);
        self.open.store(true, Ordering::SeqCst);
    }
}

async fn forward(client: TcpStream, server: TcpStream, deaf: &AtomicBool) {
    let (mut from_client, mut to_client) = client.into_split();
    let (mut from_server, mut to_server) = server.into_split();
    let requests = tokio::io::copy(&mut from_client, &mut to_server);
    let answers = async {
        let mut buffer = vec![0; 64 << 10];
        while let Ok(count @ 1..) = from_server.read(&mut buffer).await {
            let swallowed = deaf.load(Ordering::SeqCst);
            if !swallowed && to_client.write_all(&buffer[..count]).await.is_err() {
                break;
            }
        }
    };
    tokio::select! {
        _ = requests => {}
        () = answers => {}
    }
}
