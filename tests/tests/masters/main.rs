//! Several masters on one etcd: one leads, the others serve and take over.

mod bucket;
mod ensemble;
mod fence;
mod followed;
mod standby;
mod takeover;

use ensemble::{Ensemble, await_first, secret, uids};
