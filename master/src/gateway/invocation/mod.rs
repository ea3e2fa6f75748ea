//! Calls that are answered before they are made, and what came of them.

use std::time::Instant;

use actix_web::http::StatusCode;
use actix_web::{FromRequest as _, HttpRequest, HttpResponse, web};
use bytes::Bytes;
use common::resources::Retry;
use serde::Deserialize;
use serde_json::json;

use super::access::{Access, Denied, Doorkeeper};
use super::{Gateway, answer, prefer};
use crate::api::Caller;
use crate::calls::CallKind;
use crate::explain;
use crate::invocations::{
    AcceptError, Accepted, Id, LedgerError, Record, RedriveError, Request, State, Terms, View,
    Which,
};
use crate::key::ObjectKey;

/// Invocations in one page, when nobody says.
const PAGE: usize = 100;
/// Most of them.
const LARGEST_PAGE: usize = 1000;
/// Seconds after which a client may try again when too much waits.
const RETRY_AFTER: &str = "5";

/// A call of a function that exists, to be made later.
pub(super) struct Accepting<'a> {
    pub(super) function: &'a ObjectKey,
    pub(super) kind: &'a CallKind,
    pub(super) retry: Option<Retry>,
}

/// Stores a call.
pub(super) async fn accept(
    request: &HttpRequest,
    gateway: &Gateway,
    accepting: &Accepting<'_>,
    body: Bytes,
) -> HttpResponse {
    let Some(stored) = Request::of(accepting.kind) else {
        return answer::of_trouble(400, "BadRequest", "only an HTTP request can be stored");
    };
    let key = match prefer::idempotency_key(request) {
        Ok(key) => key,
        Err(message) => return answer::of_trouble(400, "BadRequest", message),
    };
    let terms = Terms {
        key,
        retry: accepting.retry,
    };
    let id = Id(rand::random());
    let accepted = gateway
        .invocations
        .accept(id, accepting.function, &stored, body, terms)
        .await;
    match accepted {
        Ok(accepted) => of_accepted(accepted),
        Err(error) => {
            let message = explain(&error);
            match error {
                AcceptError::Full(_) => too_much(message),
                AcceptError::TooLarge(_) => {
                    answer::of_trouble(413, "RequestEntityTooLarge", message)
                }
                AcceptError::Busy => unavailable(message),
                AcceptError::Ledger(error) => of_ledger(&error),
            }
        }
    }
}

fn of_accepted(accepted: Accepted) -> HttpResponse {
    let id = accepted.id.to_string();
    HttpResponse::Accepted()
        .insert_header(("Location", format!("/invocations/{id}")))
        .insert_header(("X-Invocation-Id", id.as_str()))
        .insert_header(("Preference-Applied", "respond-async"))
        .json(json!({ "id": id, "state": accepted.state }))
}

fn of_ledger(error: &LedgerError) -> HttpResponse {
    tracing::error!(
        error = explain(error),
        "the store of invocations failed a request"
    );
    unavailable(explain(error))
}

fn unavailable(message: String) -> HttpResponse {
    retry_later(503, "Unavailable", message, "1")
}

fn too_much(message: String) -> HttpResponse {
    retry_later(429, "TooManyRequests", message, RETRY_AFTER)
}

fn retry_later(code: u16, reason: &str, message: String, seconds: &str) -> HttpResponse {
    let status = StatusCode::from_u16(code).unwrap_or(StatusCode::SERVICE_UNAVAILABLE);
    let status_body = common::resources::Status::failure(code, reason, message);
    HttpResponse::build(status)
        .insert_header(("Retry-After", seconds))
        .json(status_body)
}

/// `GET /invocations/ID`
pub(super) async fn read(
    request: HttpRequest,
    path: web::Path<String>,
    gateway: web::Data<Gateway>,
) -> HttpResponse {
    let begun = Instant::now();
    let response = show(&request, &path, &gateway).await;
    answer::stamped(response, begun.elapsed())
}

async fn show(request: &HttpRequest, path: &str, gateway: &Gateway) -> HttpResponse {
    let (id, record) = match find(request, path, gateway).await {
        Ok(found) => found,
        Err(response) => return response,
    };
    let view = View::new(id, &record);
    let view = if record.state.is_final() && record.status.is_some() && !record.emptied {
        match gateway.invocations.result(id).await {
            Ok(body) => view.with_result(record.content_type.as_deref(), &body),
            Err(error) => return of_ledger(&error),
        }
    } else {
        view
    };
    HttpResponse::Ok()
        .insert_header(("X-Invocation-Id", id.to_string()))
        .json(view)
}

/// `POST /invocations/ID/redrive`
pub(super) async fn redrive(
    request: HttpRequest,
    path: web::Path<String>,
    gateway: web::Data<Gateway>,
) -> HttpResponse {
    let begun = Instant::now();
    let response = begin_again(&request, &path, &gateway).await;
    answer::stamped(response, begun.elapsed())
}

