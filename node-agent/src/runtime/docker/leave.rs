use super::containers;
use super::engine::Engine;
use super::firewall::Firewall;
use super::{DockerOptions, config, lend, network, room};
use crate::runtime::RuntimeError;

/// Removes what an agent of this data directory has in the engine, before its pods become something else
/// than containers. The pods' own directories stay, for whoever reports their end.
///
/// # Errors
/// When the engine does not do it.
pub async fn leave(options: &DockerOptions) -> Result<(), RuntimeError> {
    let (engine, _) = Engine::connect(&options.settings.host).await?;
    let label = format!("{}={}", config::AGENT_LABEL, options.node_id);
    for container in containers::list(&engine, &label).await? {
        if let Some(id) = container.id {
            containers::remove(&engine, &id).await?;
        }
    }
    let pods = std::fs::read_dir(&options.pods);
    for pod in pods.into_iter().flatten().flatten() {
        for place in [config::FUNCTION_PLACE, config::PACKAGES_PLACE, "tmp"] {
            lend::take_back(&pod.path().join(place))?;
        }
        room::remove(&pod.path().join("run"))?;
    }
    lend::take_back(&options.pods)?;
    network::remove(&engine, &options.node_id).await;
    let firewall = &options.settings.firewall;
    Firewall::new(&options.node_id, *firewall, Vec::new(), Vec::new())
        .remove()
        .await;
    Ok(())
}
