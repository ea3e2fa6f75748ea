//! What one master says of a caller whose request it hands to another.

use actix_web::HttpRequest;
use actix_web::http::header::HeaderMap;
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use common::digest::Digest;
use common::trust::{MASTERS, Peer};
use serde::{Deserialize, Serialize};

/// The header that carries it. Only what a master's certificate brings is believed.
pub const INTRODUCTION: &str = "x-troupe-introduction";

/// The port by which a request came in.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Entrance {
    /// The API's.
    Api,
    /// A gateway that others can reach.
    Gateway,
    /// A gateway on loopback.
    LocalGateway,
    /// The Step Functions API for development, on loopback.
    StepFunctions,
}

/// How a request came to the master that hands it on.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Introduction {
    /// By which port.
    pub entrance: Entrance,
    certificate: Option<Certificate>,
}

/// What a caller's certificate says; that master's TLS has verified it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
struct Certificate {
    name: String,
    groups: Vec<String>,
    key: Digest,
}

impl Introduction {
    /// Of a caller who came by a port, with a certificate or without.
    #[must_use]
    pub fn new(entrance: Entrance, peer: Option<&Peer>) -> Self {
        let certificate = peer.map(|peer| Certificate {
            name: peer.cn.clone(),
            groups: peer.orgs.clone(),
            key: peer.key,
        });
        Self {
            entrance,
            certificate,
        }
    }

    /// The header's value.
    #[must_use]
    pub fn value(&self) -> String {
        // Names and groups are text and the rest is digits: it can always be written.
        URL_SAFE_NO_PAD.encode(serde_json::to_vec(self).unwrap_or_default())
    }

    /// What is said of the caller of a request; nothing unless a master says it.
    #[must_use]
    pub fn of(request: &HttpRequest) -> Option<Self> {
        Self::heard(request.conn_data::<Peer>(), request.headers())
    }

    fn heard(from: Option<&Peer>, headers: &HeaderMap) -> Option<Self> {
        from.filter(|peer| peer.is_in(MASTERS))?;
        let text = URL_SAFE_NO_PAD.decode(headers.get(INTRODUCTION)?).ok()?;
        serde_json::from_slice(&text).ok()
    }

    /// The caller's certificate, if he showed one.
    pub(super) fn peer(self) -> Option<Peer> {
        self.certificate.map(|certificate| Peer {
            cn: certificate.name,
            orgs: certificate.groups,
            key: certificate.key,
        })
    }
}

#[cfg(test)]
mod tests {
    use actix_web::http::header::{HeaderName, HeaderValue};
    use common::trust::ADMINS;

    use super::*;

    fn peer(org: &str) -> Peer {
        Peer {
            cn: "x".to_owned(),
            orgs: vec![org.to_owned()],
            key: Digest::of(b"key"),
        }
    }

    fn headers(value: &str) -> HeaderMap {
        let mut headers = HeaderMap::new();
        let name = HeaderName::from_static(INTRODUCTION);
        headers.insert(name, HeaderValue::from_str(value).unwrap());
        headers
    }

    #[test]
    fn only_masters_introduce() {
        let admin = peer(ADMINS);
        let said = Introduction::new(Entrance::Gateway, Some(&admin));
        let headers_said = headers(&said.value());
        let heard = |from: Option<&Peer>| Introduction::heard(from, &headers_said);
        let known = heard(Some(&peer(MASTERS))).unwrap();
        assert_eq!(known, said);
        assert_eq!(known.peer(), Some(admin));
        for stranger in [None, Some(peer(ADMINS)), Some(peer("system:nodes"))] {
            assert_eq!(heard(stranger.as_ref()), None);
        }
        let nonsense = Introduction::heard(Some(&peer(MASTERS)), &headers("nonsense"));
        assert_eq!(nonsense, None);
    }
}
