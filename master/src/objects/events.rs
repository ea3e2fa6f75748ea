//! Events: what a user sees under "why". Repeats are counted, not listed; each goes an hour after
//! it last happened, with a lease that the events of a minute share.

use std::time::Duration;

use common::digest::Digest;
use common::resources::{Event, EventSource, ObjectMeta, ObjectReference, Resource, timestamp};
use tokio::sync::Mutex;

use super::handle::{Objects, read};
use super::key::key;
use super::{Durability, ObjectError};
use crate::store::{LeaseId, StoreError, Txn};

/// How long an event is kept.
const KEPT: Duration = Duration::from_secs(3600);
/// How long a lease is given to new events.
const SHARED: Duration = Duration::from_secs(60);
/// Longest message.
const MESSAGE_CHARS: usize = 1024;
const ATTEMPTS: usize = 8;

/// Whether an event is good or bad news.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum EventKind {
    /// As it should be.
    Normal,
    /// Somebody should look.
    Warning,
}

impl EventKind {
    /// The word in YAML.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Normal => "Normal",
            Self::Warning => "Warning",
        }
    }
}

/// The lease of this minute's events.
#[derive(Default)]
pub(super) struct EventLease(Mutex<Option<(LeaseId, Duration)>>);

impl EventLease {
    async fn get(&self, objects: &Objects) -> Result<LeaseId, StoreError> {
        let now = objects.clock().monotonic();
        let mut current = self.0.lock().await;
        match *current {
            Some((lease, since)) if now.saturating_sub(since) < SHARED => Ok(lease),
            _ => {
                let lease = objects.store().grant(KEPT + SHARED).await?;
                *current = Some((lease, now));
                Ok(lease)
            }
        }
    }

    async fn forget(&self) {
        *self.0.lock().await = None;
    }
}

impl Objects {
    /// Writes down that something happened to an object. A failure is logged and does not concern
    /// the caller.
    pub async fn record(
        &self,
        about: &impl Resource,
        kind: EventKind,
        component: &str,
        reason: &str,
        message: &str,
    ) {
        let event = self.event(reference(about), kind, component, reason, message);
        let event_name = event.metadata.name.clone();
        if let Err(error) = self.count(event).await {
            tracing::warn!(%error, event = event_name, reason, message, "an event is lost");
        }
    }

    fn event(
        &self,
        about: ObjectReference,
        kind: EventKind,
        component: &str,
        reason: &str,
        message: &str,
    ) -> Event {
        let message: String = message.chars().take(MESSAGE_CHARS).collect();
        let identity = [&about.uid, kind.as_str(), component, reason, &message].join("\0");
        let digest = Digest::of(identity.as_bytes());
        let fit: String = about
            .name
            .chars()
            .map(|c| {
                if c.is_ascii_alphanumeric() {
                    c.to_ascii_lowercase()
                } else {
                    '-'
                }
            })
            .collect();
        let fit = match fit.trim_matches('-') {
            "" => "object",
            fit => fit,
        };
        let name = format!("{fit}.{}", &digest.hex()[..16]);
        let namespace = match about.namespace.as_str() {
            "" => "default",
            namespace => namespace,
        };
        let now = timestamp(self.clock().now());
        let mut event = Event::with_metadata(ObjectMeta::named(namespace, name));
        event.metadata.uid = super::new_uid();
        event.metadata.creation_timestamp = Some(now.clone());
        event.involved_object = about;
        event.reason = reason.to_owned();
        event.message = message;
        event.r#type = kind.as_str().to_owned();
        event.count = 1;
        event.first_timestamp = Some(now.clone());
        event.last_timestamp = Some(now);
        event.source = EventSource {
            component: component.to_owned(),
            host: String::new(),
        };
        event.reporting_component = component.to_owned();
        event
    }

    async fn count(&self, event: Event) -> Result<(), ObjectError> {
        let key = key(Event::KIND, &event.metadata.namespace, &event.metadata.name);
        for _ in 0..ATTEMPTS {
            let lease = self.event_lease().get(self).await?;
            let (mut next, revision) = match self.store().get(&key).await? {
                None => (event.clone(), 0),
                Some(entry) => {
                    let mut old: Event = read(&entry)?;
                    old.count = old.count.saturating_add(1);
                    old.last_timestamp.clone_from(&event.last_timestamp);
                    (old, entry.mod_revision)
                }
            };
            next.metadata.resource_version.clear();
            let text = serde_json::to_vec(&next)
                .map_err(|e| ObjectError::invalid(Event::KIND, &key, e))?;
            let txn = Txn::new(Durability::Eventual).when(&key, revision);
            match self.store().commit(txn.put_leased(&key, text, lease)).await {
                Ok(_) => return Ok(()),
                Err(StoreError::Conflict { .. }) => {}
                Err(StoreError::LeaseGone(_)) => self.event_lease().forget().await,
                Err(error) => return Err(error.into()),
            }
        }
        Err(ObjectError::changed(Event::KIND, &event.metadata.name))
    }
}

fn reference<R: Resource>(about: &R) -> ObjectReference {
    let metadata = about.metadata();
    ObjectReference {
        api_version: R::KIND.api_version(),
        kind: R::KIND.kind.to_owned(),
        namespace: metadata.namespace.clone(),
        name: metadata.name.clone(),
        uid: metadata.uid.clone(),
        resource_version: metadata.resource_version.clone(),
        field_path: String::new(),
    }
}
