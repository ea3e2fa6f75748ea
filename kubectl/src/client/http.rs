//! Requests to the server.

use std::collections::HashSet;
use std::sync::Mutex;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use bytes::Bytes;
use futures_util::{Stream, StreamExt as _};
use reqwest::header::{ACCEPT, AUTHORIZATION, CONTENT_TYPE, HeaderMap, HeaderValue};
use reqwest::{Method, Response};
use serde_json::Value;

use super::error::{Error, chain};
use super::kubeconfig::Access;

/// What is asked for where kubectl asks for a table.
pub const TABLE: &str = "application/json;as=Table;v=v1;g=meta.k8s.io,application/json";
/// Plain JSON.
pub const JSON: &str = "application/json";
/// The patch that replaces what it names.
pub const MERGE_PATCH: &str = "application/merge-patch+json";
/// Server-side apply.
pub const APPLY_PATCH: &str = "application/apply-patch+yaml";

/// Longest wait for a connection to the only server, and to one of several.
const CONNECT: Duration = Duration::from_secs(10);
const CONNECT_ONE_OF: Duration = Duration::from_secs(3);

/// Speaks to one server as one user; where several masters are named, to one that answers.
pub struct Client {
    http: reqwest::Client,
    servers: Vec<String>,
    /// The one that answered last.
    current: AtomicUsize,
    namespace: String,
    warned: Mutex<HashSet<String>>,
}

/// One request.
pub struct Request<'a> {
    method: Method,
    path: &'a str,
    query: Vec<(String, String)>,
    headers: HeaderMap,
    body: Option<Bytes>,
    timeout: Option<Duration>,
}

impl<'a> Request<'a> {
    /// A request for `path`.
    #[must_use]
    pub fn new(method: Method, path: &'a str) -> Self {
        let mut headers = HeaderMap::new();
        headers.insert(ACCEPT, HeaderValue::from_static(JSON));
        Self {
            method,
            path,
            query: Vec::new(),
            headers,
            body: None,
            timeout: None,
        }
    }

    /// Reads `path`.
    #[must_use]
    pub fn get(path: &'a str) -> Self {
        Self::new(Method::GET, path)
    }

    /// Adds to the query.
    #[must_use]
    pub fn query(mut self, key: &str, value: impl Into<String>) -> Self {
        self.query.push((key.to_owned(), value.into()));
        self
    }

    /// Wants another answer than JSON.
    #[must_use]
    pub fn accept(self, accept: &'static str) -> Self {
        self.header("accept", HeaderValue::from_static(accept))
    }

    /// Adds a header.
    #[must_use]
    pub fn header(mut self, name: &'static str, value: HeaderValue) -> Self {
        self.headers.insert(name, value);
        self
    }

    /// Sends a body.
    #[must_use]
    pub fn body(mut self, content_type: &'static str, body: impl Into<Vec<u8>>) -> Self {
        self.headers
            .insert(CONTENT_TYPE, HeaderValue::from_static(content_type));
        self.body = Some(Bytes::from(body.into()));
        self
    }

    /// Gives up after so long.
    #[must_use]
    pub fn timeout(mut self, timeout: Option<Duration>) -> Self {
        self.timeout = timeout;
        self
    }
}

