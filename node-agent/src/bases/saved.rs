use std::collections::HashMap;
use std::fs::File;
use std::io::{self, Read};
use std::path::{Path, PathBuf};

use common::digest::Digest;
use common::link::{BaseImage, BaseLayer};
use common::resources::Base;
use flate2::read::GzDecoder;
use serde::Deserialize;

/// Largest manifest or config, in bytes.
const MAX_TEXT: u64 = 4 << 20;
const GZIP: [u8; 2] = [0x1f, 0x8b];

/// An image as an engine saved it, taken apart.
#[derive(Debug)]
pub struct Saved {
    /// What the master is told.
    pub image: BaseImage,
    /// Its config and its layers.
    pub parts: Vec<Part>,
}

/// A blob in a file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Part {
    /// Its digest.
    pub digest: Digest,
    /// Where it stands.
    pub file: PathBuf,
}

/// What an engine saved cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum SavedError {
    /// Reading or writing it failed.
    #[error("take the saved image apart")]
    Io(#[from] io::Error),
    /// A document in it cannot be read.
    #[error("read the saved image's {0}")]
    Json(&'static str, #[source] serde_json::Error),
    /// Something is not there, or another than it should be.
    #[error("the saved image {0}")]
    Malformed(String),
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct Manifest {
    config: String,
    layers: Vec<String>,
}

#[derive(Deserialize)]
struct Config {
    rootfs: RootFs,
}

#[derive(Deserialize)]
struct RootFs {
    diff_ids: Vec<Digest>,
}

/// Takes apart what `docker save` writes of one image, older and newer forms alike. Files are written
/// into `directory`, layers uncompressed.
///
/// # Errors
/// When it is not such an archive, or the disk fails.
pub fn read(archive: impl Read, directory: &Path, flavour: Base) -> Result<Saved, SavedError> {
    let mut files = HashMap::new();
    let mut archive = tar::Archive::new(archive);
    for (number, entry) in archive.entries()?.enumerate() {
        let mut entry = entry?;
        if !entry.header().entry_type().is_file() {
            continue;
        }
        let name = entry.path()?.to_string_lossy().into_owned();
        let path = directory.join(format!("part-{number}"));
        io::copy(&mut entry, &mut File::create(&path)?)?;
        files.insert(name, path);
    }
    let file = |name: &str| {
        let found = files.get(name).cloned();
        found.ok_or_else(|| SavedError::Malformed(format!("has no {name}")))
    };
    let text = text(&file("manifest.json")?)?;
    let manifests: Vec<Manifest> =
        serde_json::from_slice(&text).map_err(|error| SavedError::Json("manifest", error))?;
    let [manifest] = manifests.as_slice() else {
        let problem = format!("holds {} images, want one", manifests.len());
        return Err(SavedError::Malformed(problem));
    };
    let config_file = file(&manifest.config)?;
    let config_text = self::text(&config_file)?;
    let config: Config =
        serde_json::from_slice(&config_text).map_err(|error| SavedError::Json("config", error))?;
    let diff_ids = config.rootfs.diff_ids;
    if diff_ids.len() != manifest.layers.len() {
        let (found, named) = (manifest.layers.len(), diff_ids.len());
        let problem = format!("has {found} layers and its config names {named}");
        return Err(SavedError::Malformed(problem));
    }
    let config = Digest::of(&config_text);
    let mut parts = vec![Part {
        digest: config,
        file: config_file,
    }];
    let mut layers = Vec::new();
    for (digest, name) in diff_ids.into_iter().zip(&manifest.layers) {
        let file = uncompressed(file(name)?)?;
        let size = file.metadata()?.len();
        layers.push(BaseLayer { digest, size });
        parts.push(Part { digest, file });
    }
    let image = BaseImage {
        flavour,
        config,
        layers,
    };
    Ok(Saved { image, parts })
}

fn text(path: &Path) -> Result<Vec<u8>, SavedError> {
    let mut text = Vec::new();
    File::open(path)?.take(MAX_TEXT).read_to_end(&mut text)?;
    Ok(text)
}

/// Engines may keep layers as they came from a registry; a config names them uncompressed.
fn uncompressed(path: PathBuf) -> io::Result<PathBuf> {
    let mut file = File::open(&path)?;
    let mut start = Vec::new();
    Read::by_ref(&mut file).take(2).read_to_end(&mut start)?;
    if start != GZIP {
        return Ok(path);
    }
    let target = path.with_extension("tar");
    let whole = io::Cursor::new(start).chain(file);
    io::copy(&mut GzDecoder::new(whole), &mut File::create(&target)?)?;
    Ok(target)
}

#[cfg(test)]
mod tests {
    use std::io::Write as _;

    use super::*;

    fn archive(entries: &[(&str, &[u8])]) -> Vec<u8> {
        let mut builder = tar::Builder::new(Vec::new());
        for (name, content) in entries {
            let mut header = tar::Header::new_gnu();
            header.set_size(content.len() as u64);
            header.set_mode(0o644);
            builder.append_data(&mut header, name, *content).unwrap();
        }
        builder.into_inner().unwrap()
    }

    fn config(layer: &[u8]) -> String {
        format!(
            "{{\"rootfs\":{{\"type\":\"layers\",\"diff_ids\":[\"{}\"]}}}}",
            Digest::of(layer)
        )
    }

    #[test]
    fn an_image_is_taken_apart_compressed_or_not() {
        let layer = b"the layer's tar".as_slice();
        let mut zipped = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
        zipped.write_all(layer).unwrap();
        let zipped = zipped.finish().unwrap();
        let config = config(layer);
        let manifest = br#"[{"Config":"c.json","RepoTags":["x:1"],"Layers":["l/layer.tar"]}]"#;
        for stored in [layer, &zipped] {
            let directory = tempfile::tempdir().unwrap();
            let archive = archive(&[
                ("l/layer.tar", stored),
                ("c.json", config.as_bytes()),
                ("manifest.json", manifest),
            ]);
            let saved = read(archive.as_slice(), directory.path(), Base::Full).unwrap();
            assert_eq!(saved.image.config, Digest::of(config.as_bytes()));
            assert_eq!(saved.image.layers[0].digest, Digest::of(layer));
            assert_eq!(saved.image.layers[0].size, layer.len() as u64);
            assert_eq!(std::fs::read(&saved.parts[1].file).unwrap(), layer);
        }
    }

    #[test]
    fn what_does_not_fit_together_is_refused() {
        let directory = tempfile::tempdir().unwrap();
        let refused = |entries: &[(&str, &[u8])]| {
            let archive = archive(entries);
            let saved = read(archive.as_slice(), directory.path(), Base::Slim);
            saved.unwrap_err().to_string()
        };
        let manifest = br#"[{"Config":"c.json","Layers":["l"]}]"#.as_slice();
        let config = config(b"the layer");
        let config = config.as_bytes();
        assert!(refused(&[("x", b"")]).contains("has no manifest.json"));
        let fewer = br#"[{"Config":"c.json","Layers":[]}]"#.as_slice();
        let fewer = [("manifest.json", fewer), ("c.json", config)];
        assert!(refused(&fewer).contains("has 0 layers and its config names 1"));
        let lacking = [("manifest.json", manifest), ("c.json", config)];
        assert!(refused(&lacking).contains("has no l"));
    }
}
