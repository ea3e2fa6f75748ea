//! The function base as an image.

use std::fs::File;
use std::os::unix::fs::MetadataExt as _;
use std::path::Path;

use bollard::query_parameters::{
    CreateImageOptionsBuilder, ImportImageOptionsBuilder, TagImageOptionsBuilder,
};
use bollard::{Docker, body_try_stream};
use common::digest::Digest;
use futures_util::{StreamExt as _, TryStreamExt as _};
use tokio_util::io::ReaderStream;

use super::engine::Engine;
use super::images;
use crate::runtime::RuntimeError;
use crate::settings::Docker as Settings;

const REPOSITORY: &str = "troupe/func-base";
const PYTHON_LABEL: &str = "troupe.dev/python";

/// A function base among the engine's images.
#[derive(Clone, Debug)]
pub(super) struct Base {
    /// The image.
    pub(super) image: String,
    /// The architecture it is for: `amd64` or `arm64`.
    pub(super) arch: String,
    /// The Python in it, as `3.11`; empty when it does not say.
    pub(super) python: String,
}

/// The function base: the one from the file when one is given, brought in once, else the one that
/// is set, which must be there.
pub(super) async fn ensure(engine: &Engine, settings: &Settings) -> Result<Base, RuntimeError> {
    let file = &settings.base_image;
    if file.as_os_str().is_empty() {
        return match find(engine, &settings.image).await? {
            Some(base) => Ok(base),
            None => Err(RuntimeError::Refused(format!(
                "the function base {} is not among Docker's images; make it with `make func-base` \
                 and give it with --base-image target/func-base/ARCH.tar",
                settings.image
            ))),
        };
    }
    let read = |error| RuntimeError::io(format!("read {}", file.display()), error);
    let tag = tag_of(file).map_err(read)?;
    let name = format!("{REPOSITORY}:{tag}");
    if let Some(base) = find(engine, &name).await? {
        return Ok(base);
    }
    tracing::info!(file = %file.display(), "bringing the function base into Docker");
    // These take as long as the disk does.
    let docker = engine.client();
    if is_saved_image(file).map_err(read)? {
        load(&docker, file, &tag).await?;
    } else {
        import(&docker, file, &tag).await?;
    }
    let base = find(engine, &name).await?;
    base.ok_or_else(|| RuntimeError::Refused(format!("{name} was brought in and is not there")))
}

async fn find(engine: &Engine, name: &str) -> Result<Option<Base>, RuntimeError> {
    let Some(found) = images::find(engine, name).await? else {
        return Ok(None);
    };
    let labels = found.config.and_then(|config| config.labels);
    let python = labels.unwrap_or_default().remove(PYTHON_LABEL);
    Ok(Some(Base {
        image: name.to_owned(),
        arch: found.architecture.unwrap_or_default(),
        python: python.map(|version| release(&version)).unwrap_or_default(),
    }))
}

/// Of `3.11.2`, `3.11`.
fn release(version: &str) -> String {
    let parts: Vec<&str> = version.splitn(3, '.').take(2).collect();
    parts.join(".")
}

/// Changes when the file does; reading all of it at each start would take seconds.
fn tag_of(file: &Path) -> std::io::Result<String> {
    let metadata = file.metadata()?;
    let text = format!(
        "{} {} {}",
        metadata.len(),
        metadata.mtime(),
        metadata.mtime_nsec()
    );
    Ok(format!("file-{}", &Digest::of(text.as_bytes()).hex()[..12]))
}

/// Whether a tar is what `docker save` writes; otherwise it is a root file system.
fn is_saved_image(file: &Path) -> std::io::Result<bool> {
    let mut archive = tar::Archive::new(File::open(file)?);
    for entry in archive.entries()?.take(10_000) {
        let path = entry?.path()?.into_owned();
        let name = path.strip_prefix("./").unwrap_or(&path);
        if matches!(name.to_str(), Some("manifest.json" | "oci-layout")) {
            return Ok(true);
        }
        if name.starts_with("usr") || name.starts_with("etc") {
            return Ok(false);
        }
    }
    Ok(false)
}

async fn body(file: &Path) -> Result<ReaderStream<tokio::fs::File>, RuntimeError> {
    let opened = tokio::fs::File::open(file).await;
    let opened =
        opened.map_err(|error| RuntimeError::io(format!("open {}", file.display()), error))?;
    Ok(ReaderStream::with_capacity(opened, 256 << 10))
}

async fn import(docker: &Docker, file: &Path, tag: &str) -> Result<(), RuntimeError> {
    let options = CreateImageOptionsBuilder::new()
        .from_src("-")
        .repo(REPOSITORY)
        .tag(tag)
        .build();
    let body = body_try_stream(body(file).await?);
    let done = docker
        .create_image(Some(options), Some(body), None)
        .try_collect::<Vec<_>>()
        .await;
    done.map(|_| ())
        .map_err(RuntimeError::docker("import function base"))
}

async fn load(docker: &Docker, file: &Path, tag: &str) -> Result<(), RuntimeError> {
    let options = ImportImageOptionsBuilder::new().build();
    let mut said = Vec::new();
    let mut loading = std::pin::pin!(docker.import_image_stream(options, body(file).await?, None));
    while let Some(news) = loading.next().await {
        said.extend(
            news.map_err(RuntimeError::docker("load function base"))?
                .stream,
        );
    }
    let loaded = said.iter().rev().find_map(|line| {
        let line = line.trim();
        line.strip_prefix("Loaded image ID: ")
            .or_else(|| line.strip_prefix("Loaded image: "))
    });
    let loaded = loaded.ok_or_else(|| {
        RuntimeError::Refused(format!(
            "load {}: Docker found no image in it",
            file.display()
        ))
    })?;
    let options = TagImageOptionsBuilder::new()
        .repo(REPOSITORY)
        .tag(tag)
        .build();
    let tagged = docker.tag_image(loaded, Some(options)).await;
    tagged.map_err(RuntimeError::docker("tag function base"))
}
