//! What the data plane counts, and what there is to see of the pods.

use std::collections::BTreeMap;
use std::fmt;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use common::metrics::{CONTENT_TYPE, Collector, DescriptorEncoder, Metrics, counters, gauges};
use http::header::{CONTENT_TYPE as HEADER, HeaderValue};
use http::{Response, StatusCode};
use lane::LaneCounts;

use super::status::{Body, full, refuse};
use crate::pods::Pods;
use crate::pool::Pool;

/// Calls forwarded since the agent's start. Cheap to clone.
#[derive(Clone, Debug, Default)]
pub struct CallCounts(Arc<Calls>);

#[derive(Debug, Default)]
struct Calls {
    forwarded: AtomicU64,
    gone: AtomicU64,
    died: AtomicU64,
    begun: AtomicU64,
    ended: AtomicU64,
}

/// A call that is being forwarded; it ends when this is dropped.
pub(super) struct Flight(CallCounts);

impl CallCounts {
    pub(super) fn begin(&self) -> Flight {
        self.0.begun.fetch_add(1, Ordering::Relaxed);
        Flight(self.clone())
    }

    pub(super) fn forwarded(&self) {
        self.0.forwarded.fetch_add(1, Ordering::Relaxed);
    }

    pub(super) fn gone(&self) {
        self.0.gone.fetch_add(1, Ordering::Relaxed);
    }

    pub(super) fn died(&self) {
        self.0.died.fetch_add(1, Ordering::Relaxed);
    }
}

impl Drop for Flight {
    fn drop(&mut self) {
        self.0.0.ended.fetch_add(1, Ordering::Relaxed);
    }
}

impl Collector for CallCounts {
    fn encode(&self, mut encoder: DescriptorEncoder<'_>) -> fmt::Result {
        let encoder = &mut encoder;
        let read = |count: &AtomicU64| count.load(Ordering::Relaxed);
        let calls = &*self.0;
        let outcomes = [
            ("answered", &calls.forwarded),
            ("pod_gone", &calls.gone),
            ("pod_died", &calls.died),
        ];
        let outcomes = outcomes.map(|(outcome, count)| (vec![("outcome", outcome)], read(count)));
        let help = "Calls that this node forwarded to its pods";
        counters(encoder, "troupe_node_calls", help, outcomes)?;
        let ended = read(&calls.ended);
        let in_flight = read(&calls.begun).saturating_sub(ended) as f64;
        let help = "Calls on their way through this node";
        gauges(
            encoder,
            "troupe_node_calls_in_flight",
            help,
            [(Vec::new(), in_flight)],
        )
    }
}

/// Reads which pods there are.
struct PodStates(Pods);

impl fmt::Debug for PodStates {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("PodStates").finish_non_exhaustive()
    }
}

impl Collector for PodStates {
    fn encode(&self, mut encoder: DescriptorEncoder<'_>) -> fmt::Result {
        let mut states: BTreeMap<String, u32> = BTreeMap::new();
        for pod in self.0.inventory() {
            *states.entry(format!("{:?}", pod.state)).or_default() += 1;
        }
        let pods = states
            .iter()
            .map(|(state, count)| (vec![("state", state.as_str())], f64::from(*count)));
        gauges(
            &mut encoder,
            "troupe_node_pods",
            "Pods of this node by state",
            pods,
        )
    }
}

/// The agent's exposition.
pub(super) fn metrics(calls: &CallCounts, pods: &Pods, pool: &Pool) -> Response<Body> {
    let (starts, waiting) = pool.collectors();
    let metrics = Metrics::default()
        .with(calls.clone())
        .with(PodStates(pods.clone()))
        .with(LaneCounts)
        .with(starts)
        .with(waiting);
    match metrics.text() {
        Ok(text) => {
            let mut response = Response::new(full(text));
            response
                .headers_mut()
                .insert(HEADER, HeaderValue::from_static(CONTENT_TYPE));
            response
        }
        Err(error) => refuse(
            StatusCode::INTERNAL_SERVER_ERROR,
            "InternalError",
            &format!("write the metrics: {error}"),
        ),
    }
}
