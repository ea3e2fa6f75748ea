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

use super::engine::is_absent;
use crate::runtime::RuntimeError;
use crate::settings::Docker as Settings;

const REPOSITORY: &str = "troupe/func-base";

/// The image's name: the one from the file when one is given, brought in once, else the one that
/// is set, which must be there.
pub(super) async fn ensure(docker: &Docker, settings: &Settings) -> Result<String, RuntimeError> {
    let file = &settings.base_image;
    if file.as_os_str().is_empty() {
        if exists(docker, &settings.image).await? {
            return Ok(settings.image.clone());
        }
        return Err(RuntimeError::Refused(format!(
            "the function base {} is not among Docker's images; make it with `make func-base` and \
             give it with --base-image target/func-base/ARCH.tar",
            settings.image
        )));
    }
    let tag = tag_of(file)
        .map_err(|error| RuntimeError::io(format!("read {}", file.display()), error))?;
    let name = format!("{REPOSITORY}:{tag}");
    if exists(docker, &name).await? {
        return Ok(name);
    }
    tracing::info!(file = %file.display(), "bringing the function base into Docker");
    let saved = is_saved_image(file)
        .map_err(|error| RuntimeError::io(format!("read {}", file.display()), error))?;
    if saved {
        load(docker, file, &tag).await?;
    } else {
        import(docker, file, &tag).await?;
    }
    Ok(name)
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

async fn exists(docker: &Docker, name: &str) -> Result<bool, RuntimeError> {
    match docker.inspect_image(name).await {
        Ok(_) => Ok(true),
        Err(error) if is_absent(&error) => Ok(false),
        Err(error) => Err(RuntimeError::docker("inspect image")(error)),
    }
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

/// Brings in a user's image when it is not there.
pub(super) async fn pull(docker: &Docker, reference: &str) -> Result<(), RuntimeError> {
    if exists(docker, reference).await? {
        return Ok(());
    }
    let options = CreateImageOptionsBuilder::new()
        .from_image(reference)
        .build();
    let done = docker
        .create_image(Some(options), None, None)
        .try_collect::<Vec<_>>()
        .await;
    done.map(|_| ()).map_err(RuntimeError::docker("pull image"))
}
