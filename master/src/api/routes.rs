use std::time::Duration;

use actix_web::http::Method;
use actix_web::http::header::{ACCEPT, CONTENT_TYPE, HeaderName, USER_AGENT};
use actix_web::web::{self, Data, Path, Payload, ServiceConfig};
use actix_web::{HttpRequest, HttpResponse, guard};

use super::auth::{may_read_paths, may_touch, review};
use super::request::{Options, Target, verb};
use super::verbs::{self, Call};
use super::{ApiError, ApiState, Caller, discovery, health, openapi};

/// Longest time a request may take until its answer begins.
const DEADLINE: Duration = Duration::from_secs(30);

/// Mounts the API's paths: `/api`, `/apis`, `/openapi`, `/version`, `/healthz`, `/livez`, `/readyz`.
/// The app's data must hold an [`ApiState`] and a [`Role`](super::Role).
pub fn configure(app: &mut ServiceConfig) {
    app.route("/version", web::get().to(health::version))
        .route("/healthz", web::get().to(health::live))
        .route("/livez", web::get().to(health::live))
        .route("/readyz", web::get().to(health::ready))
        .route("/api", web::get().to(core))
        .route("/apis", web::get().to(groups))
        .route("/apis/{group}", web::get().to(group))
        .route("/api/v1", web::get().to(core_resources))
        .route("/apis/{group}/{version}", web::get().to(group_resources))
        .route(
            "/apis/authorization.k8s.io/v1/selfsubjectaccessreviews",
            web::post().to(may_i),
        )
        .route("/openapi/v2", web::get().to(openapi_v2))
        .route("/openapi/v3", web::get().to(openapi_index))
        .route("/openapi/v3/{path:.*}", web::get().to(openapi_v3))
        .route("/api/{path:.*}", web::route().to(objects))
        .route("/apis/{path:.*}", web::route().to(objects));
}

/// Mounts those of the API's paths, for GET only, that need nothing but the store. What they do not take is left to the
/// app's other services.
pub fn configure_reads(app: &mut ServiceConfig) {
    let reads = guard::fn_guard(|context| {
        let head = context.head();
        let path = head.uri.path();
        let own = [
            "/api", "/openapi", "/version", "/healthz", "/livez", "/readyz",
        ];
        // Logs and metrics come from agents, which the leader alone knows.
        let of_agent = path.ends_with("/log") || path.contains("/proxy/");
        head.method == Method::GET && !of_agent && own.iter().any(|own| path.starts_with(own))
    });
    app.service(web::scope("").guard(reads).configure(configure));
}

fn header(request: &HttpRequest, name: HeaderName) -> &str {
    request
        .headers()
        .get(name)
        .and_then(|value| value.to_str().ok())
        .unwrap_or("")
}

async fn core(request: HttpRequest, caller: Caller) -> Result<HttpResponse, ApiError> {
    may_read_paths(&caller)?;
    Ok(discovery::core(header(&request, ACCEPT)))
}

async fn groups(request: HttpRequest, caller: Caller) -> Result<HttpResponse, ApiError> {
    may_read_paths(&caller)?;
    Ok(discovery::named(header(&request, ACCEPT)))
}

async fn group(path: Path<String>, caller: Caller) -> Result<HttpResponse, ApiError> {
    may_read_paths(&caller)?;
    discovery::group(&path)
}

async fn core_resources(caller: Caller) -> Result<HttpResponse, ApiError> {
    may_read_paths(&caller)?;
    discovery::resources("", "v1")
}

async fn group_resources(
    path: Path<(String, String)>,
    caller: Caller,
) -> Result<HttpResponse, ApiError> {
    may_read_paths(&caller)?;
    discovery::resources(&path.0, &path.1)
}

async fn openapi_v2(caller: Caller) -> Result<HttpResponse, ApiError> {
    may_read_paths(&caller)?;
    Ok(openapi::v2())
}

async fn openapi_index(caller: Caller) -> Result<HttpResponse, ApiError> {
    may_read_paths(&caller)?;
    Ok(openapi::index())
}

async fn openapi_v3(path: Path<String>, caller: Caller) -> Result<HttpResponse, ApiError> {
    may_read_paths(&caller)?;
    openapi::v3(&path)
}

/// `kubectl auth can-i`, and how other clients find out what to offer.
async fn may_i(caller: Caller, payload: Payload) -> Result<HttpResponse, ApiError> {
    may_read_paths(&caller)?;
    let body = super::request::read(payload).await?;
    Ok(HttpResponse::Created().json(review(&caller, &body)))
}

/// Everything that names objects.
async fn objects(
    request: HttpRequest,
    state: Data<ApiState>,
    caller: Caller,
    payload: Payload,
) -> Result<HttpResponse, ApiError> {
    may_read_paths(&caller)?;
    let path = request.uri().path();
    let target = Target::parse(path).ok_or_else(|| ApiError::no_such_path(path))?;
    let options = Options::parse(request.uri().query().unwrap_or(""))?;
    let verb = verb(request.method(), &target, &options)?;
    may_touch(&caller, verb, &target)?;
    let call = Call {
        state,
        target,
        options,
        form: super::request::form(header(&request, ACCEPT)),
        content_type: header(&request, CONTENT_TYPE).to_owned(),
        agent: header(&request, USER_AGENT).to_owned(),
    };
    match tokio::time::timeout(DEADLINE, verbs::answer(verb, call, payload)).await {
        Ok(answer) => answer,
        Err(_) => {
            let message = format!("no answer within {} s", DEADLINE.as_secs());
            Err(ApiError::new(504, "Timeout", message))
        }
    }
}
