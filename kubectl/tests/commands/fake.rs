//! A small server that keeps objects in memory and remembers what it was asked.

use std::collections::BTreeMap;
use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::net::{TcpListener, TcpStream};
use std::path::PathBuf;
use std::sync::{Arc, Mutex};

use assert_cmd::Command;
use serde_json::{Value, json};

/// One request.
#[derive(Clone, Debug)]
pub(crate) struct Asked {
    pub(crate) method: String,
    pub(crate) path: String,
    pub(crate) query: String,
    pub(crate) headers: BTreeMap<String, String>,
    pub(crate) body: String,
}

/// An answer.
pub(crate) struct Answer {
    pub(crate) code: u16,
    pub(crate) headers: Vec<(&'static str, String)>,
    pub(crate) body: String,
}

impl Answer {
    pub(crate) fn json(code: u16, value: Value) -> Self {
        let headers = vec![("Content-Type", "application/json".to_owned())];
        Self {
            code,
            headers,
            body: value.to_string(),
        }
    }

    pub(crate) fn status(code: u16, reason: &str, message: &str) -> Self {
        Self::json(
            code,
            json!({"kind": "Status", "apiVersion": "v1", "status": "Failure", "reason": reason, "message": message, "code": code}),
        )
    }

    pub(crate) fn with(mut self, name: &'static str, value: &str) -> Self {
        self.headers.push((name, value.to_owned()));
        self
    }
}

type Script = dyn Fn(&Asked, usize) -> Option<Answer> + Send + Sync;

/// What the server has and has seen.
#[derive(Default)]
struct State {
    objects: BTreeMap<String, Value>,
    blobs: Vec<String>,
    asked: Vec<Asked>,
    revision: u64,
}

/// The server, with a directory for files and a kubeconfig that leads to it.
pub(crate) struct Fake {
    state: Arc<Mutex<State>>,
    pub(crate) dir: tempfile::TempDir,
}

impl Fake {
    /// A server that answers as a Troupe master does.
    pub(crate) fn new() -> Self {
        Self::scripted(|_, _| None)
    }

    /// The same; `script` may answer first. It is given how often that path was asked before.
    pub(crate) fn scripted(
        script: impl Fn(&Asked, usize) -> Option<Answer> + Send + Sync + 'static,
    ) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let port = listener.local_addr().unwrap().port();
        let state = Arc::new(Mutex::new(State::default()));
        let script: Arc<Script> = Arc::new(script);
        let shared = Arc::clone(&state);
        std::thread::spawn(move || {
            for stream in listener.incoming().flatten() {
                let (state, script) = (Arc::clone(&shared), Arc::clone(&script));
                std::thread::spawn(move || serve(stream, &state, &*script));
            }
        });
        let dir = tempfile::tempdir().unwrap();
        let kubeconfig = format!(
            "clusters: [{{name: c, cluster: {{server: 'http://127.0.0.1:{port}'}}}}]\nusers: [{{name: u, user: {{token: secret}}}}]\n\
             contexts: [{{name: x, context: {{cluster: c, user: u}}}}]\ncurrent-context: x\n"
        );
        std::fs::write(dir.path().join("kubeconfig"), kubeconfig).unwrap();
        Self { state, dir }
    }

    /// Writes a file.
    pub(crate) fn file(&self, name: &str, text: &str) -> PathBuf {
        let path = self.dir.path().join(name);
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        std::fs::write(&path, text).unwrap();
        path
    }

    /// Our kubectl in the directory, with no other one on PATH and proxies that lead nowhere.
    pub(crate) fn kubectl(&self, line: &[&str]) -> assert_cmd::assert::Assert {
        let mut command = Command::new(env!("CARGO_BIN_EXE_kubectl"));
        let command = command.args(line).current_dir(self.dir.path());
        for name in [
            "HTTP_PROXY",
            "http_proxy",
            "HTTPS_PROXY",
            "https_proxy",
            "ALL_PROXY",
        ] {
            command.env(name, "http://127.0.0.1:9");
        }
        command.env_remove("NO_PROXY").env_remove("no_proxy");
        command
            .env("KUBECONFIG", self.dir.path().join("kubeconfig"))
            .env("PATH", self.path())
            .assert()
    }

