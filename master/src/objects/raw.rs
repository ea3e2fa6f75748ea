//! Reading and writing objects of any kind as JSON. The API uses these; controllers use the typed
//! forms, which come down to them.

use common::resources::Kind;
use serde_json::Value;

use super::handle::Objects;
use super::key::{key, prefix};
use super::lifecycle::{self, FINALIZER_FOREGROUND, FINALIZER_ORPHAN, meta_text, metadata_mut};
use super::{Durability, ObjectError};
use crate::store::{Entry, Page, Revision, StoreError, Txn};

/// Most attempts to write what others write too.
const ATTEMPTS: usize = 32;

/// Which objects to list.
#[derive(Clone, Copy, Debug, Default)]
pub struct ListRequest<'a> {
    /// One namespace, or all.
    pub namespace: Option<&'a str>,
    /// Go on after this key.
    pub after: Option<&'a str>,
    /// At most so many; 0 for all.
    pub limit: usize,
}

/// Objects of a kind as JSON.
#[derive(Debug)]
pub struct RawList {
    /// Key and object.
    pub items: Vec<(String, Value)>,
    /// The store's revision that they show.
    pub revision: Revision,
    /// Whether the limit cut the list short.
    pub more: bool,
}

/// What happens to the dependents of a deleted object.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Propagation {
    /// They are deleted after it.
    #[default]
    Background,
    /// They are deleted before it.
    Foreground,
    /// They stay and forget it.
    Orphan,
}

/// How to delete.
#[derive(Clone, Debug, Default)]
pub struct DeleteRequest {
    /// Only this object, not another of the same name.
    pub uid: Option<String>,
    /// Only in this state.
    pub resource_version: Option<String>,
    /// What happens to dependents.
    pub propagation: Propagation,
    /// Only say what would happen.
    pub dry_run: bool,
}

/// What deleting did.
#[derive(Debug)]
pub enum Deleted {
    /// The object is gone; its last state.
    Gone(Value),
    /// The object waits for its finalizers.
    Held(Value),
}

pub(crate) fn parse(kind: &Kind, entry: &Entry) -> Result<Value, ObjectError> {
    let mut object: Value = serde_json::from_slice(&entry.value)
        .map_err(|e| ObjectError::invalid(kind, &entry.key, format!("the stored text: {e}")))?;
    set_version(&mut object, entry.mod_revision);
    Ok(object)
}

pub(crate) fn set_version(object: &mut Value, revision: Revision) {
    metadata_mut(object).insert("resourceVersion".to_owned(), revision.to_string().into());
}

fn version(object: &Value) -> Revision {
    meta_text(object, "resourceVersion").parse().unwrap_or(0)
}

/// The text is kept in memory for long: without room to grow.
fn text(kind: &Kind, name: &str, object: &Value) -> Result<Box<[u8]>, ObjectError> {
    let text = serde_json::to_vec(object).map_err(|e| ObjectError::invalid(kind, name, e))?;
    Ok(text.into_boxed_slice())
}

impl Objects {
    /// An object as JSON.
    pub async fn get_raw(
        &self,
        kind: &Kind,
        namespace: &str,
        name: &str,
    ) -> Result<Option<Value>, ObjectError> {
        let entry = self.store().get(&key(kind, namespace, name)).await?;
        entry.map(|entry| parse(kind, &entry)).transpose()
    }

    /// Objects of a kind as JSON.
    pub async fn list_raw(
        &self,
        kind: &Kind,
        request: ListRequest<'_>,
    ) -> Result<RawList, ObjectError> {
        let prefix = prefix(kind, request.namespace);
        let page = Page {
            prefix: &prefix,
            after: request.after,
            limit: request.limit,
        };
        let listed = self.store().list(page).await?;
        let items = listed
            .entries
            .iter()
            .map(|entry| Ok((entry.key.clone(), parse(kind, entry)?)))
            .collect::<Result<_, ObjectError>>()?;
        Ok(RawList {
            items,
            revision: listed.revision,
            more: listed.more,
        })
    }

    /// Makes an object. With `in_namespace` only when its namespace is there and stays.
    pub async fn create_raw(
        &self,
        kind: &Kind,
        mut object: Value,
        durability: Durability,
        in_namespace: bool,
    ) -> Result<Value, ObjectError> {
        let prefix = meta_text(&object, "generateName").to_owned();
        let generate = meta_text(&object, "name").is_empty() && !prefix.is_empty();
        // The platform may name a uid, so that dependents can point to an owner before it is there.
        let uid = match meta_text(&object, "uid") {
            given if !given.is_empty() && !in_namespace => given.to_owned(),
            _ => lifecycle::new_uid(),
        };
        lifecycle::begin(kind, &mut object, uid, self.clock().now());
        for _ in 0..ATTEMPTS {
            if generate {
                let name = format!("{prefix}{}", lifecycle::random_suffix());
                metadata_mut(&mut object).insert("name".to_owned(), name.into());
            }
            let name = meta_text(&object, "name").to_owned();
            let namespace = meta_text(&object, "namespace").to_owned();
            if name.is_empty() {
                return Err(ObjectError::invalid(kind, "", "metadata.name is missing"));
            }
            if name.contains('/') || namespace.contains('/') {
                return Err(ObjectError::invalid(
                    kind,
                    &name,
                    "a name may not contain '/'",
                ));
            }
            let key = key(kind, &namespace, &name);
            let mut txn = Txn::new(durability)
                .when(&key, 0)
                .put(&key, text(kind, &name, &object)?);
            if in_namespace && kind.namespaced {
                let (space, revision) = self.living_namespace(&namespace).await?;
                txn = txn.when(space, revision);
            }
            match self.store().commit(txn).await {
                Ok(revision) => {
                    set_version(&mut object, revision);
                    return Ok(object);
                }
                Err(StoreError::Conflict { key: lost, .. }) if lost == key && !generate => {
                    return Err(ObjectError::AlreadyExists {
                        kind: kind.plural,
                        name,
                    });
                }
                Err(StoreError::Conflict { .. }) => {}
                Err(error) => return Err(error.into()),
            }
        }
        Err(ObjectError::changed(kind, meta_text(&object, "name")))
    }

