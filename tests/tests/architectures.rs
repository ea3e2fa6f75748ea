//! Nodes of two architectures, the foreign one emulated, in containers of a real engine.

use serde_json::{Value, json};
use tests::{Cluster, Engine, Options, Source, eventually};

const OTHER: &str = if cfg!(target_arch = "x86_64") {
    "arm64"
} else {
    "amd64"
};
const MACHINES: [&str; 2] = if cfg!(target_arch = "x86_64") {
    ["x86_64", "aarch64"]
} else {
    ["aarch64", "x86_64"]
};
const PURE: &str = "import platform\ndef main(params):\n    return platform.machine()\n";
const WITH_MACHINE_CODE: &str = "\
import platform
from markupsafe import _speedups
def main(params):
    return [platform.machine(), _speedups.__file__.rsplit('-', 3)[1]]
";

fn built(cluster: &Cluster, name: &str) -> Value {
    eventually(&format!("{name} is built"), || {
        let function = cluster.kubectl().json(&["get", "function", name]);
        let conditions = function["status"]["conditions"].as_array().cloned();
        let is_built =
            |one: &Value| (one["type"] == "Built").then(|| one["status"].as_str() == Some("True"));
        let built = conditions.unwrap_or_default().iter().find_map(is_built);
        match built {
            Some(true) => Ok(function),
            _ => Err(function["status"].clone()),
        }
    })
}

#[test]
fn functions_run_on_the_architecture_that_they_ask_for() {
    let Some(engine) = Engine::find() else { return };
    let Some(foreign) = engine.foreign() else {
        return;
    };
    let options = Options::default().agents(0).master("gateway.hold", "300s");
    let mut cluster = Cluster::with(options);
    cluster.add_node_with("near", &engine.settings());
    cluster.add_node_with("far", &foreign.settings());
    cluster.wait_for_node("near");
    cluster.wait_for_node("far");
    let far = cluster.kubectl().json(&["get", "node", "far"]);
    assert_eq!(far["status"]["nodeInfo"]["architecture"], OTHER);
    let there = format!("nodeSelector: {{ kubernetes.io/arch: {OTHER} }}\ntimeoutSeconds: 60");

    cluster.apply("pure", PURE, &there);
    built(&cluster, "pure");
    let answer = cluster.gateway().post("/function/pure", "{}").expect(200);
    assert_eq!(answer, json!(MACHINES[1]));

    let near = "nodeSelector: { kubernetes.io/hostname: near }";
    for (name, selector, machine) in [("here", near, MACHINES[0]), ("there", &there, MACHINES[1])] {
        let source = Source::write(cluster.home(), name, WITH_MACHINE_CODE, selector);
        source.file("requirements.txt", "MarkupSafe==3.0.3\n");
        cluster.kubectl().run(&["apply", source.yaml()]);
        built(&cluster, name);
        let path = format!("/function/{name}");
        let answer = cluster.gateway().post(&path, "{}").expect(200);
        assert_eq!(answer, json!([machine, machine]), "{name}");
    }
}

#[test]
fn a_function_for_an_architecture_that_no_node_has_says_so() {
    let cluster = Cluster::with(Options::default().master("gateway.hold", "2s"));
    let there = format!("nodeSelector: {{ kubernetes.io/arch: {OTHER} }}");
    cluster.apply("f", PURE, &there);
    let answer = cluster.gateway().post("/function/f", "{}");
    let said = answer.expect(503).to_string();
    assert!(said.contains(OTHER), "{said}");
    let described = cluster.kubectl().run(&["describe", "function", "f"]);
    assert!(described.contains("NoMatchingNode"), "{described}");
    assert!(described.contains(OTHER), "{described}");
    let events = cluster.kubectl().items(&["get", "events"]);
    let told = events.iter().any(|event| {
        let message = event["message"].as_str().unwrap_or_default();
        event["reason"] == "NoMatchingNode" && message.contains(OTHER)
    });
    assert!(told, "{events:?}");
}
