use std::time::Duration;

use super::auth::{Auth, Credentials};
use super::error::RegistryError;
use crate::blobs::Blobs;
use bytes::Bytes;
use common::digest::Digest;
use reqwest::header::{ACCEPT, CONTENT_LENGTH, CONTENT_TYPE, LOCATION, RANGE};
use reqwest::{Method, RequestBuilder, Response, StatusCode, Url};

/// Longest wait for a connection.
const CONNECT: Duration = Duration::from_secs(10);
/// Longest silence while bytes flow.
const SILENCE: Duration = Duration::from_secs(30);
/// What is kept of a registry's complaint.
const SAID: usize = 300;
/// Kinds of manifests that are read.
const MANIFESTS: &str =
    "application/vnd.oci.image.index.v1+json, application/vnd.oci.image.manifest.v1+json";

/// One repository of a registry.
pub struct Registry {
    http: reqwest::Client,
    base: Url,
    repository: String,
    auth: Auth,
}

/// What is pushed as a blob.
#[derive(Clone)]
pub enum Content {
    /// A blob, read when it is sent.
    Blob(Blobs, Digest),
    /// Some bytes.
    Bytes(Bytes),
}

/// What is read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Item {
    /// A layer or a config.
    Blob,
    /// A manifest or an index.
    Manifest,
}

impl Item {
    fn word(self) -> &'static str {
        match self {
            Self::Blob => "blobs",
            Self::Manifest => "manifests",
        }
    }
}

impl Registry {
    /// A repository. `http` knows how to reach the registry.
    #[must_use]
    pub fn new(
        http: reqwest::Client,
        base: Url,
        repository: String,
        credentials: Credentials,
    ) -> Self {
        Self {
            http,
            base,
            repository,
            auth: Auth::new(credentials),
        }
    }

    /// The usual client, to which the way to the registry is added.
    pub fn client() -> reqwest::ClientBuilder {
        reqwest::Client::builder()
            .connect_timeout(CONNECT)
            .read_timeout(SILENCE)
            // Credentials go where the settings say and nowhere else.
            .redirect(reqwest::redirect::Policy::limited(3))
    }

    /// The repository's name, as in `NAME@sha256:…`.
    #[must_use]
    pub fn repository(&self) -> &str {
        &self.repository
    }

    fn url(&self, path: &str) -> Result<Url, RegistryError> {
        let text = format!("v2/{path}");
        self.base
            .join(&text)
            .map_err(|error| self.odd("form a URL", &error.to_string()))
    }

    fn item(&self, item: Item, digest: &Digest) -> Result<Url, RegistryError> {
        self.url(&format!("{}/{}/{digest}", self.repository, item.word()))
    }

    fn name(&self) -> String {
        self.base.to_string()
    }

    fn odd(&self, action: &'static str, said: &str) -> RegistryError {
        RegistryError::Answer {
            action,
            registry: self.name(),
            status: 0,
            said: said.to_owned(),
        }
    }

    /// Sends a request, again when the registry asks who is there.
    async fn send(
        &self,
        action: &'static str,
        make: impl Fn() -> Result<RequestBuilder, RegistryError>,
    ) -> Result<Response, RegistryError> {
        let unreachable = |source: reqwest::Error| RegistryError::Unreachable {
            action,
            registry: self.name(),
            source: source.without_url(),
        };
        let first = self.auth.sign(make()?).send().await.map_err(unreachable)?;
        if !self.auth.answer(&self.http, &first).await {
            return Ok(first);
        }
        self.auth.sign(make()?).send().await.map_err(unreachable)
    }

    /// The answer when its status is one of those wanted.
    async fn expect(
        &self,
        action: &'static str,
        answer: Response,
        wanted: &[StatusCode],
    ) -> Result<Response, RegistryError> {
        let status = answer.status();
        if wanted.contains(&status) {
            return Ok(answer);
        }
        let said: String = answer
            .text()
            .await
            .unwrap_or_default()
            .chars()
            .take(SAID)
            .collect();
        if matches!(status, StatusCode::UNAUTHORIZED | StatusCode::FORBIDDEN) {
            return Err(RegistryError::Denied {
                action,
                registry: self.name(),
                said,
            });
        }
        Err(RegistryError::Answer {
            action,
            registry: self.name(),
            status: status.as_u16(),
            said,
        })
    }

    /// Whether the registry is there and lets us in.
    ///
    /// # Errors
    /// When it is not or does not.
    pub async fn check(&self) -> Result<(), RegistryError> {
        let url = self.url("")?;
        let answer = self.send("look", || Ok(self.http.get(url.clone()))).await?;
        self.expect("look", answer, &[StatusCode::OK])
            .await
            .map(|_| ())
    }

    /// Whether something is there.
    ///
    /// # Errors
    /// When the registry does not say.
    pub async fn has(&self, item: Item, digest: &Digest) -> Result<bool, RegistryError> {
        let url = self.item(item, digest)?;
        let head = || Ok(self.http.head(url.clone()).header(ACCEPT, MANIFESTS));
        let answer = self.send("look for a blob", head).await?;
        let wanted = [StatusCode::OK, StatusCode::NOT_FOUND];
        let answer = self.expect("look for a blob", answer, &wanted).await?;
        Ok(answer.status() == StatusCode::OK)
    }

