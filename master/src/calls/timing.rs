use std::time::Duration;

/// Where a call's time went.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Timing {
    /// Waited for a slot while pods were running.
    pub queue: Duration,
    /// Waited for a pod to start.
    pub cold: Duration,
    /// From sending to the answer.
    pub run: Duration,
}

impl Timing {
    /// The value of the `Server-Timing` header, in milliseconds.
    #[must_use]
    pub fn header(&self) -> String {
        // Whole numbers only: every answer has one, and floats take several times as long to write.
        let [queue, cold, run] = [self.queue, self.cold, self.run].map(|time| {
            let micros = time.as_micros();
            (micros / 1000, micros % 1000)
        });
        format!(
            "queue;dur={}.{:03}, cold;dur={}.{:03}, run;dur={}.{:03}",
            queue.0, queue.1, cold.0, cold.1, run.0, run.1
        )
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn milliseconds_with_three_digits() {
        let timing = Timing {
            cold: Duration::from_micros(12_345),
            ..Timing::default()
        };
        assert_eq!(
            timing.header(),
            "queue;dur=0.000, cold;dur=12.345, run;dur=0.000"
        );
    }
}
