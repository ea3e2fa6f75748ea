use std::path::Path;

use bollard::Docker;
use bollard::query_parameters::LogsOptionsBuilder;
use futures_util::StreamExt as _;
use tokio::io::AsyncWriteExt as _;

use crate::runtime::RuntimeError;
use crate::supervisor::LOG_FILE;

/// Longest log of a step; what is more is left out.
const MAX_LOG: u64 = 16 << 20;

/// Writes what a container prints into a file, as it comes, until it ends.
pub(super) async fn copy_log(
    docker: &Docker,
    name: &str,
    directory: &Path,
) -> Result<(), RuntimeError> {
    let io = |error| RuntimeError::io("write build log", error);
    let mut file = tokio::fs::File::create(directory.join(LOG_FILE))
        .await
        .map_err(io)?;
    let options = LogsOptionsBuilder::new()
        .follow(true)
        .stdout(true)
        .stderr(true)
        .build();
    let mut log = std::pin::pin!(docker.logs(name, Some(options)));
    let mut size = 0;
    while let Some(piece) = log.next().await {
        let piece = piece
            .map_err(RuntimeError::docker("read build log"))?
            .into_bytes();
        size += piece.len() as u64;
        if size <= MAX_LOG {
            file.write_all(&piece).await.map_err(io)?;
            file.flush().await.map_err(io)?;
        }
    }
    Ok(())
}
