use std::collections::HashMap;
use std::sync::Arc;

use common::resources::WorkflowRun;
use parking_lot::Mutex;
use tokio::sync::oneshot;

/// Those who wait for the end of a run, by the run's uid. Cheap to clone.
#[derive(Clone, Default)]
pub struct RunWaiters(Arc<Mutex<HashMap<String, Vec<oneshot::Sender<WorkflowRun>>>>>);

impl RunWaiters {
    /// A place in the queue for the end of a run. Take it before looking whether the run has ended.
    #[must_use]
    pub fn wait(&self, uid: &str) -> oneshot::Receiver<WorkflowRun> {
        let (sender, receiver) = oneshot::channel();
        let mut waiters = self.0.lock();
        let queue = waiters.entry(uid.to_owned()).or_default();
        queue.retain(|waiter| !waiter.is_closed());
        queue.push(sender);
        receiver
    }

    /// A run ended: everybody who waits gets it as it stands.
    pub(super) fn ended(&self, run: &WorkflowRun) {
        let waiters = self.0.lock().remove(&run.metadata.uid);
        for waiter in waiters.into_iter().flatten() {
            // Who went away needs no answer.
            let _ = waiter.send(run.clone());
        }
    }
}
