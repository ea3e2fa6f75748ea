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
        let ms = |d: Duration| d.as_secs_f64() * 1000.0;
        format!(
            "queue;dur={:.3}, cold;dur={:.3}, run;dur={:.3}",
            ms(self.queue),
            ms(self.cold),
            ms(self.run)
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
