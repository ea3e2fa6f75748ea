//! What a hostile function tries from the inside, and how far it gets.

use std::net::TcpListener;

use common::link::{PodState, ToAgent};
use http::StatusCode;
use serde_json::json;

use crate::harness::functions::simple;
use crate::node::Node;
use crate::outside::{Outside, PORT};

/// A node whose pods come up the way that this module is about.
async fn node_with(settings: &[(&str, &str)]) -> Option<Node> {
    crate::way::node(module_path!(), settings).await
}

/// Python that runs what it is given and tells what came of it.
const ANYTHING: &str = "\
import os, socket, sys, ctypes
libc = ctypes.CDLL(None, use_errno=True)
def tried(text):
    try:
        return repr(eval(text))
    except BaseException as error:
        return type(error).__name__
def main(params):
    return [tried(text) for text in params['try']]
";

/// Each expression with what it comes to; an exception is its name.
async fn tried(node: &Node, uid: &str, expressions: &[&str]) -> Vec<String> {
    let answer = node
        .ask(uid, &json!({ "try": expressions }).to_string())
        .await;
    serde_json::from_value(answer).unwrap()
}

async fn assert_tried(node: &Node, uid: &str, expected: &[(&str, &str)]) {
    let expressions: Vec<&str> = expected.iter().map(|(text, _)| *text).collect();
    for ((text, wanted), found) in expected.iter().zip(tried(node, uid, &expressions).await) {
        assert!(
            wanted.split('|').any(|one| one == found),
            "{text}: {found}, want {wanted}"
        );
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_function_cannot_write_the_root_its_layer_or_the_server() {
    let Some(node) = node_with(&[]).await else {
        return;
    };
    node.ready("p1", ANYTHING).await;
    let expected = [
        ("open('/x', 'w')", "OSError"),
        ("open('/etc/passwd', 'a')", "OSError|PermissionError"),
        ("open('/function/func.py', 'a')", "OSError|PermissionError"),
        (
            "os.rename('/function/func.py', '/function/x')",
            "OSError|PermissionError",
        ),
        (
            "open('/opt/troupe/troupe_pod/__main__.py', 'a')",
            "OSError|PermissionError",
        ),
        ("os.chmod('/function', 0o777)", "OSError|PermissionError"),
        (
            "open('/proc/sys/kernel/core_pattern', 'w')",
            "OSError|PermissionError",
        ),
        (
            "open('/proc/sys/vm/drop_caches', 'w')",
            "OSError|PermissionError",
        ),
        ("os.mknod('/tmp/disk', 0o60600, 0xfe00)", "PermissionError"),
        ("open('/tmp/x', 'w').write('mine')", "4"),
    ];
    assert_tried(&node, "p1", &expected).await;
    node.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_function_does_not_find_another_functions_code_or_processes() {
    let Some(node) = node_with(&[]).await else {
        return;
    };
    let secret = format!(
        "{ANYTHING}# the other function's secret: xyzzy{}\n",
        "plugh"
    );
    node.ready("p1", &secret).await;
    node.ready("p2", ANYTHING).await;
    let find = "[os.path.join(d, f) for root in ('/function', '/opt', '/run', '/tmp', '/mnt', '/var', '/srv', '/home') \
                for d, _, names in os.walk(root) for f in names if os.path.isfile(os.path.join(d, f)) and os.access(os.path.join(d, f), 4) \
                and b'xyzzyplugh' in open(os.path.join(d, f), 'rb').read(1 << 20)]";
    let mine = find.replace("xyzzyplugh", "def tried");
    let expected = [
        (find, "[]"),
        // The search itself works.
        (mine.as_str(), "['/function/func.py']"),
        // Nobody else's processes, environment or memory.
        (
            "[pid for pid in os.listdir('/proc') if pid.isdigit() and b'troupe_pod' not in open(f'/proc/{pid}/cmdline', 'rb').read()]",
            "[]",
        ),
        (
            "open('/proc/1/mem', 'rb').read(1)",
            "PermissionError|OSError",
        ),
    ];
    assert_tried(&node, "p2", &expected).await;
    // Where the layers are, as the host sees them.
    let layers = node.agent.data.join("layers");
    let path = format!("os.listdir({:?})", layers.to_str().unwrap());
    assert_eq!(tried(&node, "p2", &[&path]).await, ["FileNotFoundError"]);
    node.end().await;
}

const REACH: &str = "\
import socket, threading
def reach(place):
    host, port = place
    try:
        with socket.create_connection((host, port), 3) as there:
            there.settimeout(3)
            return there.recv(64).decode() or 'open'
    except OSError as error:
        return type(error).__name__
def listen():
    server = socket.create_server(('0.0.0.0', 9999))
    def serve():
        while True:
            connection, _ = server.accept()
            connection.sendall(b'a pod')
            connection.close()
    threading.Thread(target=serve, daemon=True).start()
    return 'listening'
def main(params):
    if params.get('listen'):
        return listen()
    with open('/proc/net/route') as routes:
        gateway = [line.split()[2] for line in routes if line.split()[1] == '00000000']
    gateway = socket.inet_ntoa(bytes.fromhex(gateway[0])[::-1]) if gateway else None
    places = [(gateway if host == 'gateway' else host, port) for host, port in params['places']]
    own = socket.gethostbyname(socket.gethostname())
    return {'seen': [reach(place) for place in places], 'own': own, 'gateway': gateway}
";

async fn only_outwards(firewall: &str) {
    let Some(node) = node_with(&[("DOCKER__FIREWALL", firewall)]).await else {
        return;
    };
    let id = node.id();
    let table = format!("table inet troupe-{id}");
    let by_nft = crate::node::rules().contains(&table);
    assert_eq!(by_nft, firewall == "nft", "{}", crate::node::rules());
    let outside = Outside::start();
    // Somebody who would answer on every address of this machine.
    let here = TcpListener::bind("0.0.0.0:0").unwrap();
    let here = here.local_addr().unwrap().port();
    let number = |address: &str| address.rsplit_once(':').unwrap().1.parse::<u16>().unwrap();
    let agent = number(&node.data);
    let master = number(node.master.url().trim_start_matches("https://"));
    let registry = std::fs::read_to_string(node.agent.data.join("registry.port")).unwrap();
    let registry: u16 = registry.trim().parse().unwrap();
    node.ready("p1", REACH).await;
    node.ready("p2", REACH).await;
    assert_eq!(node.ask("p1", "{\"listen\": true}").await, "listening");
    let address = "{{range .NetworkSettings.Networks}}{{.IPAddress}}{{end}}";
    let other = node.docker(&["inspect", "-f", address, &node.container("p1")]);
    let outwards = json!([outside.address, PORT]);
    let walls = [
        json!(["gateway", here]),
        json!([outside.near, here]),
        json!(["gateway", agent]),
        json!(["gateway", master]),
        json!(["gateway", registry]),
        json!([other, 9999]),
        json!([outside.link_local, PORT]),
        json!(["127.0.0.1", here]),
    ];
    let mut places = vec![outwards];
    places.extend(walls.clone());
    let seen = node
        .ask("p2", &json!({ "places": places }).to_string())
        .await;
    let answers = seen["seen"].as_array().unwrap();
    assert_eq!(answers[0], format!("hello from {}", outside.near), "{seen}");
    for (place, answer) in walls.iter().zip(&answers[1..]) {
        let walled = [
            "TimeoutError",
            "timeout",
            "ConnectionRefusedError",
            "OSError",
        ];
        assert!(
            walled.contains(&answer.as_str().unwrap()),
            "{place}: {answer}"
        );
    }
    // The pod's own server is there for itself, and for nobody outside.
    let own = json!({ "places": [[other, 9999]] }).to_string();
    assert_eq!(node.ask("p1", &own).await["seen"], json!(["a pod"]));
    outside.route_back(&format!("{other}/32"));
    assert!(outside.reaches(&outside.near, here), "the way there works");
    assert!(!outside.reaches(&other, 9999));
    node.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_function_reaches_outwards_and_neither_host_nor_pods_nor_link_local_addresses() {
    only_outwards("nft").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn the_same_holds_with_iptables() {
    only_outwards("iptables").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn rules_that_somebody_flushed_are_back_after_a_while() {
    let Some(node) = node_with(&[("DOCKER__FIREWALL", "iptables")]).await else {
        return;
    };
    let id = node.id();
    assert!(crate::node::rules().contains(&id));
    let flush = std::process::Command::new("iptables")
        .args(["-w", "-t", "mangle", "-F", "INPUT"])
        .env("PATH", "/usr/sbin:/sbin:/usr/bin:/bin")
        .status();
    assert!(flush.unwrap().success());
    let jump = format!("-A INPUT -j TROUPE-IN-{id}");
    crate::harness::until("the rules are back", || {
        crate::node::rules().contains(&jump).then_some(())
    })
    .await;
    node.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_allowed_of_this_machine_is_reached_and_nothing_else_of_it() {
    let outside = Outside::start();
    let [open, closed] = [0; 2].map(|_| TcpListener::bind((outside.near.as_str(), 0)).unwrap());
    let [open, closed] = [open, closed].map(|listener| {
        let port = listener.local_addr().unwrap().port();
        std::thread::spawn(move || {
            for stream in listener.incoming().flatten() {
                let _ = std::io::Write::write_all(&mut &stream, b"an index");
            }
        });
        port
    });
    let allow = format!("{}:{open}", outside.near);
    let deny = format!("{}/32", outside.address);
    let settings = [
        ("DOCKER__ALLOW", allow.as_str()),
        ("DOCKER__DENY", deny.as_str()),
    ];
    let Some(node) = node_with(&settings).await else {
        return;
    };
    node.ready("p1", REACH).await;
    let near = &outside.near;
    let places = json!({ "places": [[near, open], [near, closed], [outside.address, PORT]] });
    let seen = node.ask("p1", &places.to_string()).await["seen"].clone();
    assert_eq!(seen[0], "an index");
    assert!(
        seen[1] != "an index" && !seen[2].as_str().unwrap().contains("hello"),
        "{seen}"
    );
    node.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_function_without_network_has_only_loopback() {
    let Some(node) = node_with(&[]).await else {
        return;
    };
    let mut pod = simple(&node.master, "p1", ANYTHING);
    pod.egress = false;
    node.run(pod).await;
    let expected = [
        ("sorted(os.listdir('/sys/class/net'))", "['lo']"),
        ("socket.create_connection(('198.18.0.1', 80), 2)", "OSError"),
    ];
    assert_tried(&node, "p1", &expected).await;
    node.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_socket_replaced_by_a_link_to_the_docker_socket_is_not_followed() {
    let Some(node) = node_with(&[]).await else {
        return;
    };
    node.ready("p1", ANYTHING).await;
    let (host, _) = crate::node::environment().unwrap();
    let docker = host.trim_start_matches("unix://");
    let replace =
        format!("[os.unlink('/run/pod/http.sock'), os.symlink({docker:?}, '/run/pod/http.sock')]");
    assert_eq!(tried(&node, "p1", &[&replace]).await, ["[None, None]"]);
    let link = node.agent.pod("p1").join("run/http.sock");
    assert!(link.symlink_metadata().unwrap().file_type().is_symlink());
    // The kept connection of the last call leads to the old socket; enough calls at once need new ones.
    let calls = (0..8).map(|_| node.call(http::Method::GET, "/pods/p1/call/version", ""));
    let answers = futures_util::future::join_all(calls).await;
    assert!(
        answers
            .iter()
            .all(|(_, _, body)| !body.contains("ApiVersion")),
        "{answers:?}"
    );
    let refused = answers
        .iter()
        .find(|(status, ..)| *status == StatusCode::BAD_GATEWAY);
    let (_, headers, _) = refused.unwrap();
    assert_eq!(headers["x-troupe-proxy-error"], "PodGone");
    node.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_function_cannot_raise_its_privileges() {
    let Some(node) = node_with(&[]).await else {
        return;
    };
    node.ready("p1", ANYTHING).await;
    let status = |key: &str| {
        format!(
            "[line.split()[1] for line in open('/proc/self/status') if line.startswith('{key}:')]"
        )
    };
    let [caps, bounding, nnp, seccomp] = ["CapEff", "CapBnd", "NoNewPrivs", "Seccomp"].map(status);
    let expected = [
        (
            "os.getuid() != 0 and os.getgid() != 0 and 0 not in os.getgroups()",
            "True",
        ),
        (caps.as_str(), "['0000000000000000']"),
        (bounding.as_str(), "['0000000000000000']"),
        (nnp.as_str(), "['1']"),
        (seccomp.as_str(), "['2']"),
        ("os.setuid(0)", "PermissionError"),
        ("os.setgroups([0])", "PermissionError"),
        ("os.chroot('/')", "PermissionError"),
        // A user namespace of its own would give it all capabilities in there.
        ("libc.unshare(0x10000000)", "-1"),
        ("libc.mount(b'x', b'/tmp', b'tmpfs', 0, None)", "-1"),
        ("libc.ptrace(16, 1, 0, 0)", "-1"),
        (
            "os.sched_setaffinity and os.nice(-5)",
            "PermissionError|OSError",
        ),
        (
            "socket.socket(socket.AF_PACKET, socket.SOCK_RAW)",
            "PermissionError",
        ),
        (
            "socket.socket(socket.AF_INET, socket.SOCK_RAW, 1)",
            "PermissionError",
        ),
        ("os.path.exists('/var/run/docker.sock')", "False"),
    ];
    assert_tried(&node, "p1", &expected).await;
    node.end().await;
}

const BOMB: &str = "\
import os, threading, time
def main(params):
    if not params.get('bomb'):
        return 'alive'
    children = 0
    try:
        while children < 5000:
            if os.fork() == 0:
                time.sleep(30)
                os._exit(0)
            children += 1
    except OSError as error:
        return {'children': children, 'errno': error.errno}
    return {'children': children}
";

#[tokio::test(flavor = "multi_thread")]
async fn a_fork_bomb_stays_within_its_pod() {
    let Some(node) = node_with(&[("PODS__MAX_TASKS", "64")]).await else {
        return;
    };
    node.ready("p1", BOMB).await;
    node.ready("p2", BOMB).await;
    let bomb = node.ask("p1", "{\"bomb\": true}").await;
    assert_eq!(bomb["errno"], 11, "{bomb}");
    assert!(bomb["children"].as_u64().unwrap() < 64, "{bomb}");
    assert_eq!(node.ask("p2", "{}").await, "alive");
    // With all its children it goes.
    node.remove("p1").await;
    assert_eq!(node.pod_containers().len(), 1);
    node.end().await;
}

const FILL: &str = "\
import errno, os
def main(params):
    total = 0
    try:
        with open(params['file'], 'wb', buffering=0) as file:
            while total < 2 << 30:
                total += file.write(bytes(1 << 18))
    except OSError as error:
        return {'bytes': total, 'error': errno.errorcode[error.errno]}
    finally:
        try:
            os.unlink(params['file'])
        except OSError:
            pass
    return {'bytes': total}
";

#[tokio::test(flavor = "multi_thread")]
async fn every_place_a_function_can_write_is_small() {
    let Some(node) = node_with(&[]).await else {
        return;
    };
    node.ready("p1", FILL).await;
    for (file, most) in [
        ("/tmp/x", 64 << 20),
        ("/dev/shm/x", 64 << 20),
        ("/run/pod/x", 1 << 20),
    ] {
        let filled = node.ask("p1", &json!({ "file": file }).to_string()).await;
        assert_eq!(filled["error"], "ENOSPC", "{file}: {filled}");
        assert!(
            filled["bytes"].as_u64().unwrap() <= most,
            "{file}: {filled}"
        );
    }
    // There is no other: whatever else its user could write would be found here.
    node.ready("p2", ANYTHING).await;
    let writable = "sorted({d for d, _, _ in os.walk('/') \
                    if not d.startswith(('/proc', '/sys', '/tmp', '/dev', '/run/pod')) and os.access(d, os.W_OK)})";
    assert_eq!(tried(&node, "p2", &[writable]).await, ["[]"]);
    node.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_function_that_eats_memory_is_ended_alone() {
    let Some(node) = node_with(&[]).await else {
        return;
    };
    let eater = "def main(params):\n    return len(bytearray(params['bytes']))\n";
    node.ready("p1", eater).await;
    node.ready("p2", eater).await;
    // 256 MiB is what both may have.
    let (status, _) = node.execute("p1", "{\"bytes\": 500000000}").await;
    assert_ne!(status, StatusCode::OK);
    let report = node.master.pod("p1", PodState::Failed).await;
    assert_eq!(report.reason.as_deref(), Some("OOMKilled"), "{report:?}");
    assert!(report.exit.unwrap().oom);
    assert_eq!(node.ask("p2", "{\"bytes\": 1000}").await, 1000);
    node.master.say(ToAgent::RemovePod {
        uid: "p1".to_owned(),
        grace_seconds: 0,
    });
    node.master.pod("p1", PodState::Gone).await;
    node.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn limits_are_seen_from_the_inside() {
    let Some(node) = node_with(&[]).await else {
        return;
    };
    let mut pod = simple(&node.master, "p1", ANYTHING);
    pod.cpu_milli = 500;
    node.run(pod).await;
    let read = |names: [&str; 2]| {
        format!(
            "[open(path).read().split() for path in ({:?}, {:?}) if os.path.exists(path)]",
            format!("/sys/fs/cgroup/{}", names[0]),
            format!("/sys/fs/cgroup/{}", names[1])
        )
    };
    let [memory, tasks, cpu] = [
        ["memory/memory.limit_in_bytes", "memory.max"],
        ["pids/pids.max", "pids.max"],
        ["cpu/cpu.cfs_quota_us", "cpu.max"],
    ]
    .map(read);
    let expected = [
        (memory.as_str(), "[['268435456']]"),
        (tasks.as_str(), "[['256']]"),
        (cpu.as_str(), "[['50000']]|[['50000', '100000']]"),
        ("len(os.listdir('/proc/self/fd')) < 64", "True"),
        ("__import__('resource').getrlimit(7)", "(8192, 8192)"),
    ];
    assert_tried(&node, "p1", &expected).await;
    node.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_function_that_stays_deaf_is_killed_after_the_grace() {
    let Some(node) = node_with(&[]).await else {
        return;
    };
    let deaf = "import ctypes\n\
                ctypes.CDLL(None).signal(15, ctypes.c_void_p(1))\n\
                def main(params):\n    return 1\n";
    node.ready("p1", deaf).await;
    node.remove("p1").await;
    assert!(node.pod_containers().is_empty());
    node.end().await;
}
