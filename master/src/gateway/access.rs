use actix_web::{FromRequest as _, HttpRequest};

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
    /// Says whether a request may pass.
    ///
    /// # Errors
    /// The words for the caller, who gets 401.
    pub(super) async fn admit(self, request: &HttpRequest, access: Access) -> Result<(), String> {
        match (self, access) {
            (Self::Nobody, _) | (Self::Token, Access::Open) => return Ok(()),
            (Self::Token | Self::Certificate, _) => {}
        }
        let caller = Caller::extract(request)
            .await
            .map_err(|e| e.status().message.clone())?;
        if caller.is_anonymous() || caller.node().is_some() {
            let message = "show a token (Authorization: Bearer …), or mark the function, workflow or \
                           state machine with spec.access: open";
            return Err(message.to_owned());
        }
        Ok(())
    }
}
