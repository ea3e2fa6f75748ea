use std::path::Path as FilePath;
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use async_trait::async_trait;
use bytes::Bytes;
use common::digest::Digest;
use common::trust::client_config;
use futures_util::stream::BoxStream;
use futures_util::{StreamExt as _, TryStreamExt as _};
use object_store::aws::{AmazonS3, AmazonS3Builder};
use object_store::client::{ClientOptions, HttpClient, HttpConnector};
use object_store::path::Path;
use object_store::{
    BackoffConfig, ObjectStore as _, ObjectStoreExt as _, PutPayload, RetryConfig, WriteMultipart,
};

use super::{BlobError, BucketTarget, Draft, Place, credentials};

/// Longest wait for a connection.
const CONNECT: Duration = Duration::from_secs(5);
/// Longest silence of the store, a part being sent included.
const SILENCE: Duration = Duration::from_secs(30);
/// Longest wait for an answer that carries no blob, tries included.
const ANSWER: Duration = Duration::from_secs(20);
/// Longest wait until a part is stored, tries included.
const STORE: Duration = Duration::from_secs(120);
/// Tries after the first one, with growing, jittered delays.
const RETRIES: usize = 4;
/// Bytes of a part of a large blob; smaller blobs are sent as a whole. A store takes 10,000 parts at most.
const PART: usize = 8 << 20;
/// Parts on their way at once.
const PARTS: usize = 2;
/// Certificates of the public authorities, where Debian and its like keep them.
const PUBLIC: &str = "/etc/ssl/certs/ca-certificates.crt";
/// Beneath it are the empty objects that say when a blob was touched: no object's own time can be changed.
const TOUCHED: &str = "touched";

/// Blobs as objects of an S3-like store, named as the files of a directory are.
#[derive(Clone)]
pub struct Bucket {
    store: Arc<AmazonS3>,
    name: String,
    prefix: Path,
}

impl BucketTarget {
    /// `s3://BUCKET/PREFIX at ENDPOINT`, for people.
    pub(super) fn name(&self) -> String {
        let slash = if self.prefix.is_empty() { "" } else { "/" };
        format!(
            "s3://{}{slash}{} at {}",
            self.bucket, self.prefix, self.endpoint
        )
    }
}

/// The same client for whatever is sent.
#[derive(Debug)]
struct Connector(reqwest::Client);

impl HttpConnector for Connector {
    fn connect(&self, _: &ClientOptions) -> object_store::Result<HttpClient> {
        Ok(HttpClient::new(self.0.clone()))
    }
}

fn client(target: &BucketTarget) -> Result<reqwest::Client, BlobError> {
    let ca = target
        .ca_file
        .as_deref()
        .unwrap_or_else(|| FilePath::new(PUBLIC));
    let mut client = reqwest::Client::builder()
        .connect_timeout(CONNECT)
        .read_timeout(SILENCE)
        .redirect(reqwest::redirect::Policy::none());
    let pem = std::fs::read_to_string(ca);
    if target.endpoint.scheme() == "https" {
        let pem = pem.map_err(|source| BlobError::File {
            path: ca.to_owned(),
            source,
        })?;
        client = client.use_preconfigured_tls(client_config(&pem, None)?);
    } else if let Ok(pem) = pem {
        // The machine's role may be asked for by TLS nevertheless.
        client = client.use_preconfigured_tls(client_config(&pem, None)?);
    }
    if crate::store::etcd::is_loopback(&format!(
        "{}:0",
        target.endpoint.host_str().unwrap_or_default()
    )) {
        client = client.no_proxy();
    }
    client.build().map_err(BlobError::Client)
}

impl Bucket {
    /// A bucket. Nothing is sent yet.
    ///
    /// # Errors
    /// When a file that the settings name cannot be read, or the client not be made.
    pub fn open(target: &BucketTarget) -> Result<Self, BlobError> {
        let retry = RetryConfig {
            backoff: BackoffConfig {
                init_backoff: Duration::from_millis(100),
                max_backoff: Duration::from_secs(3),
                base: 2.0,
            },
            max_retries: RETRIES,
            retry_timeout: STORE,
        };
        let builder = AmazonS3Builder::new()
            .with_endpoint(target.endpoint.as_str().trim_end_matches('/'))
            .with_region(&target.region)
            .with_bucket_name(&target.bucket)
            .with_http_connector(Connector(client(target)?))
            // The settings have decided where plain http may go.
            .with_allow_http(true)
            // Not every store knows how to delete many at once.
            .with_disable_bulk_delete(true)
            .with_retry(retry);
        let builder = credentials::add(builder, target)?;
        let unusable = |source| BlobError::Unusable {
            bucket: target.name(),
            hint: "the settings of s3 do not fit together".to_owned(),
            source: Some(Box::new(source)),
        };
        Ok(Self {
            store: Arc::new(builder.build().map_err(unusable)?),
            name: target.name(),
            prefix: Path::from(target.prefix.as_str()),
        })
    }

