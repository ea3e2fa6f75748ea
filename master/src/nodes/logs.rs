use async_trait::async_trait;
use bytes::Bytes;
use common::resources::{FUNCTION_LABEL, Function, Pod};
use futures_util::StreamExt as _;
use futures_util::stream;
use tokio::sync::mpsc;

use super::NodeBook;
use crate::api::{ApiError, LogOptions, LogStream, PodLogs};
use crate::images::{BuildLogs, build_log};
use crate::key::ObjectKey;
use crate::objects::Objects;
use crate::upstream;

/// Reads pods' logs where they are: from the agents' data planes.
pub struct AgentLogs {
    objects: Objects,
    book: NodeBook,
    builds: BuildLogs,
}

impl AgentLogs {
    /// Logs of these objects on these nodes.
    #[must_use]
    pub fn new(objects: Objects, book: NodeBook, builds: BuildLogs) -> Self {
        Self {
            objects,
            book,
            builds,
        }
    }

    async fn open_pod(&self, pod: &Pod, options: &LogOptions) -> Result<LogStream, ApiError> {
        let unavailable = |message: String| ApiError::new(503, "Unavailable", message);
        let node = pod.spec.node_name.as_deref().unwrap_or_default();
        let link = self
            .book
            .link(node)
            .ok_or_else(|| unavailable(format!("node {node:?} of the pod is not known")))?;
        let mut path = format!("/pods/{}/log?follow={}", pod.metadata.uid, options.follow);
        if let Some(lines) = options.tail_lines {
            path.push_str(&format!("&tailLines={lines}"));
        }
        if let Some(seconds) = options.since_seconds {
            path.push_str(&format!("&sinceSeconds={seconds}"));
        }
        let (status, body) = upstream::stream(&link, &path)
            .await
            .map_err(|error| unavailable(format!("read the pod's log on node {node}: {error}")))?;
        match status.as_u16() {
            200 => Ok(limit(body, options.limit_bytes)),
            404 => Err(ApiError::new(
                404,
                "NotFound",
                "the node has no log of the pod any more",
            )),
            code => Err(unavailable(format!("the node answers {code}"))),
        }
    }
}

async fn next_line(
    mut lines: mpsc::Receiver<String>,
) -> Option<(std::io::Result<Bytes>, mpsc::Receiver<String>)> {
    let line = lines.recv().await?;
    Some((Ok(Bytes::from(line + "\n")), lines))
}

fn limit(body: upstream::ByteStream, limit: Option<u64>) -> LogStream {
    let Some(limit) = limit else { return body };
    let mut left = usize::try_from(limit).unwrap_or(usize::MAX);
    body.map(move |piece| {
        piece.map(|mut piece: Bytes| {
            piece.truncate(left);
            left -= piece.len();
            piece
        })
    })
    .take_while(|piece| std::future::ready(!piece.as_ref().is_ok_and(Bytes::is_empty)))
    .boxed()
}

#[async_trait]
impl PodLogs for AgentLogs {
    async fn open(
        &self,
        namespace: &str,
        pod: &str,
        options: LogOptions,
    ) -> Result<LogStream, ApiError> {
        let found = self.objects.get::<Pod>(namespace, pod).await?;
        let missing = || ApiError::new(404, "NotFound", format!("pods {pod:?} not found"));
        self.open_pod(&found.ok_or_else(missing)?, &options).await
    }

    async fn open_function(
        &self,
        namespace: &str,
        function: &str,
        options: LogOptions,
    ) -> Result<LogStream, ApiError> {
        let missing =
            || ApiError::new(404, "NotFound", format!("functions {function:?} not found"));
        let found = self.objects.get::<Function>(namespace, function).await?;
        let found = found.ok_or_else(missing)?;
        if options.build {
            let key = ObjectKey::of(&found);
            let lines = build_log(
                self.objects.clone(),
                self.builds.clone(),
                key,
                options.follow,
            );
            return Ok(stream::unfold(lines, next_line).boxed());
        }
        let mut pods = self.objects.list::<Pod>(Some(namespace)).await?.items;
        pods.retain(|pod| {
            pod.metadata
                .labels
                .get(FUNCTION_LABEL)
                .is_some_and(|name| name == function)
        });
        pods.sort_by(|a, b| {
            a.metadata
                .creation_timestamp
                .cmp(&b.metadata.creation_timestamp)
        });
        let mut logs = Vec::new();
        for pod in &pods {
            // A pod that has just come or gone has no log to show; the others' still count.
            if let Ok(log) = self.open_pod(pod, &options).await {
                logs.push(log);
            }
        }
        if options.follow {
            return Ok(stream::select_all(logs).boxed());
        }
        Ok(stream::iter(logs).flatten().boxed())
    }
}