    /// A PATH with Python, but without kubectl.
    fn path(&self) -> PathBuf {
        let bin = self.dir.path().join("bin");
        std::fs::create_dir_all(&bin).unwrap();
        let found = std::env::var_os("PATH");
        let found = found
            .iter()
            .flat_map(std::env::split_paths)
            .map(|dir| dir.join("python3"))
            .find(|path| path.exists());
        if let Some(python) = found {
            let _ = std::os::unix::fs::symlink(python, bin.join("python3"));
        }
        bin
    }

    pub(crate) fn object(&self, path: &str) -> Option<Value> {
        self.state.lock().unwrap().objects.get(path).cloned()
    }

    pub(crate) fn put(&self, path: &str, value: Value) {
        self.state
            .lock()
            .unwrap()
            .objects
            .insert(path.to_owned(), value);
    }

    pub(crate) fn blobs(&self) -> Vec<String> {
        self.state.lock().unwrap().blobs.clone()
    }

    /// The requests that change something.
    pub(crate) fn writes(&self) -> Vec<Asked> {
        let asked = self.asked();
        asked
            .into_iter()
            .filter(|asked| {
                asked.method != "GET" && asked.method != "HEAD" && !asked.query.contains("dryRun")
            })
            .collect()
    }

    pub(crate) fn asked(&self) -> Vec<Asked> {
        self.state.lock().unwrap().asked.clone()
    }
}

/// Standard output of a run.
pub(crate) fn out(assert: &assert_cmd::assert::Assert) -> String {
    String::from_utf8_lossy(&assert.get_output().stdout).into_owned()
}

/// Standard error of a run.
pub(crate) fn err(assert: &assert_cmd::assert::Assert) -> String {
    String::from_utf8_lossy(&assert.get_output().stderr).into_owned()
}

fn serve(mut stream: TcpStream, state: &Mutex<State>, script: &Script) {
    let Some(asked) = read(&stream) else { return };
    let before = {
        let mut state = state.lock().unwrap();
        let before = state
            .asked
            .iter()
            .filter(|old| old.path == asked.path && old.method == asked.method)
            .count();
        state.asked.push(asked.clone());
        before
    };
    let answer =
        script(&asked, before).unwrap_or_else(|| answer(&asked, &mut state.lock().unwrap()));
    let mut head = format!(
        "HTTP/1.1 {} X\r\nConnection: close\r\nContent-Length: {}\r\n",
        answer.code,
        answer.body.len()
    );
    for (name, value) in &answer.headers {
        head.push_str(&format!("{name}: {value}\r\n"));
    }
    let body = if asked.method == "HEAD" {
        ""
    } else {
        answer.body.as_str()
    };
    let _ = stream.write_all(format!("{head}\r\n{body}").as_bytes());
}

fn read(stream: &TcpStream) -> Option<Asked> {
    let mut reader = BufReader::new(stream.try_clone().ok()?);
    let mut line = String::new();
    reader.read_line(&mut line).ok()?;
    let mut words = line.split_whitespace();
    let (method, target) = (words.next()?.to_owned(), words.next()?.to_owned());
    let mut headers = BTreeMap::new();
    loop {
        let mut line = String::new();
        reader.read_line(&mut line).ok()?;
        let Some((name, value)) = line.trim().split_once(':') else {
            break;
        };
        headers.insert(name.to_lowercase(), value.trim().to_owned());
    }
    let length = headers
        .get("content-length")
        .and_then(|length| length.parse().ok())
        .unwrap_or(0);
    let mut body = vec![0; length];
    reader.read_exact(&mut body).ok()?;
    let (path, query) = target.split_once('?').unwrap_or((&target, ""));
    let body = String::from_utf8_lossy(&body).into_owned();
    Some(Asked {
        method,
        path: path.to_owned(),
        query: query.to_owned(),
        headers,
        body,
    })
}

