//! Troupe's control plane.
//!
//! A tree of actors decides, the gateway forwards, the store remembers:
//!
//! - [`supervisor`]: the root of the tree, death watch, restarts.
//! - [`router`]: which pods a call may go to; calls that wait.

pub mod clock;
pub mod key;
pub mod router;
pub mod supervisor;
