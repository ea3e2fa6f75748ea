//! Who belongs to whom, and what follows from it. Pure.

use std::collections::{BTreeSet, HashMap};
use std::sync::Arc;

use common::resources::Kind;
use serde::Deserialize;

use crate::objects::key::{kind_of, parts_of};
use crate::objects::{FINALIZER_FOREGROUND, FINALIZER_ORPHAN};

/// Names an object for a task.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Ident {
    /// Its key in the store.
    pub key: String,
    /// Its kind.
    pub kind: &'static Kind,
    /// Its namespace; empty outside namespaces.
    pub namespace: String,
    /// Its name.
    pub name: String,
    /// Its uid.
    pub uid: String,
}

/// Something to do.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Task {
    /// Delete an object. With `owners`: only while it still has exactly these owners.
    Delete {
        /// The object.
        object: Ident,
        /// Uids of the owners that are gone.
        owners: Option<Vec<String>>,
    },
    /// Take an owner off an object.
    Forget {
        /// The object.
        object: Ident,
        /// The owner's uid.
        owner: String,
    },
    /// Take a finalizer off an object.
    Release {
        /// The object.
        object: Ident,
        /// The finalizer.
        finalizer: &'static str,
    },
    /// Let a namespace go that has no objects left.
    ReleaseNamespace {
        /// The namespace.
        object: Ident,
    },
}

impl Task {
    /// Key of the object that the task is about.
    #[must_use]
    pub fn subject(&self) -> &str {
        match self {
            Self::Delete { object, .. }
            | Self::Forget { object, .. }
            | Self::Release { object, .. }
            | Self::ReleaseNamespace { object } => &object.key,
        }
    }
}

#[derive(Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
struct Head {
    metadata: HeadMeta,
}

#[derive(Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
struct HeadMeta {
    uid: String,
    deletion_timestamp: Option<String>,
    owner_references: Vec<HeadOwner>,
    finalizers: Vec<String>,
}

#[derive(Deserialize)]
struct HeadOwner {
    uid: String,
}

/// What is known of an object. There may be very many: names are shared between the maps.
struct Node {
    kind: &'static Kind,
    uid: Arc<str>,
    owners: Box<[Arc<str>]>,
    deleting: bool,
    foreground: bool,
    orphan: bool,
}

/// All objects, by key and uid, with their owners.
#[derive(Default)]
pub struct Graph {
    nodes: HashMap<Arc<str>, Node>,
    keys: HashMap<Arc<str>, Arc<str>>,
    dependents: HashMap<Arc<str>, BTreeSet<Arc<str>>>,
    namespaces: HashMap<String, BTreeSet<Arc<str>>>,
    dirty: BTreeSet<Arc<str>>,
}

impl Graph {
    /// An object was made or changed.
    pub fn put(&mut self, key: &str, value: &[u8]) {
        let Some(kind) = kind_of(key) else { return };
        let Ok(head) = serde_json::from_slice::<Head>(value) else {
            return;
        };
        let known = self.nodes.get_key_value(key);
        let known = known.map(|(key, old)| (Arc::clone(key), *old.uid == head.metadata.uid));
        match &known {
            Some((_, true)) => self.unlink(key),
            Some((_, false)) => self.remove(key),
            None => {}
        }
        let key = known.map_or_else(|| Arc::from(key), |(key, _)| key);
        let meta = head.metadata;
        let has = |finalizer: &str| meta.finalizers.iter().any(|f| f == finalizer);
        let node = Node {
            kind,
            deleting: meta.deletion_timestamp.is_some(),
            foreground: has(FINALIZER_FOREGROUND),
            orphan: has(FINALIZER_ORPHAN),
            owners: meta
                .owner_references
                .into_iter()
                .map(|owner| self.shared(owner.uid))
                .collect(),
            uid: meta.uid.into(),
        };
        for owner in &node.owners {
            self.dependents
                .entry(Arc::clone(owner))
                .or_default()
                .insert(Arc::clone(&key));
            self.dirty.extend(self.keys.get(owner).cloned());
        }
        if kind.namespaced {
            let (namespace, _) = parts_of(&key);
            if let Some(space) = self.namespaces.get_mut(namespace) {
                space.insert(Arc::clone(&key));
            } else {
                let space = BTreeSet::from([Arc::clone(&key)]);
                self.namespaces.insert(namespace.to_owned(), space);
            }
            self.dirty.insert(namespace_key(namespace).into());
        }
        self.keys.insert(Arc::clone(&node.uid), Arc::clone(&key));
        self.dirty.insert(Arc::clone(&key));
        self.nodes.insert(key, node);
    }

