//! What the master counts, for Prometheus: `GET /metrics` on the API's port, and what an agent counts,
//! `GET /api/v1/nodes/NAME/proxy/metrics`; both for administrators.

mod http;

pub use http::{Scraping, configure, configure_own};
