//! Access keys: Secrets by the key id in them.

use std::collections::HashMap;
use std::time::Duration;

use common::resources::Secret;
use parking_lot::Mutex;
use tokio::time::Instant;

use crate::key::ObjectKey;
use crate::objects::{ObjectError, Objects};

/// The type of a Secret with an access key, and its fields: those of an AWS credentials file.
const SECRET_TYPE: &str = "troupe.dev/aws-credentials";
const KEY_FIELD: &str = "aws_access_key_id";
const SECRET_FIELD: &str = "aws_secret_access_key";
/// All Secrets are looked through at most this often, however many unknown keys come.
const LOOK_EVERY: Duration = Duration::from_secs(1);

/// Where each access key stands. It is read again for each request, so that a Secret that was changed or
/// deleted counts at once; only a key that is not known yet makes all Secrets be looked through.
#[derive(Default)]
pub struct AccessKeys {
    places: Mutex<HashMap<String, ObjectKey>>,
    /// When they were last looked through.
    looked: tokio::sync::Mutex<Option<Instant>>,
}

/// An access key.
pub(super) struct AccessKey {
    /// The namespace of its Secret.
    pub(super) namespace: String,
    /// What requests are signed with.
    pub(super) secret: String,
}

impl AccessKeys {
    /// The access key of an id.
    pub(super) async fn find(
        &self,
        objects: &Objects,
        id: &str,
    ) -> Result<Option<AccessKey>, ObjectError> {
        let arrived = Instant::now();
        if let Some(found) = self.known(objects, id).await? {
            return Ok(Some(found));
        }
        let mut looked = self.looked.lock().await;
        // Whoever waited for the lock behind somebody who looked need not look again.
        if looked.is_none_or(|at| at < arrived) {
            if let Some(at) = *looked {
                tokio::time::sleep_until(at + LOOK_EVERY).await;
            }
            *looked = Some(Instant::now());
            self.look(objects).await?;
        }
        drop(looked);
        self.known(objects, id).await
    }

    async fn known(&self, objects: &Objects, id: &str) -> Result<Option<AccessKey>, ObjectError> {
        let place = self.places.lock().get(id).cloned();
        let Some(place) = place else {
            return Ok(None);
        };
        let secret = objects.get::<Secret>(&place.namespace, &place.name).await?;
        let key = secret
            .as_ref()
            .filter(|secret| id_of(secret).as_deref() == Some(id));
        let key = key.and_then(|secret| {
            Some(AccessKey {
                namespace: secret.metadata.namespace.clone(),
                secret: field(secret, SECRET_FIELD)?,
            })
        });
        if key.is_none() {
            self.places.lock().remove(id);
        }
        Ok(key)
    }

    async fn look(&self, objects: &Objects) -> Result<(), ObjectError> {
        let secrets = objects.list::<Secret>(None).await?.items;
        let places = secrets.iter().filter_map(|secret| {
            let metadata = &secret.metadata;
            let place = ObjectKey::new(&metadata.namespace, &metadata.name);
            Some((id_of(secret)?, place))
        });
        *self.places.lock() = places.collect();
        Ok(())
    }
}

/// The key id in a Secret, if it is one with an access key.
fn id_of(secret: &Secret) -> Option<String> {
    let typed = secret.r#type.as_deref() == Some(SECRET_TYPE);
    typed.then(|| field(secret, KEY_FIELD)).flatten()
}

fn field(secret: &Secret, name: &str) -> Option<String> {
    let value = secret.data.get(name)?;
    let bytes = base64::Engine::decode(&base64::engine::general_purpose::STANDARD, value);
    String::from_utf8(bytes.ok()?).ok()
}
