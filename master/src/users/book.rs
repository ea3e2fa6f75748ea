//! The users in the store.

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use super::Role;
use crate::objects::{ObjectError, Objects};
use crate::store::{Durability, Page, StoreError, Txn};

const PREFIX: &str = "/troupe/users/";

/// A user.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct User {
    /// The name.
    pub name: String,
    /// Tells users of the same name apart that were there one after the other.
    pub number: String,
    /// What he may do.
    pub role: Role,
    /// Since when.
    pub created: Timestamp,
}

impl User {
    /// How credentials name him.
    #[must_use]
    pub fn subject(&self) -> String {
        format!("{}:{}", self.name, self.number)
    }
}

fn key(name: &str) -> String {
    format!("{PREFIX}{name}")
}

/// What whom credentials name may do; `None` when there is no such user any more.
///
/// # Errors
/// When the store fails.
pub async fn role_of(objects: &Objects, subject: &str) -> Result<Option<Role>, ObjectError> {
    let Some((name, number)) = subject.split_once(':') else {
        return Ok(None);
    };
    let entry = objects.store().get(&key(name)).await?;
    let user = entry.map(|entry| read(&entry.value)).transpose()?;
    Ok(user
        .filter(|user| user.number == number)
        .map(|user| user.role))
}

/// Keeps a new user; false when there is one of the name.
pub(super) async fn add(objects: &Objects, user: &User) -> Result<bool, ObjectError> {
    let text = serde_json::to_vec(user)
        .map_err(|error| ObjectError::Store(StoreError::failed("write a user", error)))?;
    let key = key(&user.name);
    let new = Txn::new(Durability::Durable).when(&key, 0).put(&key, text);
    match objects.store().commit(new).await {
        Ok(_) => Ok(true),
        Err(StoreError::Conflict { .. }) => Ok(false),
        Err(error) => Err(error.into()),
    }
}

/// All users, by name.
pub(super) async fn all(objects: &Objects) -> Result<Vec<User>, ObjectError> {
    let listed = objects.store().list(Page::all(PREFIX)).await?;
    listed
        .entries
        .iter()
        .map(|entry| read(&entry.value))
        .collect()
}

/// Ends a user; false when there is none of the name.
pub(super) async fn remove(objects: &Objects, name: &str) -> Result<bool, ObjectError> {
    let key = key(name);
    if objects.store().get(&key).await?.is_none() {
        return Ok(false);
    }
    let gone = Txn::new(Durability::Durable).delete(&key);
    objects.store().commit(gone).await?;
    Ok(true)
}

fn read(value: &[u8]) -> Result<User, ObjectError> {
    serde_json::from_slice(value)
        .map_err(|error| ObjectError::Store(StoreError::failed("read a user", error)))
}
