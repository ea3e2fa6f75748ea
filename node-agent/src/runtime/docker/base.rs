//! The function base as an image.

use std::fs::File;
use std::os::unix::fs::MetadataExt as _;
use std::path::{Path, PathBuf};
use std::time::Duration;

use bollard::query_parameters::{
    CreateImageOptionsBuilder, ImportImageOptionsBuilder, TagImageOptionsBuilder,
};
use bollard::{Docker, body_try_stream};
use common::digest::Digest;
use common::resources::Base as Flavour;
use futures_util::{StreamExt as _, TryStreamExt as _};
use tokio::io::AsyncWriteExt as _;
use tokio_util::io::ReaderStream;

use super::engine::Engine;
use super::images;
use crate::bases::{self, Saved};
use crate::machine::arch;
use crate::runtime::RuntimeError;
use crate::settings::Docker as Settings;

const REPOSITORY: &str = "troupe/func-base";
/// Longest silence of the engine while it saves an image.
const STALL: Duration = Duration::from_secs(120);
const PYTHON_LABEL: &str = "troupe.dev/python";

/// A function base among the engine's images.
#[derive(Clone, Debug)]
pub(super) struct Base {
    /// The image's name.
    pub(super) image: String,
    /// The engine's id of it.
    pub(super) id: String,
    /// Which of the bases.
    pub(super) flavour: Flavour,
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
        let usual = format!("{REPOSITORY}:slim-{}", arch());
        let named = [settings.image.as_str(), &usual];
        let named = named.into_iter().find(|name| !name.is_empty());
        let named = named.unwrap_or(&usual);
        return match find(engine, named, Flavour::Slim).await? {
            Some(base) => Ok(base),
            None => Err(RuntimeError::Refused(format!(
                "the function base {named} is not among Docker's images; make it with `make \
                 func-base` and give it with --base-image target/func-base/ARCH.tar"
            ))),
        };
    }
    let read = |error| RuntimeError::io(format!("read {}", file.display()), error);
    let tag = tag_of(file).map_err(read)?;
    let name = format!("{REPOSITORY}:{tag}");
    if let Some(base) = find(engine, &name, Flavour::Slim).await? {
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
    let base = find(engine, &name, Flavour::Slim).await?;
    base.ok_or_else(|| RuntimeError::Refused(format!("{name} was brought in and is not there")))
}

/// The base with packages preinstalled, where the engine has it.
pub(super) async fn full(
    engine: &Engine,
    settings: &Settings,
    arch: &str,
) -> Result<Option<Base>, RuntimeError> {
    let usual = format!("{REPOSITORY}:full-{arch}");
    let name = [settings.full_image.as_str(), &usual];
    let name = name.into_iter().find(|name| !name.is_empty());
    find(engine, name.unwrap_or(&usual), Flavour::Full).await
}

async fn find(engine: &Engine, name: &str, flavour: Flavour) -> Result<Option<Base>, RuntimeError> {
    let Some(found) = images::find(engine, name).await? else {
        return Ok(None);
    };
    let labels = found.config.and_then(|config| config.labels);
    let python = labels.unwrap_or_default().remove(PYTHON_LABEL);
    Ok(Some(Base {
        image: name.to_owned(),
        id: found.id.unwrap_or_default(),
        flavour,
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

/// Takes a base apart, into files in a directory.
pub(super) async fn save(
    engine: &Engine,
    base: &Base,
    directory: PathBuf,
) -> Result<Saved, RuntimeError> {
    let file = directory.join("saved.tar");
    let io = |error| RuntimeError::io(format!("write {}", file.display()), error);
    let mut writing = tokio::fs::File::create(&file).await.map_err(io)?;
    let docker = engine.client();
    let mut saving = std::pin::pin!(docker.export_image(&base.image));
    loop {
        let piece = match tokio::time::timeout(STALL, saving.next()).await {
            Ok(piece) => piece,
            Err(_) => Some(Err(bollard::errors::Error::RequestTimeoutError)),
        };
        let Some(piece) = piece else { break };
        let piece = piece.map_err(RuntimeError::docker("save function base"))?;
        writing.write_all(&piece).await.map_err(io)?;
    }
    writing.flush().await.map_err(io)?;
    let flavour = base.flavour;
    let read = tokio::task::spawn_blocking(move || {
        let archive = std::io::BufReader::new(File::open(directory.join("saved.tar"))?);
        bases::read(archive, &directory, flavour)
    });
    let read = read.await;
    Ok(read.map_err(|error| RuntimeError::Refused(error.to_string()))??)
}
