use std::io::{Read as _, Seek as _, SeekFrom};
use std::path::{Path, PathBuf};
use std::time::Duration;

use crate::supervisor::LOG_FILE;

/// How often a running step's output is looked at.
pub(super) const LOOK: Duration = Duration::from_millis(150);
/// Lines kept of a step for messages.
const KEPT: usize = 2000;

/// The lines of a step's log as they come.
pub(super) struct Output {
    directory: PathBuf,
    offset: u64,
    partial: Vec<u8>,
    /// The last lines.
    pub(super) lines: Vec<String>,
}

impl Output {
    pub(super) fn of(directory: &Path) -> Self {
        let directory = directory.to_owned();
        Self {
            directory,
            offset: 0,
            partial: Vec::new(),
            lines: Vec::new(),
        }
    }

    /// Says the lines that came since the last look.
    pub(super) fn look(&mut self, say: &(dyn Fn(&str) + Sync)) {
        let path = self.directory.join(LOG_FILE);
        let Ok(mut file) = std::fs::File::open(path) else {
            return;
        };
        let size = file.metadata().map_or(0, |metadata| metadata.len());
        if size < self.offset {
            // It was turned over; the rest of the old one is not worth the trouble.
            self.offset = 0;
        }
        if file.seek(SeekFrom::Start(self.offset)).is_err() {
            return;
        }
        let mut piece = Vec::new();
        let Ok(count) = file.take(1 << 20).read_to_end(&mut piece) else {
            return;
        };
        self.offset += count as u64;
        self.partial.extend(piece);
        while let Some(end) = self.partial.iter().position(|byte| *byte == b'\n') {
            let line: Vec<u8> = self.partial.drain(..=end).collect();
            self.take(&line, say);
        }
    }

    /// Says what is left, complete lines or not.
    pub(super) fn finish(&mut self, say: &(dyn Fn(&str) + Sync)) {
        self.look(say);
        let rest = std::mem::take(&mut self.partial);
        if !rest.is_empty() {
            self.take(&rest, say);
        }
    }

    /// Whether one of its lines holds a text.
    pub(super) fn says(&self, text: &str) -> bool {
        self.lines.iter().any(|line| line.contains(text))
    }

    fn take(&mut self, line: &[u8], say: &(dyn Fn(&str) + Sync)) {
        let line = String::from_utf8_lossy(line).trim_end().to_owned();
        say(&line);
        self.lines.push(line);
        if self.lines.len() > KEPT {
            self.lines.drain(..KEPT / 2);
        }
    }
}