impl Client {
    /// A client for a server. Its certificate is always checked.
    ///
    /// # Errors
    /// When certificates or keys are unusable.
    pub fn new(access: Access) -> Result<Self, Error> {
        common::trust::install_crypto();
        let unusable = |what: &str, error: &dyn std::error::Error| {
            Error::Answer(format!(
                "{what} in the kubeconfig cannot be used: {}",
                chain(error)
            ))
        };
        let mut headers = HeaderMap::new();
        if let Some(token) = &access.token {
            let value = HeaderValue::from_str(&format!("Bearer {token}"));
            let mut value = value.map_err(|error| unusable("the token", &error))?;
            value.set_sensitive(true);
            headers.insert(AUTHORIZATION, value);
        }
        let mut builder = reqwest::Client::builder()
            .default_headers(headers)
            .user_agent(concat!("troupe-kubectl/", env!("CARGO_PKG_VERSION")))
            .connect_timeout(if access.server.contains(',') {
                CONNECT_ONE_OF
            } else {
                CONNECT
            })
            .redirect(reqwest::redirect::Policy::none());
        let servers: Vec<String> = access.server.split(',').map(str::to_owned).collect();
        if servers.iter().all(|server| is_loopback(server)) {
            builder = builder.no_proxy();
        }
        if let Some(authority) = &access.authority {
            let roots = reqwest::Certificate::from_pem_bundle(authority);
            let roots = roots.map_err(|error| unusable("the certificate authority", &error))?;
            builder = builder.tls_certs_only(roots);
        }
        if let Some(identity) = &access.identity {
            let identity = reqwest::Identity::from_pem(identity);
            builder = builder
                .identity(identity.map_err(|error| unusable("the client certificate", &error))?);
        }
        let http = builder
            .build()
            .map_err(|error| unusable("something", &error))?;
        Ok(Self {
            http,
            servers,
            current: AtomicUsize::new(0),
            namespace: access.namespace,
            warned: Mutex::default(),
        })
    }

    /// The namespace to work in.
    #[must_use]
    pub fn namespace(&self) -> &str {
        &self.namespace
    }

    /// The server's URL.
    #[must_use]
    pub fn server(&self) -> &str {
        let current = self.current.load(Ordering::Relaxed) % self.servers.len().max(1);
        self.servers.get(current).map_or("", String::as_str)
    }

    /// Sends a request and hands over whatever the answer is. Of several servers the next is asked when there is no
    /// connection to one, so that nothing is sent twice.
    ///
    /// # Errors
    /// When no server can be asked.
    pub async fn send(&self, request: Request<'_>) -> Result<Response, Error> {
        let mut tried = 1;
        loop {
            match self.attempt(&request).await? {
                Ok(answer) => {
                    self.show_warnings(answer.headers());
                    return Ok(answer);
                }
                Err(error) if error.is_connect() && tried < self.servers.len() => {
                    self.current.fetch_add(1, Ordering::Relaxed);
                    tried += 1;
                }
                Err(error) => return Err(Error::unreachable(&self.servers.join(","), &error)),
            }
        }
    }

    async fn attempt(
        &self,
        request: &Request<'_>,
    ) -> Result<Result<Response, reqwest::Error>, Error> {
        let url = format!("{}{}", self.server(), request.path);
        let mut url = reqwest::Url::parse(&url)
            .map_err(|error| Error::Answer(format!("\"{url}\" is not an address: {error}")))?;
        if !request.query.is_empty() {
            url.query_pairs_mut().extend_pairs(&request.query);
        }
        let mut builder = self
            .http
            .request(request.method.clone(), url)
            .headers(request.headers.clone());
        if let Some(body) = &request.body {
            builder = builder.body(body.clone());
        }
        if let Some(timeout) = request.timeout {
            builder = builder.timeout(timeout);
        }
        Ok(builder.send().await)
    }

    /// Sends a request; an answer that is not a success is an error.
    ///
    /// # Errors
    /// When the server cannot be asked or says no.
    pub async fn ok(&self, request: Request<'_>) -> Result<Response, Error> {
        let answer = self.send(request).await?;
        let code = answer.status();
        if code.is_success() {
            return Ok(answer);
        }
        let body = self.read(answer).await?;
        Err(Error::from_answer(code.as_u16(), &body))
    }

    /// Sends a request whose answer is JSON.
    ///
    /// # Errors
    /// When the server cannot be asked, says no, or answers something else.
    pub async fn json(&self, request: Request<'_>) -> Result<Value, Error> {
        let body = self.read(self.ok(request).await?).await?;
        serde_json::from_slice(&body)
            .map_err(|error| Error::Answer(format!("read the server's answer: {error}")))
    }

