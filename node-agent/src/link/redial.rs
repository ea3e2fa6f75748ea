use std::time::Duration;

use tokio::time::Instant;

use super::dial::Masters;
use super::open::OpenError;
use crate::backoff::Backoff;
use crate::clock::Chance;

/// Most times in a row that one master sends on to another before the agent waits.
const MOST_REDIRECTS: u32 = 3;
/// The new leader's agents come within this time, not all at once.
const SPREAD_MS: u32 = 200;
/// While another master is likely to take the lead, waits are no longer than `SHORT`.
const TAKEOVER: Duration = Duration::from_secs(60);
const SHORT: Duration = Duration::from_secs(1);

/// When, and to which master, an agent dials again.
pub struct Redial {
    backoff: Backoff,
    chance: Chance,
    redirects: u32,
    /// When a link last stood.
    linked: Instant,
}

/// What an agent does when it has no link.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Next {
    /// Dials the leader that another master named, after so long.
    Follow(Duration),
    /// Tries again after so long.
    Again(Duration),
}

impl Redial {
    /// Of an agent that begins now.
    #[must_use]
    pub fn new(chance: Chance, now: Instant) -> Self {
        Self {
            backoff: Backoff::new(chance.clone()),
            chance,
            redirects: 0,
            linked: now,
        }
    }

    /// There is no link: one ended that had been welcomed or not, or a master gave none.
    pub fn next(
        &mut self,
        masters: &Masters,
        refused: Option<&OpenError>,
        welcomed: bool,
        now: Instant,
    ) -> Next {
        if let Some(OpenError::Elsewhere(url)) = refused
            && self.redirects < MOST_REDIRECTS
            && masters.follow(url)
        {
            self.redirects += 1;
            let spread = Duration::from_millis(self.chance.below(SPREAD_MS).into());
            return Next::Follow(spread);
        }
        self.redirects = 0;
        if welcomed {
            self.backoff.reset();
            self.linked = now;
        } else if !matches!(refused, Some(OpenError::Dial(_) | OpenError::NotAMember)) {
            // A dial that failed has turned already: with two masters, twice is the same one again.
            masters.turn();
        }
        let takeover = masters.are_several() && now - self.linked < TAKEOVER;
        let limit = if takeover { SHORT } else { Duration::MAX };
        Next::Again(self.backoff.fail_within(limit))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::settings::Settings;

    fn masters(urls: &[&str]) -> Masters {
        let settings = Settings {
            master: urls.iter().map(|url| (*url).to_owned()).collect(),
            ..Settings::default()
        };
        Masters::new(&settings).unwrap()
    }

    #[test]
    fn masters_that_send_to_each_other_are_not_followed_for_ever() {
        let masters = masters(&["https://a:1", "https://b:2"]);
        let now = Instant::now();
        let mut redial = Redial::new(Chance::seeded(1), now);
        let elsewhere = OpenError::Elsewhere("https://b:2".to_owned());
        let mut next = || redial.next(&masters, Some(&elsewhere), false, now);
        for _ in 0..MOST_REDIRECTS {
            assert!(matches!(next(), Next::Follow(_)));
            assert_eq!(masters.current().0, "b");
        }
        assert!(matches!(next(), Next::Again(_)));
        assert!(matches!(next(), Next::Follow(_)));
    }

    #[test]
    fn one_master_is_waited_for_longer_than_one_of_two() {
        let now = Instant::now();
        let longest = |masters: &Masters| {
            let mut redial = Redial::new(Chance::seeded(1), now);
            let waits = (0..20).map(|_| redial.next(masters, None, false, now));
            let waits = waits.map(|next| match next {
                Next::Again(wait) | Next::Follow(wait) => wait,
            });
            waits.max().unwrap()
        };
        assert!(longest(&masters(&["https://a:1"])) > 4 * SHORT);
        assert!(longest(&masters(&["https://a:1", "https://b:2"])) <= SHORT);
    }
}