    /// Pushes a blob of `size` bytes that is not there yet, in one piece.
    ///
    /// # Errors
    /// When the registry or the disk fails.
    pub async fn put_blob(
        &self,
        digest: &Digest,
        size: u64,
        content: &Content,
    ) -> Result<(), RegistryError> {
        const ACTION: &str = "push a blob";
        if self.has(Item::Blob, digest).await? {
            return Ok(());
        }
        let begin = self.url(&format!("{}/blobs/uploads/", self.repository))?;
        let post = || Ok(self.http.post(begin.clone()).header(CONTENT_LENGTH, 0));
        let answer = self.send(ACTION, post).await?;
        let answer = self.expect(ACTION, answer, &[StatusCode::ACCEPTED]).await?;
        let mut place = self.location(&answer)?;
        place
            .query_pairs_mut()
            .append_pair("digest", &digest.to_string());
        let put = || {
            let request = self.http.put(place.clone());
            let request = request
                .header(CONTENT_LENGTH, size)
                .header(CONTENT_TYPE, "application/octet-stream");
            Ok(request.body(body(content)))
        };
        let answer = self.send(ACTION, put).await?;
        self.expect(ACTION, answer, &[StatusCode::CREATED])
            .await
            .map(|_| ())
    }

    /// Where an upload goes on. It may be a path only, and may never lead to another host: what is sent
    /// there carries the credentials.
    fn location(&self, answer: &Response) -> Result<Url, RegistryError> {
        let text = answer
            .headers()
            .get(LOCATION)
            .and_then(|value| value.to_str().ok());
        let text = text.ok_or_else(|| self.odd("push a blob", "an upload without a Location"))?;
        // A registry behind a proxy, or on a socket, names itself as it thinks it is called.
        let path = match Url::parse(text) {
            Ok(url) => match url.query() {
                Some(query) => format!("{}?{query}", url.path()),
                None => url.path().to_owned(),
            },
            Err(_) => text.to_owned(),
        };
        self.base
            .join(&path)
            .map_err(|error| self.odd("push a blob", &error.to_string()))
    }

    /// Pushes a manifest or an index, without a tag.
    ///
    /// # Errors
    /// When the registry fails, or lacks what the manifest names.
    pub async fn put_manifest(
        &self,
        digest: &Digest,
        media_type: &str,
        bytes: &Bytes,
    ) -> Result<(), RegistryError> {
        let url = self.item(Item::Manifest, digest)?;
        let put = || {
            let request = self.http.put(url.clone());
            Ok(request.header(CONTENT_TYPE, media_type).body(bytes.clone()))
        };
        let answer = self.send("push a manifest", put).await?;
        self.expect("push a manifest", answer, &[StatusCode::CREATED])
            .await
            .map(|_| ())
    }

    /// Opens something for reading, or a part of it. The answer may be any: 200, 206, 404, 416.
    ///
    /// # Errors
    /// When the registry does not answer, or not to us.
    pub async fn open(
        &self,
        method: Method,
        item: Item,
        digest: &Digest,
        range: Option<&str>,
    ) -> Result<Response, RegistryError> {
        let url = self.item(item, digest)?;
        let get = || {
            let request = self.http.request(method.clone(), url.clone());
            let request = request.header(ACCEPT, MANIFESTS);
            Ok(match range {
                Some(range) => request.header(RANGE, range),
                None => request,
            })
        };
        let answer = self.send("read an image", get).await?;
        let wanted = [
            StatusCode::OK,
            StatusCode::PARTIAL_CONTENT,
            StatusCode::NOT_FOUND,
            StatusCode::RANGE_NOT_SATISFIABLE,
        ];
        self.expect("read an image", answer, &wanted).await
    }

    /// Reads a manifest; `None` when it is not there.
    ///
    /// # Errors
    /// When the registry fails, or gives something else.
    pub async fn manifest(&self, digest: &Digest) -> Result<Option<Bytes>, RegistryError> {
        let answer = self.open(Method::GET, Item::Manifest, digest, None).await?;
        if answer.status() == StatusCode::NOT_FOUND {
            return Ok(None);
        }
        let bytes = answer
            .bytes()
            .await
            .map_err(|source| RegistryError::Unreachable {
                action: "read an image",
                registry: self.name(),
                source: source.without_url(),
            })?;
        if Digest::of(&bytes) != *digest {
            return Err(RegistryError::Forged {
                registry: self.name(),
                digest: *digest,
            });
        }
        Ok(Some(bytes))
    }

    /// Deletes a manifest or an index; nothing to do when it is gone.
    ///
    /// # Errors
    /// When the registry fails, or does not let anything be deleted (405).
    pub async fn delete(&self, item: Item, digest: &Digest) -> Result<(), RegistryError> {
        let url = self.item(item, digest)?;
        let delete = || Ok(self.http.delete(url.clone()));
        let answer = self.send("delete an image", delete).await?;
        let wanted = [StatusCode::ACCEPTED, StatusCode::NOT_FOUND];
        self.expect("delete an image", answer, &wanted)
            .await
            .map(|_| ())
    }
}

fn body(content: &Content) -> reqwest::Body {
    match content {
        Content::Bytes(bytes) => bytes.clone().into(),
        Content::Blob(blobs, digest) => reqwest::Body::wrap_stream(blobs.pieces(*digest)),
    }
}
