use std::collections::{BTreeMap, btree_map::Entry};
use std::io;

use parking_lot::Mutex;

use super::claims::{Claim, Claims};

/// User ids for pods and builds: each has its own while it lives, which nothing else on the machine has. A returned id
/// goes to the end of the line, since files of its last owner may still lie about in places all can write.
pub struct Uids {
    range: Option<Range>,
    state: Mutex<State>,
}

struct Range {
    first: u32,
    count: u32,
    claims: Claims,
}

#[derive(Default)]
struct State {
    /// `None`: kept without a claim, since claims could not be noted.
    used: BTreeMap<u32, Option<Claim>>,
    next: u32,
}

/// There is no user id to give.
#[derive(Debug, thiserror::Error)]
pub enum UidError {
    /// All are in use.
    #[error("all user ids are in use, by this agent's pods or others'; raise pods.uid-count")]
    NoneLeft,
    /// It cannot be noted that one is in use.
    #[error("claim user id {uid}; see pods.uid-claims")]
    Claim {
        /// Which.
        uid: u32,
        /// Why.
        #[source]
        source: io::Error,
    },
}

impl Uids {
    /// So many ids from `first`, starting anywhere among them, as far as `claims` has them.
    #[must_use]
    pub fn new(first: u32, count: u32, start: u32, claims: Claims) -> Self {
        let state = State {
            used: BTreeMap::new(),
            next: start % count.max(1),
        };
        Self {
            range: Some(Range {
                first,
                count,
                claims,
            }),
            state: Mutex::new(state),
        }
    }

    /// No ids: all run as the agent's own user.
    #[must_use]
    pub fn none() -> Self {
        Self {
            range: None,
            state: Mutex::default(),
        }
    }

    /// An id nobody has.
    ///
    /// # Errors
    /// When all are in use, or claims cannot be noted.
    pub fn take(&self) -> Result<Option<u32>, UidError> {
        let Some(range) = &self.range else {
            return Ok(None);
        };
        let mut state = self.state.lock();
        for step in 0..range.count {
            let offset = (state.next + step) % range.count;
            let uid = range.first + offset;
            let Entry::Vacant(place) = state.used.entry(uid) else {
                continue;
            };
            let claim = range.claims.claim(uid);
            if let Some(claim) = claim.map_err(|source| UidError::Claim { uid, source })? {
                place.insert(Some(claim));
                state.next = (offset + 1) % range.count;
                return Ok(Some(uid));
            }
        }
        Err(UidError::NoneLeft)
    }

    /// The id of a pod that was adopted: `None` when it is another's by now, as all of the pod had ended.
    pub fn keep(&self, uid: Option<u32>) -> Option<u32> {
        let (uid, range) = (uid?, self.range.as_ref()?);
        let mut state = self.state.lock();
        let Entry::Vacant(place) = state.used.entry(uid) else {
            return Some(uid);
        };
        match range.claims.claim_again(uid) {
            Ok(claim) => {
                place.insert(Some(claim?));
            }
            Err(error) => {
                tracing::warn!(uid, %error, "claim the user id of a pod that is adopted");
                place.insert(None);
            }
        }
        Some(uid)
    }

    /// Gives an id back.
    pub fn give_back(&self, uid: Option<u32>) {
        if let Some(uid) = uid
            && let Some(Some(claim)) = self.state.lock().used.remove(&uid)
        {
            claim.release();
        }
    }

    /// Whether an id is one of ours to give.
    #[must_use]
    pub fn covers(&self, uid: u32) -> bool {
        self.range
            .as_ref()
            .is_some_and(|range| (range.first..range.first + range.count).contains(&uid))
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    /// Nothing on the machine runs under these.
    const FIRST: u32 = 3_999_999_900;

    proptest! {
        #[test]
        fn no_two_ever_have_the_same(count in 1_u32..6, moves in prop::collection::vec(any::<(bool, bool)>(), 0..60)) {
            let place = tempfile::tempdir().unwrap();
            let claims = || Claims::at(place.path().to_owned());
            let agents = [Uids::new(FIRST, count, 3, claims()), Uids::new(FIRST, count, 0, claims())];
            let mut held: Vec<(usize, u32)> = Vec::new();
            for (take, other) in moves {
                let agent = usize::from(other);
                if take {
                    match agents[agent].take() {
                        Ok(Some(uid)) => {
                            prop_assert!(held.iter().all(|(_, known)| *known != uid));
                            prop_assert!(agents[agent].covers(uid));
                            held.push((agent, uid));
                        }
                        Err(UidError::NoneLeft) => prop_assert_eq!(held.len(), count as usize),
                        other => prop_assert!(false, "{:?}", other),
                    }
                } else if !held.is_empty() {
                    let (agent, uid) = held.remove(0);
                    agents[agent].give_back(Some(uid));
                }
            }
        }
    }

    #[test]
    fn an_id_that_another_agent_has_by_now_is_not_kept() {
        let place = tempfile::tempdir().unwrap();
        let agent = || Uids::new(FIRST, 2, 0, Claims::at(place.path().to_owned()));
        let (first, other) = (agent(), agent());
        let uid = first.take().unwrap();
        drop(first);
        let after = agent();
        assert_eq!(after.keep(uid), uid, "it was its own");
        drop(after);
        assert_eq!(other.keep(uid), uid, "nobody has it");
        assert_eq!(agent().keep(uid), None);
    }

    #[test]
    fn without_root_there_are_none() {
        assert!(matches!(Uids::none().take(), Ok(None)));
    }

    #[test]
    fn what_cannot_be_noted_is_not_given() {
        let place = tempfile::NamedTempFile::new().unwrap();
        let uids = Uids::new(FIRST, 2, 0, Claims::at(place.path().join("uids")));
        assert!(matches!(uids.take(), Err(UidError::Claim { .. })));
        assert_eq!(
            uids.keep(Some(FIRST)),
            Some(FIRST),
            "a pod that runs is its own"
        );
    }
}
