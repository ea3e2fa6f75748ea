//! What the master and a node agent say to each other over the agent's WebSocket.
//!
//! The agent dials `wss://MASTER/link` with its client certificate. The first frame is
//! [`ToMaster::Hello`], then [`ToMaster::Inventory`]; the master answers [`ToAgent::Welcome`] and
//! [`ToAgent::Desired`], the full set of pods the node shall run. Deltas follow. Every message is
//! idempotent, so that a repeated one does no harm; whatever is lost with a connection comes back
//! with the next full exchange. Each side acknowledges the frames it has handled, and a side with
//! [`MAX_UNACKED`] frames open ends the session instead of queueing more.

mod build;
mod frame;
mod node;
mod pod;

pub use build::{BuildFailure, BuildOrder, BuildOutcome, BuildReport, Built, NEEDS_ARCHITECTURE};
pub use frame::{Frame, FrameError, HEARTBEAT, MAX_FRAME_BYTES, MAX_UNACKED, PROTOCOL, SILENCE};
pub use node::{BaseImage, BaseLayer, Hello, LayerToKeep, NodeUsage, RuntimeKind, Welcome};
pub use pod::{Cold, Exit, Origin, PodAssignment, PodReport, PodState};

use serde::{Deserialize, Serialize};

/// Path of the link on the master's API port.
pub const LINK_PATH: &str = "/link";

/// From an agent.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub enum ToMaster {
    /// Who the agent is. The first frame of a session.
    Hello(Box<Hello>),
    /// All pods the agent has, dead ones too. The second frame of a session.
    Inventory(Vec<PodReport>),
    /// A pod changed.
    Pod(Box<PodReport>),
    /// A build went on or ended.
    Build(Box<BuildReport>),
    /// The agent ends once its pods are gone: the master lets others take their place first.
    Leaving,
    /// Sent every [`HEARTBEAT`].
    Usage(NodeUsage),
    /// Only acknowledges.
    Ack,
}

/// From the master.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub enum ToAgent {
    /// The session is accepted.
    Welcome(Welcome),
    /// All pods the agent shall run. It ends the others.
    Desired(Vec<PodAssignment>),
    /// Run this pod; nothing to do when it runs already.
    EnsurePod(Box<PodAssignment>),
    /// End this pod; nothing to do when it is gone. The agent reports it [`PodState::Gone`].
    RemovePod {
        /// The pod.
        uid: String,
        /// Seconds between SIGTERM and SIGKILL.
        grace_seconds: u32,
    },
    /// Build a layer; nothing to do when the build is under way.
    Build(Box<BuildOrder>),
    /// Layers to have before they are wanted, the most important first, as far as there is room. Each
    /// list takes the place of the one before.
    KeepLayers(Vec<LayerToKeep>),
    /// End a build.
    CancelBuild {
        /// The build.
        id: String,
    },
    /// Only acknowledges.
    Ack,
}
