use jiff::Timestamp;

use crate::functions::{Load, Wanted};

/// Something happened to a function or its pods.
#[derive(Clone, Debug, PartialEq)]
pub enum Event {
    /// The plan begins: the Function object is this, and it has these pods. All of them are known before
    /// anything is decided.
    Begun {
        /// What is wanted.
        wanted: Wanted,
        /// Its pods.
        pods: Vec<PodView>,
    },
    /// The Function object is this now.
    Applied(Wanted),
    /// The Function object is gone.
    Deleted,
    /// A pod is this now.
    Pod(PodView),
    /// The pod's node says that it is ready; its object will show it.
    ReadySooner(PodView),
    /// A pod's object is gone.
    PodGone {
        /// The pod.
        uid: String,
    },
    /// A pod could not be placed or written.
    LaunchFailed {
        /// The pod.
        name: String,
        /// One CamelCase word.
        reason: String,
        /// The same for people.
        message: String,
    },
    /// A pod could not be placed, and another function's pods give way for it.
    RoomComes {
        /// The pod.
        name: String,
    },
    /// A call found the pod hung or out of reach.
    Unhealthy {
        /// The pod.
        uid: String,
        /// One CamelCase word.
        reason: &'static str,
    },
    /// A call is likely soon: a run calls the function next.
    Expected,
    /// Another function finds no room for its calls.
    GiveWay,
    /// Calls as they stand. Comes every second while there is anything to do, and when a call finds
    /// no slot.
    Sampled {
        /// The calls.
        load: Load,
        /// Pods that were drained and have no calls left.
        idle: Vec<String>,
    },
}

/// A pod as its object shows it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PodView {
    /// The pod's uid.
    pub uid: String,
    /// The pod's name.
    pub name: String,
    /// The node it is on.
    pub node: String,
    /// The revision it runs.
    pub revision: String,
    /// How many calls at once it was made for.
    pub concurrency: u32,
    /// How far it is.
    pub stage: PodStage,
    /// When it was made.
    pub created: Timestamp,
    /// Why it shall leave its node once a replacement is ready; none when it may stay.
    pub disruption: Option<String>,
}

/// How far a pod is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum PodStage {
    /// Not ready yet.
    Starting,
    /// Takes calls.
    Ready,
    /// Ended by itself, or never came up.
    Failed {
        /// One CamelCase word.
        reason: String,
        /// The same for people.
        message: String,
    },
    /// Being removed.
    Ending,
}
