//! Asynchronous calls: stored before they are answered, carried out later, at least once under one id.
//!
//! **The store is the queue.** An accepted call is a small [`Record`], its request beside it, its body
//! apart, and an entry in the index of what is open; all are on disk before the client gets its 202.
//! The room ([`Invocations`]) follows that index by a watch, so that nobody has to tell it of a new
//! call, and a room that fell, or a master that was killed, finds everything again by listing it. In
//! memory a waiting call is an id and the time when it is due.
//!
//! Decisions are pure: [`Plan`] says which call starts when, [`Policy`] what comes of an attempt. An
//! attempt loads the call, makes it through [`Carry`], and writes what came of it in one transaction.
//! A master that dies with an attempt in hand makes the attempt again.
//!
//! Keys, all under `/troupe/invocations/`: `record/ID`, `request/ID`, `body/ID`, `result/ID`,
//! `open/ID`, `ended/TIME/ID` (for the sweep), `failed/TIME/ID` (the dead letters) and `key/HASH`
//! (idempotency keys).

mod accept;
mod actor;
mod attempt;
mod backlog;
mod dead;
mod follow;
mod kept;
mod keys;
mod ledger;
mod listing;
mod metrics;
mod outcome;
mod plan;
mod record;
mod request;
mod retry;
mod show;
mod sweep;

#[cfg(test)]
mod tests;

pub use accept::{AcceptError, Accepted, Terms};
pub use actor::{Invocations, InvocationsTools};
pub use attempt::Carry;
pub use backlog::{Backlog, Bounds};
pub use dead::RedriveError;
pub use ledger::{Ledger, LedgerError};
pub use listing::{Listing, Which};
pub use metrics::InvocationMetrics;
pub use outcome::{Class, Outcome, Response};
pub use plan::{Effect, Event, Open, Plan, Width};
pub use record::{Id, Record, State};
pub use request::Request;
pub use retry::Policy;
pub use show::View;
