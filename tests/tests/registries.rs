//! Images on their whole way: built on one node, pushed to a real registry that the master runs through
//! Docker, pulled by digest on a second node's engine, collected when the function is gone.

use std::path::{Path, PathBuf};

use reqwest::Method;
use serde_json::json;
use tests::{Cluster, Engine, Http, Identity, Options, Reply, eventually};

/// Code that no other test's image is made of.
fn code() -> String {
    let own = std::process::id();
    format!("OWN = {own}\ndef main(params):\n    return params['x'] * 2\n")
}

const NAME: &str = "/v2/troupe/functions";

/// The containers that serve this cluster's registry.
fn registries(engine: &Engine, home: &Path) -> String {
    let directory = home.join("master/registry");
    let label = format!("label=troupe.dev/registry={}", directory.display());
    engine.docker(&["ps", "-aq", "--filter", &label])
}

fn head(http: &Http, path: &str) -> Reply {
    http.send(Method::HEAD, path, |request| request)
}

fn part(http: &Http, path: &str, range: &str) -> Reply {
    http.send(Method::GET, path, |request| request.header("range", range))
}

/// The digest in a function's `status.image`, once it was pushed.
fn pushed(cluster: &Cluster, name: &str) -> String {
    eventually(&format!("{name} is pushed"), || {
        let function = cluster.kubectl().json(&["get", "function", name]);
        let image = function["status"]["image"].as_str().unwrap_or_default();
        match image.split_once('@') {
            Some((_, digest)) => Ok(digest.to_owned()),
            None => Err(function["status"].clone()),
        }
    })
}

/// What each node may read through the master, by a node's own certificate.
fn assert_granted(near: &Http, far: &Http, cluster: &Cluster, index: &str) -> String {
    let manifest = format!("{NAME}/manifests/{index}");
    let whole = near.get(&manifest);
    let one = whole.expect(200)["manifests"][0]["digest"].clone();
    let one = format!("{NAME}/manifests/{}", one.as_str().unwrap());
    let looked = head(near, &manifest);
    let length = whole.body.len().to_string();
    assert_eq!((looked.status, looked.body.len()), (200, 0));
    assert_eq!(looked.header("content-length"), Some(length.as_str()));
    assert_eq!(looked.header("docker-content-digest"), Some(index));
    // What a manifest names may be read once the manifest was.
    let layers = near.get(&one).expect(200)["layers"].clone();
    let layer = layers.as_array().unwrap().last().unwrap().clone();
    let size = layer["size"].as_u64().unwrap();
    let blob = format!("{NAME}/blobs/{}", layer["digest"].as_str().unwrap());
    let looked = head(near, &blob);
    let length = size.to_string();
    assert_eq!(looked.header("content-length"), Some(length.as_str()));
    let bytes = near.get(&blob).body;
    assert_eq!(bytes.len() as u64, size);
    let middle = part(near, &blob, "bytes=257-511");
    assert_eq!((middle.status, &middle.body[..]), (206, &bytes[257..512]));
    let range = format!("bytes 257-511/{size}");
    assert_eq!(middle.header("content-range"), Some(range.as_str()));
    let beyond = part(near, &blob, &format!("bytes={size}-"));
    assert_eq!(beyond.status, 416, "{beyond:?}");
    // The other node was told of none of it, nor anybody of what there is not.
    let absent = format!("{NAME}/blobs/sha256:{}", "0".repeat(64));
    for path in [&manifest, &one, &blob, &absent] {
        let refused = far.get(path);
        assert_eq!(refused.status, 403, "{path}: {}", refused.text());
        assert_eq!(head(far, path).status, 403, "{path}");
    }
    assert_eq!(near.get(&absent).status, 403);
    let admin = cluster.api().as_admin();
    assert_eq!(admin.get(&absent).expect(404)["reason"], "NotFound");
    let elsewhere = manifest.replace("troupe/functions", "other/name");
    assert_eq!(near.get(&elsewhere).status, 404);
    // Tags are not served, nothing is written, and strangers have no business here.
    assert_eq!(near.get(&format!("{NAME}/manifests/latest")).status, 400);
    for method in [Method::PUT, Method::DELETE] {
        let refused = near.send(method, &manifest, |request| request);
        assert!(matches!(refused.status, 404 | 405), "{refused:?}");
    }
    let stranger = cluster.api().as_nobody().get(&manifest);
    assert!(matches!(stranger.status, 401 | 403), "{stranger:?}");
    blob
}

