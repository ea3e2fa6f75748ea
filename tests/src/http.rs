use std::io::Write as _;
use std::net::TcpStream;
use std::sync::OnceLock;
use std::time::Duration;

use common::trust::{Identity, client_config};
use reqwest::{ClientBuilder, Method, RequestBuilder};
use serde_json::Value;
use tokio::runtime::Runtime;

use crate::eventually;

/// The runtime that the harness's clients share; tests themselves are plain threads.
///
/// # Panics
/// When it cannot be made.
pub fn runtime() -> &'static Runtime {
    static RUNTIME: OnceLock<Runtime> = OnceLock::new();
    RUNTIME.get_or_init(|| {
        common::trust::install_crypto();
        tokio::runtime::Builder::new_multi_thread()
            .worker_threads(2)
            .enable_all()
            .build()
            .unwrap()
    })
}

/// An HTTP client of one server.
#[derive(Clone)]
pub struct Http {
    base: String,
    client: reqwest::Client,
}

/// An answer, read to its end.
#[derive(Clone, Debug)]
pub struct Reply {
    /// Its status.
    pub status: u16,
    /// Its headers, names in lower case.
    pub headers: Vec<(String, String)>,
    /// Its body.
    pub body: Vec<u8>,
}

impl Http {
    /// A client for `base`, as `http://127.0.0.1:8080`.
    ///
    /// # Panics
    /// When the client cannot be made.
    #[must_use]
    pub fn new(base: &str) -> Self {
        runtime();
        let client = reqwest::Client::builder()
            .no_proxy()
            .timeout(Duration::from_secs(120));
        Self::with(base, client.build().unwrap())
    }

    /// The same with a client that was prepared before.
    #[must_use]
    pub fn with(base: &str, client: reqwest::Client) -> Self {
        Self {
            base: base.to_owned(),
            client,
        }
    }

    /// Where the server is.
    #[must_use]
    pub fn base(&self) -> &str {
        &self.base
    }

    /// GET.
    #[must_use]
    pub fn get(&self, path: &str) -> Reply {
        self.send(Method::GET, path, |request| request)
    }

    /// POST with a body.
    #[must_use]
    pub fn post(&self, path: &str, body: impl Into<Vec<u8>>) -> Reply {
        self.send(Method::POST, path, |request| request.body(body.into()))
    }

    /// POST with a body and one header.
    #[must_use]
    pub fn post_with(&self, path: &str, name: &str, value: &str, body: &str) -> Reply {
        self.send(Method::POST, path, |request| {
            request.header(name, value).body(body.to_owned())
        })
    }

    /// POST of a call or a run whose outcome is not waited for.
    ///
    /// # Panics
    /// When it is not accepted.
    #[track_caller]
    #[must_use]
    pub fn accepted(&self, path: &str, body: &str) -> Reply {
        let answer = self.post_with(path, "prefer", "respond-async", body);
        assert_eq!(answer.status, 202, "{answer:?}");
        answer
    }

    /// What came of an accepted call, once something has.
    #[must_use]
    pub fn outcome(&self, location: &str) -> Reply {
        eventually("the call is over", || {
            let answer = self.get(location);
            let state = answer.json()["state"].clone();
            if state == "Succeeded" || state == "Failed" {
                Ok(answer)
            } else {
                Err(answer)
            }
        })
    }

    /// POST whose answer is not read. Dropping the connection is leaving.
    ///
    /// # Panics
    /// When it cannot be sent, or the server does not speak plain HTTP.
    #[must_use]
    pub fn unanswered(&self, path: &str, body: &str) -> TcpStream {
        let address = self.base.strip_prefix("http://").unwrap();
        let mut client = TcpStream::connect(address).unwrap();
        let length = body.len();
        write!(
            client,
            "POST {path} HTTP/1.1\r\nHost: localhost\r\nContent-Length: {length}\r\n\r\n{body}"
        )
        .unwrap();
        client
    }

    /// Any request.
    ///
    /// # Panics
    /// When no answer comes.
    #[must_use]
    pub fn send(
        &self,
        method: Method,
        path: &str,
        shape: impl FnOnce(RequestBuilder) -> RequestBuilder,
    ) -> Reply {
        self.try_send(method, path, shape)
            .unwrap_or_else(|error| panic!("{}{path}: {error}", self.base))
    }

    /// Any request, to a server that may not be there.
    ///
    /// # Errors
    /// When no answer comes, with the reason.
    pub fn try_send(
        &self,
        method: Method,
        path: &str,
        shape: impl FnOnce(RequestBuilder) -> RequestBuilder,
    ) -> Result<Reply, String> {
        let request = shape(self.client.request(method, format!("{}{path}", self.base)));
        let answer = runtime().block_on(async {
            let answer = request.send().await?;
            let status = answer.status().as_u16();
            let headers = answer.headers().iter().map(|(name, value)| {
                (
                    name.to_string(),
                    String::from_utf8_lossy(value.as_bytes()).into_owned(),
                )
            });
            let headers = headers.collect();
            Ok(Reply {
                status,
                headers,
                body: answer.bytes().await?.to_vec(),
            })
        });
        answer.map_err(|error: reqwest::Error| format!("{error:?}"))
    }
}

/// The beginnings of a client that trusts an authority (PEM), and shows an identity where it has one.
pub(crate) fn tls_client(authority: &str, identity: Option<&Identity>) -> ClientBuilder {
    runtime();
    reqwest::Client::builder()
        .use_preconfigured_tls(client_config(authority, identity).unwrap())
        .no_proxy()
}

impl Reply {
    /// Where its outcome will be.
    ///
    /// # Panics
    /// When it does not say.
    #[must_use]
    pub fn location(&self) -> String {
        self.header("location").unwrap().to_owned()
    }

    /// The body as text.
    #[must_use]
    pub fn text(&self) -> String {
        String::from_utf8_lossy(&self.body).into_owned()
    }

    /// The body as JSON.
    ///
    /// # Panics
    /// When it is none.
    #[must_use]
    pub fn json(&self) -> Value {
        serde_json::from_slice(&self.body).unwrap_or_else(|error| panic!("{error} in {self:?}"))
    }

    /// A header's value.
    #[must_use]
    pub fn header(&self, name: &str) -> Option<&str> {
        self.headers
            .iter()
            .find(|(key, _)| key == name)
            .map(|(_, value)| value.as_str())
    }

    /// Whether it carries what every answer of a function or run carries.
    #[must_use]
    pub fn is_stamped(&self) -> bool {
        let timing = self.header("server-timing").unwrap_or_default();
        let id = self.header("x-invocation-id");
        id.is_some_and(|id| !id.is_empty())
            && ["queue;dur=", "cold;dur=", "run;dur="]
                .iter()
                .all(|part| timing.contains(part))
    }

    /// Fails unless the status is the wanted one; returns the body as JSON.
    ///
    /// # Panics
    /// When it is another.
    #[track_caller]
    pub fn expect(&self, status: u16) -> Value {
        assert_eq!(self.status, status, "{}", self.text());
        self.json()
    }
}
