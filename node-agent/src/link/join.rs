use std::sync::Arc;

use common::trust::{self, Csr, Identity, JoinToken, joining_client_config};
use http::{Request, StatusCode};
use rustls::ClientConfig;
use serde::{Deserialize, Serialize};

use super::client::{full, send, text};
use super::credentials::{Credentials, CredentialsError};
use super::dial::Masters;
use crate::layout::Layout;

/// The node has no certificate, or cannot get a new one.
#[derive(Debug, thiserror::Error)]
pub enum JoinError {
    /// There is no way to get one.
    #[error(
        "this node is no member of the cluster and has no token; run `master token create` on the \
         master and give what it prints with --token or TROUPE_AGENT__TOKEN"
    )]
    NoToken,
    /// The token is not one.
    #[error(transparent)]
    Token(#[from] trust::ParseTokenError),
    /// The master will not have it.
    #[error("join as {node}: the master says {status}: {text}")]
    Refused {
        /// The node's name.
        node: String,
        /// The answer.
        status: StatusCode,
        /// What it says.
        text: String,
    },
    /// The master could not be asked.
    #[error("join: {0}")]
    Unreachable(String),
    /// What came is unusable.
    #[error("join")]
    Credentials(#[from] CredentialsError),
    /// Keys and TLS.
    #[error("join")]
    Trust(#[from] trust::Error),
}

impl JoinError {
    /// Whether another try may succeed.
    #[must_use]
    pub fn is_transient(&self) -> bool {
        match self {
            Self::Unreachable(_) => true,
            Self::Refused { status, .. } => status.is_server_error(),
            _ => false,
        }
    }
}

#[derive(Serialize)]
struct Ask<'a> {
    #[serde(skip_serializing_if = "Option::is_none")]
    node: Option<&'a str>,
    csr: &'a str,
}

#[derive(Deserialize)]
struct Answer {
    certificate: String,
    ca: String,
}

/// The node's certificate: the one it has, or a new one for the token.
///
/// # Errors
/// When there is neither, or the master refuses.
pub async fn ensure_joined(
    layout: &Layout,
    masters: &Masters,
    node: &str,
    token: &str,
) -> Result<Credentials, JoinError> {
    if layout.identity().exists() {
        return Ok(Credentials::load(layout)?);
    }
    let (identity, ca) = join(masters, node, token).await?;
    Credentials::save(layout, &identity, &ca)?;
    tracing::info!(node, "joined the cluster");
    Ok(Credentials::load(layout)?)
}

/// A certificate in place of one that the cluster does not take any more.
///
/// # Errors
/// When there is no token, or the master refuses.
pub(super) async fn join_anew(
    credentials: &Credentials,
    masters: &Masters,
    node: &str,
    token: &str,
) -> Result<(), JoinError> {
    let (identity, ca) = join(masters, node, token).await?;
    credentials.replace(identity, &ca)?;
    tracing::info!(node, "joined the cluster anew");
    Ok(())
}

async fn join(masters: &Masters, node: &str, token: &str) -> Result<(Identity, String), JoinError> {
    if token.is_empty() {
        return Err(JoinError::NoToken);
    }
    let token: JoinToken = token.parse()?;
    let mut tls = joining_client_config(token.authority)?;
    tls.alpn_protocols = vec![b"http/1.1".to_vec()];
    let bearer = format!("Bearer {token}");
    ask(
        masters,
        Arc::new(tls),
        "/join",
        Some(&bearer),
        Some(node),
        node,
    )
    .await
}

/// A new certificate for the one the node has.
pub(super) async fn renew(
    credentials: &Credentials,
    masters: &Masters,
    node: &str,
) -> Result<(), JoinError> {
    let tls = credentials.client();
    let (identity, ca) = ask(masters, tls, "/join/renew", None, None, node).await?;
    Ok(credentials.replace(identity, &ca)?)
}

async fn ask(
    masters: &Masters,
    tls: Arc<ClientConfig>,
    path: &str,
    bearer: Option<&str>,
    node_said: Option<&str>,
    node: &str,
) -> Result<(Identity, String), JoinError> {
    let unreachable = |text: String| JoinError::Unreachable(text);
    let csr = Csr::new()?;
    let body = serde_json::to_vec(&Ask {
        node: node_said,
        csr: &csr.csr_pem,
    })
    .map_err(|error| unreachable(error.to_string()))?;
    let mut request = Request::post(path).header(http::header::CONTENT_TYPE, "application/json");
    if let Some(bearer) = bearer {
        request = request.header(http::header::AUTHORIZATION, bearer);
    }
    let request = request
        .body(full(body))
        .map_err(|error| unreachable(error.to_string()))?;
    let answer = send(masters, tls, request)
        .await
        .map_err(|error| unreachable(error.to_string()))?;
    let status = answer.status();
    let text = text(answer).await;
    if !status.is_success() {
        let text = text.trim().to_owned();
        return Err(JoinError::Refused {
            node: node.to_owned(),
            status,
            text,
        });
    }
    let answer: Answer =
        serde_json::from_str(&text).map_err(|error| unreachable(error.to_string()))?;
    Ok((csr.signed(answer.certificate), answer.ca))
}