#[test]
fn an_image_is_built_pushed_pulled_by_digest_on_a_second_node_and_collected() {
    let Some(engine) = Engine::find() else { return };
    let (Some(second), Some(image)) = (engine.second(), engine.registry_image()) else {
        return;
    };
    let options = Options::default()
        .agents(0)
        .master("registry", "auto")
        .master("own-registry.image", &image)
        .master("own-registry.docker-host", &engine.host)
        .master("builds.keep-unused", "2s")
        // Unused images go from the engines at the next look.
        .agent("docker.images-high", "0")
        .agent("docker.images-low", "0");
    let mut cluster = Cluster::with(options);
    let home: PathBuf = cluster.home().to_owned();
    cluster.add_node_with("near", &engine.settings());
    cluster.add_node_with("far", &second.settings());
    cluster.wait_for_node("near");
    cluster.wait_for_node("far");
    let on =
        |node: &str| format!("nodeSelector: {{ kubernetes.io/hostname: {node} }}\nnetwork: none");
    let client = |node: usize| {
        let file = cluster.nodes[node].data().join("node.pem");
        cluster.api().with(&Identity::load(&file).unwrap())
    };
    let (near, far) = (client(0), client(1));

    cluster.apply("f", &code(), &on("near"));
    let index = pushed(&cluster, "f");
    let call = |cluster: &Cluster, name: &str| {
        let answer = cluster
            .gateway()
            .post(&format!("/function/{name}"), r#"{"x": 21}"#);
        assert_eq!(answer.expect(200), json!(42), "{name}");
    };
    call(&cluster, "f");
    let blob = assert_granted(&near, &far, &cluster, &index);

    // The same code on the other node: nothing is built, its engine pulls the image by digest. The first
    // pod does not wait for that, since its layer is there; one that comes after it is made of the image.
    cluster.apply("g", &code(), &on("far"));
    assert_eq!(pushed(&cluster, "g"), index);
    call(&cluster, "g");
    let of_index = |engine: &Engine| {
        let all = engine.docker(&["images", "--digests", "--format", "{{.Digest}}"]);
        all.lines().any(|digest| digest == index)
    };
    let made_of = |engine: &Engine, node: &str| {
        let label = format!("label=troupe.dev/node={node}");
        let pods = engine.docker(&["ps", "-q", "--filter", &label]);
        let pod = pods.lines().next()?;
        let image = engine.docker(&["inspect", "-f", "{{.Image}}", pod]);
        Some(engine.docker(&["inspect", "-f", "{{.RepoDigests}}", &image]))
    };
    for (name, node, engine) in [("f", "near", &engine), ("g", "far", &second)] {
        let of_image = || made_of(engine, node).is_some_and(|digests| digests.contains(&index));
        // An image that no pod uses goes at the next look, so that there may be a second turn.
        for _ in 0..3 {
            if of_image() {
                break;
            }
            eventually("the engine has the image", || {
                if of_index(engine) { Ok(()) } else { Err(name) }
            });
            let pods = cluster.pods(name);
            let pod = pods[0]["metadata"]["name"].as_str().unwrap().to_owned();
            cluster.kubectl().run(&["delete", "pod", &pod]);
            call(&cluster, name);
        }
        assert!(of_image(), "{:?}", made_of(engine, node));
    }
    assert_eq!(far.get(&format!("{NAME}/manifests/{index}")).status, 200);

    // A killed master's registry is taken over, with what it holds.
    let before = registries(&engine, &home);
    cluster.crash_master();
    assert_eq!(registries(&engine, &home), before);
    call(&cluster, "g");

    for name in ["f", "g"] {
        cluster.kubectl().run(&["delete", "function", name]);
    }
    let admin = cluster.api().as_admin();
    eventually("the registry forgets the image", || {
        let left =
            [&format!("{NAME}/manifests/{index}"), &blob].map(|path| head(&admin, path).status);
        if left == [404, 404] {
            Ok(())
        } else {
            Err(left)
        }
    });
    eventually("the engines forget it", || {
        match [of_index(&engine), of_index(&second)] {
            [false, false] => Ok(()),
            left => Err(left),
        }
    });
    drop(cluster);
    for engine in [&engine, &second] {
        let left = engine.docker(&["ps", "-aq", "--filter", "label=troupe.dev/node"]);
        assert_eq!(left, "");
    }
    assert_eq!(registries(&engine, &home), "");
}

/// A killed master leaves nothing that its next start does not end or take over, also as a process.
#[test]
fn a_registry_that_is_a_process_ends_with_a_killed_master() {
    let options = Options::default()
        .agents(0)
        .master("registry", "auto")
        .master("own-registry.image", "");
    let mut cluster = Cluster::with(options);
    let directory = cluster.home().join("master/registry");
    let Ok(pid) = std::fs::read_to_string(directory.join("pid")) else {
        let strict = std::env::var("CI").as_deref() == Ok("true");
        assert!(!strict, "CI=true needs the package docker-registry");
        return;
    };
    let lives = |pid: &str| Path::new(&format!("/proc/{pid}/cwd")).read_link().is_ok();
    assert!(lives(&pid));
    cluster.master.kill();
    eventually("the registry ends too", || {
        if lives(&pid) {
            Err(pid.clone())
        } else {
            Ok(())
        }
    });
    cluster.master.start_again();
    cluster.wait_for_master();
    let next = std::fs::read_to_string(directory.join("pid")).unwrap();
    assert!(next != pid && lives(&next));
    let status = cluster.master.stop();
    assert!(status.success() && !lives(&next));
}
