//! Who may do what.

use std::io::{ErrorKind, Read as _, Write as _};
use std::net::TcpStream;
use std::os::unix::fs::PermissionsExt as _;
use std::time::Duration;

use common::link::PROTOCOL;
use common::trust::{Csr, client_config};
use futures_util::{SinkExt as _, StreamExt as _};
use reqwest::Method;
use serde_json::json;
use tests::{Cluster, Http, Identity, Node, Options, Reply, eventually, params, runtime};
use tokio_tungstenite::tungstenite::Message;

const INLINE: &str = r#"{"apiVersion":"v1","kind":"Function","metadata":{"name":"f"},"spec":{"source":{"inline":{"func.py":"def main(p): return 1"}}}}"#;

fn create(client: &Http) -> u16 {
    let path = "/api/v1/namespaces/default/functions";
    let answer = client.send(Method::POST, path, |request| {
        request
            .header("content-type", "application/json")
            .body(INLINE)
    });
    answer.status
}

fn ask_token(client: &Http) -> u16 {
    client
        .post_with("/tokens", "content-type", "application/json", "{}")
        .status
}

#[test]
fn strangers_are_refused() {
    let cluster = Cluster::start();
    let nobody = cluster.api().as_nobody();
    for path in [
        "/api/v1/functions",
        "/api/v1/namespaces/default/secrets",
        "/apis/apps/v1/replicasets",
        "/link",
        "/function/f",
        "/blobs/sha256:0000000000000000000000000000000000000000000000000000000000000000",
    ] {
        let answer = nobody.get(path);
        assert!(matches!(answer.status, 401 | 403), "{path}: {answer:?}");
    }
    assert!(matches!(create(&nobody), 401 | 403));
    assert!(matches!(ask_token(&nobody), 401 | 403));
    let liar = nobody.send(Method::GET, "/api/v1/functions", |r| {
        r.bearer_auth("made-up")
    });
    assert_eq!(liar.status, 401, "{liar:?}");
    for path in ["/healthz", "/readyz"] {
        assert_eq!(nobody.get(path).status, 200, "{path}");
    }
    assert_eq!(create(&cluster.api().as_admin()), 201);
}

