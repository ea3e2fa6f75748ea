use std::collections::{BTreeSet, HashMap};
use std::sync::Arc;

use common::resources::Task;
use parking_lot::Mutex;
use tokio::sync::Notify;
use tokio::sync::futures::Notified;

use crate::key::ObjectKey;

/// Tasks of activities that no worker has taken, the oldest first. Cheap to clone; the room of the runs keeps
/// it up to date, and the API's workers take from it.
#[derive(Clone, Default)]
pub struct TaskQueue(Arc<Inner>);

#[derive(Default)]
struct Inner {
    /// By activity; then by creation and name.
    waiting: Mutex<HashMap<ObjectKey, BTreeSet<(String, String)>>>,
    news: Notify,
}

impl TaskQueue {
    /// The oldest task of an activity that waits: the name of its object. It stays in the queue until its
    /// object says that it was taken.
    #[must_use]
    pub fn first(&self, activity: &ObjectKey) -> Option<String> {
        let waiting = self.0.waiting.lock();
        let (_, name) = waiting.get(activity)?.first()?;
        Some(name.clone())
    }

    /// Resolves when something is added after it was enabled.
    pub fn news(&self) -> Notified<'_> {
        self.0.news.notified()
    }

    /// A task stands so now.
    pub(super) fn set(&self, task: &Task) {
        if task.status.taken_time.is_some() || task.status.answer.is_some() {
            self.remove(task);
            return;
        }
        let Some((activity, place)) = place(task) else {
            return;
        };
        let mut waiting = self.0.waiting.lock();
        waiting.entry(activity).or_default().insert(place);
        drop(waiting);
        self.0.news.notify_waiters();
    }

    /// A task is gone.
    pub(super) fn remove(&self, task: &Task) {
        let Some((activity, place)) = place(task) else {
            return;
        };
        let mut waiting = self.0.waiting.lock();
        if let Some(tasks) = waiting.get_mut(&activity) {
            tasks.remove(&place);
            if tasks.is_empty() {
                waiting.remove(&activity);
            }
        }
    }

    /// Nothing is known.
    pub(super) fn clear(&self) {
        self.0.waiting.lock().clear();
    }
}

fn place(task: &Task) -> Option<(ObjectKey, (String, String))> {
    let metadata = &task.metadata;
    let activity = ObjectKey::new(&metadata.namespace, task.spec.activity.as_ref()?);
    let made = metadata.creation_timestamp.clone().unwrap_or_default();
    Some((activity, (made, metadata.name.clone())))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn task(name: &str, made: &str) -> Task {
        let mut task = Task::default();
        task.metadata.name = name.to_owned();
        task.metadata.namespace = "default".to_owned();
        task.metadata.creation_timestamp = Some(made.to_owned());
        task.spec.activity = Some("a".to_owned());
        task
    }

    #[test]
    fn the_oldest_task_comes_first_and_a_taken_one_is_out() {
        let (queue, key) = (TaskQueue::default(), ObjectKey::new("default", "a"));
        let mut old = task("z", "2026-01-01T00:00:00Z");
        queue.set(&task("b", "2026-01-01T00:00:05Z"));
        queue.set(&old);
        assert_eq!(queue.first(&key).as_deref(), Some("z"));
        old.status.taken_time = Some("t".to_owned());
        queue.set(&old);
        assert_eq!(queue.first(&key).as_deref(), Some("b"));
        queue.remove(&task("b", "2026-01-01T00:00:05Z"));
        assert_eq!(queue.first(&key), None);
        assert!(queue.0.waiting.lock().is_empty());
    }
}
