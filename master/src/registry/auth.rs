use std::time::Duration;

use parking_lot::Mutex;
use reqwest::header::WWW_AUTHENTICATE;
use reqwest::{RequestBuilder, Response, StatusCode};
use serde::Deserialize;

use super::challenge::Challenge;

/// Longest wait for a token.
const TOKEN_TIMEOUT: Duration = Duration::from_secs(20);

/// User and password for a registry.
#[derive(Clone, Default, PartialEq, Eq)]
pub struct Credentials {
    /// The user; empty: nobody.
    pub username: String,
    /// The password.
    pub password: String,
}

impl std::fmt::Debug for Credentials {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Credentials({:?})", self.username)
    }
}

/// What is shown to a registry at the moment.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
enum Pass {
    /// Nothing was asked for.
    #[default]
    None,
    Basic,
    Token(String),
}

/// Shows a registry who is there, once it has asked.
pub(super) struct Auth {
    credentials: Credentials,
    pass: Mutex<Pass>,
}

#[derive(Deserialize)]
struct Token {
    token: Option<String>,
    access_token: Option<String>,
}

impl Auth {
    pub(super) fn new(credentials: Credentials) -> Self {
        Self {
            credentials,
            pass: Mutex::default(),
        }
    }

    /// Adds what the registry has asked for before.
    pub(super) fn sign(&self, request: RequestBuilder) -> RequestBuilder {
        let Credentials { username, password } = &self.credentials;
        match &*self.pass.lock() {
            Pass::None => request,
            Pass::Basic => request.basic_auth(username, Some(password)),
            Pass::Token(token) => request.bearer_auth(token),
        }
    }

    /// Gets what a refusal asks for. Whether it is worth another try.
    pub(super) async fn answer(&self, http: &reqwest::Client, refusal: &Response) -> bool {
        if refusal.status() != StatusCode::UNAUTHORIZED {
            return false;
        }
        let mut headers = refusal.headers().get_all(WWW_AUTHENTICATE).iter();
        let challenge = headers.find_map(|value| Challenge::parse(value.to_str().ok()?));
        let pass = match challenge {
            None => return false,
            Some(Challenge::Basic) if self.credentials.username.is_empty() => return false,
            Some(Challenge::Basic) => Pass::Basic,
            Some(Challenge::Bearer {
                realm,
                service,
                scope,
            }) => {
                let asked = self.fetch(http, &realm, service.as_deref(), scope.as_deref());
                match asked.await {
                    Ok(Some(token)) => Pass::Token(token),
                    Ok(None) => return false,
                    Err(error) => {
                        tracing::warn!(realm, %error, "could not get a token for the registry");
                        return false;
                    }
                }
            }
        };
        let mut current = self.pass.lock();
        // The same password refused is refused for good; a token may have run out.
        let differs = *current != pass;
        *current = pass;
        differs
    }

    async fn fetch(
        &self,
        http: &reqwest::Client,
        realm: &str,
        service: Option<&str>,
        scope: Option<&str>,
    ) -> Result<Option<String>, reqwest::Error> {
        let Ok(mut url) = reqwest::Url::parse(realm) else {
            return Ok(None);
        };
        {
            let mut query = url.query_pairs_mut();
            for (key, value) in [("service", service), ("scope", scope)] {
                if let Some(value) = value {
                    query.append_pair(key, value);
                }
            }
        }
        let mut request = http.get(url).timeout(TOKEN_TIMEOUT);
        let Credentials { username, password } = &self.credentials;
        if !username.is_empty() {
            request = request.basic_auth(username, Some(password));
        }
        let answer = request.send().await?;
        if !answer.status().is_success() {
            return Ok(None);
        }
        let Token {
            token,
            access_token,
        } = answer.json().await?;
        Ok(token.or(access_token))
    }
}
