//! What distributed Maps do outside: read items, run children, write results.
//!
//! Step Functions keeps files in S3. Here a bucket is a directory beneath the one that the settings name
//! (`runs.data-dir`), or a ConfigMap of the run's namespace: `{"ConfigMap": NAME, "Key": KEY}`.
//!
//! What the files hold is `asl::items`' affair.
//!
//! - `items`: a page of items from a file or listing
//! - `children`: the runs of a Map Run
//! - `results`: the manifest and its files
//! - `bucket`: where all of these stand

mod bucket;
mod children;
mod items;
mod results;

pub use bucket::Buckets;
pub(super) use children::{forget, run, stop};
pub(super) use items::{Items, page, read};
pub(super) use results::write;
