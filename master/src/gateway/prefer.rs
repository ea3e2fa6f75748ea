//! What a client asks for in `Prefer` (RFC 7240) and `Idempotency-Key` headers.

use std::time::Duration;

use actix_web::HttpRequest;

/// Longest idempotency key.
const MOST_KEY_BYTES: usize = 1024;

/// How long a client wants to wait for an answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Patience {
    /// As long as is usual.
    Usual,
    /// `wait=N` seconds.
    For(Duration),
    /// Not at all: `respond-async`.
    None,
}

/// What the `Prefer` headers say. `respond-async` wins over `wait`; what is not understood is ignored,
/// as the RFC wants.
pub(super) fn patience(request: &HttpRequest) -> Patience {
    let values = request.headers().get_all("prefer");
    let texts = values.filter_map(|value| value.to_str().ok());
    let mut patience = Patience::Usual;
    for wish in texts.flat_map(|text| text.split(',')).map(str::trim) {
        if wish.eq_ignore_ascii_case("respond-async") {
            return Patience::None;
        }
        let seconds = wish
            .split_once('=')
            .filter(|(name, _)| name.eq_ignore_ascii_case("wait"))
            .and_then(|(_, seconds)| seconds.trim_matches('"').parse().ok());
        if let Some(seconds) = seconds {
            patience = Patience::For(Duration::from_secs(seconds));
        }
    }
    patience
}

/// The client's idempotency key; an empty one is none.
///
/// # Errors
/// For people, when the header cannot be a key.
pub(super) fn idempotency_key(request: &HttpRequest) -> Result<Option<&str>, String> {
    let Some(value) = request.headers().get("idempotency-key") else {
        return Ok(None);
    };
    let key = value
        .to_str()
        .ok()
        .map(str::trim)
        .filter(|key| key.len() <= MOST_KEY_BYTES);
    let key = key.ok_or_else(|| {
        format!("header Idempotency-Key: want at most {MOST_KEY_BYTES} visible ASCII characters")
    })?;
    Ok(Some(key).filter(|key| !key.is_empty()))
}

#[cfg(test)]
mod tests {
    use actix_web::test::TestRequest;

    use super::*;

    #[test]
    fn wishes_are_read_in_any_form() {
        let wish = |text: &str| {
            let request = TestRequest::default().insert_header(("Prefer", text));
            patience(&request.to_http_request())
        };
        assert_eq!(wish("wait=5"), Patience::For(Duration::from_secs(5)));
        assert_eq!(wish("Respond-Async, wait=5"), Patience::None);
        assert_eq!(wish("wait=5, respond-async"), Patience::None);
        assert_eq!(wish("wait=soon, return=minimal"), Patience::Usual);
        assert_eq!(
            patience(&TestRequest::default().to_http_request()),
            Patience::Usual
        );
    }
}
