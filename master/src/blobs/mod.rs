//! Sources and layers, named by their digests: in a directory, or in a bucket of an object store.
//!
//! [`Blobs`] is what the other rooms see. It checks digests in both directions; a [`Place`] only keeps bytes.

mod bucket;
mod credentials;
mod directory;
mod error;
mod http;
mod open;
mod place;
mod settings;
mod shelf;
mod upload;
mod verify;

pub use bucket::Bucket;
pub use directory::Directory;
pub use error::BlobError;
pub use http::{BlobService, configure};
pub use open::open;
pub use place::{Draft, Place};
pub use settings::{BucketTarget, Refused, S3Settings};
pub use shelf::{Blobs, Reading};
pub use upload::Upload;
