use std::time::Duration;

use jiff::Timestamp;

use super::credentials::Credentials;
use super::dial::Masters;
use super::join::renew;
use crate::chain::chain;
use crate::clock::{Chance, Clock};

const RETRY: Duration = Duration::from_secs(60);
/// Clocks may be set: never sleep longer than this at once.
const LONGEST: Duration = Duration::from_secs(3600);

/// When a certificate is to be replaced: at two thirds of its life.
#[must_use]
pub fn renew_at(from: Timestamp, to: Timestamp) -> Timestamp {
    let life = to.as_second().saturating_sub(from.as_second());
    Timestamp::from_second(from.as_second().saturating_add(life / 3 * 2)).unwrap_or(from)
}

/// Replaces the node's certificate in time, for as long as it is polled.
pub async fn keep_fresh(
    credentials: &Credentials,
    masters: &Masters,
    node: &str,
    clock: &dyn Clock,
    chance: &Chance,
) {
    loop {
        let due = match credentials.identity().validity() {
            Ok((from, to)) => renew_at(from, to),
            Err(error) => {
                tracing::error!(error = chain(&error), "read own certificate");
                clock.wall()
            }
        };
        let left = due.as_second().saturating_sub(clock.wall().as_second());
        if let Ok(left @ 1..) = u64::try_from(left) {
            tokio::time::sleep(Duration::from_secs(left).min(LONGEST)).await;
            continue;
        }
        match renew(credentials, masters, node).await {
            Ok(()) => tracing::info!("certificate renewed"),
            Err(error) => tracing::warn!(error = chain(&error), "renew certificate"),
        }
        tokio::time::sleep(chance.jitter(RETRY)).await;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn two_thirds_of_a_certificates_life_pass_before_it_is_renewed() {
        let at = |second| Timestamp::from_second(second).unwrap();
        assert_eq!(renew_at(at(1000), at(1300)), at(1200));
        assert_eq!(renew_at(at(1000), at(1000)), at(1000));
    }
}
