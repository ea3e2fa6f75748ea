//! From a function's source to its layers.
//!
//! Sources and layers are blobs, named by digest ([`crate::blobs`]). [`Images`] watches the functions and the
//! nodes: for a function whose build is not known it makes sure that its source is a blob, gives the
//! build to a node (user code never runs on the master) and writes the outcome into the store, so that
//! the same source and settings are built once. A layer without machine code serves all nodes; one
//! with it is built for each kind of node that may run the function (`need.rs`, the pure decision).

mod actor;
mod collect;
mod compose;
mod course;
mod follow;
mod job;
mod keep;
mod log;
mod messages;
mod metrics;
mod need;
mod offer;
mod publish;
mod pushes;
mod record;
mod source;
mod stand;
mod store;
mod v2;

pub use actor::{Images, ImagesTools};
pub use collect::collect;
pub use follow::build_log;
pub use log::{BuildLogs, Live, Piece};
pub use messages::{BuildNews, NodeLost};
pub use metrics::BuildCounts;
pub use record::BuildPart;
pub use store::{Image, ImageStore, InRegistry, LayersOnly, image_store};
pub use v2::{ImageService, configure_v2};
