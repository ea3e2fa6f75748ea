//! What a Map Run leaves in a bucket: a manifest, and files with what became of its children.

use asl::items::files;
use asl::run::{ChildResult, Writing};
use serde_json::{Value, json};

use super::bucket::{Buckets, text};

/// Writes the results; gives `ResultWriterDetails`. Done again after a crash it writes the same files.
///
/// # Errors
/// For people.
pub(in crate::workflows) async fn write(
    buckets: &Buckets,
    map_arn: &str,
    writing: &Writing,
    results: &[ChildResult],
) -> Result<Value, String> {
    let bucket = text(&writing.arguments, "Bucket")?;
    let prefix = writing.arguments["Prefix"].as_str().unwrap_or_default();
    let own = map_arn.rsplit(':').next().unwrap_or_default();
    let parts = [prefix.trim_matches('/'), own];
    let parts = parts.into_iter().filter(|part| !part.is_empty());
    let directory: String = parts.map(|part| format!("{part}/")).collect();
    let mut manifest = String::new();
    // The manifest comes last: what it names is there.
    for file in files(&writing.config, map_arn, bucket, &directory, results) {
        manifest = format!("{directory}{}", file.name);
        buckets
            .write(bucket, &manifest, file.text.into_bytes())
            .await?;
    }
    Ok(json!({ "Bucket": bucket, "Key": manifest }))
}
