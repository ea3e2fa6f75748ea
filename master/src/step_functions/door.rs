use actix_web::http::header::AUTHORIZATION;
use actix_web::{FromRequest as _, HttpRequest};
use common::resources::Namespace;

use super::error::Error;
use super::http::StepFunctions;
use super::signature::{self, Credential};
use crate::api::Caller;
use crate::api::auth::{Entrance, Introduction};
use crate::gateway::check_local;

/// The namespace of who names none.
const DEFAULT_NAMESPACE: &str = "default";

/// Who may use the API on a port, and which namespace he works in.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Door {
    /// Any credentials, on a loopback port: for development. An access key id that is the name of a
    /// namespace chooses it.
    Open,
    /// An administrator's certificate or token, or a signature (SigV4) with the access key of a Secret of type
    /// `troupe.dev/aws-credentials`; the Secret's namespace is the one he works in.
    Guarded,
}

impl Door {
    /// Lets a request in: gives its namespace.
    pub(super) async fn admit(
        self,
        request: &HttpRequest,
        body: &[u8],
        service: &StepFunctions,
    ) -> Result<String, Error> {
        let header = request.headers().get(AUTHORIZATION);
        let header = header
            .and_then(|value| value.to_str().ok())
            .unwrap_or_default();
        let credential = Credential::read(header);
        let introduced = Introduction::of(request).map(|said| said.entrance);
        let door = match introduced {
            Some(Entrance::StepFunctions) => Self::Open,
            _ => self,
        };
        match door {
            Self::Open => {
                check_local(request)
                    .map_err(|message| Error::new("AccessDeniedException", message))?;
                let Some(credential) = credential else {
                    return Ok(DEFAULT_NAMESPACE.to_owned());
                };
                let chosen = service
                    .objects
                    .get::<Namespace>("", &credential.key)
                    .await?;
                let name = chosen.map(|found| found.metadata.name);
                Ok(name.unwrap_or_else(|| DEFAULT_NAMESPACE.to_owned()))
            }
            Self::Guarded => match credential {
                Some(credential) => verify(request, body, service, &credential).await,
                None => {
                    let caller = Caller::extract(request).await;
                    let home = caller.ok().and_then(|caller| home(&caller));
                    home.ok_or_else(|| {
                        denied("show a certificate or a token, or sign with an access key")
                    })
                }
            },
        }
    }
}

/// The namespace that one without an access key works in: a developer's first.
fn home(caller: &Caller) -> Option<String> {
    if caller.is_admin() {
        return Some(DEFAULT_NAMESPACE.to_owned());
    }
    let namespaces = caller.role.as_ref()?.namespaces();
    let mut own = namespaces
        .iter()
        .filter(|namespace| caller.may_develop(namespace));
    own.next().cloned()
}

fn denied(message: &str) -> Error {
    Error::new("AccessDeniedException", message)
}

async fn verify(
    request: &HttpRequest,
    body: &[u8],
    service: &StepFunctions,
    credential: &Credential,
) -> Result<String, Error> {
    let objects = &service.objects;
    let found = service.keys.find(objects, &credential.key).await?;
    let unknown = || Error::new("UnrecognizedClientException", "the access key is not known");
    let key = found.ok_or_else(unknown)?;
    let now = objects.clock().now();
    signature::verify(request, body, credential, &key.secret, now)
        .map_err(|why| Error::new("InvalidSignatureException", why))?;
    Ok(key.namespace)
}
