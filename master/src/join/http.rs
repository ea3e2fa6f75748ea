use std::sync::Arc;
use std::time::Duration;

use actix_web::http::header::AUTHORIZATION;
use actix_web::web::{self, Data, Json, Payload};
use actix_web::{HttpRequest, HttpResponse};
use common::digest::Digest;
use common::link::{LINK_PATH, MAX_FRAME_BYTES};
use common::resources::check_dns_subdomain;
use common::trust::{Authority, JoinToken, NODE_PREFIX, NODES, csr_key};
use serde::{Deserialize, Serialize};

use super::tokens;
use crate::api::auth::members;
use crate::api::{ApiError, Caller};
use crate::nodes::{Nodes, session};
use crate::objects::Objects;
use crate::store::StoreError;
use crate::supervisor::Mailbox;

/// Life of a node's certificate; agents renew it after two thirds.
const NODE_VALIDITY: Duration = Duration::from_secs(30 * 24 * 3600);
/// Life of a join token when nobody says.
const DEFAULT_TTL: Duration = Duration::from_secs(24 * 3600);
/// Longest life of a join token.
const LONGEST_TTL: Duration = Duration::from_secs(30 * 24 * 3600);

/// What the handlers share.
pub struct Joining {
    /// The cluster's authority.
    pub authority: Arc<Authority>,
    /// The API's objects.
    pub objects: Objects,
    /// Names that lead to a master, which no node may have.
    pub taken: Vec<String>,
    /// Takes the agents' sessions.
    pub nodes: Mailbox<Nodes>,
}

/// Mounts `/join`, `/join/renew`, `/tokens` and the link. The app's data must hold a [`Joining`].
pub fn configure(app: &mut web::ServiceConfig) {
    app.route("/join", web::post().to(join))
        .route("/join/renew", web::post().to(renew))
        .route("/tokens", web::post().to(create_token))
        .route(LINK_PATH, web::get().to(link));
}

#[derive(Deserialize)]
struct JoinRequest {
    node: String,
    csr: String,
}

#[derive(Deserialize)]
struct RenewRequest {
    csr: String,
}

#[derive(Serialize)]
struct Certificate {
    certificate: String,
    ca: String,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct TokenRequest {
    ttl_seconds: Option<u64>,
}

#[derive(Serialize)]
struct Token {
    token: String,
}

async fn join(
    request: HttpRequest,
    joining: Data<Joining>,
    body: Json<JoinRequest>,
) -> Result<HttpResponse, ApiError> {
    let refuse = || {
        ApiError::unauthorized(
            "the join token is unknown or expired; make a new one: master token create",
        )
    };
    let header = request
        .headers()
        .get(AUTHORIZATION)
        .and_then(|value| value.to_str().ok());
    let text = header
        .and_then(|header| header.strip_prefix("Bearer "))
        .ok_or_else(refuse)?;
    let token: JoinToken = text.trim().parse().map_err(|_| refuse())?;
    if token.authority != joining.authority.ca_digest() {
        return Err(refuse());
    }
    if !tokens::is_good(&joining.objects, &token)
        .await
        .map_err(unavailable)?
    {
        return Err(refuse());
    }
    let (node, key) = (&body.node, key_of(&body.csr)?);
    check_dns_subdomain(node)
        .map_err(|error| ApiError::bad_request(format!("the node's name: {error}")))?;
    if joining.taken.contains(node) {
        let message = format!("{node} is a master's name; give the node another one with --name");
        return Err(ApiError::forbidden(message));
    }
    if !members::take_in(&joining.objects, node, key).await? {
        let message = format!(
            "node {node} belongs to the cluster already, with another key: choose another name, or, if it was \
             reinstalled, run kubectl delete node {node} first"
        );
        return Err(ApiError::forbidden(message));
    }
    certify(&joining, node, &body.csr)
}

async fn renew(
    caller: Caller,
    joining: Data<Joining>,
    body: Json<RenewRequest>,
) -> Result<HttpResponse, ApiError> {
    let node = node_of(&caller)?;
    let key = key_of(&body.csr)?;
    if let Some(used) = caller.key {
        members::add_key(&joining.objects, node, used, key).await?;
    }
    certify(&joining, node, &body.csr)
}

fn key_of(csr: &str) -> Result<Digest, ApiError> {
    csr_key(csr).map_err(|error| ApiError::bad_request(format!("the certificate request: {error}")))
}

fn certify(joining: &Joining, node: &str, csr: &str) -> Result<HttpResponse, ApiError> {
    let name = format!("{NODE_PREFIX}{node}");
    let names = [node.to_owned()];
    let now = joining.objects.clock().now();
    let certificate = joining
        .authority
        .sign_csr(csr, &name, &[NODES], &names, NODE_VALIDITY, now)
        .map_err(|error| ApiError::bad_request(format!("the certificate request: {error}")))?;
    let ca = joining.authority.ca_pem().to_owned();
    Ok(HttpResponse::Ok().json(Certificate { certificate, ca }))
}

async fn create_token(
    caller: Caller,
    joining: Data<Joining>,
    body: Json<TokenRequest>,
) -> Result<HttpResponse, ApiError> {
    if !caller.is_admin() {
        return Err(ApiError::forbidden("only administrators make join tokens"));
    }
    let ttl = body
        .ttl_seconds
        .map_or(DEFAULT_TTL, Duration::from_secs)
        .min(LONGEST_TTL);
    let token = JoinToken::random(joining.authority.ca_digest(), &mut rand::rng());
    tokens::keep(&joining.objects, &token, ttl)
        .await
        .map_err(unavailable)?;
    Ok(HttpResponse::Created().json(Token {
        token: token.to_string(),
    }))
}

async fn link(
    request: HttpRequest,
    payload: Payload,
    caller: Caller,
    joining: Data<Joining>,
) -> Result<HttpResponse, ApiError> {
    let node = node_of(&caller)?.to_owned();
    let (response, socket, stream) = actix_ws::handle(&request, payload)
        .map_err(|error| ApiError::bad_request(format!("open the link: {error}")))?;
    let stream = stream
        .max_frame_size(MAX_FRAME_BYTES)
        .aggregate_continuations()
        .max_continuation_size(MAX_FRAME_BYTES);
    let nodes = joining.nodes.clone();
    actix_web::rt::spawn(session::run(node, socket, stream, nodes));
    Ok(response)
}

fn node_of(caller: &Caller) -> Result<&str, ApiError> {
    caller
        .node()
        .ok_or_else(|| ApiError::forbidden("this path is for nodes with their certificate"))
}

fn unavailable(error: StoreError) -> ApiError {
    ApiError::new(503, "Unavailable", error.to_string())
}
