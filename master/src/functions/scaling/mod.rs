//! How many pods a function wants. Pure: loads in, a [`Decision`] out, time as a parameter.
//!
//! [`Rule`] is what the function's `spec.scaling` says. [`Scaler`] holds what it needs to remember:
//! the calls of the window, how busy the function was second by second, whether it panics. Three
//! wishes meet in a decision: the policy's ([`PolicyKind`](common::resources::PolicyKind)), that of
//! calls which wait although pods run (relief), and what was wanted a moment ago (steadiness).

mod busy;
mod decision;
mod panic;
mod relief;
mod rule;
mod scaler;
mod steady;
mod window;

#[cfg(test)]
mod tests;

pub use decision::{Decision, Load};
pub use rule::Rule;
pub use scaler::Scaler;
