//! Images of the user's own.

use common::link::{Origin, PodAssignment, PodState, ToAgent};
use http::{Method, StatusCode};
use serde_json::json;

use crate::harness::functions::simple;
use crate::node::{Node, node, node_with};

/// A server that knows nothing of this platform.
const ANY_SERVER: &str = "\
import http.server, json, os
class Echo(http.server.BaseHTTPRequestHandler):
    protocol_version = 'HTTP/1.1'
    def do_POST(self):
        body = self.rfile.read(int(self.headers.get('content-length', 0))).decode()
        try:
            os.write(os.open('/data/x', os.O_CREAT | os.O_WRONLY), b'x')
            data = 'written'
        except OSError as error:
            data = str(error)
        seen = {'path': self.path, 'body': body, 'own': os.environ['OWN'], 'data': data, 'path_variable': os.environ['PATH'], 'directory': os.getcwd(), 'uid': os.getuid()}
        text = json.dumps(seen).encode()
        self.send_response(200)
        self.send_header('content-length', str(len(text)))
        self.end_headers()
        self.wfile.write(text)
    def do_HEAD(self):
        self.send_response(404)
        self.end_headers()
http.server.HTTPServer(('127.0.0.1', int(os.environ['PORT'])), Echo).serve_forever()
";

/// A server that answers what the function base answers.
const OWN_BASE: &str = "\
import http.server, os, socketserver
class Handler(http.server.BaseHTTPRequestHandler):
    def do_GET(self):
        text = b'{\\\"ready\\\": true, \\\"coldMs\\\": 1}'
        self.send_response(200)
        self.send_header('content-length', str(len(text)))
        self.end_headers()
        self.wfile.write(text)
    do_POST = do_GET
    def address_string(self):
        return 'gateway'
class Server(socketserver.ThreadingMixIn, socketserver.UnixStreamServer):
    pass
Server(os.environ['TROUPE_SOCKET'], Handler).serve_forever()
";

/// An image made of the function base; removed when it is dropped.
struct Custom {
    name: String,
    host: String,
}

impl Custom {
    fn new(node: &Node, program: &str) -> Self {
        let name = format!("troupe-test/{}:1", node.id());
        let base = node.docker(&["images", "-q", "troupe/func-base"]);
        let base = base.lines().next().unwrap();
        let container = node.docker(&["create", base, "true"]);
        // The base has an entry point of its own, which an empty one does not replace.
        let entry = format!("ENTRYPOINT {}", json!(["python3", "-c", program]));
        let changes = [
            entry.as_str(),
            "ENV OWN=yes",
            "ENV PATH=/own/bin:/usr/bin:/bin",
            "VOLUME /data",
            "WORKDIR /srv",
        ];
        let mut arguments = vec!["commit"];
        arguments.extend(changes.iter().flat_map(|change| ["--change", change]));
        arguments.extend([container.as_str(), name.as_str()]);
        node.docker(&arguments);
        node.docker(&["rm", "-v", &container]);
        let (host, _) = crate::node::environment().unwrap();
        Self { name, host }
    }

    fn pod(&self, node: &Node, uid: &str, port: Option<u16>) -> PodAssignment {
        let mut pod = simple(&node.master, uid, "");
        pod.origin = Origin::Image {
            reference: self.name.clone(),
            port,
        };
        pod.egress = false;
        pod
    }
}

impl Drop for Custom {
    fn drop(&mut self) {
        let _ = std::process::Command::new("docker")
            .args(["-H", &self.host, "rmi", "-f", &self.name])
            .output();
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn an_http_server_on_a_port_is_reached_in_its_own_network() {
    let Some(mut node) = node().await else { return };
    let image = Custom::new(&node, ANY_SERVER);
    // Two on the same port: each is alone in its network.
    for uid in ["p1", "p2"] {
        node.run(image.pod(&node, uid, Some(9000))).await;
    }
    let path = "/pods/p1/call/some/where?x=1";
    let (status, _, text) = node.call(Method::POST, path, "hello").await;
    assert_eq!(status, StatusCode::OK, "{text}");
    let seen: serde_json::Value = serde_json::from_str(&text).unwrap();
    assert_eq!(seen["path"], "/some/where?x=1");
    assert_eq!(seen["body"], "hello");
    assert_eq!(
        (&seen["own"], &seen["data"]),
        (&json!("yes"), &json!("written"))
    );
    assert_eq!(seen["path_variable"], "/own/bin:/usr/bin:/bin");
    assert_eq!(seen["directory"], "/srv");
    assert_ne!(seen["uid"], 0);
    // Its volume is memory of its own, not a directory of the host.
    let mounts = "{{range .Mounts}}{{.Type}} {{.Destination}} {{end}}";
    let mounts = node.docker(&["inspect", "-f", mounts, &node.container("p1")]);
    assert!(
        !mounts.contains("volume") && !mounts.contains("bind"),
        "{mounts}"
    );
    // What only the platform's own server could answer is answered for it.
    let (_, _, calls) = node
        .call(Method::GET, "/pods/p1/call/_troupe/calls/x?wait=1", "")
        .await;
    assert_eq!(calls, "{\"ended\":true}");
    assert!(!node.agent.pod("p1").join("run").exists());
    // The next agent finds the way in again.
    node.agent.kill();
    node.master.desire(vec![
        image.pod(&node, "p1", Some(9000)),
        image.pod(&node, "p2", Some(9000)),
    ]);
    node.agent.restart();
    node.data = node.master.hello().await.data_addr;
    node.master.pod("p1", PodState::Ready).await;
    assert_eq!(
        node.call(Method::POST, path, "again").await.0,
        StatusCode::OK
    );
    // One whose container is gone is not reached.
    node.docker(&["kill", &node.container("p1")]);
    node.master.pod("p1", PodState::Failed).await;
    let (status, headers, _) = node.call(Method::POST, path, "late").await;
    assert_eq!(status, StatusCode::BAD_GATEWAY);
    assert_eq!(headers["x-troupe-proxy-error"], "PodGone");
    node.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_image_with_its_own_server_on_the_platforms_socket_runs() {
    let Some(node) = node().await else { return };
    let image = Custom::new(&node, OWN_BASE);
    let report = node.run(image.pod(&node, "p1", None)).await;
    assert_eq!(report.state, PodState::Ready);
    let (status, text) = node.execute("p1", "{}").await;
    assert_eq!(status, StatusCode::OK, "{text}");
    node.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_image_that_does_not_serve_or_is_not_there_says_why() {
    let settings = [("PODS__START_TIMEOUT", "2s")];
    let Some(node) = node_with(&settings).await else {
        return;
    };
    let image = Custom::new(&node, "import time\ntime.sleep(1000)");
    let pod = image.pod(&node, "p1", Some(9000));
    node.master.say(ToAgent::EnsurePod(Box::new(pod)));
    let report = node.master.pod("p1", PodState::Failed).await;
    assert_eq!(report.reason.as_deref(), Some("StartTimeout"));
    let mut pod = image.pod(&node, "p2", Some(9000));
    let reference = "127.0.0.1:1/nosuch/image:1".to_owned();
    pod.origin = Origin::Image {
        reference: reference.clone(),
        port: Some(9000),
    };
    node.master.say(ToAgent::EnsurePod(Box::new(pod)));
    let report = node.master.pod("p2", PodState::Failed).await;
    assert_eq!(report.reason.as_deref(), Some("ErrImagePull"));
    let message = report.message.unwrap();
    assert!(
        message.contains(&reference) && message.contains("refused"),
        "{message}"
    );
    node.end().await;
}
