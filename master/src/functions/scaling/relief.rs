use std::time::Duration;

use jiff::Timestamp;

use super::Load;
use super::busy::Busy;

/// Calls that wait longer than this although pods are ready want more of them.
const PATIENCE: Duration = Duration::from_secs(1);

/// Pods for calls that wait although some are ready: a burst must not queue behind one pod because
/// the policy counts something else. Each step doubles what is ready, so that it is no storm either.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Relief {
    level: u32,
    ready_since: Option<Timestamp>,
}

impl Relief {
    /// The pods that calls which wait, or waited within `seconds`, want beyond the policy; 0: none.
    pub(super) fn note(&mut self, now: Timestamp, load: &Load, busy: &Busy, seconds: u32) -> u32 {
        if load.ready == 0 {
            self.ready_since = None;
            return self.level;
        }
        let since = *self.ready_since.get_or_insert(now);
        // Who waited for the first pod to come up must not count against it.
        let had_time = now.duration_since(since).unsigned_abs() >= PATIENCE;
        if had_time && load.waiting > 0 && load.longest_wait >= PATIENCE {
            let all = load.busy().div_ceil(load.per_pod());
            self.level = self.level.max(all.min(load.ready.saturating_mul(2)));
        } else if self.level > 0 {
            let all = busy.most(now, seconds).div_ceil(load.per_pod());
            self.level = self.level.min(all);
        }
        self.level
    }

    pub(super) fn end(&mut self) {
        self.level = 0;
    }
}
