//! What a node's actor is told.

use std::sync::Arc;
use std::time::Duration;

use actix::Message;
use common::link::{BuildOrder, Hello, LayerToKeep, PodReport, ToAgent};
use common::resources::{Node, Pod};
use tokio::sync::mpsc;

/// A session begins.
#[derive(Message)]
#[rtype(result = "()")]
pub(in crate::nodes) struct Attach {
    pub(in crate::nodes) session: u64,
    pub(in crate::nodes) hello: Box<Hello>,
    pub(in crate::nodes) inventory: Vec<PodReport>,
    pub(in crate::nodes) outbox: mpsc::Sender<ToAgent>,
}

/// A session ended.
#[derive(Message)]
#[rtype(result = "()")]
pub(in crate::nodes) struct Detach {
    pub(in crate::nodes) session: u64,
    /// Nothing was heard for so long before it ended.
    pub(in crate::nodes) silent: Duration,
}

/// The node was deleted.
#[derive(Message)]
#[rtype(result = "()")]
pub(in crate::nodes) struct Leave;

/// The node's object is this now.
#[derive(Message)]
#[rtype(result = "()")]
pub(in crate::nodes) struct NodeSeen(pub(in crate::nodes) Arc<Node>);

/// A pod of this node is this now.
#[derive(Message)]
#[rtype(result = "()")]
pub(in crate::nodes) struct PodSeen(pub(in crate::nodes) Arc<Pod>);

/// A pod of this node has no object any more.
#[derive(Message)]
#[rtype(result = "()")]
pub(in crate::nodes) struct PodUnseen(pub(in crate::nodes) String);

/// A build for this node.
#[derive(Message)]
#[rtype(result = "()")]
pub(in crate::nodes) struct Order(pub(in crate::nodes) BuildOrder);

/// The layers that this node should have.
#[derive(Message)]
#[rtype(result = "()")]
pub(in crate::nodes) struct Keep(pub(in crate::nodes) Vec<LayerToKeep>);
