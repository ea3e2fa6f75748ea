//! One call of a function: found, admitted, sent to a pod once, answered. The gateway makes calls for
//! people, runs make them for their tasks.

mod call;
mod caller;
mod error;
mod flight;
mod id;
mod noted;
mod reply;
mod timing;

pub use call::{Call, CallKind};
pub use caller::{Calls, Directory, PodHealth};
pub use error::CallError;
pub use id::InvocationId;
pub use reply::{Arrival, Reply};
pub use timing::Timing;
