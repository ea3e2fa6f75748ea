use std::path::{Component, Path, PathBuf};

use asl::items::FileEntry;
use common::resources::ConfigMap;
use jiff::Timestamp;
use serde_json::Value;

use crate::objects::Objects;

/// Largest file that is read, in bytes.
const MOST_BYTES: u64 = 256 << 20;
/// Most files in one listing.
const MOST_FILES: usize = 100_000;

/// The directory whose subdirectories are the buckets; without one there are only ConfigMaps.
#[derive(Clone, Debug, Default)]
pub struct Buckets(Option<PathBuf>);

impl Buckets {
    /// Buckets beneath this directory; none for an empty path.
    #[must_use]
    pub fn beneath(directory: &Path) -> Self {
        Self((!directory.as_os_str().is_empty()).then(|| directory.to_owned()))
    }

    /// Reads a file, or a key of a ConfigMap.
    ///
    /// # Errors
    /// For people.
    pub(super) async fn read(
        &self,
        objects: &Objects,
        namespace: &str,
        arguments: &Value,
    ) -> Result<Vec<u8>, String> {
        let key = text(arguments, "Key")?;
        if let Some(name) = arguments["ConfigMap"].as_str() {
            let map = objects.get::<ConfigMap>(namespace, name).await;
            let map = map
                .map_err(|error| error.to_string())?
                .ok_or_else(|| format!("configmap {name:?} does not exist in {namespace}"))?;
            let data = map.data.get(key);
            return data
                .map(|text| text.clone().into_bytes())
                .ok_or_else(|| format!("configmap {name:?} has no key {key:?}"));
        }
        let path = self.path(text(arguments, "Bucket")?, key)?;
        let shown = format!("{}/{key}", text(arguments, "Bucket")?);
        tokio::task::spawn_blocking(move || read_file(&path))
            .await
            .map_err(|error| error.to_string())?
            .map_err(|error| format!("read {shown}: {error}"))
    }

    /// The files of a bucket whose keys begin with a prefix.
    ///
    /// # Errors
    /// For people.
    pub(super) async fn list(&self, arguments: &Value) -> Result<Vec<FileEntry>, String> {
        let bucket = text(arguments, "Bucket")?.to_owned();
        let prefix = arguments["Prefix"].as_str().unwrap_or_default().to_owned();
        let root = self.path(&bucket, "")?;
        let listed = tokio::task::spawn_blocking(move || {
            let mut found = Vec::new();
            list(&root, &root, &prefix, &mut found).map(|()| found)
        });
        listed
            .await
            .map_err(|error| error.to_string())?
            .map_err(|error| format!("list bucket {bucket}: {error}"))
    }

    /// Writes a file; its directories are made.
    ///
    /// # Errors
    /// For people.
    pub(super) async fn write(
        &self,
        bucket: &str,
        key: &str,
        content: Vec<u8>,
    ) -> Result<(), String> {
        let root = self.path(bucket, "")?;
        let path = self.path(bucket, key)?;
        let shown = format!("write {bucket}/{key}");
        tokio::task::spawn_blocking(move || {
            if let Some(parent) = path.parent() {
                std::fs::create_dir_all(parent)?;
            }
            stays_beneath(&root, path.parent().unwrap_or(&root))?;
            common::trust::write_atomic(&path, &content, 0o644)
        })
        .await
        .map_err(|error| error.to_string())?
        .map_err(|error| format!("{shown}: {error}"))
    }

    fn path(&self, bucket: &str, key: &str) -> Result<PathBuf, String> {
        let Some(root) = &self.0 else {
            return Err(
                "there are no buckets here: set runs.data-dir to the directory that holds them, or name a ConfigMap"
                    .to_owned(),
            );
        };
        let plain = |path: &str| {
            Path::new(path)
                .components()
                .all(|part| matches!(part, Component::Normal(_)))
        };
        if bucket.is_empty() || bucket.contains('/') || !plain(bucket) || !plain(key) {
            return Err(format!(
                "{bucket:?}, {key:?}: want a bucket and a key without '..'"
            ));
        }
        Ok(root.join(bucket).join(key))
    }
}

pub(super) fn text<'a>(arguments: &'a Value, name: &str) -> Result<&'a str, String> {
    arguments[name]
        .as_str()
        .ok_or_else(|| format!("{name}: found {}, want a string", arguments[name]))
}

/// A link in a bucket must not lead out of it.
fn stays_beneath(root: &Path, path: &Path) -> std::io::Result<()> {
    if path.canonicalize()?.starts_with(root.canonicalize()?) {
        return Ok(());
    }
    Err(std::io::Error::other("it leads out of its bucket"))
}

fn read_file(path: &Path) -> std::io::Result<Vec<u8>> {
    stays_beneath(path.parent().unwrap_or(path), path)?;
    let size = path.metadata()?.len();
    if size > MOST_BYTES {
        let message = format!("it has {size} bytes, want at most {MOST_BYTES}");
        return Err(std::io::Error::other(message));
    }
    std::fs::read(path)
}

fn list(root: &Path, at: &Path, prefix: &str, found: &mut Vec<FileEntry>) -> std::io::Result<()> {
    for entry in std::fs::read_dir(at)? {
        let entry = entry?;
        // Links are left out: they may lead anywhere.
        let (kind, path) = (entry.file_type()?, entry.path());
        if kind.is_dir() {
            list(root, &path, prefix, found)?;
        } else if kind.is_file() {
            let key = path
                .strip_prefix(root)
                .unwrap_or(&path)
                .display()
                .to_string();
            if !key.starts_with(prefix) {
                continue;
            }
            let metadata = entry.metadata()?;
            found.push(FileEntry {
                key,
                size: metadata.len(),
                modified: Timestamp::try_from(metadata.modified()?).unwrap_or_default(),
            });
            if found.len() > MOST_FILES {
                let message = format!("it holds more than {MOST_FILES} files");
                return Err(std::io::Error::other(message));
            }
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn files_are_written_and_listed_beneath_their_bucket_only() {
        let directory = tempfile::tempdir().unwrap();
        let buckets = Buckets::beneath(directory.path());
        buckets
            .write("b", "x/1.json", b"[]".to_vec())
            .await
            .unwrap();
        buckets.write("b", "y.json", b"{}".to_vec()).await.unwrap();
        let keys = async |prefix: &str| {
            let arguments = serde_json::json!({ "Bucket": "b", "Prefix": prefix });
            let found = buckets.list(&arguments).await.unwrap();
            let mut keys: Vec<_> = found.into_iter().map(|file| file.key).collect();
            keys.sort();
            keys
        };
        assert_eq!(keys("").await, ["x/1.json", "y.json"]);
        assert_eq!(keys("x/").await, ["x/1.json"]);
        for (bucket, key) in [
            ("..", "a"),
            ("b", "../a"),
            ("b/c", "a"),
            ("", "a"),
            ("b", "/etc/passwd"),
        ] {
            assert!(
                buckets.write(bucket, key, Vec::new()).await.is_err(),
                "{bucket} {key}"
            );
        }
        std::os::unix::fs::symlink("/etc", directory.path().join("b/out")).unwrap();
        assert!(buckets.write("b", "out/a", Vec::new()).await.is_err());
        assert_eq!(keys("").await, ["x/1.json", "y.json"]);
        assert!(
            Buckets::default()
                .write("b", "a", Vec::new())
                .await
                .is_err()
        );
    }
}
