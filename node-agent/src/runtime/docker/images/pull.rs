use std::time::Duration;

use bollard::errors::Error;
use bollard::models::ImageInspect;
use bollard::query_parameters::CreateImageOptionsBuilder;
use futures_util::StreamExt as _;

use super::super::engine::{Engine, is_absent, status};
use crate::backoff::Backoff;
use crate::chain::chain;
use crate::clock::Chance;
use crate::runtime::RuntimeError;

const TRIES: u32 = 5;
/// Longest silence of the engine during a pull.
const STALL: Duration = Duration::from_secs(120);

/// What the engine has under a reference.
pub(in crate::runtime::docker) async fn find(
    engine: &Engine,
    reference: &str,
) -> Result<Option<ImageInspect>, RuntimeError> {
    let inspected = engine
        .try_ask(|docker| async move { docker.inspect_image(reference).await })
        .await;
    match inspected {
        Ok(image) => Ok(Some(image)),
        Err(error) if is_absent(&error) => Ok(None),
        Err(error) => Err(RuntimeError::docker("inspect image")(error)),
    }
}

/// Brings an image in, trying again when the failure may pass.
pub(super) async fn pull(
    engine: &Engine,
    reference: &str,
    platform: &str,
    chance: &Chance,
) -> Result<(), RuntimeError> {
    let mut backoff = Backoff::new(chance.clone());
    for attempt in 1.. {
        let error = match once(engine, reference, platform).await {
            Ok(()) => return Ok(()),
            Err(error) => error,
        };
        if attempt >= TRIES || is_lasting(&error) {
            return Err(RuntimeError::Pull {
                reference: reference.to_owned(),
                tries: attempt,
                source: Box::new(error),
            });
        }
        tracing::warn!(
            image = reference,
            attempt,
            error = chain(&error),
            "pull; trying again"
        );
        tokio::time::sleep(backoff.fail()).await;
    }
    Ok(())
}

async fn once(engine: &Engine, reference: &str, platform: &str) -> Result<(), Error> {
    let options = CreateImageOptionsBuilder::new()
        .from_image(reference)
        .platform(platform)
        .build();
    let docker = engine.client();
    let mut news = std::pin::pin!(docker.create_image(Some(options), None, None));
    loop {
        match tokio::time::timeout(STALL, news.next()).await {
            Ok(Some(Ok(_))) => {}
            Ok(Some(Err(error))) => return Err(error),
            Ok(None) => return Ok(()),
            Err(_) => return Err(Error::RequestTimeoutError),
        }
    }
}

/// Whether another try comes to the same: the registry said no.
fn is_lasting(error: &Error) -> bool {
    let text = error.to_string();
    let refused = [
        "manifest unknown",
        "not found",
        "no matching manifest",
        "does not match the specified platform",
        "access denied",
        "unauthorized",
        "invalid reference",
    ];
    matches!(status(error), Some(400 | 404)) || refused.iter().any(|word| text.contains(word))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn said(text: &str) -> Error {
        Error::DockerStreamError {
            error: text.to_owned(),
        }
    }

    #[test]
    fn only_what_may_pass_is_tried_again() {
        assert!(is_lasting(&said("manifest unknown: no such digest")));
        assert!(is_lasting(&said(
            "no matching manifest for linux/arm64 in the manifest list entries"
        )));
        assert!(!is_lasting(&said("read tcp 127.0.0.1: connection reset")));
        assert!(!is_lasting(&Error::RequestTimeoutError));
    }
}