    /// An owner's uid, the same one for all its dependents.
    fn shared(&self, uid: String) -> Arc<str> {
        let known = self.dependents.get_key_value(uid.as_str());
        known.map_or_else(|| uid.into(), |(uid, _)| Arc::clone(uid))
    }

    /// An object is gone.
    pub fn remove(&mut self, key: &str) {
        self.unlink(key);
        let Some(node) = self.nodes.remove(key) else {
            return;
        };
        self.keys.remove(&node.uid);
        let dependents = self.dependents.get(&node.uid);
        self.dirty.extend(dependents.into_iter().flatten().cloned());
        if node.kind.namespaced {
            self.dirty.insert(namespace_key(parts_of(key).0).into());
        }
    }

    fn unlink(&mut self, key: &str) {
        let Some(node) = self.nodes.get(key) else {
            return;
        };
        for owner in &node.owners {
            if let Some(dependents) = self.dependents.get_mut(owner) {
                dependents.remove(key);
                if dependents.is_empty() {
                    self.dependents.remove(owner);
                }
            }
            // An owner that waits for its dependents may look again.
            self.dirty.extend(self.keys.get(owner).cloned());
        }
        let (namespace, _) = parts_of(key);
        if let Some(space) = self.namespaces.get_mut(namespace) {
            space.remove(key);
            if space.is_empty() {
                self.namespaces.remove(namespace);
            }
        }
    }

    /// Looks at one object again.
    pub fn consider(&mut self, key: &str) {
        self.dirty.insert(key.into());
    }

    /// Looks at all objects again.
    pub fn consider_all(&mut self) {
        self.dirty.extend(self.nodes.keys().cloned());
    }

    /// What is to do since the last time.
    pub fn tasks(&mut self) -> Vec<Task> {
        let dirty = std::mem::take(&mut self.dirty);
        let mut tasks = Vec::new();
        for key in dirty {
            if let Some(node) = self.nodes.get(&key) {
                self.judge(&key, node, &mut tasks);
            }
        }
        tasks
    }

    fn judge(&self, key: &str, node: &Node, tasks: &mut Vec<Task>) {
        let object = || node.ident(key);
        let known = |key| Some((key, self.nodes.get(key)?));
        let dependents = self.dependents.get(&node.uid);
        let dependents = dependents.into_iter().flatten().filter_map(known);
        if !node.deleting {
            let orphaned = |owner: &Arc<str>| !self.keys.contains_key(owner);
            if !node.owners.is_empty() && node.owners.iter().all(orphaned) {
                let owners = node.owners.iter().map(|owner| owner.to_string());
                tasks.push(Task::Delete {
                    object: object(),
                    owners: Some(owners.collect()),
                });
            }
            return;
        }
        let before = tasks.len();
        if node.orphan {
            tasks.extend(dependents.map(|(key, dependent)| Task::Forget {
                object: dependent.ident(key),
                owner: node.uid.to_string(),
            }));
            if tasks.len() == before {
                tasks.push(Task::Release {
                    object: object(),
                    finalizer: FINALIZER_ORPHAN,
                });
            }
        } else if node.foreground {
            let mut waits = false;
            for (key, dependent) in dependents {
                waits = true;
                if !dependent.deleting {
                    tasks.push(Task::Delete {
                        object: dependent.ident(key),
                        owners: None,
                    });
                }
            }
            if !waits {
                tasks.push(Task::Release {
                    object: object(),
                    finalizer: FINALIZER_FOREGROUND,
                });
            }
        }
        if node.kind.plural == "namespaces" {
            let inside = self.namespaces.get(parts_of(key).1);
            let inside = inside.into_iter().flatten().filter_map(known);
            let mut inside = inside.peekable();
            if inside.peek().is_none() {
                tasks.push(Task::ReleaseNamespace { object: object() });
            }
            tasks.extend(
                inside
                    .filter(|(_, node)| !node.deleting)
                    .map(|(key, node)| Task::Delete {
                        object: node.ident(key),
                        owners: None,
                    }),
            );
        }
    }
}

impl Node {
    fn ident(&self, key: &str) -> Ident {
        let (namespace, name) = parts_of(key);
        Ident {
            key: key.to_owned(),
            kind: self.kind,
            namespace: namespace.to_owned(),
            name: name.to_owned(),
            uid: self.uid.to_string(),
        }
    }
}

