//! Builds, as people see them.

use std::io::{BufRead as _, BufReader};
use std::process::Stdio;
use std::sync::mpsc;

use serde_json::json;
use tests::{Cluster, Gate, Source, eventually, params};

#[test]
fn apply_with_wait_shows_what_the_build_says_while_it_waits() {
    let cluster = Cluster::start();
    let gate = Gate::closed();
    let value = params("__import__('held').VALUE");
    let source = Source::write(cluster.home(), "held", &value, "");
    source.file("requirements.txt", "./held\n");
    let setup =
        "from setuptools import setup\nsetup(name='held', version='1', py_modules=['held'])\n";
    source.file("held/setup.py", &format!("{}{setup}", gate.wait()));
    source.file("held/held.py", "VALUE = 'built'\n");
    let mut apply = cluster
        .kubectl()
        .command(&["apply", source.yaml(), "--wait"])
        .stdout(Stdio::null())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    let (lines, said) = mpsc::channel();
    let err = BufReader::new(apply.stderr.take().unwrap());
    let reader = std::thread::spawn(move || {
        for line in err.lines().map_while(Result::ok) {
            let _ = lines.send(line);
        }
    });
    gate.reached();
    let mut shown = Vec::new();
    eventually("pip's words, while the build is held", || {
        shown.extend(said.try_iter());
        let pip = shown.iter().any(|line| line.contains("Processing ./held"));
        if pip { Ok(()) } else { Err(shown.clone()) }
    });
    assert!(apply.try_wait().unwrap().is_none(), "it waits: {shown:?}");
    gate.open();
    assert!(apply.wait().unwrap().success());
    reader.join().unwrap();
    shown.extend(said.try_iter());
    let end = shown
        .iter()
        .any(|line| line.contains("Successfully installed"));
    assert!(end, "to the last line: {shown:?}");
    let answer = cluster.gateway().post("/function/held", "{}");
    assert_eq!(answer.expect(200), json!("built"));
}
