//! Pods as containers, as people see them: images of their own, and what ends a container.

use std::io::{BufRead as _, BufReader, Write as _};
use std::net::TcpStream;

use serde_json::{Value, json};
use tests::{Cluster, Engine, Options, eventually};

/// An HTTP server that knows nothing of this platform.
const ON_A_PORT: &str = "\
import http.server, json, os
class Echo(http.server.BaseHTTPRequestHandler):
    protocol_version = 'HTTP/1.1'
    def answer(self):
        body = self.rfile.read(int(self.headers.get('content-length', 0))).decode()
        seen = {'method': self.command, 'path': self.path, 'body': body, 'own': self.headers.get('x-own'), 'greeting': os.environ['GREETING']}
        text = json.dumps(seen).encode()
        self.send_response(201)
        self.send_header('content-length', str(len(text)))
        self.send_header('x-answered-by', 'echo')
        self.end_headers()
        self.wfile.write(text)
    do_GET = do_POST = do_PUT = answer
    do_HEAD = answer
http.server.ThreadingHTTPServer(('127.0.0.1', int(os.environ['PORT'])), Echo).serve_forever()
";
/// A server that answers what the function base answers, on the platform's socket.
const ON_THE_SOCKET: &str = "\
import http.server, os, socketserver
class Handler(http.server.BaseHTTPRequestHandler):
    def do_GET(self):
        text = b'{\"ready\": true, \"coldMs\": 1}'
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

/// A server that says one word, and the other when somebody asks for it; or that dies in between.
const BIT_BY_BIT: &str = "\
import http.server, os, threading
asked = {'listen': threading.Event(), 'die': threading.Event()}
class Says(http.server.BaseHTTPRequestHandler):
    protocol_version = 'HTTP/1.1'
    def say(self, word):
        self.wfile.write(b'%x\\r\\n%s\\r\\n' % (len(word), word))
        self.wfile.flush()
    def do_GET(self):
        self.send_response(200)
        step, _, which = self.path[1:].partition('/')
        if step == 'ask':
            asked[which].set()
            self.send_header('content-length', '0')
            self.end_headers()
            return
        self.send_header('transfer-encoding', 'chunked')
        self.send_header('content-type', 'text/event-stream')
        self.end_headers()
        self.say(b'first')
        asked[step].wait()
        if step == 'die':
            os._exit(3)
        self.say(b'second')
        self.say(b'')
http.server.ThreadingHTTPServer(('127.0.0.1', int(os.environ['PORT'])), Says).serve_forever()
";

fn cluster(engine: &Engine) -> Cluster {
    let mut cluster = Cluster::with(Options::default().agents(0));
    cluster.add_node_with("near", &engine.settings());
    cluster.wait_for_node("near");
    cluster
}

fn apply_image(cluster: &Cluster, name: &str, image: &str, more: &str) {
    let yaml = format!(
        "apiVersion: v1\nkind: Function\nmetadata: {{ name: {name} }}\nspec:\n  image: {image}\n  network: none\n{more}"
    );
    cluster.kubectl().run_with(&["apply", "-f", "-"], &yaml);
}

#[test]
fn images_of_ones_own_are_called_through_the_gateway() {
    let Some(engine) = Engine::find() else { return };
    let cluster = cluster(&engine);
    let made = [("echo", ON_A_PORT), ("own", ON_THE_SOCKET)].map(|(name, program)| {
        let image = format!("troupe-test/{name}-{}:1", std::process::id());
        engine.make_image(&image, program);
        image
    });
    let port = "  port: 9000\n  env: [{ name: GREETING, value: hello }]\n";
    apply_image(&cluster, "echo", &made[0], port);
    apply_image(&cluster, "own", &made[1], "");
    let path = "/function/echo/some/where?x=1&y=%20";
    let answer = cluster
        .gateway()
        .post_with(path, "x-own", "header", "not JSON");
    let seen = answer.expect(201);
    assert_eq!(answer.header("x-answered-by"), Some("echo"));
    assert!(answer.is_stamped(), "{answer:?}");
    let wanted = json!({ "method": "POST", "path": "/some/where?x=1&y=%20", "body": "not JSON", "own": "header", "greeting": "hello" });
    assert_eq!(seen, wanted);
    assert_eq!(
        cluster.gateway().get("/function/echo").expect(201)["method"],
        "GET"
    );
    // One that is not there says so to callers and readers.
    let absent = "127.0.0.1:1/nosuch/image:1";
    apply_image(&cluster, "absent", absent, "");
    let refused = cluster.gateway().post("/function/absent", "{}");
    let refused = refused.expect(503).to_string();
    assert!(
        refused.contains("ErrImagePull") && refused.contains(absent),
        "{refused}"
    );
    let described = cluster.kubectl().run(&["describe", "function", "absent"]);
    assert!(described.contains("ErrImagePull"), "{described}");
    cluster.kubectl().run(&["delete", "function", "absent"]);
    let said = cluster.kubectl().run(&["execute", "own", "{}"]);
    assert!(said.contains("ready"), "{said}");
    drop(cluster);
    for image in &made {
        let _ = engine.docker(&["rmi", "-f", image]);
    }
}