    /// As [`Client::json`], with None for an object that is not there.
    ///
    /// # Errors
    /// As [`Client::json`], except for 404.
    pub async fn find(&self, path: &str) -> Result<Option<Value>, Error> {
        match self.json(Request::get(path)).await {
            Ok(value) => Ok(Some(value)),
            Err(error) if error.is_not_found() => Ok(None),
            Err(error) => Err(error),
        }
    }

    /// The whole body of an answer.
    ///
    /// # Errors
    /// When the connection breaks.
    pub async fn read(&self, answer: Response) -> Result<Bytes, Error> {
        answer
            .bytes()
            .await
            .map_err(|error| Error::unreachable(self.server(), &error))
    }

    /// The next piece of an answer's body; `None` at its end.
    ///
    /// # Errors
    /// When the connection breaks.
    pub async fn piece(&self, answer: &mut Response) -> Result<Option<Bytes>, Error> {
        let piece = answer.chunk().await;
        piece.map_err(|error| Error::unreachable(self.server(), &error))
    }

    fn show_warnings(&self, headers: &HeaderMap) {
        for value in headers.get_all("warning") {
            let Some(text) = value.to_str().ok().and_then(warning_text) else {
                continue;
            };
            let fresh = self
                .warned
                .lock()
                .is_ok_and(|mut warned| warned.insert(text.clone()));
            if fresh {
                eprintln!("Warning: {text}");
            }
        }
    }
}

/// The text of `299 - "text"`.
fn warning_text(header: &str) -> Option<String> {
    let quoted = header.split_once('"')?.1;
    let quoted = quoted.rsplit_once('"')?.0;
    Some(quoted.replace("\\\"", "\"").replace("\\\\", "\\"))
}

fn is_loopback(server: &str) -> bool {
    let host = reqwest::Url::parse(server).ok();
    let host = host
        .as_ref()
        .and_then(reqwest::Url::host_str)
        .unwrap_or_default();
    let address = host.trim_matches(['[', ']']).parse::<std::net::IpAddr>();
    host == "localhost" || address.is_ok_and(|address| address.is_loopback())
}

/// The lines of an answer as they come.
pub fn lines(answer: Response) -> impl Stream<Item = Result<Bytes, String>> + Unpin {
    let state = (answer.bytes_stream(), Vec::<u8>::new(), false);
    Box::pin(futures_util::stream::unfold(
        state,
        |(mut chunks, mut buffer, mut ended)| async move {
            loop {
                if let Some(end) = buffer.iter().position(|byte| *byte == b'\n') {
                    let line: Vec<u8> = buffer.drain(..=end).collect();
                    return Some((Ok(Bytes::from(line)), (chunks, buffer, ended)));
                }
                if ended {
                    let rest = std::mem::take(&mut buffer);
                    return (!rest.is_empty())
                        .then(|| (Ok(Bytes::from(rest)), (chunks, buffer, ended)));
                }
                match chunks.next().await {
                    Some(Ok(chunk)) => buffer.extend_from_slice(&chunk),
                    Some(Err(error)) => {
                        return Some((Err(chain(&error)), (chunks, Vec::new(), true)));
                    }
                    None => ended = true,
                }
            }
        },
    ))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn warnings_are_unquoted() {
        assert_eq!(
            warning_text(r#"299 - "use \"x\" instead""#).as_deref(),
            Some(r#"use "x" instead"#)
        );
        assert_eq!(warning_text("nonsense"), None);
    }

    #[test]
    fn loopback_is_recognised() {
        for yes in [
            "https://127.0.0.1:6443",
            "https://localhost:1",
            "https://[::1]:6443",
        ] {
            assert!(is_loopback(yes), "{yes}");
        }
        assert!(!is_loopback("https://10.0.0.1:6443"));
    }
}
