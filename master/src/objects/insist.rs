//! What has to be written is tried until the store takes it.

use std::future::Future;
use std::time::Duration;

use super::ObjectError;

/// Shortest and longest wait after a failure, before the jitter.
const WAIT: (Duration, Duration) = (Duration::from_millis(50), Duration::from_secs(5));

/// Tries again and again while the store is away or overloaded. Whoever waits ends it by dropping the future.
///
/// `what` is for the log: what is attempted, in the infinitive.
///
/// # Errors
/// What another try would not change.
pub async fn insist<T, F>(what: &str, mut attempt: impl FnMut() -> F) -> Result<T, ObjectError>
where
    F: Future<Output = Result<T, ObjectError>>,
{
    let mut failures = 0;
    loop {
        match attempt().await {
            Err(error) if error.is_passing() => {
                let wait = backoff(failures, rand::random());
                failures += 1;
                tracing::warn!(%error, ?wait, "could not {what}; it is tried again");
                tokio::time::sleep(wait).await;
            }
            result => return result,
        }
    }
}

/// How long to wait after so many failures in a row, from half to one and a half times the usual.
pub(super) fn backoff(failures: u32, entropy: u32) -> Duration {
    let usual = WAIT.0.saturating_mul(1 << failures.min(10)).min(WAIT.1);
    let share = f64::from(entropy) / f64::from(u32::MAX);
    usual.mul_f64(0.5 + share)
}

#[cfg(test)]
mod tests {
    use std::cell::Cell;

    use super::*;
    use crate::store::StoreError;

    fn away() -> ObjectError {
        StoreError::failed("commit", "the disk is away").into()
    }

    #[tokio::test]
    async fn what_passes_is_tried_until_it_succeeds() {
        let tries = Cell::new(0);
        let attempt = || {
            tries.set(tries.get() + 1);
            let result = match tries.get() {
                1 => Err(away()),
                2 => Err(StoreError::Busy.into()),
                tries => Ok(tries),
            };
            std::future::ready(result)
        };
        assert_eq!(insist("write", attempt).await.unwrap(), 3);
    }

    #[tokio::test]
    async fn what_does_not_pass_is_given_back_at_once() {
        for error in [StoreError::Deposed, StoreError::TooLarge("so".to_owned())] {
            let mut error = Some(ObjectError::from(error));
            let failed = insist("write", || {
                std::future::ready(Err::<(), _>(error.take().unwrap()))
            });
            assert!(matches!(failed.await, Err(ObjectError::Store(_))));
        }
    }

    #[test]
    fn waits_grow_to_their_limit_and_differ() {
        assert_eq!(backoff(0, 0), WAIT.0 / 2);
        assert_eq!(backoff(0, u32::MAX), WAIT.0 * 3 / 2);
        assert_eq!(backoff(u32::MAX, 0), WAIT.1 / 2);
        assert_eq!(backoff(u32::MAX, u32::MAX), WAIT.1 * 3 / 2);
    }
}
