//! Takes away runs and journals that nobody needs any more.

use std::collections::HashSet;

use common::resources::WorkflowRun;

use super::journal::Journal;
use super::retention::Ended;
use crate::objects::{ObjectError, Objects};

/// Removes the journals of runs that do not exist. Gives how many there were.
pub(super) async fn journals(objects: &Objects) -> Result<usize, ObjectError> {
    let store = &**objects.store();
    let owners = Journal::owners(store).await?;
    if owners.is_empty() {
        return Ok(0);
    }
    // Read after the journals: a run's object is written before its journal begins.
    let mut living = HashSet::new();
    let look = |run: WorkflowRun| living.extend([run.metadata.uid]);
    objects.for_each(None, look).await?;
    let orphans = owners.iter().filter(|uid| !living.contains(*uid));
    let mut count = 0;
    for uid in orphans {
        Journal::remove(store, uid).await?;
        count += 1;
    }
    Ok(count)
}

/// Deletes ended runs. What fails is tried again with the next look.
pub(super) async fn runs(objects: &Objects, gone: &[Ended]) {
    for run in gone {
        let (namespace, name) = (&run.key.namespace, &run.key.name);
        let deleted = objects
            .delete::<WorkflowRun>(namespace, name, Some(&run.uid))
            .await;
        if let Err(error) = deleted {
            tracing::warn!(run = %run.key, %error, "could not delete an old run");
            return;
        }
    }
    tracing::info!(count = gone.len(), "deleted old runs");
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use common::resources::{ObjectMeta, Resource as _};

    use super::*;
    use crate::clock::{Clock, SystemClock};
    use crate::store::{Durability, EmbeddedStore, Store};

    #[tokio::test]
    async fn only_journals_of_runs_that_are_there_stay() {
        let directory = tempfile::tempdir().unwrap();
        let clock: Arc<dyn Clock> = Arc::new(SystemClock::default());
        let store = EmbeddedStore::open(&directory.path().join("s"), Arc::clone(&clock)).unwrap();
        let store: Arc<dyn Store> = Arc::new(store);
        let objects = Objects::new(Arc::clone(&store), clock);
        let run = WorkflowRun::with_metadata(ObjectMeta::named("default", "there"));
        let run = objects.create(run, Durability::Durable).await.unwrap();
        let record = serde_json::from_str(r#"{"strand":0,"note":null}"#).unwrap();
        for uid in [run.metadata.uid.as_str(), "gone-1", "gone-2"] {
            let (mut journal, _) = Journal::load(Arc::clone(&store), uid).await.unwrap();
            journal.append(std::slice::from_ref(&record)).await.unwrap();
        }
        assert_eq!(journals(&objects).await.unwrap(), 2);
        assert_eq!(Journal::owners(&*store).await.unwrap(), [run.metadata.uid]);
    }
}
