use std::fmt;

use actix_web::http::StatusCode;
use actix_web::http::header::{RETRY_AFTER, WWW_AUTHENTICATE};
use actix_web::{HttpResponse, ResponseError};
use common::resources::{Kind, Status, StatusCause, StatusDetails};

use crate::objects::ObjectError;
use crate::store::StoreError;

/// An answer that says what went wrong, as Kubernetes says it.
#[derive(Debug)]
pub struct ApiError(Box<Status>);

impl ApiError {
    /// A failure of no object in particular.
    pub fn new(code: u16, reason: &str, message: impl Into<String>) -> Self {
        Self(Box::new(Status::failure(code, reason, message)))
    }

    /// 400: the request cannot be understood.
    pub fn bad_request(message: impl Into<String>) -> Self {
        Self::new(400, "BadRequest", message)
    }

    /// 401: nobody in particular asks.
    pub fn unauthorized(message: impl Into<String>) -> Self {
        Self::new(401, "Unauthorized", message)
    }

    /// 403: the caller may not do that.
    pub fn forbidden(message: impl Into<String>) -> Self {
        Self::new(403, "Forbidden", message)
    }

    /// 404: there is no such path.
    pub fn no_such_path(path: &str) -> Self {
        Self::new(404, "NotFound", format!("the server has nothing at {path}"))
    }

    /// 404: there is no such object.
    pub fn not_found(kind: &Kind, name: &str) -> Self {
        let message = format!("{} {name:?} not found", resource(kind));
        Self::new(404, "NotFound", message).about(kind, name)
    }

    /// 422: fields are not as they must be; all of them at once.
    pub fn invalid(kind: &Kind, name: &str, causes: Vec<StatusCause>) -> Self {
        let mut said: Vec<_> = causes
            .iter()
            .map(|cause| format!("{}: {}", cause.field, cause.message))
            .collect();
        let said = match said.len() {
            1 => said.remove(0),
            _ => format!("[{}]", said.join(", ")),
        };
        let message = format!("{} {name:?} is invalid: {said}", kind.kind);
        let mut error = Self::new(422, "Invalid", message).about(kind, name);
        error.details().causes = causes;
        error
    }

    /// Names the object in the details.
    #[must_use]
    pub fn about(mut self, kind: &Kind, name: &str) -> Self {
        let code = self.0.code;
        let details = self.details();
        details.name = name.to_owned();
        details.group = kind.group.to_owned();
        // As in Kubernetes: the kind where fields are judged, else the resource.
        details.kind = if code == 422 { kind.kind } else { kind.plural }.to_owned();
        self
    }

    /// Adds one cause per offending field.
    #[must_use]
    pub fn with_causes(mut self, causes: Vec<StatusCause>) -> Self {
        self.details().causes = causes;
        self
    }

    /// Says after how many seconds the client should try again.
    #[must_use]
    pub fn retry_after(mut self, seconds: u32) -> Self {
        self.details().retry_after_seconds = Some(seconds);
        self
    }

    fn details(&mut self) -> &mut StatusDetails {
        self.0.details.get_or_insert_default()
    }

    /// The answer's body.
    #[must_use]
    pub fn status(&self) -> &Status {
        &self.0
    }
}

/// `functions` or `replicasets.apps`.
pub(super) fn resource(kind: &Kind) -> String {
    if kind.group.is_empty() {
        kind.plural.to_owned()
    } else {
        format!("{}.{}", kind.plural, kind.group)
    }
}

impl fmt::Display for ApiError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {}: {}", self.0.code, self.0.reason, self.0.message)
    }
}

impl std::error::Error for ApiError {}

impl ResponseError for ApiError {
    fn status_code(&self) -> StatusCode {
        StatusCode::from_u16(self.0.code).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR)
    }

    fn error_response(&self) -> HttpResponse {
        let mut response = HttpResponse::build(self.status_code());
        if self.0.code == 401 {
            response.insert_header((WWW_AUTHENTICATE, "Bearer"));
        }
        if let Some(seconds) = self.0.details.as_ref().and_then(|d| d.retry_after_seconds) {
            response.insert_header((RETRY_AFTER, seconds.to_string()));
        }
        response.json(&self.0)
    }
}

impl From<ObjectError> for ApiError {
    fn from(error: ObjectError) -> Self {
        let message = error.to_string();
        let of = |plural: &str| {
            common::resources::KINDS
                .into_iter()
                .find(|k| k.plural == plural)
        };
        let about = |status: Self, plural: &str, name: &str| match of(plural) {
            Some(kind) => status.about(kind, name),
            None => status,
        };
        match &error {
            ObjectError::AlreadyExists { kind, name } => {
                let message = format!("{kind} {name:?} already exists");
                about(Self::new(409, "AlreadyExists", message), kind, name)
            }
            ObjectError::NotFound { kind, name } => {
                let message = format!("{kind} {name:?} not found");
                about(Self::new(404, "NotFound", message), kind, name)
            }
            ObjectError::Conflict { kind, name, why } => {
                let message = format!("Operation cannot be fulfilled on {kind} {name:?}: {why}");
                about(Self::new(409, "Conflict", message), kind, name)
            }
            ObjectError::Invalid { kind, name, .. } => {
                about(Self::new(422, "Invalid", message), kind, name)
            }
            ObjectError::Namespace { name, missing, .. } => {
                let space = <common::resources::Namespace as common::resources::Resource>::KIND;
                let (code, reason) = if *missing {
                    (404, "NotFound")
                } else {
                    (403, "Forbidden")
                };
                let hint = if *missing {
                    format!("; make it with: kubectl create namespace {name}")
                } else {
                    String::new()
                };
                Self::new(code, reason, format!("{message}{hint}")).about(space, name)
            }
            ObjectError::Store(StoreError::Busy) => retry(429, "TooManyRequests", message),
            ObjectError::Store(StoreError::Closed | StoreError::Deposed) => {
                retry(503, "ServiceUnavailable", message)
            }
            ObjectError::Store(StoreError::TooLarge(_)) => {
                Self::new(413, "RequestEntityTooLarge", message)
            }
            ObjectError::Store(_) => {
                tracing::error!(%error, "the store failed a request");
                Self::new(500, "InternalError", message)
            }
        }
    }
}

fn retry(code: u16, reason: &str, message: String) -> ApiError {
    ApiError::new(code, reason, message).retry_after(1)
}

/// One offending field.
pub(super) fn cause(
    reason: &str,
    field: impl Into<String>,
    message: impl Into<String>,
) -> StatusCause {
    StatusCause {
        reason: reason.to_owned(),
        message: message.into(),
        field: field.into(),
    }
}
