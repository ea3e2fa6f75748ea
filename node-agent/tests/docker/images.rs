//! Functions as images of the cluster's registry: pulled by digest through the agent's own.

use std::sync::atomic::Ordering;

use common::digest::Digest;
use common::link::{BaseImage, LayerToKeep, Origin, PodAssignment, PodState, ToAgent, ToMaster};
use http::{Method, StatusCode};
use http_body_util::{BodyExt as _, Full};
use hyper_util::rt::TokioIo;
use serde_json::{Value, json};

use crate::harness::functions::simple;
use crate::harness::master::FakeMaster;
use crate::harness::until;
use crate::node::{Node, environment};

const MANIFEST: &str = "application/vnd.oci.image.manifest.v1+json";
const NAME: &str = "functions/default/f";

/// A node of a cluster with a registry, and the base it supplied.
async fn node(settings: &[(&str, &str)]) -> Option<(Node, BaseImage)> {
    let (host, file) = environment()?;
    let master = FakeMaster::start().await;
    master.shared().registry.store(true, Ordering::SeqCst);
    let node = Node::of(master, &host, &file, settings).await;
    let introduced = |message: &ToMaster| match message {
        ToMaster::Hello(hello) => hello.bases.first().cloned(),
        _ => None,
    };
    let base = node.master.hear("a hello that names the base", introduced);
    let base = base.await;
    node.master.inventory().await;
    Some((node, base))
}

/// Lays a function over a base, as the master does; the pod that runs it.
fn image(master: &FakeMaster, base: &BaseImage, uid: &str, code: &str) -> PodAssignment {
    let mut pod = simple(master, uid, code);
    let Origin::Layer {
        digest,
        size,
        full_base,
        ..
    } = pod.origin
    else {
        unreachable!()
    };
    let config = master.blob(base.config).unwrap();
    let mut config: Value = serde_json::from_slice(&config).unwrap();
    let layers = config["rootfs"]["diff_ids"].as_array_mut().unwrap();
    layers.push(json!(digest.to_string()));
    if let Some(history) = config["history"].as_array_mut() {
        history.push(json!({ "created_by": "a function" }));
    }
    let store = |document: &Value| {
        let text = document.to_string();
        let size = text.len();
        (master.store(text), size)
    };
    let layer = |digest: Digest, size: u64| json!({ "mediaType": "application/vnd.oci.image.layer.v1.tar", "digest": digest.to_string(), "size": size });
    let mut all: Vec<Value> = base
        .layers
        .iter()
        .map(|one| layer(one.digest, one.size))
        .collect();
    all.push(layer(digest, size));
    let (config, length) = store(&config);
    let config = json!({ "mediaType": "application/vnd.oci.image.config.v1+json", "digest": config.to_string(), "size": length });
    let manifest =
        json!({ "schemaVersion": 2, "mediaType": MANIFEST, "config": config, "layers": all });
    let (manifest, length) = store(&manifest);
    let platform = json!({ "os": "linux", "architecture": node_agent::machine::arch() });
    let manifests = json!([{ "mediaType": MANIFEST, "digest": manifest.to_string(), "size": length, "platform": platform }]);
    let index = json!({ "schemaVersion": 2, "mediaType": "application/vnd.oci.image.index.v1+json", "manifests": manifests });
    let (index, _) = store(&index);
    pod.origin = Origin::Layer {
        digest,
        size,
        full_base,
        image: Some(format!("{NAME}@{index}")),
    };
    pod
}

fn index(pod: &PodAssignment) -> String {
    match &pod.origin {
        Origin::Layer { image, .. } => image.clone().unwrap().split_once('@').unwrap().1.to_owned(),
        Origin::Image { .. } => unreachable!(),
    }
}

fn registry_port(node: &Node) -> String {
    let port = std::fs::read_to_string(node.agent.data.join("registry.port"));
    port.unwrap().trim().to_owned()
}

