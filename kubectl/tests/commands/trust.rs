//! The server's certificate is checked, always.

use std::sync::Arc;

use assert_cmd::Command;
use base64::Engine as _;
use common::trust::{ADMINS, Authority, ClientAuth, Identity, server_config};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};

use crate::fake::{err, out};

/// A TLS server that asks for a client certificate and answers everything with a version.
fn serve(authority: &Authority, identity: &Identity) -> u16 {
    let mut config = server_config(identity, authority.ca_pem(), ClientAuth::Required).unwrap();
    config.alpn_protocols = vec![b"http/1.1".to_vec()];
    let acceptor = tokio_rustls::TlsAcceptor::from(Arc::new(config));
    let (sender, receiver) = std::sync::mpsc::channel();
    std::thread::spawn(move || {
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_all()
            .build()
            .unwrap();
        runtime.block_on(async {
            let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
            sender.send(listener.local_addr().unwrap().port()).unwrap();
            loop {
                let (stream, _) = listener.accept().await.unwrap();
                let Ok(mut stream) = acceptor.accept(stream).await else {
                    continue;
                };
                let mut buffer = [0; 4096];
                let _ = stream.read(&mut buffer).await;
                let body = "{\"gitVersion\": \"v1+troupe\"}";
                let answer = format!(
                    "HTTP/1.1 200 OK\r\nConnection: close\r\nContent-Length: {}\r\n\r\n{body}",
                    body.len()
                );
                let _ = stream.write_all(answer.as_bytes()).await;
                let _ = stream.shutdown().await;
            }
        });
    });
    receiver.recv().unwrap()
}

fn kubeconfig(ca: &str, client: &Identity, port: u16) -> String {
    let encode = |text: &str| base64::engine::general_purpose::STANDARD.encode(text);
    format!(
        "clusters: [{{name: c, cluster: {{server: 'https://127.0.0.1:{port}', certificate-authority-data: {}}}}}]\n\
         users: [{{name: u, user: {{client-certificate-data: {}, client-key-data: {}}}}}]\n\
         contexts: [{{name: x, context: {{cluster: c, user: u}}}}]\ncurrent-context: x\n",
        encode(ca),
        encode(&client.cert_pem),
        encode(&client.key_pem)
    )
}

#[test]
fn the_right_authority_is_trusted_and_no_other() {
    common::trust::install_crypto();
    let now = jiff::Timestamp::now();
    let dirs = [tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap()];
    let right = Authority::load_or_create(dirs[0].path(), now).unwrap();
    let wrong = Authority::load_or_create(dirs[1].path(), now).unwrap();
    let server = right.issue_server(&["127.0.0.1".to_owned()], now).unwrap();
    let client = right
        .issue_client(
            "admin",
            &[ADMINS],
            std::time::Duration::from_secs(3600),
            now,
        )
        .unwrap();
    let port = serve(&right, &server);
    let file = dirs[0].path().join("kubeconfig");
    let version = |text: String| {
        std::fs::write(&file, text).unwrap();
        Command::new(env!("CARGO_BIN_EXE_kubectl"))
            .arg("version")
            .env("KUBECONFIG", &file)
            .env_remove("HTTPS_PROXY")
            .assert()
    };
    let good = version(kubeconfig(right.ca_pem(), &client, port)).success();
    assert!(
        out(&good).contains("Server Version: v1+troupe"),
        "{}",
        out(&good)
    );
    let bad = version(kubeconfig(wrong.ca_pem(), &client, port)).failure();
    assert!(err(&bad).contains("certificate"), "{}", err(&bad));
    // A server of another name than the one that was dialled.
    let bad = version(kubeconfig(right.ca_pem(), &client, port).replace("127.0.0.1", "localhost"))
        .failure();
    assert!(err(&bad).contains("certificate"), "{}", err(&bad));
}
