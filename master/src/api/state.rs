use std::sync::Arc;

use common::resources::{Namespace, ObjectMeta, Resource as _};
use tokio::sync::Semaphore;

use super::cache::Caches;
use super::validation::Definitions;
use super::verbs::log::PodLogs;
use crate::objects::{Durability, ObjectError, Objects};

/// Namespaces that are always there.
pub(super) const PERMANENT: [&str; 2] = ["default", "kube-system"];

/// Most watches at once.
const MAX_WATCHES: usize = 10_000;

/// What the API's handlers share. Put it into the app's data as `web::Data<ApiState>`.
pub struct ApiState {
    objects: Objects,
    caches: Arc<Caches>,
    logs: Arc<dyn PodLogs>,
    definitions: Arc<dyn Definitions>,
    watches: Arc<Semaphore>,
}

impl ApiState {
    /// Makes the namespaces that are always there. The caches follow the same store.
    ///
    /// # Errors
    /// When the store fails.
    pub async fn start(
        objects: Objects,
        caches: Arc<Caches>,
        logs: Arc<dyn PodLogs>,
        definitions: Arc<dyn Definitions>,
    ) -> Result<Self, ObjectError> {
        for name in PERMANENT {
            let space = Namespace::with_metadata(ObjectMeta::named("", name));
            match objects.create(space, Durability::Durable).await {
                Ok(_) | Err(ObjectError::AlreadyExists { .. }) => {}
                Err(error) => return Err(error),
            }
        }
        Ok(Self::reader(objects, caches, logs, definitions))
    }

    /// Where writes are handed to another master this is all that the API needs.
    #[must_use]
    pub fn reader(
        objects: Objects,
        caches: Arc<Caches>,
        logs: Arc<dyn PodLogs>,
        definitions: Arc<dyn Definitions>,
    ) -> Self {
        Self {
            objects,
            caches,
            logs,
            definitions,
            watches: Arc::new(Semaphore::new(MAX_WATCHES)),
        }
    }

    /// The objects the API serves.
    #[must_use]
    pub fn objects(&self) -> &Objects {
        &self.objects
    }

    pub(super) fn caches(&self) -> &Caches {
        &self.caches
    }

    /// One permit per watch.
    pub(super) fn watches(&self) -> &Arc<Semaphore> {
        &self.watches
    }

    pub(super) fn logs(&self) -> &dyn PodLogs {
        self.logs.as_ref()
    }

    pub(super) fn definitions(&self) -> &dyn Definitions {
        self.definitions.as_ref()
    }
}
