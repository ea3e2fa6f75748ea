//! The network of pods that may reach outwards.

use std::collections::HashMap;

use bollard::models::NetworkCreateRequest;

use super::config::AGENT_LABEL;
use super::engine::{Engine, is_absent, status};
use crate::chain::chain;
use crate::runtime::RuntimeError;

/// Every bridge of an agent begins with this.
pub(super) const BRIDGE_PREFIX: &str = "troupe-";
const BRIDGE_NAME: &str = "com.docker.network.bridge.name";

/// Name of the network and of its bridge; an id of eight characters fits the kernel's limit.
pub(super) fn name(node_id: &str) -> String {
    format!("{BRIDGE_PREFIX}{node_id}")
}

/// Makes the network where it is not there.
pub(super) async fn ensure(engine: &Engine, node_id: &str) -> Result<(), RuntimeError> {
    let name = name(node_id);
    let wanted = name.clone();
    let found = engine
        .try_ask(|docker| async move { docker.inspect_network(&wanted, None).await })
        .await;
    match found {
        Ok(_) => return Ok(()),
        Err(error) if is_absent(&error) => {}
        Err(error) => return Err(RuntimeError::docker("inspect network")(error)),
    }
    let options = [
        // Known by name, so that rules can be about it.
        (BRIDGE_NAME, name.as_str()),
        ("com.docker.network.bridge.enable_icc", "false"),
    ];
    let request = NetworkCreateRequest {
        name: name.clone(),
        driver: Some("bridge".to_owned()),
        labels: Some(HashMap::from([(
            AGENT_LABEL.to_owned(),
            node_id.to_owned(),
        )])),
        options: Some(HashMap::from(
            options.map(|(key, value)| (key.to_owned(), value.to_owned())),
        )),
        ..NetworkCreateRequest::default()
    };
    let create = |docker: std::sync::Arc<bollard::Docker>| async move {
        docker.create_network(request).await
    };
    engine.ask("create network", create).await.map(|_| ())
}

/// Removes the network; nothing to do when it is not there.
pub(super) async fn remove(engine: &Engine, node_id: &str) {
    let name = name(node_id);
    let removed = engine
        .try_ask(|docker| async move { docker.remove_network(&name).await })
        .await;
    if let Err(error) = removed
        && status(&error) != Some(404)
    {
        tracing::warn!(error = chain(&error), "remove network");
    }
}