/// What the agent's registry answers to somebody on this machine.
async fn read(node: &Node, method: Method, path: &str) -> (StatusCode, String) {
    let address = format!("127.0.0.1:{}", registry_port(node));
    let stream = tokio::net::TcpStream::connect(address).await.unwrap();
    let shaken = hyper::client::conn::http1::handshake(TokioIo::new(stream)).await;
    let (mut sender, connection) = shaken.unwrap();
    tokio::spawn(connection);
    let request = http::Request::builder()
        .method(method)
        .uri(path)
        .header("host", "registry")
        .body(Full::new(bytes::Bytes::new()))
        .unwrap();
    let answer = sender.send_request(request).await.unwrap();
    let status = answer.status();
    let body = answer.into_body().collect().await.unwrap().to_bytes();
    (status, String::from_utf8_lossy(&body).into_owned())
}

const CODE: &str = "def main(params):\n    return 'from the registry'\n";

#[tokio::test(flavor = "multi_thread")]
async fn an_image_is_pulled_by_digest_through_the_agents_own_registry() {
    let Some((node, base)) = node(&[]).await else {
        return;
    };
    // What the node supplied is what it is made of.
    for layer in &base.layers {
        let blob = node.master.blob(layer.digest).unwrap();
        assert_eq!(blob.len() as u64, layer.size);
    }
    let first = image(&node.master, &base, "p1", CODE);
    let second = PodAssignment {
        uid: "p2".to_owned(),
        ..first.clone()
    };
    let third = PodAssignment {
        uid: "p3".to_owned(),
        ..first.clone()
    };
    let index = index(&first);
    let gets = &node.master.shared().part_gets;
    // Two at once are pulled for once.
    for pod in [first, second] {
        node.master.say(ToAgent::EnsurePod(Box::new(pod)));
    }
    for uid in ["p1", "p2"] {
        until("it is ready", || {
            let record = std::fs::read_to_string(node.agent.pod(uid).join("record.json"));
            record.ok().filter(|text| text.contains("\"Ready\""))
        })
        .await;
        assert_eq!(node.ask(uid, "{}").await, "from the registry");
    }
    // Index, manifest, config and the function's layer; the base's layers the engine has. Engines
    // look at the head of the index first.
    assert!(gets.load(Ordering::SeqCst) <= 6, "{gets:?}");
    assert_eq!(node.master.shared().blob_gets.load(Ordering::SeqCst), 0);
    let mounts = "{{range .Mounts}}{{.Destination}} {{end}}";
    let mounts = node.docker(&["inspect", "-f", mounts, &node.container("p1")]);
    assert!(!mounts.contains("/function"), "{mounts}");
    // Nobody else gets it there, and nobody writes there.
    let manifest = format!("/v2/{NAME}/manifests/{index}");
    assert_eq!(read(&node, Method::GET, "/v2/").await.0, StatusCode::OK);
    let (status, text) = read(&node, Method::GET, &manifest).await;
    assert_eq!(status, StatusCode::NOT_FOUND);
    assert!(text.contains("MANIFEST_UNKNOWN"), "{text}");
    let blob = format!("/v2/{NAME}/blobs/{}", base.layers[0].digest);
    assert_eq!(
        read(&node, Method::GET, &blob).await.0,
        StatusCode::NOT_FOUND
    );
    let (status, _) = read(&node, Method::PUT, &manifest).await;
    assert_eq!(status, StatusCode::METHOD_NOT_ALLOWED);
    node.remove("p1").await;
    node.remove("p2").await;
    let image = format!("127.0.0.1:{}/{NAME}@{index}", registry_port(&node));
    node.docker(&["rmi", &image]);
    // The engine may know the index from before, and asks for its parts at once.
    node.run(third).await;
    assert_eq!(node.ask("p3", "{}").await, "from the registry");
    node.end().await;
}

/// Whether the node's engine has an image of this index.
fn has(node: &Node, index: &str) -> bool {
    let all = node.docker(&["images", "--digests", "--format", "{{.Digest}}"]);
    all.lines().any(|digest| digest == index)
}

