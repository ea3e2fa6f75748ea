use std::time::Duration;

use actix_web::http::header::LOCATION;
use actix_web::web::{self, Data, Payload, ServiceConfig};
use actix_web::{HttpRequest, HttpResponse, ResponseError as _};
use common::link::LINK_PATH;
use common::trust::{MASTERS, Peer};
use tokio::time::Instant;

use super::body::Received;
use super::request::Head;
use super::send::{self, NOT_LEADING};
use super::state::Relay;
use crate::api::ApiError;
use crate::gateway::departure;

/// How long an agent waits for somebody who leads; it gives an answer ten seconds.
const LINK_HOLD: Duration = Duration::from_secs(8);

/// Hands on everything that no other service takes. The app's data must hold a [`Relay`].
pub fn configure(app: &mut ServiceConfig) {
    app.default_service(web::route().to(forward));
}

/// Tells agents where the leader is.
pub fn configure_link(app: &mut ServiceConfig) {
    app.route(LINK_PATH, web::get().to(link));
}

async fn forward(request: HttpRequest, payload: Payload, relay: Data<Relay>) -> HttpResponse {
    if is_from_master(&request) {
        return not_leading();
    }
    let Ok(_turn) = relay.turns.try_acquire() else {
        return ApiError::new(429, "TooManyRequests", "too many requests are under way")
            .retry_after(1)
            .error_response();
    };
    let Some(head) = Head::of(&request, relay.entrance) else {
        return ApiError::bad_request("the request cannot be handed on").error_response();
    };
    tokio::select! {
        response = hand_on(&relay, &head, payload) => response,
        // Nobody reads it.
        () = departure(&request) => send::unavailable("the client went away"),
    }
}

async fn hand_on(relay: &Data<Relay>, head: &Head, payload: Payload) -> HttpResponse {
    match tokio::time::timeout(send::HOLD, Received::read(payload)).await {
        Ok(Ok(body)) => send::send(relay, head, body).await,
        Ok(Err(error)) => {
            ApiError::bad_request(format!("read the request body: {error}")).error_response()
        }
        Err(_) => {
            let message = "the request body did not arrive in time";
            ApiError::new(408, "RequestTimeout", message).error_response()
        }
    }
}

/// Another master took this one for the leader.
fn is_from_master(request: &HttpRequest) -> bool {
    let peer = request.conn_data::<Peer>();
    peer.is_some_and(|peer| peer.is_in(MASTERS))
}

fn not_leading() -> HttpResponse {
    let mut response = send::unavailable("it was not looked for, since a master asks");
    let name = actix_web::http::header::HeaderName::from_static(NOT_LEADING);
    let yes = actix_web::http::header::HeaderValue::from_static("true");
    response.headers_mut().insert(name, yes);
    response
}

/// `GET /link`: the link is held with the leader.
async fn link(request: HttpRequest, relay: Data<Relay>) -> HttpResponse {
    let peer = request.conn_data::<Peer>();
    if peer.is_none_or(|peer| peer.node().is_none()) {
        return ApiError::unauthorized("this path is for nodes with their certificate")
            .error_response();
    }
    match relay.leader(Instant::now() + LINK_HOLD).await {
        Some(leader) => HttpResponse::TemporaryRedirect()
            .insert_header((LOCATION, format!("{}{LINK_PATH}", leader.url)))
            .finish(),
        None => send::unavailable("no master leads"),
    }
}
