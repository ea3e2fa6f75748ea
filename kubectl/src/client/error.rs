//! What can go wrong between here and the server, said as kubectl says it.

use common::resources::Status;

use super::kubeconfig;

/// The request failed.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// No server can be reached with what was given.
    #[error("error: {}{}", .0, source_of(.0))]
    Kubeconfig(#[from] kubeconfig::Error),
    /// The server said no.
    #[error("{}", describe(.0))]
    Status(Box<Status>),
    /// The server could not be asked.
    #[error("{0}")]
    Unreachable(String),
    /// The server's answer makes no sense.
    #[error("error: {0}")]
    Answer(String),
}

impl Error {
    /// Whether the object is not there.
    #[must_use]
    pub fn is_not_found(&self) -> bool {
        matches!(self, Self::Status(status) if status.code == 404)
    }

    /// Whether somebody else was faster.
    #[must_use]
    pub fn is_conflict(&self) -> bool {
        matches!(self, Self::Status(status) if status.code == 409)
    }

    /// The server's refusal from an answer that was not a success.
    #[must_use]
    pub fn from_answer(code: u16, body: &[u8]) -> Self {
        let status: Option<Status> = serde_json::from_slice(body).ok();
        let mut status = status
            .filter(|status| status.kind == "Status")
            .unwrap_or_else(|| {
                let text = String::from_utf8_lossy(body);
                let text = text.trim();
                let text: String = text.chars().take(1000).collect();
                let message = if text.is_empty() {
                    format!("the server answered {code}")
                } else {
                    text
                };
                Status::failure(code, reason_of(code), message)
            });
        if status.code == 0 {
            status.code = code;
        }
        Self::Status(Box::new(status))
    }

    /// Why `server` could not be asked.
    #[must_use]
    pub fn unreachable(server: &str, error: &reqwest::Error) -> Self {
        let chain = chain(error);
        let host = server.split("://").nth(1).unwrap_or(server);
        Self::Unreachable(if chain.contains("refused") {
            format!(
                "The connection to the server {host} was refused - did you specify the right host or port?"
            )
        } else if error.is_timeout() {
            format!("Unable to connect to the server: {host} did not answer in time")
        } else {
            format!("Unable to connect to the server: {chain}")
        })
    }
}

/// An error and its causes, the last two of which say most.
#[must_use]
pub fn chain(error: &dyn std::error::Error) -> String {
    let mut texts = vec![error.to_string()];
    let mut source = error.source();
    while let Some(error) = source {
        let text = error.to_string();
        if !texts.iter().any(|known| known.contains(&text)) {
            texts.push(text);
        }
        source = error.source();
    }
    texts.join(": ")
}

fn source_of(error: &kubeconfig::Error) -> String {
    std::error::Error::source(error)
        .map(|source| format!(": {source}"))
        .unwrap_or_default()
}

fn reason_of(code: u16) -> &'static str {
    match code {
        400 => "BadRequest",
        401 => "Unauthorized",
        403 => "Forbidden",
        404 => "NotFound",
        409 => "Conflict",
        413 => "RequestEntityTooLarge",
        429 => "TooManyRequests",
        500 => "InternalError",
        503 => "ServiceUnavailable",
        504 => "Timeout",
        _ => "",
    }
}

fn describe(status: &Status) -> String {
    if status.code == 401 {
        let text = "error: You must be logged in to the server (Unauthorized)";
        return match status.message.as_str() {
            "" | "Unauthorized" => text.to_owned(),
            why => format!("{text}: {why}"),
        };
    }
    if status.reason == "Invalid" {
        return describe_invalid(status);
    }
    match status.reason.as_str() {
        "" => format!("Error from server: {}", status.message),
        reason => format!("Error from server ({reason}): {}", status.message),
    }
}

fn describe_invalid(status: &Status) -> String {
    let Some(details) = &status.details else {
        return format!("The request is invalid: {}", status.message);
    };
    let what = match (details.kind.as_str(), details.name.as_str()) {
        ("", "") => "The request is invalid".to_owned(),
        (kind, name) => format!("The {kind} \"{name}\" is invalid"),
    };
    let line = |cause: &common::resources::StatusCause| match cause.field.as_str() {
        "" => cause.message.clone(),
        field => format!("{field}: {}", cause.message),
    };
    match details.causes.as_slice() {
        [] => format!("{what}: {}", status.message),
        [cause] => format!("{what}: {}", line(cause)),
        causes => causes.iter().fold(format!("{what}: "), |text, cause| {
            format!("{text}\n* {}", line(cause))
        }),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn refusals_read_as_kubectls() {
        let said = |code, body: &str| Error::from_answer(code, body.as_bytes()).to_string();
        let not_found = r#"{"kind":"Status","status":"Failure","reason":"NotFound","message":"functions \"x\" not found","code":404}"#;
        assert_eq!(
            said(404, not_found),
            "Error from server (NotFound): functions \"x\" not found"
        );
        assert_eq!(
            said(503, "busy"),
            "Error from server (ServiceUnavailable): busy"
        );
        assert_eq!(said(502, ""), "Error from server: the server answered 502");
        let refused = "error: You must be logged in to the server (Unauthorized)";
        let status =
            r#"{"kind":"Status","reason":"Unauthorized","message":"Unauthorized","code":401}"#;
        assert_eq!(said(401, status), refused);
        let status = status.replace(
            r#""message":"Unauthorized""#,
            r#""message":"the token has expired""#,
        );
        assert_eq!(
            said(401, &status),
            format!("{refused}: the token has expired")
        );
        let invalid = r#"{"kind":"Status","reason":"Invalid","message":"m","code":422,"details":{"kind":"Function","name":"f",
            "causes":[{"reason":"FieldValueInvalid","field":"spec.port","message":"found 0, want 1 to 65535"}]}}"#;
        assert_eq!(
            said(422, invalid),
            "The Function \"f\" is invalid: spec.port: found 0, want 1 to 65535"
        );
    }
}
