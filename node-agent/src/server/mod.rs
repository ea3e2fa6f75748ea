//! What is said to the Python server inside a pod.

mod ready;
mod request;
mod word;

pub use ready::{Readiness, ask, ask_any, ask_now, connect};
pub use request::Problem;
pub use word::{needs_a_fresh_process, tell};
