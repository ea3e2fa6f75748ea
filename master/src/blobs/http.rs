//! Blobs over HTTP: people upload code, nodes fetch it and upload layers.

use actix_web::HttpResponse;
use actix_web::web::{self, Data, Path, Payload};
use common::digest::Digest;
use futures_util::{StreamExt as _, TryStreamExt as _};

use super::{BlobError, Blobs};
use crate::api::{ApiError, Caller};
use crate::nodes::Grants;

/// Seconds after which a client may ask again while the blobs cannot be reached.
const RETRY_AFTER: u32 = 5;

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
    let size = service.blobs.size(&digest).await.map_err(refused)?;
    size.ok_or_else(|| missing(&digest))?;
    service.blobs.touch(&digest).await.map_err(refused)?;
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
    let reading = service.blobs.read(&digest).await.map_err(refused)?;
    let reading = reading.ok_or_else(|| missing(&digest))?;
    let pieces = reading.pieces.inspect_err(move |error| {
        tracing::warn!(%digest, error = crate::explain(error), "could not read a blob to its end");
    });
    let body = actix_web::body::SizedStream::new(reading.size, pieces);
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
    let size = service.blobs.size(&digest).await.map_err(refused)?;
    if size.is_some() {
        service.blobs.touch(&digest).await.map_err(refused)?;
        return Ok(HttpResponse::Ok().finish());
    }
    let limit = if caller.node().is_some() {
        service.max_layer
    } else {
        service.max_upload
    };
    let mut upload = service.blobs.begin(digest, limit).await.map_err(refused)?;
    let mut payload =
        payload.map_err(|error| ApiError::bad_request(format!("read the blob: {error}")));
    while let Some(piece) = payload.next().await {
        upload.write(piece?).await.map_err(refused)?;
    }
    upload.finish().await.map_err(refused)?;
    Ok(HttpResponse::Created().finish())
}

fn refused(error: BlobError) -> ApiError {
    match &error {
        BlobError::Mismatch { .. } => ApiError::bad_request(error.to_string()),
        BlobError::TooLarge { .. } => {
            ApiError::new(413, "RequestEntityTooLarge", error.to_string())
        }
        other => {
            let message = crate::explain(other);
            tracing::warn!(error = message, "the blobs cannot be used");
            ApiError::new(503, "BlobsUnavailable", message).retry_after(RETRY_AFTER)
        }
    }
}
