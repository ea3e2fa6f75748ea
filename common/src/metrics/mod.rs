//! What programs count, as text for Prometheus.
//!
//! What a room counts stands in its own `metrics.rs`: plain atomics where things happen, and a
//! collector that reads them when somebody asks. Nothing on a call's way takes a lock or looks up a
//! label for it.

mod histogram;
mod text;

pub use histogram::{Histogram, SECONDS};
pub use prometheus_client::collector::Collector;
pub use prometheus_client::encoding::DescriptorEncoder;
pub use text::{Labels, counters, gauges, histograms};

use prometheus_client::registry::Registry;

/// The content type of [`Metrics::text`].
pub const CONTENT_TYPE: &str = "application/openmetrics-text; version=1.0.0; charset=utf-8";

/// All collectors of a program's rooms.
#[derive(Debug, Default)]
pub struct Metrics(Registry);

impl Metrics {
    /// With one more collector.
    #[must_use]
    pub fn with(mut self, collector: impl Collector) -> Self {
        self.0.register_collector(Box::new(collector));
        self
    }

    /// The exposition as text, in the OpenMetrics format that Prometheus reads.
    ///
    /// # Errors
    /// When a collector cannot write.
    pub fn text(&self) -> Result<String, std::fmt::Error> {
        let mut text = String::new();
        prometheus_client::encoding::text::encode(&mut text, &self.0)?;
        Ok(text)
    }
}
