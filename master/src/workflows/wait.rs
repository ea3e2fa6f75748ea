use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use common::resources::{RunPhase, WorkflowRun};
use parking_lot::Mutex;
use tokio::sync::oneshot;

use crate::objects::Objects;

/// How often a run that is waited for is looked at, beside being told of its end.
const LOOK_EVERY: Duration = Duration::from_secs(5);

/// Those who wait for the end of runs, by the run's uid. Cheap to clone.
#[derive(Clone, Default)]
pub struct RunWaiters(Arc<Mutex<HashMap<String, Vec<oneshot::Sender<WorkflowRun>>>>>);

/// A place in the queue for the end of one run. Dropping it gives the place up.
struct RunWait {
    uid: String,
    waiters: RunWaiters,
    receiver: oneshot::Receiver<WorkflowRun>,
}

impl RunWaiters {
    /// A place in the queue for the end of a run. Take it before looking whether the run has ended.
    fn wait(&self, uid: &str) -> RunWait {
        let (sender, receiver) = oneshot::channel();
        self.0
            .lock()
            .entry(uid.to_owned())
            .or_default()
            .push(sender);
        RunWait {
            uid: uid.to_owned(),
            waiters: self.clone(),
            receiver,
        }
    }

    /// Waits for the end of a run; `None` when it was deleted.
    pub async fn end_of(&self, objects: &Objects, run: &WorkflowRun) -> Option<WorkflowRun> {
        let (namespace, name) = (&run.metadata.namespace, &run.metadata.name);
        loop {
            let waiting = self.wait(&run.metadata.uid);
            match objects.get::<WorkflowRun>(namespace, name).await {
                Ok(Some(now)) if now.status.phase.is_some_and(RunPhase::is_final) => {
                    return Some(now);
                }
                Ok(Some(_)) => {}
                Ok(None) => return None,
                Err(error) => tracing::warn!(run = name, %error, "could not read a run"),
            }
            if let Ok(ended) = tokio::time::timeout(LOOK_EVERY, waiting.end()).await {
                return ended;
            }
        }
    }

    /// A run ended: everybody who waits gets it as it stands.
    pub(super) fn ended(&self, run: &WorkflowRun) {
        let waiters = self.0.lock().remove(&run.metadata.uid);
        for waiter in waiters.into_iter().flatten() {
            // Who went away needs no answer.
            let _ = waiter.send(run.clone());
        }
    }

    /// A run was deleted: nobody waits any longer.
    pub(super) fn deleted(&self, uid: &str) {
        self.0.lock().remove(uid);
    }
}

impl RunWait {
    /// The run when it has ended; `None` when it was deleted before.
    async fn end(mut self) -> Option<WorkflowRun> {
        (&mut self.receiver).await.ok()
    }
}

impl Drop for RunWait {
    fn drop(&mut self) {
        self.receiver.close();
        let mut waiters = self.waiters.0.lock();
        if let Some(queue) = waiters.get_mut(&self.uid) {
            queue.retain(|waiter| !waiter.is_closed());
            if queue.is_empty() {
                waiters.remove(&self.uid);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn run(uid: &str) -> WorkflowRun {
        let mut run = WorkflowRun::default();
        run.metadata.uid = uid.to_owned();
        run
    }

    #[tokio::test]
    async fn all_who_wait_learn_of_the_end_or_the_deletion() {
        let waiters = RunWaiters::default();
        let (one, two, other) = (waiters.wait("a"), waiters.wait("a"), waiters.wait("b"));
        waiters.ended(&run("a"));
        waiters.deleted("b");
        assert_eq!(one.end().await, Some(run("a")));
        assert_eq!(two.end().await, Some(run("a")));
        assert_eq!(other.end().await, None);
    }

    #[test]
    fn who_goes_away_leaves_nothing_behind() {
        let waiters = RunWaiters::default();
        let (one, two) = (waiters.wait("a"), waiters.wait("a"));
        drop(one);
        assert_eq!(waiters.0.lock()["a"].len(), 1);
        drop(two);
        assert!(waiters.0.lock().is_empty());
    }
}
