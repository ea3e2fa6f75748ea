//! `/users`: for administrators, by way of `master user`.

use std::sync::Arc;
use std::time::Duration;

use actix_web::HttpResponse;
use actix_web::web::{self, Data, Json, Path};
use common::resources::check_dns_subdomain;
use common::trust::Authority;
use serde::Deserialize;
use serde_json::json;

use super::{GROUP, Role, User, book};
use crate::api::auth::tokens;
use crate::api::{ApiError, Caller};
use crate::objects::Objects;

/// Life of credentials when nobody says.
const DEFAULT_TTL: Duration = Duration::from_secs(90 * 24 * 3600);
/// Longest life of credentials.
const LONGEST_TTL: Duration = Duration::from_secs(366 * 24 * 3600);

/// What the handlers share.
pub struct Users {
    /// The cluster's authority.
    pub authority: Arc<Authority>,
    /// The store.
    pub objects: Objects,
}

/// Mounts `/users`. The app's data must hold [`Users`].
pub fn configure(app: &mut web::ServiceConfig) {
    app.service(
        web::resource("/users")
            .route(web::get().to(list))
            .route(web::post().to(create)),
    )
    .route("/users/{name}", web::delete().to(delete));
}

fn admit(caller: &Caller) -> Result<(), ApiError> {
    if caller.is_admin() {
        return Ok(());
    }
    Err(ApiError::forbidden("only administrators manage users"))
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
struct Create {
    name: String,
    role: String,
    #[serde(default)]
    namespaces: Vec<String>,
    ttl_seconds: Option<u64>,
    /// PEM; with it the credential is a certificate for its key, without it a token.
    csr: Option<String>,
}

async fn create(
    caller: Caller,
    users: Data<Users>,
    body: Json<Create>,
) -> Result<HttpResponse, ApiError> {
    admit(&caller)?;
    let asked = body.into_inner();
    let bad = |message: String| ApiError::bad_request(message);
    check_dns_subdomain(&asked.name).map_err(|error| bad(format!("the user's name: {error}")))?;
    let role = Role::new(&asked.role, asked.namespaces).map_err(|error| bad(error.to_string()))?;
    let ttl = asked
        .ttl_seconds
        .map_or(DEFAULT_TTL, Duration::from_secs)
        .min(LONGEST_TTL);
    let now = users.objects.clock().now();
    let user = User {
        name: asked.name,
        number: format!("{:016x}", rand::random::<u64>()),
        role,
        created: now,
    };
    let subject = user.subject();
    // The request is checked before the user is there.
    let certificate = asked
        .csr
        .map(|csr| {
            let authority = &users.authority;
            authority.sign_csr(&csr, &subject, &[GROUP], &[], ttl, now)
        })
        .transpose()
        .map_err(|error| bad(format!("the certificate request: {error}")))?;
    if !book::add(&users.objects, &user).await? {
        let message = format!(
            "user {} is there already; remove him first: master user delete {}",
            user.name, user.name
        );
        return Err(ApiError::new(409, "AlreadyExists", message));
    }
    let answer = match certificate {
        Some(certificate) => json!({ "certificate": certificate }),
        None => {
            let caller = Caller {
                name: subject,
                groups: vec![GROUP.to_owned()],
                ..Caller::default()
            };
            json!({ "token": tokens::issue(&users.objects, &caller, Some(ttl)).await? })
        }
    };
    Ok(HttpResponse::Created().json(answer))
}

async fn list(caller: Caller, users: Data<Users>) -> Result<HttpResponse, ApiError> {
    admit(&caller)?;
    let view = |user: User| {
        json!({
            "name": user.name,
            "role": user.role.name(),
            "namespaces": user.role.namespaces(),
            "created": user.created,
        })
    };
    let items: Vec<_> = book::all(&users.objects)
        .await?
        .into_iter()
        .map(view)
        .collect();
    Ok(HttpResponse::Ok().json(json!({ "items": items })))
}

async fn delete(
    caller: Caller,
    users: Data<Users>,
    name: Path<String>,
) -> Result<HttpResponse, ApiError> {
    admit(&caller)?;
    if book::remove(&users.objects, &name).await? {
        return Ok(HttpResponse::Ok().json(json!({ "deleted": *name })));
    }
    let message = format!("user {name} does not exist; see: master user list");
    Err(ApiError::new(404, "NotFound", message))
}
