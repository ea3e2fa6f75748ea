use std::net::IpAddr;

use actix_web::http::header::{HOST, ORIGIN};
use actix_web::{FromRequest as _, HttpRequest, HttpResponse};

use super::answer;
use crate::api::Caller;

/// What a request asks for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Access {
    /// Something its owner marked `access: open`.
    Open,
    /// Anything else.
    Closed,
}

/// Who may call through a port.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Doorkeeper {
    /// Everybody: a port on loopback.
    Nobody,
    /// Who shows a token, and everybody for what is marked open.
    Token,
    /// Who has shown a certificate or a token: the API's port.
    Certificate,
}

impl Doorkeeper {
    /// Whether a request's credentials are for this door, and none of a function's business.
    pub(super) fn reads_credentials(self, access: Access) -> bool {
        match self {
            Self::Nobody => false,
            Self::Token => access == Access::Closed,
            Self::Certificate => true,
        }
    }

    /// Says whether a request for something in a namespace may pass; without one it is enough to be known.
    pub(super) async fn admit(
        self,
        request: &HttpRequest,
        access: Access,
        namespace: Option<&str>,
    ) -> Result<(), Denied> {
        match (self, access) {
            (Self::Token, Access::Open) => return Ok(()),
            (Self::Nobody, _) => return check_browser(request, access).map_err(Denied::Unknown),
            (Self::Token | Self::Certificate, _) => {}
        }
        let caller = Caller::extract(request)
            .await
            .map_err(|e| Denied::Unknown(e.status().message.clone()))?;
        if caller.is_anonymous() || caller.node().is_some() {
            let message = "show a token (Authorization: Bearer … or X-Api-Key: …), or mark the function, workflow \
                           or state machine with spec.access: open";
            return Err(Denied::Unknown(message.to_owned()));
        }
        match namespace {
            Some(namespace) if !caller.may_invoke(namespace) => Err(Denied::Forbidden(format!(
                "{:?} may not call what is in namespace {namespace}",
                caller.name
            ))),
            _ => Ok(()),
        }
    }
}

/// A request may not pass; the words are for the caller.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Denied {
    /// Who asks is not known.
    Unknown(String),
    /// Who asks is known, and this is none of his business.
    Forbidden(String),
}

impl Denied {
    /// Status and reason, and the words.
    pub(super) fn parts(self) -> ((u16, &'static str), String) {
        match self {
            Self::Unknown(message) => ((401, "Unauthorized"), message),
            Self::Forbidden(message) => ((403, "Forbidden"), message),
        }
    }

    pub(super) fn answer(self) -> HttpResponse {
        let ((code, reason), message) = self.parts();
        answer::of_trouble(code, reason, message)
    }
}

/// A web page that somebody on this machine looks at must not call what only this machine may call:
/// neither by a request to the loopback address, nor by a name that it lets point there.
/// What is marked open may be called from anywhere, through a proxy of this machine too.
fn check_browser(request: &HttpRequest, access: Access) -> Result<(), String> {
    if access == Access::Open {
        return Ok(());
    }
    check_local(request)
        .map_err(|message| format!("{message}, or mark what is called with spec.access: open"))
}

/// Whether a request on a loopback port was meant for this machine: its Host says so, and no web page from
/// elsewhere made it.
///
/// # Errors
/// The words for the caller.
pub fn check_local(request: &HttpRequest) -> Result<(), String> {
    let named = request
        .headers()
        .get(HOST)
        .and_then(|host| host.to_str().ok());
    // Every browser names its host.
    if let Some(host) = named.map(host_of)
        && !is_loopback(host)
    {
        return Err(format!(
            "Host is {host:?}; call this port as localhost or by its address"
        ));
    }
    let origin = request
        .headers()
        .get(ORIGIN)
        .and_then(|origin| origin.to_str().ok());
    let Some(origin) = origin else {
        return Ok(());
    };
    let page = origin.split_once("://").map_or(origin, |(_, host)| host);
    if is_loopback(host_of(page)) {
        return Ok(());
    }
    Err(format!(
        "Origin is {origin:?}; pages from elsewhere may not call this port"
    ))
}

/// A host without its port.
fn host_of(authority: &str) -> &str {
    match authority
        .strip_prefix('[')
        .and_then(|rest| rest.split_once(']'))
    {
        Some((address, _)) => address,
        None => authority
            .rsplit_once(':')
            .map_or(authority, |(host, _)| host),
    }
}

fn is_loopback(host: &str) -> bool {
    host.eq_ignore_ascii_case("localhost")
        || host.to_ascii_lowercase().ends_with(".localhost")
        || host
            .parse::<IpAddr>()
            .is_ok_and(|address| address.is_loopback())
}

#[cfg(test)]
mod tests {
    use actix_web::test::TestRequest;

    use super::*;

    fn admitted(host: &str, origin: Option<&str>, access: Access) -> bool {
        let mut request = TestRequest::default().insert_header(("host", host.to_owned()));
        if let Some(origin) = origin {
            request = request.insert_header(("origin", origin.to_owned()));
        }
        check_browser(&request.to_http_request(), access).is_ok()
    }

    #[test]
    fn a_page_from_elsewhere_cannot_call_a_loopback_gateway() {
        for host in [
            "127.0.0.1:8080",
            "localhost:8080",
            "[::1]:8080",
            "localhost",
        ] {
            assert!(admitted(host, None, Access::Closed), "{host}");
        }
        assert!(!admitted("evil.example:8080", None, Access::Closed));
        assert!(admitted("proxied.example", None, Access::Open));
        let evil = Some("https://evil.example");
        assert!(!admitted("127.0.0.1:8080", evil, Access::Closed));
        assert!(admitted("127.0.0.1:8080", evil, Access::Open));
        assert!(admitted(
            "127.0.0.1:8080",
            Some("http://localhost:3000"),
            Access::Closed
        ));
        assert!(!admitted("127.0.0.1:8080", Some("null"), Access::Closed));
    }
}