#[test]
fn a_node_may_touch_nothing_that_is_not_its_own() {
    let cluster = Cluster::with(Options::default().agents(2));
    let identity = Identity::load(&cluster.nodes[0].data().join("node.pem")).unwrap();
    let node = cluster.api().with(&identity);
    assert!(matches!(create(&node), 403), "{}", create(&node));
    assert_eq!(ask_token(&node), 403);
    cluster.kubectl().run_with(
        &["create", "-f", "-"],
        r#"{"apiVersion":"v1","kind":"Secret","metadata":{"name":"s"},"stringData":{"a":"b"}}"#,
    );
    assert_eq!(node.get("/api/v1/namespaces/default/secrets/s").status, 403);
    let patch = |path: &str| {
        let answer = node.send(Method::PATCH, path, |request| {
            request
                .header("content-type", "application/merge-patch+json")
                .body(r#"{"metadata":{"labels":{"owned":"yes"}}}"#)
        });
        answer.status
    };
    assert_eq!(patch("/api/v1/nodes/node-2"), 403);
    let gone = node.send(Method::DELETE, "/api/v1/nodes/node-2", |request| request);
    assert_eq!(gone.status, 403);
    let nodes = cluster.kubectl().items(&["get", "nodes"]);
    assert!(
        nodes
            .iter()
            .all(|node| node["metadata"]["labels"]["owned"].is_null())
    );
}

#[test]
fn an_agent_with_a_wrong_token_does_not_join() {
    let cluster = Cluster::with(Options::default().agents(0));
    let token = cluster.token();
    // The last character of the secret is another one.
    let (head, tail) = token.split_at(token.len() - 1);
    let wrong = format!("{head}{}", if tail == "0" { "1" } else { "0" });
    assert_refused(&cluster, "wrong-secret", &wrong);
    assert_refused(&cluster, "nonsense", "K10nonsense");
}

#[test]
fn an_agent_with_another_clusters_token_does_not_join() {
    let cluster = Cluster::with(Options::default().agents(0));
    let other = Cluster::with(Options::default().agents(0));
    assert_refused(&cluster, "stranger", &other.token());
}

#[test]
fn a_certificate_of_another_authority_opens_nothing() {
    let cluster = Cluster::start();
    let other = Cluster::start();
    let stolen = |cluster: &Cluster| {
        let path = cluster.nodes[0].data().join("node.pem");
        Identity::load(&path).unwrap()
    };
    // Both clusters have a node-1, and an administrator.
    for identity in [stolen(&other), other.api().admin()] {
        let stranger = cluster.api().with(&identity);
        let answer = stranger.try_send(Method::GET, "/api/v1/nodes/node-1", |request| request);
        assert!(answer.is_err(), "the connection must not stand: {answer:?}");
    }
    let own = cluster.api().with(&stolen(&cluster));
    assert_eq!(own.get("/api/v1/nodes/node-1").status, 200);
}

fn join(cluster: &Cluster, token: &str, node: &str, csr: &Csr) -> Reply {
    let body = json!({ "node": node, "csr": csr.csr_pem }).to_string();
    let nobody = cluster.api().as_nobody();
    nobody.send(Method::POST, "/join", |request| {
        let request = request.bearer_auth(token);
        request
            .header("content-type", "application/json")
            .body(body)
    })
}

#[test]
fn a_join_that_is_replayed_gives_nothing_to_another_key_and_ends_with_its_token() {
    let cluster = Cluster::with(Options::default().agents(0));
    let token = cluster.token();
    let (own, thief) = (Csr::new().unwrap(), Csr::new().unwrap());
    assert_eq!(join(&cluster, &token, "n", &own).status, 200);
    let taken = join(&cluster, &token, "n", &thief);
    assert_eq!(taken.status, 403, "{taken:?}");
    // The same request again certifies the same key, which only its owner has.
    let again = join(&cluster, &token, "n", &own).expect(200);
    let certificate = again["certificate"].as_str().unwrap();
    assert!(own.signed(certificate.to_owned()).validity().is_ok());

    let admin = cluster.api().as_admin();
    let asked = r#"{"ttlSeconds":1}"#;
    let short = admin.post_with("/tokens", "content-type", "application/json", asked);
    let short = short.expect(201)["token"].as_str().unwrap().to_owned();
    let late = Csr::new().unwrap();
    eventually("the token is expired", || {
        match join(&cluster, &short, "n", &late).status {
            401 => Ok(()),
            // While it lives, the name is another's.
            status => Err(status),
        }
    });
}

#[test]
fn a_node_cannot_join_under_a_masters_name() {
    let options = Options::default().agents(0);
    let cluster = Cluster::with(options.master("api-names", "master.lan"));
    let token = cluster.token();
    for name in ["localhost", "127.0.0.1", "master.lan"] {
        let refused = join(&cluster, &token, name, &Csr::new().unwrap());
        assert_eq!(refused.status, 403, "{name}: {refused:?}");
        assert!(refused.text().contains("--name"), "{refused:?}");
    }
    let other = join(&cluster, &token, "node.lan", &Csr::new().unwrap());
    assert_eq!(other.status, 200, "{other:?}");
}

#[test]
fn a_nodes_certificate_links_no_other_node() {
    let cluster = Cluster::with(Options::default().agents(2));
    let identity = Identity::load(&cluster.nodes[0].data().join("node.pem")).unwrap();
    let said = runtime().block_on(greet(&cluster, &identity, "node-2"));
    assert!(said.contains("node-2"), "{said}");
    assert!(said.contains("certificate"), "{said}");
    cluster.wait_for_node("node-2");
}

/// Opens a link with a certificate, greets as a node, and gives the reason with which the master closes it.
async fn greet(cluster: &Cluster, identity: &Identity, node: &str) -> String {
    let url = format!("{}/link", cluster.api_url().replace("https", "wss"));
    let address = cluster.api_url().trim_start_matches("https://");
    let mut tls = client_config(cluster.api().authority(), Some(identity)).unwrap();
    tls.alpn_protocols = vec![b"http/1.1".to_vec()];
    let stream = tokio::net::TcpStream::connect(address).await.unwrap();
    let name = "127.0.0.1".try_into().unwrap();
    let connector = tokio_rustls::TlsConnector::from(std::sync::Arc::new(tls));
    let stream = connector.connect(name, stream).await.unwrap();
    let (mut socket, _) = tokio_tungstenite::client_async(url, stream).await.unwrap();
    let hello = json!({
        "node": node, "version": "0", "arch": "amd64", "python": "3.11", "bases": [],
        "runtime": "process", "runtime_version": "3", "isolated": true, "isolation_message": "",
        "cpu_milli": 1000, "memory_bytes": 1, "max_pods": 1, "machine_id": "", "boot_id": "",
        "kernel": "", "os_image": "", "data_addr": "127.0.0.1:1", "labels": {},
    });
    let frame = json!({ "v": PROTOCOL, "seq": 1, "ack": 0, "body": { "Hello": hello } });
    socket.send(Message::text(frame.to_string())).await.unwrap();
    while let Some(message) = socket.next().await {
        if let Message::Close(Some(frame)) = message.unwrap() {
            return frame.reason.to_string();
        }
    }
    "the link ended without a word".to_owned()
}

/// Starts an agent that must end with an error, or stay outside and say why.
fn assert_refused(cluster: &Cluster, name: &str, token: &str) {
    let mut node = Node::start(name, cluster.home(), cluster.api_url(), token, &[]);
    let log = eventually("the agent says why", || {
        let log = node.process.log();
        let told = log.to_lowercase();
        if told.contains("token") || told.contains("authority") || told.contains("certificate") {
            Ok(log)
        } else {
            Err(log)
        }
    });
    if node.process.is_running() {
        node.process.kill();
    }
    assert!(!node.data().join("node.pem").exists(), "{log}");
    assert_eq!(cluster.kubectl().run(&["get", "nodes", "-o", "name"]), "");
}

#[test]
fn what_is_secret_is_readable_by_its_owner_only() {
    let cluster = Cluster::start();
    let mode =
        |path: std::path::PathBuf| std::fs::metadata(path).unwrap().permissions().mode() & 0o777;
    assert_eq!(mode(cluster.kubeconfig()), 0o600);
    assert_eq!(mode(cluster.nodes[0].data().join("node.pem")), 0o600);
}

#[test]
fn functions_cannot_read_what_is_the_clusters() {
    let cluster = Cluster::start();
    if !nix::unistd::geteuid().is_root() {
        // Pods then run as the same user; the node says so.
        let node = cluster.kubectl().run(&["describe", "node", "node-1"]);
        assert!(node.contains("Isolated"), "{node}");
        return;
    }
    let code = "def main(params):\n    try:\n        return open(params['path']).read(1)\n    except OSError as error:\n        return type(error).__name__\n";
    cluster.apply("spy", code, "");
    for path in [
        cluster.kubeconfig(),
        cluster.nodes[0].data().join("node.pem"),
    ] {
        let answer = cluster
            .gateway()
            .post("/function/spy", json!({"path": path}).to_string());
        assert_eq!(answer.expect(200), json!("PermissionError"));
    }
    cluster.apply("who", &params("__import__('os').getuid()"), "");
    assert_ne!(
        cluster.gateway().post("/function/who", "{}").expect(200),
        json!(0)
    );
}

#[test]
fn a_gateway_that_others_can_reach_asks_for_a_token() {
    let cluster = Cluster::with(Options::default().open_to_others());
    cluster.apply("closed", &params("1"), "");
    cluster.apply("open", &params("2"), "access: open");
    let gateway = cluster.gateway();
    assert_eq!(gateway.post("/function/closed", "{}").status, 401);
    assert_eq!(
        gateway.post("/function/nobody", "{}").status,
        401,
        "strangers learn no names"
    );
    assert_eq!(gateway.post("/function/open", "{}").expect(200), json!(2));
    let answer = cluster.api().as_admin().post("/function/closed", "{}");
    assert_eq!(
        answer.expect(200),
        json!(1),
        "the API's port knows its callers"
    );
}

#[test]
fn the_apis_port_calls_for_nobody_unknown() {
    let cluster = Cluster::start();
    cluster.apply("f", &params("1"), "");
    assert_eq!(
        cluster.gateway().post("/function/f", "{}").expect(200),
        json!(1)
    );
    let stranger = cluster.api().as_nobody().post("/function/f", "{}");
    assert!(matches!(stranger.status, 401 | 403), "{stranger:?}");
}

#[test]
fn a_page_in_a_browser_cannot_call_a_gateway_on_loopback() {
    let cluster = Cluster::start();
    cluster.apply("f", &params("1"), "");
    let gateway = cluster.gateway();
    for (header, value) in [("host", "evil.example"), ("origin", "https://evil.example")] {
        let answer = gateway.post_with("/function/f", header, value, "{}");
        assert!(matches!(answer.status, 401 | 403), "{header}: {answer:?}");
    }
    assert_eq!(gateway.post("/function/f", "{}").expect(200), json!(1));
}

#[test]
fn slow_and_oversized_handshakes_are_cut_and_hurt_nobody() {
    let cluster = Cluster::with(Options::default().agents(0));
    let address = cluster.api_url().trim_start_matches("https://").to_owned();
    let dial = || {
        let stream = TcpStream::connect(&address).unwrap();
        // Far longer than the master waits: a read that ends before saw the connection cut.
        stream
            .set_read_timeout(Some(Duration::from_secs(60)))
            .unwrap();
        stream
    };
    let silent: Vec<TcpStream> = (0..100).map(|_| dial()).collect();
    let mut begun = dial();
    // A handshake record that promises more than comes.
    begun.write_all(&[22, 3, 1, 2, 0, 1]).unwrap();
    let mut huge = dial();
    // Records of the largest size, again and again; the master may cut the line in the middle.
    let record = [&[22_u8, 3, 1, 0x40, 0][..], &[1; 0x4000]].concat();
    for _ in 0..200 {
        if huge.write_all(&record).is_err() {
            break;
        }
    }
    let mut spoken = dial();
    spoken.write_all(b"GET / HTTP/1.1\r\n\r\n").unwrap();
    assert_eq!(cluster.api().as_nobody().get("/healthz").status, 200);
    for mut stream in silent.into_iter().chain([begun, huge, spoken]) {
        // What it says before it cuts is an alert of TLS at most.
        let mut said = Vec::new();
        match stream.read_to_end(&mut said) {
            Ok(_) => assert!(said.len() < 64, "{said:?}"),
            Err(error) => assert_eq!(error.kind(), ErrorKind::ConnectionReset, "not cut"),
        }
    }
    assert_eq!(cluster.api().as_nobody().get("/healthz").status, 200);
}
