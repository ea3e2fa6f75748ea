//! Images for nodes: what the registry holds, read-only, by digest, and only what the node was told of.

use std::sync::Arc;

use actix_web::web::{self, Bytes, Data, Path};
use actix_web::{HttpRequest, HttpResponse, http};
use common::digest::Digest;
use futures_util::TryStreamExt as _;
use reqwest::Method;

use super::compose::named;
use super::store::ImageStore;
use crate::api::{ApiError, Caller};
use crate::nodes::Grants;
use crate::registry::Item;

/// Largest manifest or index that is read.
const MANIFEST_BYTES: usize = 4 << 20;
/// Headers of the registry's answer that are passed on.
const PASSED: [&str; 6] = [
    "content-type",
    "content-length",
    "content-range",
    "accept-ranges",
    "docker-content-digest",
    "etag",
];

/// What the handlers share.
pub struct ImageService {
    /// The images.
    pub images: Arc<dyn ImageStore>,
    /// Which of them nodes may read.
    pub grants: Grants,
}

/// Mounts `/v2/…`. The app's data must hold an [`ImageService`].
pub fn configure_v2(app: &mut web::ServiceConfig) {
    app.service(
        web::resource("/v2/{name:.+}/{item:blobs|manifests}/{digest}")
            .route(web::head().to(read))
            .route(web::get().to(read)),
    );
    app.service(web::resource("/v2/").route(web::get().to(version)));
}

async fn version(caller: Caller) -> Result<HttpResponse, ApiError> {
    admit(&caller)?;
    let header = ("Docker-Distribution-API-Version", "registry/2.0");
    Ok(HttpResponse::Ok()
        .insert_header(header)
        .json(serde_json::json!({})))
}

fn admit(caller: &Caller) -> Result<(), ApiError> {
    if caller.is_admin() || caller.node().is_some() {
        return Ok(());
    }
    Err(ApiError::forbidden(
        "images are for administrators and nodes",
    ))
}

async fn read(
    caller: Caller,
    request: HttpRequest,
    path: Path<(String, String, String)>,
    service: Data<ImageService>,
) -> Result<HttpResponse, ApiError> {
    admit(&caller)?;
    let (name, item, digest) = path.into_inner();
    let digest: Digest = digest
        .parse()
        .map_err(|error| ApiError::bad_request(format!("images are read by digest: {error}")))?;
    let refused = caller
        .node()
        .is_some_and(|node| !service.grants.allow(node, &digest));
    if refused {
        return Err(ApiError::forbidden(
            "a node may read only what it was told of",
        ));
    }
    let item = match item.as_str() {
        "blobs" => Item::Blob,
        _ => Item::Manifest,
    };
    let head = request.method() == http::Method::HEAD;
    let method = if head { Method::HEAD } else { Method::GET };
    let range = request.headers().get(http::header::RANGE);
    let range = range.and_then(|value| value.to_str().ok());
    let opened = service
        .images
        .open(method, &name, item, &digest, range)
        .await;
    let opened = opened.map_err(|error| {
        tracing::warn!(%digest, %error, "could not read an image for a node");
        ApiError::new(503, "RegistryUnavailable", error.to_string())
    })?;
    let missing = || ApiError::new(404, "NotFound", format!("the registry has no {digest}"));
    let answer = opened.ok_or_else(missing)?;
    let status = answer.status().as_u16();
    if status == 404 {
        return Err(missing());
    }
    if status == 416 {
        // The registry says the whole blob's length and sends a few words: its body cannot be passed on.
        let range = answer.headers().get("content-range");
        let range = range.and_then(|value| value.to_str().ok());
        let mut reply = HttpResponse::RangeNotSatisfiable();
        if let Some(range) = range {
            reply.insert_header((http::header::CONTENT_RANGE, range));
        }
        return Ok(reply.finish());
    }
    let status = http::StatusCode::from_u16(status).unwrap_or(http::StatusCode::BAD_GATEWAY);
    let mut reply = HttpResponse::build(status);
    for name in PASSED {
        let value = answer
            .headers()
            .get(name)
            .and_then(|value| value.to_str().ok());
        if let Some(value) = value {
            reply.insert_header((name, value));
        }
    }
    let length = answer.headers().get("content-length");
    let length = length.and_then(|value| value.to_str().ok()?.parse::<u64>().ok());
    if head {
        let length = length.unwrap_or_default();
        let empty = futures_util::stream::empty::<std::io::Result<Bytes>>();
        return Ok(reply.body(actix_web::body::SizedStream::new(length, empty)));
    }
    if item == Item::Manifest && status == http::StatusCode::OK {
        let bytes = whole(answer).await?;
        if Digest::of(&bytes) != digest {
            let text = "the registry gives other bytes than the digest stands for";
            return Err(ApiError::new(502, "RegistryForged", text));
        }
        if let Some(node) = caller.node() {
            service.grants.extend(node, named(&bytes));
        }
        return Ok(reply.body(bytes));
    }
    let pieces = answer.bytes_stream().map_err(std::io::Error::other);
    Ok(match length {
        Some(length) => reply.body(actix_web::body::SizedStream::new(length, pieces)),
        None => reply.streaming(pieces),
    })
}

async fn whole(answer: reqwest::Response) -> Result<Bytes, ApiError> {
    let failed = |text: String| ApiError::new(502, "RegistryUnavailable", text);
    let mut bytes = Vec::new();
    let mut pieces = answer.bytes_stream();
    while let Some(piece) = pieces
        .try_next()
        .await
        .map_err(|error| failed(error.to_string()))?
    {
        bytes.extend_from_slice(&piece);
        if bytes.len() > MANIFEST_BYTES {
            return Err(failed("the manifest is too large".to_owned()));
        }
    }
    Ok(bytes.into())
}
