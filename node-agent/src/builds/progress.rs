use std::collections::{BTreeMap, VecDeque};

use common::link::{BuildOutcome, BuildReport};
use parking_lot::Mutex;
use tokio::sync::Notify;

/// Lines of one build waiting for the link; older ones are left out.
const MAX_LINES: usize = 2000;
/// Lines in one report.
const BATCH: usize = 500;
const MAX_LINE: usize = 2000;

/// What builds have to tell the master.
#[derive(Default)]
pub(super) struct Progress {
    builds: Mutex<BTreeMap<String, Told>>,
    changed: Notify,
}

#[derive(Default)]
struct Told {
    lines: VecDeque<String>,
    left_out: u64,
    outcome: Option<BuildOutcome>,
    /// Whether the outcome was said in this session.
    said: bool,
}

impl Progress {
    /// Begins a build; false when it is known.
    pub(super) fn begin(&self, id: &str) -> bool {
        let mut builds = self.builds.lock();
        if let Some(told) = builds.get_mut(id) {
            told.said = false;
            drop(builds);
            self.changed.notify_waiters();
            return false;
        }
        builds.insert(id.to_owned(), Told::default());
        true
    }

    pub(super) fn line(&self, id: &str, line: &str) {
        if let Some(told) = self.builds.lock().get_mut(id) {
            if told.lines.len() >= MAX_LINES {
                told.lines.pop_front();
                told.left_out += 1;
            }
            told.lines.push_back(line.chars().take(MAX_LINE).collect());
        }
        self.changed.notify_waiters();
    }

    pub(super) fn end(&self, id: &str, outcome: BuildOutcome) {
        if let Some(told) = self.builds.lock().get_mut(id) {
            told.outcome = Some(outcome);
        }
        self.changed.notify_waiters();
    }

    /// The master knows how a build ended.
    pub(super) fn told(&self, id: &str) {
        let mut builds = self.builds.lock();
        if builds.get(id).is_some_and(|told| told.outcome.is_some()) {
            builds.remove(id);
        }
    }

    /// A new session: ends that are not acknowledged are said again.
    pub(super) fn tell_again(&self) {
        for told in self.builds.lock().values_mut() {
            told.said = false;
        }
        self.changed.notify_waiters();
    }

    /// Waits until there is something to say.
    pub(super) async fn take(&self) -> Vec<BuildReport> {
        loop {
            let noticed = self.changed.notified();
            let reports = self.take_now();
            if !reports.is_empty() {
                return reports;
            }
            noticed.await;
        }
    }

    fn take_now(&self) -> Vec<BuildReport> {
        let mut builds = self.builds.lock();
        builds
            .iter_mut()
            .filter_map(|(id, told)| told.take(id))
            .collect()
    }
}

impl Told {
    fn take(&mut self, id: &str) -> Option<BuildReport> {
        let mut log = Vec::new();
        if self.left_out > 0 {
            log.push(format!("[{} lines left out]", self.left_out));
            self.left_out = 0;
        }
        let count = self.lines.len().min(BATCH);
        log.extend(self.lines.drain(..count));
        let outcome = (self.lines.is_empty() && !self.said)
            .then(|| self.outcome.clone())
            .flatten();
        self.said |= outcome.is_some();
        let something = !log.is_empty() || outcome.is_some();
        something.then(|| BuildReport {
            id: id.to_owned(),
            log,
            outcome,
        })
    }
}

#[cfg(test)]
mod tests {
    use common::link::BuildFailure;

    use super::*;

    fn failed() -> BuildOutcome {
        let (reason, message) = ("R".to_owned(), "m".to_owned());
        BuildOutcome::Failed(BuildFailure {
            reason,
            message,
            transient: false,
        })
    }

    #[tokio::test]
    async fn an_end_is_said_in_each_session_until_it_is_acknowledged() {
        let progress = Progress::default();
        assert!(progress.begin("b"));
        assert!(!progress.begin("b"));
        progress.line("b", "one");
        progress.end("b", failed());
        let reports = progress.take().await;
        assert_eq!((reports.len(), reports[0].log.len()), (1, 1));
        assert_eq!(reports[0].outcome, Some(failed()));
        assert!(progress.take_now().is_empty());
        progress.tell_again();
        assert_eq!(progress.take().await[0].outcome, Some(failed()));
        progress.told("b");
        progress.tell_again();
        assert!(progress.take_now().is_empty());
        assert!(progress.begin("b"));
    }

    #[tokio::test]
    async fn a_flood_of_lines_is_cut_and_the_end_comes_last() {
        let progress = Progress::default();
        progress.begin("b");
        for index in 0..MAX_LINES + 10 {
            progress.line("b", &index.to_string());
        }
        progress.end("b", failed());
        let first = progress.take().await.remove(0);
        assert_eq!(first.log[0], "[10 lines left out]");
        assert_eq!(first.outcome, None);
        let mut lines = first.log.len() - 1;
        loop {
            let report = progress.take().await.remove(0);
            lines += report.log.len();
            if report.outcome.is_some() {
                break;
            }
        }
        assert_eq!(lines, MAX_LINES);
    }
}
