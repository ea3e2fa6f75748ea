//! `kubectl get KIND NAME -o svg`: a definition or a run as a picture.

use actix_web::HttpResponse;
use common::resources::Kind;

use super::Call;
use crate::api::ApiError;

/// Whether objects of a kind can be drawn.
pub(crate) fn has(kind: &Kind) -> bool {
    matches!(kind.plural, "workflows" | "statemachines" | "workflowruns")
}

pub(super) async fn answer(call: &Call) -> Result<HttpResponse, ApiError> {
    let kind = call.target.kind;
    let objects = call.state.objects();
    let object = call.object().await?;
    let picture = call.state.definitions().draw(objects, kind, object).await;
    let picture = picture.map_err(|why| ApiError::new(422, "Invalid", why))?;
    Ok(HttpResponse::Ok()
        .content_type("image/svg+xml")
        // Names of states are people's own text.
        .insert_header((
            "Content-Security-Policy",
            "default-src 'none'; style-src 'unsafe-inline'",
        ))
        .body(picture))
}
