//! What the room of the images hears.

use std::collections::BTreeSet;

use actix::Message;
use common::link::BuildReport;
use common::resources::{Function, Node};

use super::job::JobKey;
use super::offer::OfferResult;
use crate::key::ObjectKey;
use crate::objects::Change;

/// A node's news of a build.
#[derive(Message)]
#[rtype(result = "()")]
pub struct BuildNews {
    /// The node.
    pub node: String,
    /// What it says.
    pub report: BuildReport,
}

/// A node's session ended or a new one begins: the builds it was given may not have reached it.
#[derive(Message)]
#[rtype(result = "()")]
pub struct NodeLost(pub String);

/// An object changed.
#[derive(Message)]
#[rtype(result = "()")]
pub(super) enum Seen {
    Function(Box<Change<Function>>),
    Node(Box<Change<Node>>),
}

/// Look at a function again, since the nodes are others now.
#[derive(Message)]
#[rtype(result = "()")]
pub(super) struct Relook(pub(super) Box<Function>);

/// The state of a function could not be shown: look at it again in a while.
#[derive(Message)]
#[rtype(result = "()")]
pub(super) struct LookAgain(pub(super) ObjectKey);

/// Offer a build to a node.
#[derive(Message)]
#[rtype(result = "()")]
pub(super) struct Offer {
    pub(super) job: String,
    pub(super) function: Box<Function>,
    /// Whether the function goes on showing its last failure meanwhile.
    pub(super) quiet: bool,
}

/// A function whose build was to be offered is not there any more.
#[derive(Message)]
#[rtype(result = "()")]
pub(super) struct Gone {
    pub(super) job: String,
    pub(super) function: ObjectKey,
}

/// Look whether a failed build is still wanted.
#[derive(Message)]
#[rtype(result = "()")]
pub(super) struct Again {
    pub(super) key: JobKey,
    pub(super) function: Option<Box<Function>>,
}

/// What came of offering a build.
#[derive(Message)]
#[rtype(result = "()")]
pub(super) struct Offered {
    pub(super) job: String,
    pub(super) function: Box<Function>,
    pub(super) result: OfferResult,
}

/// The functions that waited for a build know what came of it.
#[derive(Message)]
#[rtype(result = "()")]
pub(super) struct Told {
    pub(super) job: String,
    pub(super) functions: BTreeSet<ObjectKey>,
}