fn namespace_key(name: &str) -> String {
    use common::resources::{Namespace, Resource as _};
    crate::objects::key(Namespace::KIND, "", name)
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn put(graph: &mut Graph, key: &str, uid: &str, owners: &[&str], extra: serde_json::Value) {
        let owners: Vec<_> = owners.iter().map(|uid| json!({ "uid": uid })).collect();
        let name = key.rsplit('/').next().unwrap();
        let mut object = json!({ "metadata": {
            "name": name, "namespace": "n", "uid": uid, "ownerReferences": owners } });
        for (field, value) in extra.as_object().unwrap() {
            object["metadata"][field] = value.clone();
        }
        graph.put(key, object.to_string().as_bytes());
    }

    fn told(graph: &mut Graph) -> Vec<String> {
        graph
            .tasks()
            .into_iter()
            .map(|task| match task {
                Task::Delete { object, .. } => format!("delete {}", object.uid),
                Task::Forget { object, owner } => format!("{} forget {owner}", object.uid),
                Task::Release { object, finalizer } => {
                    format!("release {} {finalizer}", object.uid)
                }
                Task::ReleaseNamespace { object } => format!("release {}", object.name),
            })
            .collect()
    }

    const DELETING: &str = "2026-01-01T00:00:00Z";

    #[test]
    fn a_dependent_goes_after_its_last_owner() {
        let mut graph = Graph::default();
        put(&mut graph, "/registry/functions/n/a", "a", &[], json!({}));
        put(&mut graph, "/registry/functions/n/b", "b", &[], json!({}));
        put(
            &mut graph,
            "/registry/pods/n/p",
            "p",
            &["a", "b"],
            json!({}),
        );
        assert!(told(&mut graph).is_empty());
        graph.remove("/registry/functions/n/a");
        assert!(told(&mut graph).is_empty());
        graph.remove("/registry/functions/n/b");
        assert_eq!(told(&mut graph), ["delete p"]);
    }

    #[test]
    fn an_object_of_the_same_name_is_not_the_owner() {
        let mut graph = Graph::default();
        put(&mut graph, "/registry/functions/n/a", "old", &[], json!({}));
        put(&mut graph, "/registry/pods/n/p", "p", &["old"], json!({}));
        assert!(told(&mut graph).is_empty());
        put(&mut graph, "/registry/functions/n/a", "new", &[], json!({}));
        assert_eq!(told(&mut graph), ["delete p"]);
    }

    #[test]
    fn in_the_foreground_dependents_go_first() {
        let mut graph = Graph::default();
        let held = json!({ "deletionTimestamp": DELETING, "finalizers": [FINALIZER_FOREGROUND] });
        put(&mut graph, "/registry/functions/n/a", "a", &[], held);
        put(&mut graph, "/registry/pods/n/p", "p", &["a"], json!({}));
        assert_eq!(told(&mut graph), ["delete p"]);
        put(
            &mut graph,
            "/registry/pods/n/p",
            "p",
            &["a"],
            json!({ "deletionTimestamp": DELETING }),
        );
        assert!(told(&mut graph).is_empty());
        graph.remove("/registry/pods/n/p");
        assert_eq!(told(&mut graph), ["release a foregroundDeletion"]);
    }

    #[test]
    fn orphans_forget_their_owner_before_it_goes() {
        let mut graph = Graph::default();
        put(&mut graph, "/registry/pods/n/p", "p", &["a"], json!({}));
        let held = json!({ "deletionTimestamp": DELETING, "finalizers": [FINALIZER_ORPHAN] });
        put(&mut graph, "/registry/functions/n/a", "a", &[], held);
        assert_eq!(told(&mut graph), ["p forget a"]);
        put(&mut graph, "/registry/pods/n/p", "p", &[], json!({}));
        assert_eq!(told(&mut graph), ["release a orphan"]);
    }

    #[test]
    fn a_namespace_goes_when_it_is_empty() {
        let mut graph = Graph::default();
        put(&mut graph, "/registry/secrets/n/s", "s", &[], json!({}));
        let deleting = json!({ "deletionTimestamp": DELETING });
        put(&mut graph, "/registry/namespaces/n", "n", &[], deleting);
        assert_eq!(told(&mut graph), ["delete s"]);
        graph.remove("/registry/secrets/n/s");
        assert_eq!(told(&mut graph), ["release n"]);
    }
}
