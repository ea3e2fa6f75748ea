use jiff::Timestamp;

/// The panic mode of Knative's pod autoscaler: a burst that a short window shows is answered at once,
/// and nothing is taken away until the burst is a whole window past.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Panic(Option<State>);

#[derive(Clone, Copy, Debug)]
struct State {
    until: i64,
    replicas: u32,
}

impl Panic {
    /// Notes what the short window wants, `burst`, and says what is wanted while there is panic.
    /// It begins when `burst` reaches `threshold_percent` of the pods that are ready.
    pub(super) fn note(
        &mut self,
        now: Timestamp,
        burst: u32,
        ready: u32,
        threshold_percent: u32,
        window_seconds: u32,
    ) -> Option<u32> {
        let now = now.as_second();
        let over = u64::from(burst) * 100 >= u64::from(ready) * u64::from(threshold_percent);
        if ready > 0 && burst > ready && over {
            let replicas = self.0.map_or(0, |state| state.replicas);
            self.0 = Some(State {
                until: now + i64::from(window_seconds),
                replicas,
            });
        }
        let state = self.0.as_mut()?;
        if now >= state.until {
            self.0 = None;
            return None;
        }
        state.replicas = state.replicas.max(burst);
        Some(state.replicas)
    }

    pub(super) fn end(&mut self) {
        self.0 = None;
    }
}
