//! Several short calls on one connection to a pod, each sent before the one ahead of it is answered (pipelining, RFC
//! 9112, 9.3.2).
//!
//! A pod takes calls up on a thread for each connection. Threads fight for the interpreter's lock; for calls of some
//! microseconds the fight costs more than the calls. One connection on which the next call always waits already keeps
//! one thread busy without a fight.
//!
//! Who waits behind another call must not wait long when that takes long. Each such call says by when it must have
//! begun ([`common::pod_protocol::BEGIN_BY`]), by the clock that all processes of the machine share. Once that time has
//! passed and the answer of the one ahead is not in the socket, the pod has not begun it and never will: it is sent again
//! by another way.
//!
//! - [`LaneSlot`]: where a lane to a pod is kept and calls are sent on it.
//! - [`Pace`]: whether a pod's calls are short.
//! - [`Answered`]: what came of a call.
//! - [`LaneCounts`]: how many went so.
//! - [`PodSocket`]: a pod's socket, watched as calls need it.

mod answered;
mod clock;
mod connection;
mod counts;
mod encode;
mod head;
mod pace;
mod queue;
mod slot;
mod socket;
mod ticket;

pub use answered::{Answered, LongBody};
pub use counts::LaneCounts;
pub use head::Head;
pub use pace::Pace;
pub use slot::{LARGEST_BODY, LaneSlot};
pub use socket::PodSocket;

#[cfg(test)]
mod tests;
