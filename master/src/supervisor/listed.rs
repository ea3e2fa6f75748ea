use std::collections::BTreeSet;
use std::future::Future;

use tokio::sync::watch;

/// The lists that a room begins with. A room that has not seen all of them knows too little to decide: what is asked of
/// it waits until then.
pub struct Listed {
    lacking: BTreeSet<&'static str>,
    complete: watch::Sender<bool>,
}

impl Listed {
    /// None of these has been seen.
    #[must_use]
    pub fn lacking<const N: usize>(lists: [&'static str; N]) -> Self {
        Self {
            lacking: lists.into(),
            complete: watch::Sender::new(N == 0),
        }
    }

    /// One has been seen. Returns whether it was the last one that lacked.
    pub fn saw(&mut self, list: &'static str) -> bool {
        self.lacking.remove(list) && self.lacking.is_empty() && !self.complete.send_replace(true)
    }

    /// Whether all have been seen.
    #[must_use]
    pub fn is_complete(&self) -> bool {
        self.lacking.is_empty()
    }

    /// Waits until all have been seen, or the room is gone.
    pub fn wait(&self) -> impl Future<Output = ()> + use<> {
        let mut complete = self.complete.subscribe();
        async move {
            // The room is gone: whoever asked it hears so.
            let _ = complete.wait_for(|complete| *complete).await;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn the_last_list_ends_the_wait() {
        let mut listed = Listed::lacking(["nodes", "pods"]);
        let early = listed.wait();
        assert!(!listed.saw("pods"));
        assert!(!listed.saw("pods"), "listed again after a loss");
        assert!(!listed.is_complete());
        assert!(listed.saw("nodes"));
        assert!(!listed.saw("nodes"));
        assert!(listed.is_complete());
        early.await;
        listed.wait().await;
    }
}
