//! Whether the server lives, whether it can serve, and what it is.

use actix_web::{HttpResponse, web};
use serde_json::json;

use super::{ApiError, ApiState, Role};

/// What the server calls itself: the Kubernetes API level that it resembles, and Troupe's version.
pub(super) const VERSION: &str = concat!("v1.32.0+troupe.", env!("CARGO_PKG_VERSION"));

/// `GET /version`.
pub(super) async fn version() -> HttpResponse {
    HttpResponse::Ok().json(json!({
        "major": "1",
        "minor": "32",
        "gitVersion": VERSION,
        "gitCommit": "",
        "gitTreeState": "clean",
        "buildDate": "1970-01-01T00:00:00Z",
        "goVersion": "",
        "compiler": "rustc",
        "platform": format!("{}/{}", std::env::consts::OS, std::env::consts::ARCH),
        "platformName": "Troupe",
    }))
}

/// `GET /livez` and `/healthz`: the process answers.
pub(super) async fn live(role: web::Data<Role>) -> HttpResponse {
    role.answer().body("ok")
}

/// `GET /readyz`: the store answers, the caches are filled and somebody leads.
pub(super) async fn ready(
    state: web::Data<ApiState>,
    role: web::Data<Role>,
) -> Result<HttpResponse, ApiError> {
    state
        .objects()
        .store()
        .revision()
        .await
        .map_err(crate::objects::ObjectError::from)?;
    if !state.caches().are_filled() {
        return Err(ApiError::new(
            503,
            "ServiceUnavailable",
            "the watch caches are being filled",
        ));
    }
    if !role.has_leader() {
        let message = "no master leads at the moment";
        return Err(ApiError::new(503, "ServiceUnavailable", message).retry_after(1));
    }
    Ok(role.answer().body("ok"))
}
