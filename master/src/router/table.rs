use std::collections::HashMap;
use std::sync::Arc;

use arc_swap::ArcSwap;

use super::Route;
use crate::key::ObjectKey;

/// Routes by namespace and name. Immutable: a change makes a new table.
#[derive(Clone, Default)]
pub struct RouteTable {
    namespaces: HashMap<Arc<str>, HashMap<Arc<str>, Arc<Route>>>,
}

impl RouteTable {
    /// The route of a function.
    #[must_use]
    pub fn get(&self, namespace: &str, name: &str) -> Option<&Arc<Route>> {
        self.namespaces.get(namespace)?.get(name)
    }

    /// Adds a route.
    pub fn insert(&mut self, route: Arc<Route>) {
        let key = route.key().clone();
        self.namespaces
            .entry(key.namespace)
            .or_default()
            .insert(key.name, route);
    }

    /// Removes a route.
    pub fn remove(&mut self, key: &ObjectKey) -> Option<Arc<Route>> {
        let names = self.namespaces.get_mut(&key.namespace)?;
        let route = names.remove(&key.name);
        if names.is_empty() {
            self.namespaces.remove(&key.namespace);
        }
        route
    }

    /// All routes.
    pub fn iter(&self) -> impl Iterator<Item = &Arc<Route>> {
        self.namespaces.values().flat_map(HashMap::values)
    }
}

/// The table as it stands now. Readers never wait. Cheap to clone.
#[derive(Clone, Default)]
pub struct Routes(Arc<ArcSwap<RouteTable>>);

impl Routes {
    /// The route of a function, if the table has it.
    #[must_use]
    pub fn find(&self, namespace: &str, name: &str) -> Option<Arc<Route>> {
        self.0.load().get(namespace, name).cloned()
    }

    /// The whole table.
    #[must_use]
    pub fn snapshot(&self) -> Arc<RouteTable> {
        self.0.load_full()
    }

    pub(super) fn publish(&self, table: RouteTable) {
        self.0.store(Arc::new(table));
    }
}

impl std::fmt::Debug for Routes {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Routes").finish_non_exhaustive()
    }
}
