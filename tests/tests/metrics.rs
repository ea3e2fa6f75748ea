//! What the master counts, as Prometheus sees it.

use std::collections::BTreeMap;

use tests::{Cluster, Http, eventually, params, waits_for};

/// Samples by name and labels, as they stand in the text.
struct Exposition(BTreeMap<String, f64>);

impl Exposition {
    /// Reads an exposition; panics where it is none.
    fn read(api: &Http) -> Self {
        Self::read_at(api, "/metrics")
    }

    fn read_at(api: &Http, path: &str) -> Self {
        let answer = api.get(path);
        assert_eq!(answer.status, 200, "{answer:?}");
        let kind = answer.header("content-type").unwrap_or_default();
        assert!(kind.starts_with("application/openmetrics-text"), "{kind}");
        let text = answer.text();
        assert!(text.ends_with("# EOF\n"), "{text}");
        let mut types = BTreeMap::new();
        let mut samples = BTreeMap::new();
        for line in text.lines() {
            if let Some(rest) = line.strip_prefix("# TYPE ") {
                let (name, kind) = rest.split_once(' ').unwrap();
                assert!(
                    types.insert(name.to_owned(), kind.to_owned()).is_none(),
                    "{line} twice"
                );
                continue;
            }
            if line.starts_with('#') {
                continue;
            }
            let (series, value) = line.rsplit_once(' ').unwrap_or_else(|| panic!("{line:?}"));
            let name = series.split('{').next().unwrap();
            let base = ["_total", "_bucket", "_sum", "_count"]
                .iter()
                .find_map(|suffix| name.strip_suffix(suffix))
                .unwrap_or(name);
            assert!(types.contains_key(base), "{line:?} has no type");
            assert_eq!(series.contains('{'), series.ends_with('}'), "{line:?}");
            let value: f64 = value.parse().unwrap_or_else(|_| panic!("{line:?}"));
            assert!(
                samples.insert(series.to_owned(), value).is_none(),
                "{line} twice"
            );
        }
        Self(samples)
    }

    /// The sample of a function.
    fn of(&self, name: &str, function: &str, more: &str) -> f64 {
        let series = format!("{name}{{namespace=\"default\",function=\"{function}\"{more}}}");
        *self
            .0
            .get(&series)
            .unwrap_or_else(|| panic!("no {series} in {:#?}", self.0))
    }
}

#[test]
fn the_numbers_are_right_after_known_calls() {
    let cluster = Cluster::start();
    let (api, gateway) = (cluster.api().as_admin(), cluster.gateway());
    Exposition::read(&api);
    cluster.apply("counted", &params("1 / params['by']"), "");
    for _ in 0..5 {
        assert_eq!(
            gateway.post("/function/counted", r#"{"by": 1}"#).status,
            200
        );
    }
    for _ in 0..2 {
        assert_eq!(
            gateway.post("/function/counted", r#"{"by": 0}"#).status,
            500
        );
    }
    let gate = cluster.home().join("gate");
    cluster.apply(
        "held",
        &waits_for(&gate, "1"),
        "concurrency: 1\nscaling: { pinned: 1 }",
    );
    let _ = cluster.ready_pods("held", 1);
    let calls: Vec<_> = (0..3)
        .map(|_| {
            let gateway = cluster.gateway();
            std::thread::spawn(move || gateway.post("/function/held", "{}"))
        })
        .collect();
    cluster.await_began("held");
    eventually("the others wait", || {
        let seen = Exposition::read(&api);
        let held = seen.of("troupe_calls_held", "held", "");
        if held == 2.0 { Ok(()) } else { Err(held) }
    });

    let seen = Exposition::read(&api);
    let ended = |class: &str| {
        seen.of(
            "troupe_calls_total",
            "counted",
            &format!(",class=\"{class}\""),
        )
    };
    assert_eq!(
        (ended("ok"), ended("function_error"), ended("lost")),
        (5.0, 2.0, 0.0)
    );
    assert_eq!(seen.of("troupe_call_run_seconds_count", "counted", ""), 7.0);
    let all =
        "troupe_call_run_seconds_bucket{le=\"+Inf\",namespace=\"default\",function=\"counted\"}";
    assert_eq!(seen.0[all], 7.0);
    assert_eq!(
        seen.of(
            "troupe_call_wait_seconds_count",
            "counted",
            ",cause=\"cold\""
        ),
        1.0
    );
    assert_eq!(
        seen.of(
            "troupe_cold_start_seconds_count",
            "counted",
            ",phase=\"total\""
        ),
        1.0
    );
    let phase = |phase: &str| {
        seen.of(
            "troupe_cold_start_seconds_sum",
            "counted",
            &format!(",phase=\"{phase}\""),
        )
    };
    assert!((phase("place") + phase("start") - phase("total")).abs() < 0.001);
    assert_eq!(seen.of("troupe_replicas_ready", "counted", ""), 1.0);
    assert_eq!(seen.of("troupe_calls_in_flight", "held", ""), 1.0);
    assert_eq!(seen.of("troupe_concurrency_limit", "held", ""), 1.0);
    assert!(seen.of("troupe_queue_age_seconds", "held", "") > 0.0);
    assert_eq!(seen.0["troupe_builds_total{outcome=\"succeeded\"}"], 2.0);

    std::fs::write(&gate, "").unwrap();
    assert!(
        calls
            .into_iter()
            .all(|call| call.join().unwrap().status == 200)
    );
    let seen = Exposition::read(&api);
    assert_eq!(seen.of("troupe_calls_in_flight", "held", ""), 0.0);
    assert_eq!(
        seen.of("troupe_call_wait_seconds_count", "held", ",cause=\"queue\""),
        2.0
    );
}

#[test]
fn a_nodes_numbers_are_read_through_the_master() {
    let cluster = Cluster::start();
    cluster.apply("f", &params("1"), "scaling: { pinned: 1 }");
    let _ = cluster.ready_pods("f", 1);
    for _ in 0..3 {
        assert_eq!(cluster.gateway().post("/function/f", "{}").status, 200);
    }
    let api = cluster.api().as_admin();
    let node = Exposition::read_at(&api, "/api/v1/nodes/node-1/proxy/metrics");
    assert_eq!(node.0["troupe_node_calls_total{outcome=\"answered\"}"], 3.0);
    assert_eq!(node.0["troupe_node_pods{state=\"Ready\"}"], 1.0);
    assert_eq!(node.0["troupe_node_calls_in_flight{}"], 0.0);
    let seen = Exposition::read(&api);
    assert_eq!(
        seen.0["troupe_pod_start_seconds_count{phase=\"import\"}"],
        1.0
    );
    assert_eq!(api.get("/api/v1/nodes/nobody/proxy/metrics").status, 404);
}

#[test]
fn strangers_read_no_metrics() {
    let cluster = Cluster::start();
    let answer = cluster.api().as_nobody().get("/metrics");
    assert_eq!(answer.status, 403, "{answer:?}");
}
