use std::any::Any;
use std::future::Future;
use std::pin::Pin;

use actix_tls::accept::rustls_0_23::TlsStream;
use actix_web::dev::{Extensions, Payload};
use actix_web::http::header::AUTHORIZATION;
use actix_web::rt::net::TcpStream;
use actix_web::{FromRequest, HttpRequest, web};
use common::trust::{ADMINS, Peer};

use super::tokens;
use crate::api::{ApiError, ApiState};

/// Who asks.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Caller {
    /// `system:anonymous` when nobody in particular.
    pub name: String,
    /// The groups he is in.
    pub groups: Vec<String>,
}

impl Caller {
    /// Nobody in particular.
    #[must_use]
    pub fn anonymous() -> Self {
        Self {
            name: "system:anonymous".to_owned(),
            groups: vec!["system:unauthenticated".to_owned()],
        }
    }

    /// Whether he is in a group.
    #[must_use]
    pub fn is_in(&self, group: &str) -> bool {
        self.groups.iter().any(|own| own == group)
    }

    /// Whether he may do everything.
    #[must_use]
    pub fn is_admin(&self) -> bool {
        self.is_in(ADMINS)
    }

    /// Whether nobody in particular asks.
    #[must_use]
    pub fn is_anonymous(&self) -> bool {
        self.name == "system:anonymous"
    }

    /// The node's name, when a node asks.
    #[must_use]
    pub fn node(&self) -> Option<&str> {
        let node = self.name.strip_prefix(common::trust::NODE_PREFIX)?;
        self.is_in(common::trust::NODES).then_some(node)
    }
}

impl From<&Peer> for Caller {
    fn from(peer: &Peer) -> Self {
        Self {
            name: peer.cn.clone(),
            groups: peer.orgs.clone(),
        }
    }
}

/// Keeps who is at the other end of a TLS connection. Give it to `HttpServer::on_connect`.
pub fn on_connect(connection: &dyn Any, data: &mut Extensions) {
    let Some(tls) = connection.downcast_ref::<TlsStream<TcpStream>>() else {
        return;
    };
    let (_, session) = tls.get_ref();
    let Some(certificate) = session.peer_certificates().and_then(|chain| chain.first()) else {
        return;
    };
    match Peer::from_der(certificate) {
        Ok(peer) => {
            data.insert(peer);
        }
        Err(error) => tracing::warn!(%error, "a client certificate is not understood"),
    }
}

fn bearer(request: &HttpRequest) -> Option<String> {
    let value = request.headers().get(AUTHORIZATION)?.to_str().ok()?;
    let (scheme, token) = value.split_once(' ')?;
    scheme
        .eq_ignore_ascii_case("bearer")
        .then(|| token.trim().to_owned())
}

impl FromRequest for Caller {
    type Error = ApiError;
    type Future = Pin<Box<dyn Future<Output = Result<Self, ApiError>>>>;

    fn from_request(request: &HttpRequest, _: &mut Payload) -> Self::Future {
        let peer = request.conn_data::<Peer>().map(Self::from);
        let token = bearer(request);
        let state = request.app_data::<web::Data<ApiState>>().cloned();
        Box::pin(async move {
            match (peer, token, state) {
                (Some(caller), _, _) => Ok(caller),
                (None, Some(token), Some(state)) => tokens::verify(state.objects(), &token)
                    .await?
                    .ok_or_else(|| ApiError::unauthorized("the token is unknown or expired")),
                _ => Ok(Self::anonymous()),
            }
        })
    }
}