async fn begin_again(request: &HttpRequest, path: &str, gateway: &Gateway) -> HttpResponse {
    let id = match find(request, path, gateway).await {
        Ok((id, _)) => id,
        Err(response) => return response,
    };
    match gateway.invocations.redrive(id).await {
        Ok(accepted) => of_accepted(accepted),
        Err(error @ RedriveError::NotFound(_)) => {
            answer::of_trouble(404, "NotFound", error.to_string())
        }
        Err(error @ RedriveError::NotFailed(..)) => {
            answer::of_trouble(409, "Conflict", error.to_string())
        }
        Err(error @ RedriveError::NotKept(_)) => answer::of_trouble(410, "Gone", error.to_string()),
        Err(error @ RedriveError::Full(_)) => too_much(error.to_string()),
        Err(RedriveError::Ledger(error)) => of_ledger(&error),
    }
}

/// The invocation that the path means, for somebody who may call its function.
async fn find(
    request: &HttpRequest,
    id: &str,
    gateway: &Gateway,
) -> Result<(Id, Record), HttpResponse> {
    let found = match Id::parse(id) {
        Some(key) => gateway
            .invocations
            .find(key)
            .await
            .map_err(|error| of_ledger(&error))?,
        None => None,
    };
    let access = match &found {
        Some(record) => match gateway.calls.route(&record.function()).await {
            Ok(route) if route.settings().open => Access::Open,
            Ok(_) | Err(_) => Access::Closed,
        },
        // Strangers learn nothing about which ids exist.
        None => Access::Closed,
    };
    let namespace = found
        .as_ref()
        .map(|record| record.function().namespace.to_string());
    let admitted = gateway
        .doorkeeper(request)
        .admit(request, access, namespace.as_deref());
    admitted.await.map_err(Denied::answer)?;
    match (Id::parse(id), found) {
        (Some(id), Some(record)) => Ok((id, record)),
        _ => {
            let message = format!("invocation {id:?} does not exist, or is not kept any more");
            Err(answer::of_trouble(404, "NotFound", message))
        }
    }
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Listing {
    state: Option<String>,
    limit: Option<usize>,
    #[serde(rename = "continue")]
    after: Option<String>,
}

/// `GET /invocations[?state=Pending|Running|Succeeded|Failed]`
pub(super) async fn list(
    request: HttpRequest,
    query: Result<web::Query<Listing>, actix_web::Error>,
    gateway: web::Data<Gateway>,
) -> HttpResponse {
    let begun = Instant::now();
    let response = list_page(&request, query, &gateway).await;
    answer::stamped(response, begun.elapsed())
}

async fn list_page(
    request: &HttpRequest,
    query: Result<web::Query<Listing>, actix_web::Error>,
    gateway: &Gateway,
) -> HttpResponse {
    if let Err(response) = admit_administrator(request, gateway.doorkeeper(request)).await {
        return response;
    }
    let query = match query {
        Ok(query) => query.into_inner(),
        Err(error) => return answer::of_trouble(400, "BadRequest", error.to_string()),
    };
    let which = match query.state.as_deref().map(State::parse) {
        None => Which::All,
        Some(Some(state)) => Which::In(state),
        Some(None) => {
            let message = "want ?state=Pending, Running, Succeeded or Failed, or no state";
            return answer::of_trouble(400, "BadRequest", message);
        }
    };
    let limit = query
        .limit
        .filter(|limit| *limit > 0)
        .unwrap_or(PAGE)
        .min(LARGEST_PAGE);
    match gateway
        .invocations
        .list(which, query.after.as_deref(), limit)
        .await
    {
        Ok(page) => {
            let items: Vec<_> = page.items.iter().map(|(id, r)| View::new(*id, r)).collect();
            HttpResponse::Ok().json(json!({ "items": items, "continue": page.next }))
        }
        Err(error) => of_ledger(&error),
    }
}

/// An id opens its result to everybody who may call, so that the list is for administrators only.
async fn admit_administrator(
    request: &HttpRequest,
    doorkeeper: Doorkeeper,
) -> Result<(), HttpResponse> {
    let where_to = "the list is on the API's port: kubectl get --raw '/invocations?state=Failed'";
    if doorkeeper != Doorkeeper::Certificate {
        return Err(answer::of_trouble(403, "Forbidden", where_to));
    }
    let admitted = doorkeeper.admit(request, Access::Closed, None).await;
    admitted.map_err(Denied::answer)?;
    match Caller::extract(request).await {
        Ok(caller) if caller.is_admin() => Ok(()),
        _ => Err(answer::of_trouble(
            403,
            "Forbidden",
            "only administrators may list invocations",
        )),
    }
}

#[cfg(test)]
mod tests;
