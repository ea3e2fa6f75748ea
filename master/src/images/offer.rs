//! Giving a build to a node, and telling functions what came of it.

use std::time::Duration;

use common::link::{BuildFailure, BuildOrder, BuildOutcome};
use common::resources::{Base, Function, timestamp};

use super::actor::ImagesTools;
use super::job::JobKey;
use super::need::is_final;
use super::record::{self, BuildPart};
use super::source;
use super::stand::Stand;
use crate::blobs::BlobError;
use crate::functions::build_id;
use crate::key::ObjectKey;
use crate::nodes::{BuildTarget, Dispatch};
use crate::objects::{EventKind, ObjectError, insist};
use crate::platform::Platform;
use crate::store::Durability::Durable;

/// Longest wait for the room of the nodes.
const ASK_DEADLINE: Duration = Duration::from_secs(5);

/// What came of offering a build.
pub(super) enum OfferResult {
    /// This node has it, for this.
    Taken(String, Platform),
    /// No node is connected that could.
    NoNode,
    /// It was built before.
    Done,
    /// It cannot be built.
    Failed(BuildFailure),
    /// A passing trouble.
    Retry(String),
}

/// Looks whether a build was done before; if not, makes sure of its source and gives it to a node.
pub(super) async fn offer(
    tools: &ImagesTools,
    key: &JobKey,
    function: &Function,
    target: BuildTarget,
) -> OfferResult {
    match record::load(&**tools.objects.store(), &key.build).await {
        Ok(parts) => match any_settles(tools, key, &parts).await {
            Ok(true) => return OfferResult::Done,
            Ok(false) => {}
            Err(error) => return OfferResult::Retry(crate::explain(&error)),
        },
        Err(error) => return OfferResult::Retry(error.to_string()),
    }
    let source = match source::resolve(&tools.objects, &tools.blobs, function).await {
        Ok(source) => source,
        Err(error) => {
            let message = crate::explain(&error);
            return match error.reason() {
                Some(reason) => OfferResult::Failed(BuildFailure {
                    reason: reason.to_owned(),
                    message,
                    transient: true,
                }),
                None => OfferResult::Retry(message),
            };
        }
    };
    let order = BuildOrder {
        id: key.id(),
        namespace: function.metadata.namespace.clone(),
        function: function.metadata.name.clone(),
        source,
        handler: function.spec.handler.clone(),
        style: function.spec.style,
        full_base: function.spec.base == Some(Base::Full),
        arch: String::new(),
        python: String::new(),
        timeout_seconds: u32::try_from(tools.build_timeout.as_secs()).unwrap_or(u32::MAX),
        max_layer_bytes: tools.max_layer_bytes,
    };
    let order = Box::new(order);
    let dispatched = tools.nodes.ask(Dispatch { order, target }, ASK_DEADLINE);
    match dispatched.await {
        Ok(Some((node, platform))) => OfferResult::Taken(node, platform),
        Ok(None) => OfferResult::NoNode,
        Err(error) => OfferResult::Retry(error.to_string()),
    }
}

/// Whether a part that ended leaves nothing to do: it is for the same platform, or the job is for any,
/// and its layer is still there.
async fn any_settles(
    tools: &ImagesTools,
    key: &JobKey,
    parts: &[BuildPart],
) -> Result<bool, BlobError> {
    for part in parts {
        let same = |platform: &Platform| *platform == part.platform;
        let whole = key.platform.as_ref().is_none_or(same)
            && match &part.outcome {
                BuildOutcome::Built(built) => tools.blobs.size(&built.layer).await?.is_some(),
                BuildOutcome::Failed(failure) => is_final(&failure.reason),
            };
        if whole {
            return Ok(true);
        }
    }
    Ok(false)
}

/// Shows where a build stands in a function that still wants it.
pub(super) async fn tell(tools: &ImagesTools, key: &ObjectKey, build: &str) {
    if let Err(error) = insist("show a build", || try_tell(tools, key, build)).await {
        tracing::error!(function = %key, %error, "could not show a build");
    }
}

async fn try_tell(tools: &ImagesTools, key: &ObjectKey, build: &str) -> Result<(), ObjectError> {
    let parts = record::load(&**tools.objects.store(), build).await?;
    let Some(stand) = Stand::of(&parts) else {
        return Ok(());
    };
    let now = timestamp(tools.clock.now());
    let mut changed = false;
    let write = |function: &mut Function| {
        let wanted = build_id(&key.namespace, function.metadata.generation, &function.spec);
        changed = wanted.as_deref() == Some(build) && stand.show(function, build, &now);
        changed
    };
    let (namespace, name) = (&key.namespace, &key.name);
    let shown = tools
        .objects
        .modify::<Function>(namespace, name, Durable, write)
        .await;
    if let (Some(function), true) = (shown?, changed) {
        announce(tools, &function, &stand).await;
    }
    Ok(())
}

async fn announce(tools: &ImagesTools, function: &Function, stand: &Stand) {
    let say = async |kind, reason: &str, message: &str| {
        tools
            .objects
            .record(function, kind, "images", reason, message)
            .await;
    };
    if !stand.built.is_true() {
        return say(
            EventKind::Warning,
            &stand.built.reason,
            &stand.built.message,
        )
        .await;
    }
    for layer in &stand.layers {
        let whom = Platform::of_layer(layer).map_or_else(|| "all".to_owned(), |p| p.to_string());
        match (layer.digest, &layer.reason) {
            (Some(digest), _) => {
                let bytes = layer.bytes.unwrap_or_default();
                let message = format!("layer {digest} ({bytes} bytes) for {whom}");
                say(EventKind::Normal, "Built", &message).await;
            }
            (None, Some(reason)) => {
                let message = layer.message.clone().unwrap_or_default();
                let message = format!("no layer for {whom}: {message}");
                say(EventKind::Warning, reason, &message).await;
            }
            (None, None) => {}
        }
    }
}