#[tokio::test(flavor = "multi_thread")]
async fn a_generic_container_becomes_a_function_that_has_an_image() {
    let pool = [("POOL__SIZE", "1"), ("POOL__MAX", "1")];
    let Some((node, base)) = node(&pool).await else {
        return;
    };
    let code = format!("def main(params):\n    return 'warm on {}'\n", node.id());
    let pod = image(&node.master, &base, "p1", &code);
    let index = index(&pod);
    node.run(pod).await;
    assert_eq!(node.ask("p1", "{}").await, format!("warm on {}", node.id()));
    assert!(!has(&node, &index), "the layer is all that it needs");
    node.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn where_the_layer_is_nobody_waits_for_the_image() {
    let Some((node, base)) = node(&[]).await else {
        return;
    };
    let code = format!("def main(params):\n    return 'ahead on {}'\n", node.id());
    let first = image(&node.master, &base, "p1", &code);
    let second = PodAssignment {
        uid: "p2".to_owned(),
        ..first.clone()
    };
    let index = index(&first);
    let Origin::Layer { digest, size, .. } = first.origin else {
        unreachable!()
    };
    let keep = ToAgent::KeepLayers(vec![LayerToKeep { digest, size }]);
    node.master.say(keep);
    let place = format!("layers/{}", digest.to_string().replace(':', "-"));
    let place = node.agent.data.join(place);
    until("the layer is there", || place.exists().then_some(())).await;
    let function = |uid: &str| {
        let mounts = "{{range .Mounts}}{{.Destination}} {{end}}";
        let mounts = node.docker(&["inspect", "-f", mounts, &node.container(uid)]);
        mounts.split(' ').any(|place| place == "/function")
    };
    node.run(first).await;
    assert!(function("p1"), "its layer over the base");
    until("the image comes by itself", || {
        has(&node, &index).then_some(())
    })
    .await;
    node.run(second).await;
    assert!(!function("p2"), "it is made of the image");
    for uid in ["p1", "p2"] {
        let said = node.ask(uid, "{}").await;
        assert_eq!(said, format!("ahead on {}", node.id()));
    }
    node.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_pull_is_tried_again_and_one_that_cannot_succeed_says_why() {
    let Some((node, base)) = node(&[]).await else {
        return;
    };
    node.master
        .shared()
        .part_refusals
        .store(3, Ordering::SeqCst);
    let pod = image(
        &node.master,
        &base,
        "p1",
        "def main(params):\n    return 1\n",
    );
    node.run(pod).await;
    let mut pod = image(
        &node.master,
        &base,
        "p2",
        "def main(params):\n    return 2\n",
    );
    let absent = Digest::of(b"nobody has this");
    if let Origin::Layer { image, .. } = &mut pod.origin {
        *image = Some(format!("{NAME}@{absent}"));
    }
    node.master.say(ToAgent::EnsurePod(Box::new(pod)));
    let report = node.master.pod("p2", PodState::Failed).await;
    assert_eq!(report.reason.as_deref(), Some("ErrImagePull"));
    let message = report.message.unwrap();
    assert!(
        message.contains(&absent.to_string()) && message.contains("manifest unknown"),
        "{message}"
    );
    node.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn images_that_no_pod_uses_go_when_the_disk_is_full() {
    let full = [("DOCKER__IMAGES_HIGH", "0"), ("DOCKER__IMAGES_LOW", "0")];
    let Some((node, base)) = node(&full).await else {
        return;
    };
    let [used, unused] = ["p1", "p2"].map(|uid| {
        let code = format!("def main(params):\n    return '{uid} of {}'\n", node.id());
        image(&node.master, &base, uid, &code)
    });
    let digests = [index(&used), index(&unused)];
    node.run(used).await;
    node.run(unused).await;
    let there = |digest: &str| {
        let all = node.docker(&["images", "--digests", "--format", "{{.Digest}}"]);
        all.lines().any(|line| line == digest)
    };
    assert!(there(&digests[0]) && there(&digests[1]));
    node.remove("p2").await;
    until("the unused one is gone", || {
        (!there(&digests[1])).then_some(())
    })
    .await;
    assert!(there(&digests[0]));
    assert_eq!(node.ask("p1", "{}").await, format!("p1 of {}", node.id()));
    node.end().await;
}
