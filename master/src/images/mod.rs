//! From a function's source to its layer.
//!
//! Sources and layers are blobs, named by digest ([`Blobs`]). [`Images`] watches the functions: for one
//! whose build is not known it makes sure that its source is a blob, gives the build to a node (user
//! code never runs on the master) and writes the outcome into the store, so that the same source and
//! settings are built once.

mod actor;
mod blobs;
mod http;
mod messages;
mod offer;
mod outcome;
mod source;

pub use actor::{Images, ImagesTools};
pub use blobs::{BlobError, Blobs, Upload};
pub use http::{BlobService, configure};
pub use messages::{BuildNews, NodeLost};
pub use outcome::{BuildRecord, build_log};
