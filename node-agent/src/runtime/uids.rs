use std::collections::BTreeSet;

use parking_lot::Mutex;

/// User ids for pods and builds: each has its own while it lives. A returned id goes to the end of
/// the line, since files of its last owner may still lie about in places all can write.
pub struct Uids {
    range: Option<(u32, u32)>,
    state: Mutex<State>,
}

#[derive(Default)]
struct State {
    used: BTreeSet<u32>,
    next: u32,
}

/// All user ids are in use.
#[derive(Debug, thiserror::Error, PartialEq, Eq)]
#[error("all user ids are in use; raise pods.uid-count")]
pub struct NoUidLeft;

impl Uids {
    /// So many ids from `first`, starting anywhere among them. Not as root there are none: all run
    /// as the agent's own user.
    #[must_use]
    pub fn new(first: u32, count: u32, start: u32, root: bool) -> Self {
        let state = State {
            used: BTreeSet::new(),
            next: start % count.max(1),
        };
        Self {
            range: root.then_some((first, count)),
            state: Mutex::new(state),
        }
    }

    /// An id nobody has.
    ///
    /// # Errors
    /// When all are in use.
    pub fn take(&self) -> Result<Option<u32>, NoUidLeft> {
        let Some((first, count)) = self.range else {
            return Ok(None);
        };
        let mut state = self.state.lock();
        for step in 0..count {
            let offset = (state.next + step) % count;
            if state.used.insert(first + offset) {
                state.next = (offset + 1) % count;
                return Ok(Some(first + offset));
            }
        }
        Err(NoUidLeft)
    }

    /// Marks the id of a pod that was adopted.
    pub fn keep(&self, uid: Option<u32>) {
        if let Some(uid) = uid {
            self.state.lock().used.insert(uid);
        }
    }

    /// Gives an id back.
    pub fn give_back(&self, uid: Option<u32>) {
        if let Some(uid) = uid {
            self.state.lock().used.remove(&uid);
        }
    }

    /// Whether an id is one of ours to give.
    #[must_use]
    pub fn covers(&self, uid: u32) -> bool {
        self.range
            .is_some_and(|(first, count)| (first..first + count).contains(&uid))
    }

    /// The first id, to try things out with.
    #[must_use]
    pub fn first(&self) -> Option<u32> {
        self.range.map(|(first, _)| first)
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn no_two_ever_have_the_same(count in 1_u32..6, moves in prop::collection::vec(any::<bool>(), 0..60)) {
            let uids = Uids::new(100, count, 3, true);
            let mut held = Vec::new();
            for take in moves {
                if take {
                    match uids.take() {
                        Ok(Some(uid)) => {
                            prop_assert!(!held.contains(&uid) && (100..100 + count).contains(&uid));
                            held.push(uid);
                        }
                        Ok(None) => prop_assert!(false),
                        Err(NoUidLeft) => prop_assert_eq!(held.len(), count as usize),
                    }
                } else if !held.is_empty() {
                    uids.give_back(Some(held.remove(0)));
                }
            }
        }
    }

    #[test]
    fn without_root_there_are_none() {
        assert_eq!(Uids::new(100, 5, 0, false).take(), Ok(None));
    }
}