    /// Looks whether the bucket is there and lets us list, write, read and delete.
    ///
    /// # Errors
    /// Says what to do when it does not.
    pub async fn check(&self) -> Result<(), BlobError> {
        let trial = async {
            let name: u64 = rand::random();
            let object = self.prefix.clone().join(format!("check-{name:016x}"));
            self.store
                .put(&object, PutPayload::from_static(b"may be deleted"))
                .await?;
            self.store.head(&object).await?;
            self.store.delete(&object).await?;
            // One page is enough, and there may be nothing.
            let first = self.store.list(Some(&self.prefix)).next().await;
            first.transpose().map(|_| ())
        };
        let tried = tokio::time::timeout(ANSWER, trial).await;
        let (hint, source) = match tried {
            Ok(Ok(())) => return Ok(()),
            Ok(Err(source)) => (hint(&source), Some(Box::new(source))),
            Err(_) => (ODD, None),
        };
        Err(BlobError::Unusable {
            bucket: self.name.clone(),
            hint: hint.to_owned(),
            source,
        })
    }

    fn object(&self, digest: &Digest) -> Path {
        self.prefix.clone().join(file_name(digest))
    }

    fn mark(&self, digest: &Digest) -> Path {
        self.prefix.clone().join(TOUCHED).join(file_name(digest))
    }

    /// Carries a request out within its time; `None` when what it is about is not there.
    async fn ask<T>(
        &self,
        action: &'static str,
        what: &(dyn std::fmt::Display + Sync),
        limit: Duration,
        request: impl Future<Output = object_store::Result<T>>,
    ) -> Result<Option<T>, BlobError> {
        let bucket = || self.name.clone();
        match tokio::time::timeout(limit, request).await {
            Ok(Ok(value)) => Ok(Some(value)),
            Ok(Err(object_store::Error::NotFound { .. })) => Ok(None),
            Ok(Err(source)) => Err(BlobError::Bucket {
                action,
                what: what.to_string(),
                bucket: bucket(),
                source: Box::new(source),
            }),
            Err(_) => Err(BlobError::Late {
                action,
                what: what.to_string(),
                bucket: bucket(),
                seconds: limit.as_secs(),
            }),
        }
    }

    /// As [`Self::ask`], for what is there unless the bucket itself is gone.
    async fn order<T>(
        &self,
        action: &'static str,
        digest: &Digest,
        limit: Duration,
        request: impl Future<Output = object_store::Result<T>>,
    ) -> Result<T, BlobError> {
        let done = self.ask(action, digest, limit, request).await?;
        done.ok_or_else(|| BlobError::Unusable {
            bucket: self.name.clone(),
            hint: GONE.to_owned(),
            source: None,
        })
    }

    async fn times(&self, beneath: &Path) -> Result<Vec<(Digest, SystemTime)>, BlobError> {
        let list = self.store.list_with_delimiter(Some(beneath));
        let found = self.ask("list", &"all", STORE, list).await?;
        let objects = found.map(|found| found.objects).unwrap_or_default();
        let named = objects.into_iter().filter_map(|object| {
            let name = object.location.filename()?.replacen('-', ":", 1);
            Some((name.parse().ok()?, object.last_modified.into()))
        });
        Ok(named.collect())
    }

    async fn time(&self, object: &Path, digest: &Digest) -> Result<Option<SystemTime>, BlobError> {
        let head = self
            .ask("look for", digest, ANSWER, self.store.head(object))
            .await?;
        Ok(head.map(|head| head.last_modified.into()))
    }
}

const ODD: &str = "it does not answer as it should; see that s3.endpoint, s3.region and s3.ca-file are right, that the \
                   store runs and lets the master list, read, write and delete in the bucket; then start the master again";
const GONE: &str = "there is no such bucket; make it, or name another one in blobs";

/// What an operator does about a bucket that cannot be used.
fn hint(error: &object_store::Error) -> &'static str {
    use object_store::Error;
    match error {
        Error::NotFound { .. } => GONE,
        Error::PermissionDenied { .. } | Error::Unauthenticated { .. } => {
            "it refuses these credentials; see s3.credentials-file (or AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY), \
             and that they may list, read, write and delete in the bucket"
        }
        _ => ODD,
    }
}

fn file_name(digest: &Digest) -> String {
    format!("sha256-{}", digest.hex())
}

#[async_trait]
impl Place for Bucket {
    async fn size(&self, digest: &Digest) -> Result<Option<u64>, BlobError> {
        let object = self.object(digest);
        let head = self.ask("look for", digest, ANSWER, self.store.head(&object));
        Ok(head.await?.map(|head| head.size))
    }

