use std::any::Any;
use std::future::Future;
use std::pin::Pin;

use actix_tls::accept::rustls_0_23::TlsStream;
use actix_web::dev::{Extensions, Payload};
use actix_web::http::header::AUTHORIZATION;
use actix_web::rt::net::TcpStream;
use actix_web::{FromRequest, HttpRequest, web};
use common::digest::Digest;
use common::trust::{ADMINS, Peer};

use super::{Introduction, members, tokens};
use crate::api::{ApiError, ApiState};
use crate::objects::Objects;
use crate::users::{self, Role};

/// The header that takes a token beside `Authorization`.
pub const API_KEY: &str = "x-api-key";

/// Who asks.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Caller {
    /// `system:anonymous` when nobody in particular.
    pub name: String,
    /// The groups he is in.
    pub groups: Vec<String>,
    /// What he may do beside what his groups say.
    pub role: Option<Role>,
    /// Digest of the key that his certificate is for.
    pub key: Option<Digest>,
}

impl Caller {
    /// Nobody in particular.
    #[must_use]
    pub fn anonymous() -> Self {
        Self {
            name: "system:anonymous".to_owned(),
            groups: vec!["system:unauthenticated".to_owned()],
            ..Self::default()
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
        self.is_in(ADMINS) || self.role == Some(Role::Admin)
    }

    /// Whether he may change what runs in a namespace.
    #[must_use]
    pub fn may_develop(&self, namespace: &str) -> bool {
        self.is_admin()
            || self
                .role
                .as_ref()
                .is_some_and(|role| role.develops(namespace))
    }

    /// Whether he develops anything.
    #[must_use]
    pub fn is_developer(&self) -> bool {
        matches!(self.role, Some(Role::Admin | Role::Developer { .. }))
    }

    /// Whether he may call what is in a namespace.
    #[must_use]
    pub fn may_invoke(&self, namespace: &str) -> bool {
        self.is_admin()
            || self
                .role
                .as_ref()
                .is_some_and(|role| role.invokes(namespace))
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
            role: None,
            key: Some(peer.key),
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

/// A caller whom the cluster knows now: nodes and users may have been deleted since they got their credentials.
async fn known(mut caller: Caller, objects: &Objects) -> Result<Caller, ApiError> {
    if let Some(node) = caller.node() {
        return match caller.key {
            Some(key) if members::is_member(objects, node, key).await? => Ok(caller),
            _ => Err(ApiError::unauthorized(format!(
                "node {node} is no member of this cluster with this key: if it was deleted, let it join anew with \
                 a token (master token create)"
            ))),
        };
    }
    if caller.is_in(users::GROUP) {
        let role = users::role_of(objects, &caller.name).await?;
        caller.role =
            Some(role.ok_or_else(|| {
                ApiError::unauthorized(format!("user {} was deleted", caller.name))
            })?);
    }
    Ok(caller)
}

/// A token from `Authorization: Bearer`, or from `X-Api-Key` for clients that can only set a key.
fn bearer(request: &HttpRequest) -> Option<String> {
    if let Some(key) = request.headers().get(API_KEY) {
        return key.to_str().ok().map(|key| key.trim().to_owned());
    }
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
        let peer = match Introduction::of(request) {
            Some(introduction) => introduction.peer(),
            None => request.conn_data::<Peer>().cloned(),
        };
        let peer = peer.as_ref().map(Self::from);
        let token = bearer(request);
        let state = request.app_data::<web::Data<ApiState>>().cloned();
        Box::pin(async move {
            match (peer, token, state) {
                (Some(caller), _, Some(state)) => known(caller, state.objects()).await,
                (None, Some(token), Some(state)) => {
                    let caller = tokens::verify(state.objects(), &token).await?;
                    let caller = caller
                        .ok_or_else(|| ApiError::unauthorized("the token is unknown or expired"))?;
                    known(caller, state.objects()).await
                }
                _ => Ok(Self::anonymous()),
            }
        })
    }
}
