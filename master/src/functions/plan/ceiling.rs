use jiff::{SignedDuration, Timestamp};

/// How long it is believed that the nodes are full: at first, and when they are found full again.
const FIRST: SignedDuration = SignedDuration::from_secs(10);
const LONGEST: SignedDuration = SignedDuration::from_secs(160);

/// How many pods of the function the nodes take, when one more was refused.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Ceiling(Option<Found>);

#[derive(Clone, Copy, Debug)]
struct Found {
    pods: u32,
    until: Timestamp,
    believed: SignedDuration,
}

impl Ceiling {
    /// The nodes are full while so many pods are there. Returns whether that is news.
    pub(super) fn note(&mut self, now: Timestamp, pods: u32) -> bool {
        let news = self.0.is_none_or(|found| found.pods != pods);
        let believed = match self.0 {
            Some(found) if found.pods == pods && now >= found.until => {
                (found.believed * 2).min(LONGEST)
            }
            Some(found) if found.pods == pods => return false,
            _ => FIRST,
        };
        let until = now.checked_add(believed).unwrap_or(Timestamp::MAX);
        self.0 = Some(Found {
            pods,
            until,
            believed,
        });
        news
    }

    /// The most that makes sense to want: one more than there was room for, once it is time to try.
    pub(super) fn at(&self, now: Timestamp) -> Option<u32> {
        let found = self.0?;
        let again = u32::from(now >= found.until);
        Some(found.pods.saturating_add(again))
    }

    /// So many pods run: there is room after all.
    pub(super) fn disprove(&mut self, pods: u32) {
        if self.0.is_some_and(|found| pods > found.pods) {
            self.0 = None;
        }
    }

    /// Nothing is known of nodes any more: the function is idle.
    pub(super) fn forget(&mut self) {
        self.0 = None;
    }
}
