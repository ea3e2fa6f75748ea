use actix_web::HttpResponse;
use actix_web::web::{self, Data, ServiceConfig};

use super::Metrics;
use crate::api::{ApiError, Caller};

const OPEN_METRICS: &str = "application/openmetrics-text; version=1.0.0; charset=utf-8";

/// Mounts `/metrics`. The app's data must hold [`Metrics`].
pub fn configure(app: &mut ServiceConfig) {
    app.route("/metrics", web::get().to(metrics));
}

/// `GET /metrics`: names of functions are not for strangers.
async fn metrics(caller: Caller, metrics: Data<Metrics>) -> Result<HttpResponse, ApiError> {
    if !caller.is_admin() {
        return Err(ApiError::forbidden(
            "only administrators may read /metrics: give Prometheus a client certificate or a bearer token",
        ));
    }
    let text = metrics.text();
    Ok(match text {
        Ok(text) => HttpResponse::Ok().content_type(OPEN_METRICS).body(text),
        Err(error) => {
            tracing::error!(%error, "could not write the metrics");
            HttpResponse::InternalServerError().finish()
        }
    })
}