#[test]
fn what_an_image_answers_bit_by_bit_is_handed_on_so() {
    let Some(engine) = Engine::find() else { return };
    let cluster = cluster(&engine);
    let image = format!("troupe-test/bits-{}:1", std::process::id());
    engine.make_image(&image, BIT_BY_BIT);
    apply_image(&cluster, "bits", &image, "  port: 9000\n");
    let address = cluster.gateway().base().replace("http://", "");
    let begin = |path: &str| {
        let mut stream = TcpStream::connect(&address).unwrap();
        write!(
            stream,
            "GET /function/bits{path} HTTP/1.1\r\nHost: localhost\r\n\r\n"
        )
        .unwrap();
        let mut reader = BufReader::new(stream);
        let mut seen = String::new();
        // The other word is said only after this one was read.
        while !seen.ends_with("first\r\n") {
            assert_ne!(reader.read_line(&mut seen).unwrap(), 0, "{seen}");
        }
        assert!(
            seen.to_lowercase()
                .contains("content-type: text/event-stream"),
            "{seen}"
        );
        reader
    };
    let rest = |mut reader: BufReader<TcpStream>| {
        let mut seen = String::new();
        while !seen.ends_with("0\r\n\r\n") && reader.read_line(&mut seen).is_ok_and(|read| read > 0)
        {
        }
        seen
    };
    let listening = begin("/listen");
    assert_eq!(
        cluster.gateway().get("/function/bits/ask/listen").status,
        200
    );
    let said = rest(listening);
    assert!(
        said.contains("second") && said.ends_with("0\r\n\r\n"),
        "{said:?}"
    );
    // The server may be dead before it has answered that.
    let dying = begin("/die");
    let _ = cluster.gateway().get("/function/bits/ask/die");
    let cut = rest(dying);
    assert!(
        !cut.contains("second") && !cut.ends_with("0\r\n\r\n"),
        "{cut:?}"
    );
    drop(cluster);
    let _ = engine.docker(&["rmi", "-f", &image]);
}

/// The pods of a function that ended, with how: reason and exit code.
fn ends(cluster: &Cluster, function: &str) -> Vec<(String, Value, Value)> {
    let pods = cluster.pods(function);
    let ended = pods.iter().filter_map(|pod| {
        let end = pod.pointer("/status/containerStatuses/0/state/terminated")?;
        let name = pod["metadata"]["name"].as_str()?.to_owned();
        Some((name, end["reason"].clone(), end["exitCode"].clone()))
    });
    ended.collect()
}

#[test]
fn what_ends_a_container_is_shown_and_a_crash_loop_backs_off() {
    let Some(engine) = Engine::find() else { return };
    let cluster = cluster(&engine);
    let crashes = [
        ("greedy", "DATA = bytearray(400 << 20)", "OOMKilled", 137),
        ("broken", "import os\nos._exit(3)", "Exited", 3),
    ];
    for (name, code, ..) in crashes {
        let code = format!("{code}\ndef main(params):\n    return 1\n");
        cluster.apply(name, &code, "network: none\nresources: { memory: 64Mi }");
    }
    for (name, _, reason, code) in crashes {
        // Launches are tried again, each time after a longer pause, and then callers are told.
        let answer = cluster.gateway().post(&format!("/function/{name}"), "{}");
        let said = answer.expect(503).to_string();
        assert!(said.contains(reason), "{said}");
        assert!(
            said.contains("launches failed; the next is tried within"),
            "{said}"
        );
        // The newest one that ended stays, until the next has.
        let (why, exit, described) = eventually("a pod that ended", || {
            let Some((pod, why, exit)) = ends(&cluster, name).pop() else {
                return Err(format!("{:?}", cluster.pods(name)));
            };
            let said = cluster.kubectl().say(&["describe", "pod", &pod]);
            if said.code == 0 {
                Ok((why, exit, said.out))
            } else {
                Err(said.err)
            }
        });
        assert_eq!((why, exit), (json!(reason), json!(code)), "{name}");
        assert!(described.contains(reason), "{described}");
        assert!(described.contains(&code.to_string()), "{described}");
        let function = cluster.kubectl().json(&["get", "function", name]);
        let conditions = function["status"]["conditions"].as_array().unwrap();
        let ready = conditions
            .iter()
            .find(|one| one["type"] == "Ready")
            .unwrap();
        assert_eq!(
            (&ready["status"], &ready["reason"]),
            (&json!("False"), &json!(reason))
        );
        let described = cluster.kubectl().run(&["describe", "function", name]);
        assert!(
            described.contains("PodFailed") && described.contains(reason),
            "{described}"
        );
    }
    // One that dies in mid-call is told of too, and the next call finds a pod.
    let dies = "import os\ndef main(params):\n    if params.get('die'):\n        os._exit(7)\n    return 'alive'\n";
    cluster.apply("mortal", dies, "network: none");
    let call = |body: &str| cluster.gateway().post("/function/mortal", body);
    assert!(call(r#"{"die": true}"#).status >= 500);
    assert_eq!(call("{}").expect(200), json!("alive"));
    let described = cluster.kubectl().run(&["describe", "function", "mortal"]);
    // Its node says how it ended, or the gateway, where that is sooner, that it does not answer.
    let told = ["ended with code 7", "takes no more calls and is replaced"];
    assert!(
        told.iter().any(|text| described.contains(text)),
        "{described}"
    );
}
