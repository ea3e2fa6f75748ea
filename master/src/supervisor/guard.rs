use actix::{Message, Recipient};

/// A child ended.
#[derive(Clone, Debug, PartialEq, Eq, Message)]
#[rtype(result = "()")]
pub struct ChildDown {
    /// The child, as its parent names it.
    pub id: String,
    /// Which life of the child ended.
    pub generation: u64,
    /// Whether it panicked, rather than stopping by itself.
    pub panicked: bool,
}

/// Held by a child as long as it lives. Dropping it tells the parent.
#[derive(Debug)]
pub struct Guard {
    id: String,
    generation: u64,
    parent: Recipient<ChildDown>,
}

impl Guard {
    /// The guard of one life of a child.
    #[must_use]
    pub fn new(id: String, generation: u64, parent: Recipient<ChildDown>) -> Self {
        Self { id, generation, parent }
    }
}

impl Drop for Guard {
    fn drop(&mut self) {
        // actix drops a panicking actor during the unwinding, so this tells a panic from a stop.
        self.parent.do_send(ChildDown {
            id: std::mem::take(&mut self.id),
            generation: self.generation,
            panicked: std::thread::panicking(),
        });
    }
}
