use std::collections::{BTreeMap, VecDeque};
use std::sync::Arc;

use parking_lot::Mutex;
use tokio::sync::watch;

/// Lines of a build's log that are kept.
const LINES: usize = 1000;

/// The logs of builds under way, for those who watch. Cheap to clone; outlives the room, whose jobs
/// begin them anew.
#[derive(Clone, Default)]
pub struct BuildLogs(Arc<Mutex<BTreeMap<String, Arc<Live>>>>);

/// The log of one build for one platform, as it grows.
pub struct Live {
    job: String,
    /// The build that it is part of.
    build: String,
    lines: Mutex<Lines>,
    /// Counts the changes.
    changed: watch::Sender<u64>,
}

#[derive(Default)]
struct Lines {
    kept: VecDeque<String>,
    /// Lines that were left out before the first one kept.
    left_out: u64,
    ended: bool,
}

/// What a reader gets: lines, where the next ones begin, whether there will be more.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Piece {
    /// The lines.
    pub lines: Vec<String>,
    /// To be given at the next reading.
    pub next: u64,
    /// Whether the log has ended.
    pub ended: bool,
}

impl BuildLogs {
    /// The log of a job, which begins when it is not there.
    pub(super) fn begin(&self, job: &str, build: &str) -> Arc<Live> {
        let mut all = self.0.lock();
        let begin = || {
            Arc::new(Live {
                job: job.to_owned(),
                build: build.to_owned(),
                lines: Mutex::default(),
                changed: watch::Sender::default(),
            })
        };
        Arc::clone(all.entry(job.to_owned()).or_insert_with(begin))
    }

    /// A job is over. Who reads its log still gets all of it.
    pub(super) fn end(&self, job: &str) {
        if let Some(live) = self.0.lock().remove(job) {
            live.lines.lock().ended = true;
            live.changed.send_modify(|count| *count += 1);
        }
    }

    /// The logs of a build's jobs that are under way.
    #[must_use]
    pub fn of(&self, build: &str) -> Vec<Arc<Live>> {
        let all = self.0.lock();
        all.values()
            .filter(|live| live.build == build)
            .cloned()
            .collect()
    }
}

impl Live {
    /// The id that nodes know the job by.
    #[must_use]
    pub fn job(&self) -> &str {
        &self.job
    }

    pub(super) fn extend(&self, new: impl IntoIterator<Item = String>) {
        let mut lines = self.lines.lock();
        lines.kept.extend(new);
        let excess = lines.kept.len().saturating_sub(LINES);
        lines.kept.drain(..excess);
        lines.left_out += excess as u64;
        drop(lines);
        self.changed.send_modify(|count| *count += 1);
    }

    /// All lines that are kept.
    pub(super) fn all(&self) -> Vec<String> {
        self.lines.lock().kept.iter().cloned().collect()
    }

    /// The lines from a place on; 0 is the beginning.
    #[must_use]
    pub fn read(&self, from: u64) -> Piece {
        let lines = self.lines.lock();
        let skip = usize::try_from(from.saturating_sub(lines.left_out)).unwrap_or(usize::MAX);
        Piece {
            lines: lines.kept.iter().skip(skip).cloned().collect(),
            next: lines.left_out + lines.kept.len() as u64,
            ended: lines.ended,
        }
    }

    /// Hears of changes from now on.
    #[must_use]
    pub fn changes(&self) -> watch::Receiver<u64> {
        self.changed.subscribe()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_reader_gets_each_line_once_and_the_end() {
        let logs = BuildLogs::default();
        let live = logs.begin("job", "build");
        live.extend(["one".to_owned()]);
        let read = logs.of("build").pop().unwrap();
        let first = read.read(0);
        assert_eq!(
            (first.lines.as_slice(), first.ended),
            (&["one".to_owned()][..], false)
        );
        live.extend((0..LINES + 5).map(|n| n.to_string()));
        let second = read.read(first.next);
        assert_eq!(second.lines.len(), LINES);
        assert_eq!(second.lines.last().unwrap(), &(LINES + 4).to_string());
        logs.end("job");
        let last = read.read(second.next);
        assert!(last.lines.is_empty() && last.ended && logs.of("build").is_empty());
    }
}