    async fn read(
        &self,
        digest: &Digest,
    ) -> Result<Option<(u64, BoxStream<'static, Result<Bytes, BlobError>>)>, BlobError> {
        let object = self.object(digest);
        let get = self.ask("read", digest, ANSWER, self.store.get(&object));
        let Some(got) = get.await? else {
            return Ok(None);
        };
        let size = got.meta.size;
        let (bucket, what) = (self.name.clone(), digest.to_string());
        let fail = move |source| BlobError::Bucket {
            action: "read",
            what: what.clone(),
            bucket: bucket.clone(),
            source: Box::new(source),
        };
        Ok(Some((size, got.into_stream().map_err(fail).boxed())))
    }

    async fn written(&self, digest: &Digest) -> Result<Option<SystemTime>, BlobError> {
        let Some(written) = self.time(&self.object(digest), digest).await? else {
            return Ok(None);
        };
        let touched = self.time(&self.mark(digest), digest).await?;
        Ok(Some(
            touched.map_or(written, |touched| touched.max(written)),
        ))
    }

    async fn list(&self) -> Result<Vec<(Digest, SystemTime)>, BlobError> {
        let touched = self.times(&self.prefix.clone().join(TOUCHED)).await?;
        let touched: std::collections::BTreeMap<_, _> = touched.into_iter().collect();
        let mut all = self.times(&self.prefix).await?;
        for (digest, written) in &mut all {
            *written = touched
                .get(digest)
                .map_or(*written, |at| (*at).max(*written));
        }
        Ok(all)
    }

    async fn touch(&self, digest: &Digest) -> Result<(), BlobError> {
        let mark = self.mark(digest);
        let put = self.store.put(&mark, PutPayload::default());
        self.order("touch", digest, ANSWER, put).await?;
        Ok(())
    }

    async fn remove(&self, digest: &Digest) -> Result<(), BlobError> {
        for object in [self.object(digest), self.mark(digest)] {
            self.ask("remove", digest, ANSWER, self.store.delete(&object))
                .await?;
        }
        Ok(())
    }

    async fn begin(&self, digest: &Digest) -> Result<Box<dyn Draft>, BlobError> {
        Ok(Box::new(Sending {
            bucket: self.clone(),
            digest: *digest,
            first: Vec::new(),
            bytes: 0,
            parts: None,
        }))
    }

    /// What a master that was killed had sent of a blob has no name and is the bucket's to remove, by a rule of its
    /// own (`AbortIncompleteMultipartUpload`).
    async fn tidy(&self) -> Result<(), BlobError> {
        Ok(())
    }
}

/// A blob on its way: kept until it is large, then sent in parts.
struct Sending {
    bucket: Bucket,
    digest: Digest,
    first: Vec<Bytes>,
    bytes: usize,
    parts: Option<WriteMultipart>,
}

#[async_trait]
impl Draft for Sending {
    async fn write(&mut self, piece: Bytes) -> Result<(), BlobError> {
        const ACTION: &str = "write";
        if self.parts.is_none() {
            self.bytes += piece.len();
            self.first.push(piece);
            if self.bytes <= PART {
                return Ok(());
            }
            let object = self.bucket.object(&self.digest);
            let begin = self.bucket.store.put_multipart(&object);
            let upload = self
                .bucket
                .order(ACTION, &self.digest, ANSWER, begin)
                .await?;
            let mut parts = WriteMultipart::new_with_chunk_size(upload, PART);
            self.first.drain(..).for_each(|piece| parts.put(piece));
            self.parts = Some(parts);
        } else if let Some(parts) = &mut self.parts {
            parts.put(piece);
        }
        if let Some(parts) = &mut self.parts {
            let room = parts.wait_for_capacity(PARTS);
            self.bucket.order(ACTION, &self.digest, STORE, room).await?;
        }
        Ok(())
    }

    async fn finish(mut self: Box<Self>) -> Result<(), BlobError> {
        const ACTION: &str = "finish";
        let (bucket, digest) = (self.bucket.clone(), self.digest);
        if let Some(parts) = self.parts.take() {
            // Whoever waits may go away; the parts become a blob, or are removed, all the same.
            let finishing = tokio::spawn(parts.finish());
            let finished = async { finishing.await? };
            bucket.order(ACTION, &digest, STORE, finished).await?;
        } else {
            let whole: PutPayload = self.first.drain(..).collect();
            let object = bucket.object(&digest);
            let put = bucket.store.put(&object, whole);
            bucket.order(ACTION, &digest, STORE, put).await?;
        }
        Ok(())
    }
}

impl Drop for Sending {
    fn drop(&mut self) {
        let Some(parts) = self.parts.take() else {
            return;
        };
        let (digest, name) = (self.digest, self.bucket.name.clone());
        // Without a runtime the process ends; the bucket's own rule removes the parts then.
        if let Ok(runtime) = tokio::runtime::Handle::try_current() {
            runtime.spawn(async move {
                let aborted = tokio::time::timeout(STORE, parts.abort()).await;
                if !matches!(aborted, Ok(Ok(()))) {
                    tracing::warn!(%digest, bucket = name, ?aborted, "parts of a blob that was given up stay in the bucket");
                }
            });
        }
    }
}
