//! The token dance, with a token server that looks at what it is shown.

use actix_web::{App, HttpRequest, HttpResponse, HttpServer, web};
use common::trust::install_crypto;
use master::registry::{RegistryError, open};
use master::settings::{RegistryAccess, Settings};

const TOKEN: &str = "a-token";

fn header(request: &HttpRequest) -> String {
    let value = request.headers().get("authorization");
    value
        .and_then(|value| value.to_str().ok())
        .unwrap_or_default()
        .to_owned()
}

async fn version(request: HttpRequest) -> HttpResponse {
    if header(&request) == format!("Bearer {TOKEN}") {
        return HttpResponse::Ok().json(serde_json::json!({}));
    }
    let host = request.connection_info().host().to_owned();
    let challenge = format!(
        "Bearer realm=\"http://{host}/token\",service=\"registry\",scope=\"repository:a/functions:pull,push\""
    );
    HttpResponse::Unauthorized()
        .insert_header(("WWW-Authenticate", challenge))
        .finish()
}

async fn token(request: HttpRequest) -> HttpResponse {
    // me:secret
    let known = header(&request) == "Basic bWU6c2VjcmV0";
    let asked = request.query_string().contains("service=registry");
    if !known || !asked {
        return HttpResponse::Unauthorized().finish();
    }
    HttpResponse::Ok().json(serde_json::json!({ "token": TOKEN, "expires_in": 60 }))
}

#[actix_web::test]
async fn a_token_is_fetched_with_the_password_and_shown() {
    install_crypto();
    let server = HttpServer::new(|| {
        App::new()
            .route("/v2/", web::get().to(version))
            .route("/token", web::get().to(token))
    });
    let server = server.workers(1).bind(("127.0.0.1", 0)).unwrap();
    let address = server.addrs()[0];
    let server = server.run();
    let handle = server.handle();
    actix_web::rt::spawn(server);
    let directory = tempfile::tempdir().unwrap();
    let look = async |password: &str| {
        let password_file = directory.path().join("password");
        std::fs::write(&password_file, format!("{password}\n")).unwrap();
        let settings = Settings {
            registry: format!("http://{address}"),
            registry_access: RegistryAccess {
                username: "me".to_owned(),
                password_file,
                ..RegistryAccess::default()
            },
            ..Settings::default()
        };
        open(&settings)
            .await
            .unwrap()
            .unwrap()
            .registry
            .check()
            .await
    };
    look("secret").await.unwrap();
    assert!(matches!(
        look("wrong").await,
        Err(RegistryError::Denied { .. })
    ));
    handle.stop(false).await;
}
