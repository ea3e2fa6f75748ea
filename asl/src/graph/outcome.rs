//! What a run did in each state.

use std::collections::HashMap;
use std::time::Duration;

use crate::run::{StepStatus, StepView};

/// What a run did in one state, all visits together.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Outcome {
    /// The worst that happened, or `Running` while it runs.
    pub(super) status: StepStatus,
    pub(super) visits: u32,
    pub(super) retries: u32,
    /// Time in the state; none while it runs.
    pub(super) took: Option<Duration>,
    pub(super) error: Option<String>,
}

/// The same for all states, by name: names are unique over the whole machine.
pub(super) struct Outcomes {
    by_state: HashMap<String, Outcome>,
    /// Whether there is a run at all.
    pub(super) run: bool,
}

impl Outcomes {
    pub(super) fn none() -> Outcomes {
        Outcomes {
            by_state: HashMap::new(),
            run: false,
        }
    }

    pub(super) fn of(steps: &[StepView]) -> Outcomes {
        let mut by_state: HashMap<String, Outcome> = HashMap::new();
        for step in steps {
            let took = step.exited.map(|exited| {
                Duration::try_from(exited.duration_since(step.entered)).unwrap_or_default()
            });
            let error = step.failure.as_ref().and_then(|f| f.error.clone());
            match by_state.get_mut(&step.name) {
                None => {
                    by_state.insert(
                        step.name.clone(),
                        Outcome {
                            status: step.status,
                            visits: 1,
                            retries: step.retries,
                            took,
                            error,
                        },
                    );
                }
                Some(known) => {
                    if weight(step.status) > weight(known.status) {
                        known.status = step.status;
                    }
                    known.visits += 1;
                    known.retries += step.retries;
                    known.took = known.took.zip(took).map(|(a, b)| a + b);
                    known.error = error.or_else(|| known.error.take());
                }
            }
        }
        Outcomes {
            by_state,
            run: true,
        }
    }

    pub(super) fn state(&self, name: &str) -> Option<&Outcome> {
        self.by_state.get(name)
    }
}

fn weight(status: StepStatus) -> u8 {
    match status {
        StepStatus::Succeeded => 0,
        StepStatus::Caught => 1,
        StepStatus::Aborted => 2,
        StepStatus::Failed => 3,
        StepStatus::Running => 4,
    }
}

impl Outcome {
    /// `1.2 s · 2 retries · 3 times`
    pub(super) fn words(&self) -> String {
        let mut words = Vec::new();
        words.extend(self.took.map(duration));
        match self.retries {
            0 => {}
            1 => words.push("1 retry".to_owned()),
            n => words.push(format!("{n} retries")),
        }
        if self.visits > 1 {
            words.push(format!("{} times", self.visits));
        }
        words.extend(
            self.error
                .clone()
                .filter(|_| self.status != StepStatus::Succeeded),
        );
        words.join(" · ")
    }
}

/// A duration as a person says it.
fn duration(took: Duration) -> String {
    let seconds = took.as_secs();
    match seconds {
        0 if took.as_millis() == 0 => "0 ms".to_owned(),
        0 => format!("{} ms", took.as_millis()),
        1..=59 => format!("{:.1} s", took.as_secs_f64()),
        60..=3_599 => format!("{} min {} s", seconds / 60, seconds % 60),
        3_600..=86_399 => format!("{} h {} min", seconds / 3_600, seconds / 60 % 60),
        _ => format!("{} d {} h", seconds / 86_400, seconds / 3_600 % 24),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn durations_are_said_in_two_units() {
        for (millis, text) in [
            (0, "0 ms"),
            (12, "12 ms"),
            (1_250, "1.2 s"),
            (61_000, "1 min 1 s"),
            (3_700_000, "1 h 1 min"),
            (90_000_000, "1 d 1 h"),
        ] {
            assert_eq!(duration(Duration::from_millis(millis)), text);
        }
    }
}
