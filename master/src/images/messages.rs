//! What the room of the images hears.

use actix::Message;
use common::link::BuildReport;
use common::resources::Function;

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

/// A function changed.
#[derive(Message)]
#[rtype(result = "()")]
pub(super) struct Seen(pub(super) Change<Function>);

/// Offer a build to a node.
#[derive(Message)]
#[rtype(result = "()")]
pub(super) struct Offer {
    pub(super) id: String,
    pub(super) function: Box<Function>,
    /// Whether the function goes on showing its last failure meanwhile.
    pub(super) quiet: bool,
}

/// A function whose build was to be offered is not there any more.
#[derive(Message)]
#[rtype(result = "()")]
pub(super) struct Gone {
    pub(super) id: String,
    pub(super) key: ObjectKey,
}

/// Look whether a failed build is still wanted.
#[derive(Message)]
#[rtype(result = "()")]
pub(super) struct Again {
    pub(super) id: String,
    pub(super) function: Option<Box<Function>>,
}

/// What came of offering a build.
#[derive(Message)]
#[rtype(result = "()")]
pub(super) struct Offered {
    pub(super) id: String,
    pub(super) function: Box<Function>,
    pub(super) result: OfferResult,
}
