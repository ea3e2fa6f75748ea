//! Blobs over HTTP: people upload code, nodes fetch it and upload layers.

use actix_web::HttpResponse;
use actix_web::web::{self, Bytes, Data, Path, Payload};
use common::digest::Digest;
use futures_util::{StreamExt as _, TryStreamExt as _};
use tokio::io::AsyncReadExt as _;

use super::{BlobError, Blobs, Upload};
use crate::api::{ApiError, Caller};
use crate::nodes::Grants;

/// Bytes read from disk at once.
const PIECE: usize = 256 << 10;

/// What the handlers share.
pub struct BlobService {
    /// The blobs.
    pub blobs: Blobs,
    /// Which of them nodes may fetch.
    pub grants: Grants,
    /// Largest upload of a person, in bytes.
    pub max_upload: u64,
    /// Largest upload of a node, in bytes.
    pub max_layer: u64,
}

/// Mounts `/blobs/DIGEST`. The app's data must hold a [`BlobService`].
pub fn configure(app: &mut web::ServiceConfig) {
    app.service(
        web::resource("/blobs/{digest}")
            .route(web::head().to(head))
            .route(web::get().to(get))
            .route(web::put().to(put)),
    );
}

fn admit(caller: &Caller) -> Result<(), ApiError> {
    if caller.is_admin() || caller.node().is_some() {
        return Ok(());
    }
    Err(ApiError::forbidden(
        "code and layers are read by administrators and nodes only",
    ))
}

/// Developers upload code, too. They do not read any: what stands behind a digest may be another namespace's.
fn admit_upload(caller: &Caller) -> Result<(), ApiError> {
    if caller.is_developer() {
        return Ok(());
    }
    admit(caller)
}

fn digest(path: &str) -> Result<Digest, ApiError> {
    path.parse()
        .map_err(|error| ApiError::bad_request(format!("{error}")))
}

fn missing(digest: &Digest) -> ApiError {
    ApiError::new(404, "NotFound", format!("blob {digest} is not there"))
}

async fn head(
    caller: Caller,
    path: Path<String>,
    service: Data<BlobService>,
) -> Result<HttpResponse, ApiError> {
    admit_upload(&caller)?;
    let digest = digest(&path)?;
    service
        .blobs
        .size(&digest)
        .ok_or_else(|| missing(&digest))?;
    service.blobs.touch(&digest);
    Ok(HttpResponse::Ok().finish())
}

async fn get(
    caller: Caller,
    path: Path<String>,
    service: Data<BlobService>,
) -> Result<HttpResponse, ApiError> {
    admit(&caller)?;
    let digest = digest(&path)?;
    if caller
        .node()
        .is_some_and(|node| !service.grants.allow(node, &digest))
    {
        return Err(ApiError::forbidden(
            "a node may fetch only what it was told of",
        ));
    }
    let size = service
        .blobs
        .size(&digest)
        .ok_or_else(|| missing(&digest))?;
    let file = tokio::fs::File::open(service.blobs.path(&digest))
        .await
        .map_err(|_| missing(&digest))?;
    let pieces = futures_util::stream::try_unfold(file, |mut file| async move {
        let mut piece = Vec::with_capacity(PIECE);
        let read = (&mut file)
            .take(PIECE as u64)
            .read_to_end(&mut piece)
            .await?;
        Ok::<_, std::io::Error>((read > 0).then(|| (Bytes::from(piece), file)))
    });
    let body = actix_web::body::SizedStream::new(size, pieces.boxed_local());
    Ok(HttpResponse::Ok()
        .content_type("application/octet-stream")
        .body(body))
}

async fn put(
    caller: Caller,
    path: Path<String>,
    service: Data<BlobService>,
    payload: Payload,
) -> Result<HttpResponse, ApiError> {
    admit_upload(&caller)?;
    let digest = digest(&path)?;
    if service.blobs.size(&digest).is_some() {
        service.blobs.touch(&digest);
        return Ok(HttpResponse::Ok().finish());
    }
    let limit = if caller.node().is_some() {
        service.max_layer
    } else {
        service.max_upload
    };
    let mut upload = service.blobs.begin(digest, limit).map_err(refused)?;
    let mut payload =
        payload.map_err(|error| ApiError::bad_request(format!("read the blob: {error}")));
    while let Some(piece) = payload.next().await {
        let piece = piece?;
        upload = off_thread(move || upload.write(&piece).map(|()| upload)).await?;
    }
    off_thread(move || Upload::finish(upload)).await?;
    Ok(HttpResponse::Created().finish())
}

async fn off_thread<T: Send + 'static>(
    work: impl FnOnce() -> Result<T, BlobError> + Send + 'static,
) -> Result<T, ApiError> {
    match web::block(work).await {
        Ok(result) => result.map_err(refused),
        Err(error) => Err(ApiError::new(503, "Unavailable", error.to_string())),
    }
}

fn refused(error: BlobError) -> ApiError {
    match &error {
        BlobError::Mismatch { .. } => ApiError::bad_request(error.to_string()),
        BlobError::TooLarge { .. } => {
            ApiError::new(413, "RequestEntityTooLarge", error.to_string())
        }
        BlobError::Io { source, .. } => {
            ApiError::new(503, "Unavailable", format!("{error}: {source}"))
        }
    }
}