    /// Key and revision of a namespace that takes new objects.
    pub(crate) async fn living_namespace(
        &self,
        name: &str,
    ) -> Result<(String, Revision), ObjectError> {
        use common::resources::{Namespace, Resource as _};
        let gone = |why, missing| ObjectError::Namespace {
            name: name.to_owned(),
            why,
            missing,
        };
        let key = key(Namespace::KIND, "", name);
        let Some(entry) = self.store().get(&key).await? else {
            return Err(gone("does not exist", true));
        };
        if lifecycle::is_deleting(&parse(Namespace::KIND, &entry)?) {
            return Err(gone("is being deleted", false));
        }
        Ok((key, entry.mod_revision))
    }

    /// Replaces an object that stands at the resourceVersion the new one carries; without one, as
    /// it stands now. An object that is being deleted and loses its last finalizer goes.
    pub async fn update_raw(
        &self,
        kind: &Kind,
        mut object: Value,
        durability: Durability,
    ) -> Result<Value, ObjectError> {
        let name = meta_text(&object, "name").to_owned();
        let namespace = meta_text(&object, "namespace").to_owned();
        let wanted = meta_text(&object, "resourceVersion").to_owned();
        let old = self.get_raw(kind, &namespace, &name).await?;
        let old = old.ok_or_else(|| ObjectError::not_found(kind, &name))?;
        if !wanted.is_empty() && wanted != meta_text(&old, "resourceVersion") {
            return Err(ObjectError::changed(kind, &name));
        }
        lifecycle::succeed(&old, &mut object)
            .map_err(|why| ObjectError::conflict(kind, &name, why))?;
        let key = key(kind, &namespace, &name);
        let revision = version(&old);
        let ends = lifecycle::is_deleting(&object) && !lifecycle::is_held(kind, &object);
        let txn = Txn::new(durability).when(&key, revision);
        let txn = if ends {
            txn.delete(&key)
        } else {
            let mut before = old;
            metadata_mut(&mut before).remove("resourceVersion");
            if before == object {
                // Nothing changed: nobody need hear of it.
                set_version(&mut object, revision);
                return Ok(object);
            }
            txn.put(&key, text(kind, &name, &object)?)
        };
        match self.store().commit(txn).await {
            Ok(revision) => {
                set_version(&mut object, revision);
                Ok(object)
            }
            Err(StoreError::Conflict { .. }) => Err(ObjectError::changed(kind, &name)),
            Err(error) => Err(error.into()),
        }
    }

    /// Deletes an object, or marks it as being deleted while finalizers hold it. `None`: there is
    /// none.
    pub async fn delete_raw(
        &self,
        kind: &Kind,
        namespace: &str,
        name: &str,
        request: &DeleteRequest,
    ) -> Result<Option<Deleted>, ObjectError> {
        let key = key(kind, namespace, name);
        for _ in 0..ATTEMPTS {
            let Some(mut object) = self.get_raw(kind, namespace, name).await? else {
                return Ok(None);
            };
            check_preconditions(kind, name, &object, request)?;
            let revision = version(&object);
            let before = object.clone();
            let finalizer = match request.propagation {
                Propagation::Background => None,
                Propagation::Foreground => Some(FINALIZER_FOREGROUND),
                Propagation::Orphan => Some(FINALIZER_ORPHAN),
            };
            lifecycle::mark_deleted(kind, &mut object, finalizer, self.clock().now());
            let held = lifecycle::is_held(kind, &object);
            if request.dry_run || held && before == object {
                return Ok(Some(if held {
                    Deleted::Held(object)
                } else {
                    Deleted::Gone(object)
                }));
            }
            metadata_mut(&mut object).remove("resourceVersion");
            let txn = Txn::new(Durability::Durable).when(&key, revision);
            let txn = if held {
                txn.put(&key, text(kind, name, &object)?)
            } else {
                txn.delete(&key)
            };
            match self.store().commit(txn).await {
                Ok(revision) => {
                    set_version(&mut object, revision);
                    let deleted = if held { Deleted::Held } else { Deleted::Gone };
                    return Ok(Some(deleted(object)));
                }
                Err(StoreError::Conflict { .. }) => {}
                Err(error) => return Err(error.into()),
            }
        }
        Err(ObjectError::changed(kind, name))
    }
}

fn check_preconditions(
    kind: &Kind,
    name: &str,
    object: &Value,
    request: &DeleteRequest,
) -> Result<(), ObjectError> {
    let wanted = [
        ("uid", &request.uid),
        ("resourceVersion", &request.resource_version),
    ];
    for (field, wanted) in wanted {
        let found = meta_text(object, field);
        if let Some(wanted) = wanted
            && wanted != found
        {
            let why =
                format!("precondition failed: {field} is {found}, the request wants {wanted}");
            return Err(ObjectError::conflict(kind, name, why));
        }
    }
    Ok(())
}
