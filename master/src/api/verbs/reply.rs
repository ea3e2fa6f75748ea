//! Objects as answers, in the form that was asked for.

use actix_web::HttpResponse;
use actix_web::http::StatusCode;
use actix_web::http::header::{HeaderName, HeaderValue};
use serde_json::{Value, json};

use super::Call;
use crate::api::request::Form;
use crate::api::table::{Include, partial, table};

/// An object.
pub(super) fn object(
    call: &Call,
    status: StatusCode,
    object: &Value,
    warnings: &[String],
) -> HttpResponse {
    let mut response = HttpResponse::build(status);
    for warning in warnings {
        // Quotes and backslashes are escaped, control characters left out.
        let text: String = warning.chars().filter(|c| !c.is_control()).collect();
        let text = text.replace('\\', "\\\\").replace('"', "\\\"");
        if let Ok(value) = HeaderValue::from_str(&format!("299 - \"{text}\"")) {
            response.append_header((HeaderName::from_static("warning"), value));
        }
    }
    match call.form {
        Form::Plain => response.json(object),
        Form::Partial => response.json(partial(object)),
        Form::Table => {
            let metadata = json!({ "resourceVersion": object["metadata"]["resourceVersion"] });
            response.json(as_table(call, std::iter::once(object), metadata))
        }
    }
}

/// A list of objects.
pub(super) fn list(call: &Call, objects: &[Value], metadata: Value) -> HttpResponse {
    let kind = call.target.kind;
    let body = match call.form {
        Form::Table => as_table(call, objects.iter(), metadata),
        Form::Plain => json!({
            "kind": format!("{}List", kind.kind),
            "apiVersion": kind.api_version(),
            "metadata": metadata,
            "items": objects,
        }),
        Form::Partial => json!({
            "kind": "PartialObjectMetadataList",
            "apiVersion": "meta.k8s.io/v1",
            "metadata": metadata,
            "items": objects.iter().map(partial).collect::<Vec<_>>(),
        }),
    };
    HttpResponse::Ok().json(body)
}

/// Objects as a table.
pub(super) fn as_table<'a>(
    call: &Call,
    objects: impl Iterator<Item = &'a Value>,
    metadata: Value,
) -> Value {
    let include = Include::parse(&call.options.include_object);
    let now = call.state.objects().clock().now();
    table(call.target.kind, objects, metadata, include, now)
}
