use std::time::Instant;

use actix_web::http::Method;
use actix_web::http::header::AUTHORIZATION;
use actix_web::{HttpRequest, HttpResponse, web};
use common::pod_protocol::{LARGEST_CALL_HEAD, RESERVED_PREFIX, head_bytes};
use common::resources::Retry;
use http::header::{HeaderMap, HeaderName, HeaderValue};

use super::access::{Access, Denied};
use super::body::Body;
use super::departure::departure;
use super::invocation::Accepting;
use super::prefer::Patience;
use super::{Gateway, answer, body, heartbeat, invocation, path, prefer};
use crate::api::auth::API_KEY;
use crate::calls::{Call, CallError, CallKind, InvocationId, Reply, Timing};
use crate::key::ObjectKey;

/// `ANY /function/[NS/]NAME…`
pub(super) async fn call(
    request: HttpRequest,
    payload: web::Payload,
    gateway: web::Data<Gateway>,
) -> HttpResponse {
    heartbeat::quicken();
    let id = InvocationId::new(rand::random());
    let mut timing = Timing::default();
    if let Err((status, message)) = carried(&request) {
        return answer::of_refusal(status, message, &id, &timing);
    }
    let Found {
        function,
        below,
        access,
        retry,
    } = match find(&request, &gateway).await {
        Ok(found) => found,
        Err(Missing::Call(error)) => return answer::of_error(&error, &id, &timing),
        Err(Missing::Refused(denied)) => {
            let (status, message) = denied.parts();
            return answer::of_refusal(status, message, &id, &timing);
        }
        Err(Missing::NoName) => {
            let message = "name a function: /function/NAME or /function/NAMESPACE/NAME";
            return answer::of_refusal((404, "NotFound"), message, &id, &timing);
        }
    };
    // Its room is taken until the call has ended.
    let Body {
        bytes: body,
        room: _room,
    } = match body::read(&request, payload, &gateway.limits, &gateway.bodies).await {
        Ok(body) => body,
        Err(error) => {
            return answer::of_refusal(error.status(), error.to_string(), &id, &timing);
        }
    };
    if below.starts_with(RESERVED_PREFIX) {
        let message = format!("paths beneath {RESERVED_PREFIX} are the platform's own");
        return answer::of_refusal((404, "NotFound"), message, &id, &timing);
    }
    let keep_credentials = !gateway.doorkeeper(&request).reads_credentials(access);
    let kind = http_kind(&request, &below, keep_credentials);
    if prefer::patience(&request) == Patience::None {
        let begun = Instant::now();
        let terms = Accepting {
            function: &function,
            kind: &kind,
            retry,
        };
        let response = invocation::accept(&request, &gateway, &terms, body).await;
        return answer::stamped(response, begun.elapsed());
    }
    let repeatable = match prefer::idempotency_key(&request) {
        Ok(key) => key.is_some(),
        Err(message) => {
            return answer::of_refusal((400, "BadRequest"), message, &id, &timing);
        }
    };
    let call = Call {
        function,
        id,
        kind,
        body,
        patience: None,
        repeatable,
        recorded: false,
    };
    let result = tokio::select! {
        result = gateway.calls.reply(&call, &mut timing) => Some(result),
        () = departure(&request) => None,
    };
    match result {
        Some(Ok(Reply::Whole(answer))) => answer::of_function(answer, &call.id, &timing),
        Some(Ok(Reply::Arriving(arrival))) => {
            answer::as_it_comes(*arrival, request, &call.id, &timing)
        }
        Some(Err(error)) => answer::of_error(&error, &call.id, &timing),
        // Nobody reads it; nginx's number for it stands in the log.
        None => answer::of_refusal(
            (499, "ClientClosedRequest"),
            "the client went away",
            &call.id,
            &timing,
        ),
    }
}

/// Refuses what has no way to a pod.
fn carried(request: &HttpRequest) -> Result<(), ((u16, &'static str), String)> {
    if request.method() == Method::CONNECT {
        let message = "CONNECT asks for a tunnel, and a function is none; use another method";
        return Err(((405, "MethodNotAllowed"), message.to_owned()));
    }
    let headers = request.headers().iter();
    let headers = headers.map(|(name, value)| (name.as_str(), value.as_bytes()));
    let target = request.uri().path_and_query();
    let size = head_bytes(target.map_or("", |target| target.as_str()), headers);
    if size > LARGEST_CALL_HEAD {
        let message = format!(
            "the request's path, query and headers have {size} bytes, at most {LARGEST_CALL_HEAD} are carried; send the rest in the body"
        );
        return Err(((431, "RequestHeaderFieldsTooLarge"), message));
    }
    Ok(())
}

struct Found {
    function: ObjectKey,
    /// The path below the function's name.
    below: String,
    access: Access,
    /// What the function says of retries of asynchronous calls.
    retry: Option<Retry>,
}

enum Missing {
    NoName,
    Refused(Denied),
    Call(CallError),
}

/// The function that the path means, and the path below its name.
async fn find(request: &HttpRequest, gateway: &Gateway) -> Result<Found, Missing> {
    let tail = request.match_info().unprocessed();
    let tail = tail.strip_prefix('/').unwrap_or(tail);
    let mut missing = Missing::NoName;
    let readings = path::readings(tail);
    let likeliest = readings.first().map(|(namespace, ..)| namespace.clone());
    for (namespace, name, below) in readings {
        let key = ObjectKey::new(&namespace, &name);
        match gateway.calls.route(&key).await {
            Ok(route) => {
                let settings = route.settings();
                let access = if settings.open {
                    Access::Open
                } else {
                    Access::Closed
                };
                gateway
                    .doorkeeper(request)
                    .admit(request, access, Some(&key.namespace))
                    .await
                    .map_err(Missing::Refused)?;
                return Ok(Found {
                    function: key,
                    below,
                    access,
                    retry: settings.retry,
                });
            }
            Err(CallError::NoSuchFunction(key)) => {
                if matches!(missing, Missing::NoName) {
                    missing = Missing::Call(CallError::NoSuchFunction(key));
                }
            }
            Err(error) => return Err(Missing::Call(error)),
        }
    }
    // Strangers learn nothing about which names exist.
    gateway
        .doorkeeper(request)
        .admit(request, Access::Closed, likeliest.as_deref())
        .await
        .map_err(Missing::Refused)?;
    Err(missing)
}

fn http_kind(request: &HttpRequest, below: &str, keep_credentials: bool) -> CallKind {
    let mut headers = HeaderMap::with_capacity(request.headers().len());
    for (name, value) in request.headers() {
        // A token that opened this door opens others too: user code must not see it.
        let credentials = (name == AUTHORIZATION || name == API_KEY) && !keep_credentials;
        if credentials || !answer::passes(name.as_str()) {
            continue;
        }
        // Two versions of the `http` crate: the same bytes, checked again.
        let name = HeaderName::from_bytes(name.as_str().as_bytes());
        let value = HeaderValue::from_bytes(value.as_bytes());
        if let (Ok(name), Ok(value)) = (name, value) {
            headers.append(name, value);
        }
    }
    let mut path_and_query = if below.is_empty() {
        "/".to_owned()
    } else {
        below.to_owned()
    };
    if !request.query_string().is_empty() {
        path_and_query.push('?');
        path_and_query.push_str(request.query_string());
    }
    let method = http::Method::from_bytes(request.method().as_str().as_bytes());
    CallKind::Http {
        method: method.unwrap_or(http::Method::POST),
        path_and_query,
        headers,
    }
}
