//! An agent that offers the architecture its machine is not, under emulation.

use common::link::BuildOrder;
use serde_json::json;

use crate::harness::functions::simple;
use crate::node::{Node, environment, node};

const OTHER: &str = if cfg!(target_arch = "x86_64") {
    "arm64"
} else {
    "amd64"
};
const OTHER_MACHINE: &str = if cfg!(target_arch = "x86_64") {
    "aarch64"
} else {
    "x86_64"
};

/// An agent whose function base is for the other architecture: that is what makes it offer it.
async fn foreign() -> Option<Node> {
    let (host, _) = environment()?;
    let Ok(base) = std::env::var("TROUPE_TEST_FOREIGN_BASE_IMAGE") else {
        assert!(
            std::env::var("CI").as_deref() != Ok("true"),
            "CI=true needs TROUPE_TEST_FOREIGN_BASE_IMAGE"
        );
        eprintln!("no TROUPE_TEST_FOREIGN_BASE_IMAGE: not tested");
        return None;
    };
    Some(Node::start(&host, &base, &[("PODS__START_TIMEOUT", "300s")]).await)
}

#[tokio::test(flavor = "multi_thread")]
async fn functions_run_emulated_pure_ones_and_those_with_machine_code() {
    let Some(far) = foreign().await else { return };
    let hello = &far.hello;
    assert_eq!(hello.arch, OTHER);
    assert_eq!(hello.labels["kubernetes.io/arch"], OTHER);
    let code = "import platform\ndef main(params):\n    return platform.machine()\n";
    far.run(simple(&far.master, "p1", code)).await;
    assert_eq!(far.ask("p1", "{}").await, json!(OTHER_MACHINE));
    far.remove("p1").await;

    // Made by a node of this machine's own architecture, which runs nothing of the other.
    let Some(near) = node().await else { return };
    let order = BuildOrder {
        arch: OTHER.to_owned(),
        python: hello.python.clone(),
        ..near.numpy("b1")
    };
    let built = near.built(order).await;
    assert!(built.native);
    far.master.store(near.master.blob(built.layer).unwrap());
    far.run_built("p2", &built).await;
    assert_eq!(far.ask("p2", "5").await, json!([OTHER_MACHINE, 10]));
    near.end().await;
    far.end().await;
}
