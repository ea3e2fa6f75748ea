//! `kubectl logs`: the API finds the object, the platform opens the stream.

use actix_web::HttpResponse;
use async_trait::async_trait;
use bytes::Bytes;
use common::resources::Kind;
use futures_util::stream::BoxStream;

use super::Call;
use crate::api::ApiError;

/// Which part of a log is wanted.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct LogOptions {
    /// Go on as lines come.
    pub follow: bool,
    /// Only so many last lines.
    pub tail_lines: Option<u64>,
    /// Only lines of the last seconds.
    pub since_seconds: Option<u64>,
    /// At most so many bytes.
    pub limit_bytes: Option<u64>,
    /// Begin each line with its time.
    pub timestamps: bool,
    /// Of a function: the log of its last build.
    pub build: bool,
}

/// A log's bytes as they come.
pub type LogStream = BoxStream<'static, std::io::Result<Bytes>>;

/// Opens logs. The platform implements it.
#[async_trait]
pub trait PodLogs: Send + Sync + 'static {
    /// The log of a pod.
    async fn open(
        &self,
        namespace: &str,
        pod: &str,
        options: LogOptions,
    ) -> Result<LogStream, ApiError>;

    /// The log of a function: of all its pods, or of its last build.
    async fn open_function(
        &self,
        namespace: &str,
        function: &str,
        options: LogOptions,
    ) -> Result<LogStream, ApiError> {
        let _ = (namespace, function, options);
        Err(ApiError::new(
            501,
            "NotImplemented",
            "functions have no log here; see their pods'",
        ))
    }
}

/// Has no logs.
#[derive(Clone, Copy, Debug, Default)]
pub struct NoLogs;

#[async_trait]
impl PodLogs for NoLogs {
    async fn open(&self, _: &str, _: &str, _: LogOptions) -> Result<LogStream, ApiError> {
        Err(ApiError::new(
            501,
            "NotImplemented",
            "this server has no logs",
        ))
    }
}

/// Whether objects of a kind have logs.
pub(super) fn has(kind: &Kind) -> bool {
    matches!(kind.plural, "pods" | "functions")
}

fn parse(call: &Call) -> Result<LogOptions, ApiError> {
    let number = |key: &str| match call.options.get(key) {
        None | Some("") => Ok(None),
        Some(text) => text.parse().map(Some).map_err(|_| {
            let message = format!("query parameter {key}: found {text:?}, want a whole number");
            ApiError::bad_request(message)
        }),
    };
    let flag = |key: &str| matches!(call.options.get(key), Some("true" | "1"));
    Ok(LogOptions {
        follow: flag("follow"),
        tail_lines: number("tailLines")?,
        since_seconds: number("sinceSeconds")?,
        limit_bytes: number("limitBytes")?,
        timestamps: flag("timestamps"),
        build: flag("build"),
    })
}

pub(super) async fn answer(call: &Call) -> Result<HttpResponse, ApiError> {
    let target = &call.target;
    let options = parse(call)?;
    call.object().await?;
    let logs = call.state.logs();
    let stream = if target.kind.plural == "pods" {
        logs.open(target.namespace(), call.name(), options).await?
    } else {
        logs.open_function(target.namespace(), call.name(), options)
            .await?
    };
    Ok(HttpResponse::Ok()
        .content_type("text/plain; charset=utf-8")
        .streaming(stream))
}
