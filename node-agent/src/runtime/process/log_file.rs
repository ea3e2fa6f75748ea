//! Reading a pod's log, which is turned over while it is read.

use std::fs::File;
use std::io::{self, BufRead as _, BufReader, Read as _};
use std::os::unix::fs::MetadataExt as _;
use std::path::{Path, PathBuf};
use std::time::Duration;

use bytes::Bytes;
use futures_util::stream::{BoxStream, StreamExt as _};
use jiff::Timestamp;

use crate::runtime::LogOptions;
use crate::supervisor::{LOG_FILE, OLD_LOG_FILE};

const PIECE: usize = 64 << 10;
/// How often a followed log is looked at.
const LOOK: Duration = Duration::from_millis(100);

/// The log as a stream. Ends at its end, or with the pod's directory when it follows.
pub(super) fn stream(
    directory: PathBuf,
    options: LogOptions,
) -> BoxStream<'static, io::Result<Bytes>> {
    let state = State {
        directory,
        options,
        file: None,
        backlog: None,
    };
    futures_util::stream::try_unfold(state, |mut state| async move {
        loop {
            let mut taken = tokio::task::spawn_blocking(move || {
                let piece = state.next();
                (state, piece)
            })
            .await
            .map_err(io::Error::other)?;
            let piece = taken.1?;
            state = std::mem::replace(&mut taken.0, State::empty());
            if !piece.is_empty() {
                return Ok(Some((piece, state)));
            }
            if !state.options.follow || !state.directory.exists() {
                return Ok(None);
            }
            tokio::time::sleep(LOOK).await;
        }
    })
    .boxed()
}

struct State {
    directory: PathBuf,
    options: LogOptions,
    file: Option<File>,
    /// What was there at the start, once it was read.
    backlog: Option<Vec<u8>>,
}

impl State {
    fn empty() -> Self {
        let options = LogOptions::default();
        Self {
            directory: PathBuf::new(),
            options,
            file: None,
            backlog: None,
        }
    }

    fn next(&mut self) -> io::Result<Bytes> {
        if self.backlog.is_none() {
            let (backlog, file) = backlog(&self.directory, self.options, Timestamp::now())?;
            self.file = file;
            self.backlog = Some(Vec::new());
            if !backlog.is_empty() {
                return Ok(backlog.into());
            }
        }
        let path = self.directory.join(LOG_FILE);
        if self.file.is_none() {
            self.file = File::open(&path).ok();
        }
        let Some(file) = &mut self.file else {
            return Ok(Bytes::new());
        };
        let mut piece = vec![0; PIECE];
        let count = file.read(&mut piece)?;
        piece.truncate(count);
        if count == 0 && is_turned_over(file, &path) {
            self.file = None;
        }
        Ok(piece.into())
    }
}

/// Whether another file has taken the log's place.
fn is_turned_over(file: &File, path: &Path) -> bool {
    match (file.metadata(), path.metadata()) {
        (Ok(own), Ok(now)) => own.ino() != now.ino(),
        _ => false,
    }
}

/// What stands in both files, cut as the options say, and the newer file at its end.
fn backlog(
    directory: &Path,
    options: LogOptions,
    now: Timestamp,
) -> io::Result<(Vec<u8>, Option<File>)> {
    let mut text = Vec::new();
    if let Ok(mut old) = File::open(directory.join(OLD_LOG_FILE)) {
        old.read_to_end(&mut text)?;
    }
    let mut newer = File::open(directory.join(LOG_FILE)).ok();
    if let Some(file) = &mut newer {
        file.read_to_end(&mut text)?;
    }
    if let Some(seconds) = options.since_seconds {
        let seconds = i64::try_from(seconds).unwrap_or(i64::MAX);
        let since = Timestamp::from_second(now.as_second().saturating_sub(seconds));
        if let Ok(since) = since {
            text.drain(..start_of_since(&text, since));
        }
    }
    if let Some(lines) = options.tail_lines {
        text.drain(..start_of_tail(&text, lines));
    }
    Ok((text, newer))
}

/// Where the last `lines` lines begin.
fn start_of_tail(text: &[u8], lines: u64) -> usize {
    if lines == 0 {
        return text.len();
    }
    let body = text.strip_suffix(b"\n").unwrap_or(text);
    let breaks = body
        .iter()
        .enumerate()
        .rev()
        .filter(|(_, byte)| **byte == b'\n');
    let nth = usize::try_from(lines - 1).unwrap_or(usize::MAX);
    breaks.map(|(index, _)| index + 1).nth(nth).unwrap_or(0)
}

/// Where the first line begins that was printed at `since` or later. Lines start with their time;
/// those that do not belong to the one before.
fn start_of_since(text: &[u8], since: Timestamp) -> usize {
    let mut start = 0;
    let mut reader = BufReader::new(text);
    let mut line = Vec::new();
    while reader
        .read_until(b'\n', &mut line)
        .is_ok_and(|count| count > 0)
    {
        let stamp = line.split(|byte| *byte == b' ').next().unwrap_or_default();
        let time = std::str::from_utf8(stamp)
            .ok()
            .and_then(|text| text.parse::<Timestamp>().ok());
        if time.is_some_and(|time| time >= since) {
            return start;
        }
        start += line.len();
        line.clear();
    }
    text.len()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_tail_is_the_last_lines() {
        let text = b"a\nb\nc\n";
        let tail = |lines| &text[start_of_tail(text, lines)..];
        assert_eq!(tail(0), b"");
        assert_eq!(tail(1), b"c\n");
        assert_eq!(tail(2), b"b\nc\n");
        assert_eq!(tail(9), text);
        assert_eq!(start_of_tail(b"", 3), 0);
    }

    #[test]
    fn since_takes_lines_by_their_time() {
        let text = b"2026-01-01T00:00:00Z o - a\n  more\n2026-01-01T00:00:10Z o - b\n";
        let since = |time: &str| {
            String::from_utf8_lossy(&text[start_of_since(text, time.parse().unwrap())..])
                .into_owned()
        };
        assert_eq!(since("2025-12-31T00:00:00Z").len(), text.len());
        assert!(since("2026-01-01T00:00:05Z").starts_with("2026-01-01T00:00:10Z"));
        assert_eq!(since("2026-01-01T00:01:00Z"), "");
    }

    #[tokio::test]
    async fn a_followed_log_goes_on_over_a_turnover_and_ends_with_the_pod() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("pod");
        std::fs::create_dir(&path).unwrap();
        std::fs::write(path.join(LOG_FILE), "one\n").unwrap();
        let options = LogOptions {
            follow: true,
            ..LogOptions::default()
        };
        let mut stream = stream(path.clone(), options);
        assert_eq!(stream.next().await.unwrap().unwrap(), "one\n");
        std::fs::rename(path.join(LOG_FILE), path.join(OLD_LOG_FILE)).unwrap();
        std::fs::write(path.join(LOG_FILE), "two\n").unwrap();
        assert_eq!(stream.next().await.unwrap().unwrap(), "two\n");
        std::fs::remove_dir_all(&path).unwrap();
        assert!(stream.next().await.is_none());
    }
}
