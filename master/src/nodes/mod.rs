//! One actor per node: it keeps the node's agent in step with the objects.
//!
//! [`Nodes`] watches Node and Pod objects and takes the agents' sessions. A [`NodeActor`] sends its
//! agent the pods it shall run and writes what the agent reports into the pods' status. A session that
//! breaks changes nothing for running pods: the agent dials again, both sides tell all they know, and
//! what differs is mended.

mod actor;
mod assignment;
mod bases;
mod book;
mod builder;
mod grants;
mod hello;
mod logs;
mod metrics;
mod registry;
mod report;
pub mod session;
mod shelves;
mod write;

pub use actor::NodeActor;
pub use bases::Bases;
pub use book::{LocalPods, NodeBook};
pub use builder::BuildTarget;
pub use grants::Grants;
pub use hello::is_ready;
pub use logs::AgentLogs;
pub use metrics::PodCounts;
pub use registry::{
    Connect, Connected, Disconnected, Dispatch, FromAgent, Nodes, NodesTools, Refused,
};

/// Holds a pod's [`common::link::PodAssignment`], without the resolved environment.
pub const ASSIGNMENT_ANNOTATION: &str = "troupe.dev/assignment";
