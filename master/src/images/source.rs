//! A function's source as a blob.

use std::collections::BTreeMap;

use common::digest::Digest;
use common::resources::{ConfigMap, Function};
use flate2::{Compression, GzBuilder};

use crate::blobs::{BlobError, Blobs};
use crate::objects::{ObjectError, Objects};

/// A source cannot be had.
#[derive(Debug, thiserror::Error)]
pub(super) enum SourceError {
    /// The upload that the function names is not there.
    #[error(
        "the uploaded code {0} is not there any more; apply the function again with Troupe's kubectl"
    )]
    UploadMissing(Digest),
    /// The ConfigMap that the function names is not there.
    #[error(
        "configmap {0:?} does not exist in the function's namespace; create it, then apply the function again"
    )]
    ConfigMapMissing(String),
    /// The function names no source.
    #[error("the function names no source")]
    None,
    /// A file name leads out of the function's directory.
    #[error("file name {0:?}: want a relative path without '..'")]
    FileName(String),
    /// The archive could not be packed.
    #[error("pack the function's files")]
    Pack(#[from] std::io::Error),
    /// The archive could not be kept.
    #[error("keep the function's files")]
    Blob(#[from] BlobError),
    /// The store failed.
    #[error("read the function's configmap")]
    Objects(#[from] ObjectError),
}

impl SourceError {
    /// One CamelCase word, or `None` when another try may succeed.
    pub(super) fn reason(&self) -> Option<&'static str> {
        match self {
            Self::UploadMissing(_) | Self::None => Some("SourceMissing"),
            Self::ConfigMapMissing(_) => Some("ConfigMapMissing"),
            Self::FileName(_) => Some("BadSource"),
            Self::Pack(_) | Self::Blob(_) | Self::Objects(_) => None,
        }
    }
}

/// The blob with a function's files.
pub(super) async fn resolve(
    objects: &Objects,
    blobs: &Blobs,
    function: &Function,
) -> Result<Digest, SourceError> {
    let source = function.spec.source.as_ref().ok_or(SourceError::None)?;
    if let Some(digest) = source.upload {
        let size = blobs.size(&digest).await?;
        return size
            .map(|_| digest)
            .ok_or(SourceError::UploadMissing(digest));
    }
    let files = match (&source.inline, &source.config_map) {
        (Some(files), _) => files.clone(),
        (None, Some(name)) => {
            let map = objects
                .get::<ConfigMap>(&function.metadata.namespace, name)
                .await?;
            map.ok_or_else(|| SourceError::ConfigMapMissing(name.clone()))?
                .data
        }
        (None, None) => return Err(SourceError::None),
    };
    Ok(blobs.put(pack(&files)?).await?)
}

/// A gzipped tar of some files; the same files give the same bytes.
fn pack(files: &BTreeMap<String, String>) -> Result<Vec<u8>, SourceError> {
    let gzip = GzBuilder::new()
        .mtime(0)
        .write(Vec::new(), Compression::fast());
    let mut tar = tar::Builder::new(gzip);
    for (name, text) in files {
        let plain = |part: &str| !part.is_empty() && part != "." && part != "..";
        if !name.split('/').all(plain) {
            return Err(SourceError::FileName(name.clone()));
        }
        let mut header = tar::Header::new_ustar();
        header.set_size(text.len() as u64);
        header.set_mode(0o644);
        header.set_mtime(0);
        tar.append_data(&mut header, name, text.as_bytes())?;
    }
    Ok(tar.into_inner()?.finish()?)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_same_files_give_the_same_archive() {
        let files = BTreeMap::from([("func.py".to_owned(), "def main(p): return p".to_owned())]);
        assert_eq!(pack(&files).unwrap(), pack(&files).unwrap());
        let bad = BTreeMap::from([("../func.py".to_owned(), String::new())]);
        assert!(matches!(pack(&bad), Err(SourceError::FileName(_))));
    }
}
