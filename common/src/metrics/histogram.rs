use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

/// Upper bounds for times from a fraction of a millisecond to minutes, in seconds.
pub const SECONDS: [f64; 16] = [
    0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0,
    60.0,
];

/// Counts times by how long they are. Two additions, no lock.
#[derive(Debug, Default)]
pub struct Histogram {
    /// One per bound, and one for what is longer.
    counts: [AtomicU64; SECONDS.len() + 1],
    micros: AtomicU64,
}

impl Histogram {
    /// Counts one.
    pub fn observe(&self, time: Duration) {
        let seconds = time.as_secs_f64();
        let index = SECONDS.partition_point(|bound| *bound < seconds);
        self.counts[index].fetch_add(1, Ordering::Relaxed);
        let micros = u64::try_from(time.as_micros()).unwrap_or(u64::MAX);
        self.micros.fetch_add(micros, Ordering::Relaxed);
    }

    /// The sum in seconds, how many, and how many in each bucket.
    #[must_use]
    pub fn read(&self) -> (f64, u64, Vec<(f64, u64)>) {
        let bounds = SECONDS.iter().copied().chain([f64::INFINITY]);
        let counts = self
            .counts
            .iter()
            .map(|count| count.load(Ordering::Relaxed));
        let buckets: Vec<_> = bounds.zip(counts).collect();
        let all = buckets.iter().map(|(_, count)| count).sum();
        let sum = self.micros.load(Ordering::Relaxed) as f64 / 1e6;
        (sum, all, buckets)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_fall_into_the_bucket_whose_bound_they_reach() {
        let histogram = Histogram::default();
        for micros in [1, 500, 501, 70_000_000] {
            histogram.observe(Duration::from_micros(micros));
        }
        let (sum, count, buckets) = histogram.read();
        assert_eq!(
            (count, buckets[0], buckets[1]),
            (4, (0.0005, 2), (0.001, 1))
        );
        assert_eq!(buckets.last(), Some(&(f64::INFINITY, 1)));
        assert!((sum - 70.001_002).abs() < 1e-9);
    }
}
