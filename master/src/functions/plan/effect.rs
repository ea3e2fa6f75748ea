use std::time::Duration;

use crate::functions::Revision;
use crate::router::RouteState;

/// Something to do about a function.
#[derive(Clone, Debug, PartialEq)]
pub enum Effect {
    /// Place a pod of this revision and write its object.
    Launch {
        /// Name of the pod.
        name: String,
        /// What it runs.
        revision: Revision,
    },
    /// Send calls to the pod.
    Route {
        /// The pod's uid.
        uid: String,
        /// Its name.
        name: String,
        /// Its node.
        node: String,
        /// Calls at once.
        limit: u32,
    },
    /// Send no more calls to the pod.
    Drain {
        /// The pod.
        uid: String,
    },
    /// Delete the pod's object.
    Delete {
        /// The pod.
        uid: String,
        /// Its name.
        name: String,
    },
    /// The pod is gone: forget it in the route.
    Unroute {
        /// The pod.
        uid: String,
    },
    /// Let calls wait, or refuse them.
    SetRoute(RouteState),
    /// Tell the user.
    Tell {
        /// Whether it is bad news.
        warning: bool,
        /// One CamelCase word.
        reason: &'static str,
        /// The same for people.
        message: String,
    },
    /// Look again after this time at the latest.
    WakeIn(Duration),
    /// Show this in the objects.
    Show(Summary),
}

/// What the objects of a function show of its pods.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Summary {
    /// Name of the revision new pods run.
    pub revision: Option<String>,
    /// Pods wanted.
    pub desired: u32,
    /// Why so many.
    pub why: String,
    /// Pods that exist.
    pub replicas: u32,
    /// Pods that take calls: name and node.
    pub ready: Vec<(String, String)>,
    /// Why it cannot run, if it cannot: reason and message.
    pub trouble: Option<(String, String)>,
}