fn answer(asked: &Asked, state: &mut State) -> Answer {
    if asked.path == "/version" {
        return Answer::json(200, json!({"gitVersion": "v1.32.0+troupe.0.1.0"}));
    }
    if let Some(digest) = asked.path.strip_prefix("/blobs/") {
        let known = state.blobs.iter().any(|blob| blob == digest);
        if asked.method == "PUT" {
            state.blobs.push(digest.to_owned());
            return Answer::json(201, json!({}));
        }
        return Answer::json(if known { 200 } else { 404 }, json!({}));
    }
    let pretend = asked.query.contains("dryRun=All");
    let body: Value = serde_json::from_str(&asked.body).unwrap_or_default();
    match asked.method.as_str() {
        "POST" => {
            let name = body["metadata"]["name"].as_str().unwrap_or("made-up-1");
            let path = format!("{}/{name}", asked.path);
            if state.objects.contains_key(&path) {
                return Answer::status(409, "AlreadyExists", &format!("\"{name}\" already exists"));
            }
            let mut object = body.clone();
            object["metadata"]["name"] = name.into();
            object["metadata"]["uid"] = "uid-1".into();
            object["metadata"]["generation"] = 1.into();
            store(state, &path, object, pretend, 201)
        }
        "PATCH" => {
            let path = asked.path.trim_end_matches("/scale").to_owned();
            let Some(mut object) = state.objects.get(&path).cloned() else {
                return not_found(&path);
            };
            merge(&mut object, &body);
            store(state, &path, object, pretend, 200)
        }
        "DELETE" => match state.objects.remove(&asked.path) {
            Some(object) => Answer::json(
                200,
                json!({"kind": "Status", "status": "Success", "details": {"uid": object["metadata"]["uid"]}}),
            ),
            None => not_found(&asked.path),
        },
        _ => get(asked, state),
    }
}

fn store(state: &mut State, path: &str, mut object: Value, pretend: bool, code: u16) -> Answer {
    let before = state.objects.get(path);
    if before != Some(&object) {
        state.revision += 1;
        object["metadata"]["resourceVersion"] = state.revision.to_string().into();
    }
    if !pretend {
        state.objects.insert(path.to_owned(), object.clone());
    }
    Answer::json(code, object)
}

fn get(asked: &Asked, state: &State) -> Answer {
    if let Some(object) = state.objects.get(&asked.path) {
        return if asked.headers["accept"].contains("as=Table") {
            Answer::json(200, table(&[object]))
        } else {
            Answer::json(200, object.clone())
        };
    }
    let prefix = format!("{}/", asked.path);
    let found: Vec<&Value> = state
        .objects
        .iter()
        .filter(|(path, _)| path.starts_with(&prefix))
        .map(|(_, object)| object)
        .collect();
    let plural = asked.path.rsplit('/').next().unwrap_or_default();
    let is_collection = common::resources::KINDS
        .iter()
        .any(|kind| kind.plural == plural);
    match (is_collection, asked.headers["accept"].contains("as=Table")) {
        (false, _) => not_found(&asked.path),
        (true, true) => Answer::json(200, table(&found)),
        (true, false) => Answer::json(
            200,
            json!({"kind": "List", "apiVersion": "v1", "items": found}),
        ),
    }
}

fn table(objects: &[&Value]) -> Value {
    let rows: Vec<_> = objects
        .iter()
        .map(|object| json!({"cells": [object["metadata"]["name"], object["status"]["phase"], "5s"], "object": {"metadata": object["metadata"]}}))
        .collect();
    json!({"kind": "Table", "metadata": {"resourceVersion": "9"}, "rows": rows,
        "columnDefinitions": [{"name": "Name"}, {"name": "Phase"}, {"name": "Age"}]})
}

fn not_found(path: &str) -> Answer {
    let mut parts = path.rsplit('/');
    let (name, plural) = (
        parts.next().unwrap_or_default(),
        parts.next().unwrap_or_default(),
    );
    Answer::status(404, "NotFound", &format!("{plural} \"{name}\" not found"))
}

fn merge(target: &mut Value, patch: &Value) {
    let Value::Object(patch) = patch else { return };
    if !target.is_object() {
        *target = json!({});
    }
    for (key, value) in patch {
        if value.is_null() {
            target.as_object_mut().unwrap().shift_remove(key);
        } else if value.is_object() {
            merge(&mut target[key.as_str()], value);
        } else {
            target[key.as_str()] = value.clone();
        }
    }
}
