//! What is counted of each function's calls.

use std::fmt;
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, AtomicU64, Ordering};
use std::time::Duration;

use common::metrics::{
    Collector, DescriptorEncoder, Histogram, Labels, counters, gauges, histograms,
};

use super::{Route, Routes};

/// How a call ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Class {
    /// The function answered.
    Ok,
    /// The function raised.
    FunctionError,
    /// It took too long.
    Timeout,
    /// It got no pod: the queue was full, no pod came up or could be reached in time, or none can.
    Refused,
    /// Its pod, or the way there, was lost.
    Lost,
    /// The client went away.
    Cancelled,
}

const CLASSES: [(Class, &str); 6] = [
    (Class::Ok, "ok"),
    (Class::FunctionError, "function_error"),
    (Class::Timeout, "timeout"),
    (Class::Refused, "refused"),
    (Class::Lost, "lost"),
    (Class::Cancelled, "cancelled"),
];

/// A part of a cold start.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Phase {
    /// From the wish for a pod until a node was found and its object written.
    Place,
    /// From there until it was ready: layer, container or process, import.
    Start,
    /// All together.
    Total,
}

const PHASES: [(Phase, &str); 3] = [
    (Phase::Place, "place"),
    (Phase::Start, "start"),
    (Phase::Total, "total"),
];

/// What is counted of one function.
#[derive(Debug, Default)]
pub struct Counts {
    ended: [AtomicU64; CLASSES.len()],
    run: Histogram,
    queued: Histogram,
    cold: Histogram,
    starts: [Histogram; PHASES.len()],
    wanted: AtomicU32,
}

impl Counts {
    /// A call ended.
    pub fn ended(&self, class: Class) {
        self.ended[class as usize].fetch_add(1, Ordering::Relaxed);
    }

    /// A pod worked on a call for so long.
    pub fn ran(&self, time: Duration) {
        self.run.observe(time);
    }

    /// A call waited for so long although pods were ready.
    pub fn queued(&self, time: Duration) {
        self.queued.observe(time);
    }

    /// A call waited for so long for a pod to come up.
    pub fn waited_cold(&self, time: Duration) {
        self.cold.observe(time);
    }

    /// A pod's start, or a part of it, took so long.
    pub fn started(&self, phase: Phase, time: Duration) {
        self.starts[phase as usize].observe(time);
    }

    /// So many pods are wanted.
    pub fn set_wanted(&self, pods: u32) {
        self.wanted.store(pods, Ordering::Relaxed);
    }
}

/// Reads what all routes have counted.
#[derive(Debug)]
pub struct RouteMetrics(Routes);

impl RouteMetrics {
    /// Of these routes.
    #[must_use]
    pub fn new(routes: Routes) -> Self {
        Self(routes)
    }
}

/// The labels of a function, and one more.
fn labels<'a>(route: &'a Route, more: Option<(&'static str, &'a str)>) -> Labels<'a> {
    let key = route.key();
    let mut labels = vec![("namespace", &*key.namespace), ("function", &*key.name)];
    labels.extend(more);
    labels
}

impl Collector for RouteMetrics {
    fn encode(&self, mut encoder: DescriptorEncoder<'_>) -> fmt::Result {
        let encoder = &mut encoder;
        let table = self.0.snapshot();
        // Functions that were never called take no room here, and none in memory.
        let mut called: Vec<(&Arc<Route>, &Counts)> = table
            .iter()
            .filter_map(|route| Some((route, route.counted()?)))
            .collect();
        called.sort_by_key(|(route, _)| (&route.key().namespace, &route.key().name));

        let ended = called.iter().flat_map(|(route, counts)| {
            CLASSES.iter().map(|(class, word)| {
                let ended = counts.ended[*class as usize].load(Ordering::Relaxed);
                (labels(route, Some(("class", word))), ended)
            })
        });
        counters(encoder, "troupe_calls", "Calls that ended, by how", ended)?;
        let loads: Vec<_> = called
            .iter()
            .map(|(route, counts)| (*route, *counts, route.load()))
            .collect();
        let in_flight = loads
            .iter()
            .map(|(route, _, load)| (labels(route, None), f64::from(load.in_flight)));
        gauges(
            encoder,
            "troupe_calls_in_flight",
            "Calls on pods",
            in_flight,
        )?;
        let held = loads
            .iter()
            .map(|(route, _, load)| (labels(route, None), load.waiting as f64));
        gauges(
            encoder,
            "troupe_calls_held",
            "Calls that wait for a pod",
            held,
        )?;
        let age = loads
            .iter()
            .map(|(route, _, load)| (labels(route, None), load.longest_wait.as_secs_f64()));
        let help = "How long the first of the waiting calls has waited";
        gauges(encoder, "troupe_queue_age_seconds", help, age)?;
        let capacity = loads
            .iter()
            .map(|(route, _, load)| (labels(route, None), f64::from(load.capacity)));
        let help = "Calls that the ready pods together get at once";
        gauges(encoder, "troupe_concurrency_limit", help, capacity)?;
        let ready = loads
            .iter()
            .map(|(route, _, load)| (labels(route, None), f64::from(load.ready)));
        gauges(
            encoder,
            "troupe_replicas_ready",
            "Pods that take calls",
            ready,
        )?;
        let wanted = loads.iter().map(|(route, counts, _)| {
            let wanted = counts.wanted.load(Ordering::Relaxed);
            (labels(route, None), f64::from(wanted))
        });
        gauges(
            encoder,
            "troupe_replicas_wanted",
            "Pods that the scaling rule wants",
            wanted,
        )?;
        let run = called
            .iter()
            .map(|(route, counts)| (labels(route, None), &counts.run));
        let help = "Time from sending a call to a pod to its answer";
        histograms(encoder, "troupe_call_run_seconds", help, run)?;
        let waits = called.iter().flat_map(|(route, counts)| {
            [("queue", &counts.queued), ("cold", &counts.cold)]
                .map(|(cause, waits)| (labels(route, Some(("cause", cause))), waits))
        });
        let help = "Time that held calls waited, for a slot (queue) or a pod to come up (cold)";
        histograms(encoder, "troupe_call_wait_seconds", help, waits)?;
        let starts = called.iter().flat_map(|(route, counts)| {
            PHASES.iter().map(|(phase, word)| {
                let starts = &counts.starts[*phase as usize];
                (labels(route, Some(("phase", word))), starts)
            })
        });
        let help = "Time that pods took from the wish for them until they were ready";
        histograms(encoder, "troupe_cold_start_seconds", help, starts)
    }
}
