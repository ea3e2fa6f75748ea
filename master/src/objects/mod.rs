//! Objects: what controllers and the API read, write and watch.
//!
//! Two principles live here.
//!
//! **The store is the only truth.** An [`Objects`] is a cheap handle without a cache; whoever holds
//! one may be dropped and made anew at any time. A controller learns of the world by [`Watch`], which
//! never ends: it begins with all objects ([`Change::Restarted`]) and says so again whenever it may
//! have missed something, so that a controller has one code path for "start" and for "after a loss".
//!
//! **Nobody overwrites what he has not seen.** Every write is a compare-and-swap on the revision that
//! was read. [`Objects::modify`] is the usual way: read, change, write, again on conflict.
//!
//! Keys: `/registry/<plural>/<namespace>/<name>`, without the namespace for kinds that live outside
//! namespaces. The value is the object as JSON without its resourceVersion, which is the revision of
//! the key.

mod error;
mod events;
pub mod gc;
mod handle;
mod insist;
mod key;
pub(crate) mod lifecycle;
mod raw;
mod watch;

pub use error::ObjectError;
pub use events::EventKind;
pub use handle::{Listed, Objects};
pub use insist::insist;
pub use key::{key, prefix};
pub use lifecycle::{FINALIZER_FOREGROUND, FINALIZER_ORPHAN, new_uid};
pub use raw::{DeleteRequest, Deleted, ListRequest, Propagation, RawList};
pub use watch::{Change, Part, Watch};

pub use crate::store::Durability;
