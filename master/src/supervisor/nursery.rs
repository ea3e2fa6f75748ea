use std::collections::HashMap;
use std::time::Duration;

use actix::{Actor, Addr, Recipient};
use jiff::Timestamp;
use tokio_util::sync::CancellationToken;

use super::{ChildDown, Guard, RestartPolicy, Restarts, Verdict};

/// A parent's children of one kind, by id.
pub struct Nursery<A: Actor> {
    children: HashMap<String, Child<A>>,
    policy: RestartPolicy,
    parent: Recipient<ChildDown>,
    generations: u64,
    /// Cancelled when the parent falls.
    leash: CancellationToken,
}

struct Child<A: Actor> {
    addr: Option<Addr<A>>,
    generation: u64,
    restarts: Restarts,
}

/// What a parent does about a child that ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Down {
    /// An earlier life, or a child that was let go: nothing.
    Stale,
    /// The child stopped by itself and is forgotten.
    Stopped,
    /// Start it again with [`Nursery::start`] after this delay.
    RestartAfter(Duration),
    /// It fell too often: the parent fails too.
    Escalate,
}

impl<A: Actor> Nursery<A> {
    /// An empty nursery; its guards report to `parent`.
    #[must_use]
    pub fn new(policy: RestartPolicy, parent: Recipient<ChildDown>) -> Self {
        Self {
            children: HashMap::new(),
            policy,
            parent,
            generations: 0,
            leash: CancellationToken::new(),
        }
    }

    /// Starts a child, or starts it again after [`Down::RestartAfter`]. A child that lives is left
    /// as it is.
    pub fn start(&mut self, id: &str, spawn: impl FnOnce(Guard) -> Addr<A>) -> &Addr<A> {
        let child = self.children.entry(id.to_owned()).or_insert_with(|| Child {
            addr: None,
            generation: 0,
            restarts: Restarts::default(),
        });
        if child.addr.is_none() {
            self.generations += 1;
            child.generation = self.generations;
        }
        child.addr.get_or_insert_with(|| {
            let (parent, leash) = (self.parent.clone(), self.leash.clone());
            spawn(Guard::new(id.to_owned(), self.generations, parent, leash))
        })
    }

    /// The child, while it lives.
    #[must_use]
    pub fn get(&self, id: &str) -> Option<&Addr<A>> {
        self.children.get(id)?.addr.as_ref()
    }

    /// Whether the child is known: alive, or waiting to be started again.
    #[must_use]
    pub fn contains(&self, id: &str) -> bool {
        self.children.contains_key(id)
    }

    /// Lets a child go: its end will be [`Down::Stale`]. The caller tells it to stop.
    pub fn forget(&mut self, id: &str) -> Option<Addr<A>> {
        self.children.remove(id)?.addr
    }

    /// Living children and their ids.
    pub fn iter(&self) -> impl Iterator<Item = (&str, &Addr<A>)> {
        self.children
            .iter()
            .filter_map(|(id, child)| Some((id.as_str(), child.addr.as_ref()?)))
    }

    /// Number of children known.
    #[must_use]
    pub fn len(&self) -> usize {
        self.children.len()
    }

    /// Whether there are no children.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.children.is_empty()
    }

    /// Judges the end of a child.
    pub fn on_down(&mut self, down: &ChildDown, now: Timestamp, entropy: u64) -> Down {
        let Some(child) = self.children.get_mut(&down.id) else {
            return Down::Stale;
        };
        if child.generation != down.generation {
            return Down::Stale;
        }
        child.addr = None;
        if !down.panicked {
            self.children.remove(&down.id);
            return Down::Stopped;
        }
        match child.restarts.judge(&self.policy, now, entropy) {
            Verdict::RestartAfter(delay) => Down::RestartAfter(delay),
            Verdict::Escalate => Down::Escalate,
        }
    }
}

impl<A: Actor> Drop for Nursery<A> {
    fn drop(&mut self) {
        self.leash.cancel();
    }
}
