use std::sync::Arc;

use common::resources::Resource;
use serde_json::Value;

use super::events::EventLease;
use super::key::{key, prefix};
use super::raw::{DeleteRequest, Deleted};
use super::{Durability, ObjectError, Watch};
use crate::clock::Clock;
use crate::store::{Entry, Page, Pages, Revision, Store};

/// Most attempts to write what others write too.
const ATTEMPTS: usize = 32;

/// Reads, writes and watches objects. Cheap to clone.
#[derive(Clone)]
pub struct Objects {
    store: Arc<dyn Store>,
    clock: Arc<dyn Clock>,
    event_lease: Arc<EventLease>,
}

/// Objects of a kind.
#[derive(Clone, Debug, PartialEq)]
pub struct Listed<R> {
    /// The objects, in order of namespace and name.
    pub items: Vec<R>,
    /// The store's revision that they show.
    pub revision: Revision,
}

impl Objects {
    /// Objects kept in `store`.
    #[must_use]
    pub fn new(store: Arc<dyn Store>, clock: Arc<dyn Clock>) -> Self {
        Self {
            store,
            clock,
            event_lease: Arc::default(),
        }
    }

    /// The store below.
    #[must_use]
    pub fn store(&self) -> &Arc<dyn Store> {
        &self.store
    }

    /// The clock that stamps objects.
    #[must_use]
    pub fn clock(&self) -> &Arc<dyn Clock> {
        &self.clock
    }

    pub(super) fn event_lease(&self) -> &EventLease {
        &self.event_lease
    }

    /// An object.
    pub async fn get<R: Resource>(
        &self,
        namespace: &str,
        name: &str,
    ) -> Result<Option<R>, ObjectError> {
        let entry = self.store.get(&key(R::KIND, namespace, name)).await?;
        entry.as_ref().map(read).transpose()
    }

    /// All objects of a kind, in one namespace or in all.
    pub async fn list<R: Resource>(
        &self,
        namespace: Option<&str>,
    ) -> Result<Listed<R>, ObjectError> {
        let listed = self
            .store
            .list(Page::all(&prefix(R::KIND, namespace)))
            .await?;
        let items = listed.entries.iter().map(read).collect::<Result<_, _>>()?;
        Ok(Listed {
            items,
            revision: listed.revision,
        })
    }

    /// Reads all objects of a kind, in one namespace or in all, a few at a time. What changes meanwhile may be
    /// missed; what is there all the time is shown once.
    pub async fn for_each<R: Resource>(
        &self,
        namespace: Option<&str>,
        mut look: impl FnMut(R),
    ) -> Result<(), ObjectError> {
        let mut pages = Pages::of(prefix(R::KIND, namespace));
        while let Some(entries) = pages.next(&*self.store).await? {
            for entry in &entries {
                look(read(entry)?);
            }
        }
        Ok(())
    }

    /// Makes an object. The server's metadata (uid, creationTimestamp, generation,
    /// resourceVersion) are set; `generateName` is completed.
    pub async fn create<R: Resource>(
        &self,
        object: R,
        durability: Durability,
    ) -> Result<R, ObjectError> {
        let value = to_value(&object)?;
        from_value(self.create_raw(R::KIND, value, durability, false).await?)
    }

    /// Replaces an object that stands at the resourceVersion the new one carries.
    pub async fn update<R: Resource>(
        &self,
        object: R,
        durability: Durability,
    ) -> Result<R, ObjectError> {
        let value = to_value(&object)?;
        from_value(self.update_raw(R::KIND, value, durability).await?)
    }

    /// Reads an object, changes it and writes it back; again when somebody else was faster. The
    /// change returns false when there is nothing to do. `None`: there is no such object.
    pub async fn modify<R: Resource>(
        &self,
        namespace: &str,
        name: &str,
        durability: Durability,
        mut change: impl FnMut(&mut R) -> bool,
    ) -> Result<Option<R>, ObjectError> {
        for _ in 0..ATTEMPTS {
            let Some(mut object) = self.get::<R>(namespace, name).await? else {
                return Ok(None);
            };
            if !change(&mut object) {
                return Ok(Some(object));
            }
            match self.update(object, durability).await {
                Err(error) if error.is_conflict() => {}
                Err(ObjectError::NotFound { .. }) => return Ok(None),
                result => return result.map(Some),
            }
        }
        Err(ObjectError::changed(R::KIND, name))
    }

    /// Deletes an object; with `uid` only that one. While finalizers hold it, it only gets its
    /// deletionTimestamp. `None`: there is no such object.
    pub async fn delete<R: Resource>(
        &self,
        namespace: &str,
        name: &str,
        uid: Option<&str>,
    ) -> Result<Option<R>, ObjectError> {
        let request = DeleteRequest {
            uid: uid.map(str::to_owned),
            ..DeleteRequest::default()
        };
        match self.delete_raw(R::KIND, namespace, name, &request).await? {
            Some(Deleted::Gone(object) | Deleted::Held(object)) => from_value(object).map(Some),
            None => Ok(None),
        }
    }

    /// Every change of a kind's objects. See [`Watch`].
    #[must_use]
    pub fn watch<R: Resource>(&self) -> Watch<R> {
        Watch::new(Arc::clone(&self.store))
    }
}

/// A stored object, typed.
pub(super) fn read<R: Resource>(entry: &Entry) -> Result<R, ObjectError> {
    let mut object: R = serde_json::from_slice(&entry.value)
        .map_err(|e| ObjectError::invalid(R::KIND, &entry.key, format!("the stored text: {e}")))?;
    object.metadata_mut().resource_version = entry.mod_revision.to_string();
    Ok(object)
}

fn to_value<R: Resource>(object: &R) -> Result<Value, ObjectError> {
    serde_json::to_value(object)
        .map_err(|e| ObjectError::invalid(R::KIND, &object.metadata().name, e))
}

fn from_value<R: Resource>(value: Value) -> Result<R, ObjectError> {
    serde_json::from_value(value).map_err(|e| ObjectError::invalid(R::KIND, "", e))
}
