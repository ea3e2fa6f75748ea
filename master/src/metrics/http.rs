use std::sync::Arc;

use actix_web::HttpResponse;
use actix_web::web::{self, Data, Path, ServiceConfig};
use common::metrics::{CONTENT_TYPE, Metrics};

use crate::api::{ApiError, Caller};
use crate::nodes::NodeBook;
use crate::upstream;

/// What the handlers need.
pub struct Scraping {
    /// What this master counts.
    pub metrics: Arc<Metrics>,
    /// How agents are reached.
    pub book: NodeBook,
}

/// Mounts the paths, before those of the API. The app's data must hold [`Scraping`].
pub fn configure(app: &mut ServiceConfig) {
    configure_own(app);
    app.route(
        "/api/v1/nodes/{name}/proxy/metrics",
        web::get().to(of_agent),
    );
}

/// Mounts what needs no agent. The app's data must hold [`Scraping`].
pub fn configure_own(app: &mut ServiceConfig) {
    app.route("/metrics", web::get().to(own));
}

/// Names of functions are not for strangers.
fn admit(caller: &Caller) -> Result<(), ApiError> {
    if caller.is_admin() {
        return Ok(());
    }
    Err(ApiError::forbidden(
        "only administrators may read metrics: give Prometheus a client certificate or a bearer token",
    ))
}

/// `GET /metrics`
async fn own(caller: Caller, scraping: Data<Scraping>) -> Result<HttpResponse, ApiError> {
    admit(&caller)?;
    Ok(match scraping.metrics.text() {
        Ok(text) => HttpResponse::Ok().content_type(CONTENT_TYPE).body(text),
        Err(error) => {
            tracing::error!(%error, "could not write the metrics");
            HttpResponse::InternalServerError().finish()
        }
    })
}

/// `GET /api/v1/nodes/NAME/proxy/metrics`: an agent speaks to masters only.
async fn of_agent(
    caller: Caller,
    name: Path<String>,
    scraping: Data<Scraping>,
) -> Result<HttpResponse, ApiError> {
    admit(&caller)?;
    let link = scraping.book.link(&name).ok_or_else(|| {
        let message = format!(
            "nodes {:?} not found, or its agent has not called yet",
            *name
        );
        ApiError::new(404, "NotFound", message)
    })?;
    let (status, body) = upstream::stream(&link, "/metrics").await.map_err(|error| {
        let message = format!("read the metrics of node {}: {error}", *name);
        ApiError::new(503, "Unavailable", message)
    })?;
    if !status.is_success() {
        let message = format!("node {} answers {status}", *name);
        return Err(ApiError::new(503, "Unavailable", message));
    }
    Ok(HttpResponse::Ok()
        .content_type(CONTENT_TYPE)
        .streaming(body))
}
