use common::resources::{Function, FunctionSpec, Scaling, Source};

use super::{Findings, env, node};

/// Largest code given inline, all files together.
const INLINE_BYTES: usize = 1 << 20;
const MAX_REPLICAS: u32 = 1000;

pub(super) fn check(function: &Function, findings: &mut Findings) {
    let spec = &function.spec;
    code(spec, findings);
    if let Some(handler) = &spec.handler {
        let name = |part: &str| {
            let good = |c: char| c.is_alphanumeric() || c == '_';
            !part.is_empty()
                && part.chars().all(good)
                && !part.starts_with(|c: char| c.is_ascii_digit())
        };
        let parts: Vec<&str> = handler.split('.').collect();
        if parts.len() < 2 || !parts.iter().all(|part| name(part)) {
            let message = format!("found {handler:?}, want MODULE.FUNCTION, as func.main");
            findings.invalid("spec.handler", message);
        }
    }
    env::check("spec.env", &spec.env, findings);
    findings.range("spec.timeoutSeconds", spec.timeout_seconds, 1, 900);
    findings.range("spec.concurrency", spec.concurrency, 1, 1000);
    if spec.port == Some(0) {
        findings.invalid("spec.port", "found 0, want 1 to 65535");
    }
    if spec.port.is_some() && spec.image.is_none() {
        findings.invalid(
            "spec.port",
            "a port is for spec.image, code is served by the platform",
        );
    }
    if let Some(resources) = &spec.resources {
        let amounts = [("cpu", &resources.cpu), ("memory", &resources.memory)];
        for (field, amount) in amounts {
            if amount.as_ref().is_some_and(|amount| amount.milli() == 0) {
                findings.invalid(format!("spec.resources.{field}"), "found 0, want more");
            }
        }
    }
    node::check_tolerations(&spec.tolerations, findings);
    if let Some(rule) = &spec.scaling {
        scaling(rule, findings);
    }
    if let Some(retry) = &spec.retry {
        findings.range("spec.retry.attempts", retry.attempts, 1, 100);
        findings.range("spec.retry.backoffSeconds", retry.backoff_seconds, 0, 3600);
        let longest = retry.max_backoff_seconds;
        findings.range("spec.retry.maxBackoffSeconds", longest, 1, 86_400);
        findings.range(
            "spec.retry.maxAgeSeconds",
            retry.max_age_seconds,
            1,
            604_800,
        );
    }
}

fn code(spec: &FunctionSpec, findings: &mut Findings) {
    let nothing = Source::default();
    let source = spec.source.as_ref().unwrap_or(&nothing);
    let ways = [
        ("spec.image", spec.image.is_some()),
        ("spec.source.inline", source.inline.is_some()),
        ("spec.source.configMap", source.config_map.is_some()),
        ("spec.source.upload", source.upload.is_some()),
    ];
    let set: Vec<&str> = ways
        .iter()
        .filter(|(_, set)| *set)
        .map(|(name, _)| *name)
        .collect();
    match (set.as_slice(), &spec.user_upload_file_path) {
        ([], None) => findings.required(
            "spec",
            "no code: want userUploadFilePath (with Troupe's own kubectl), source.inline, source.configMap or image",
        ),
        ([], Some(path)) => findings.warn(format!(
            "spec.userUploadFilePath {path:?} is a directory of yours and this client cannot upload it: \
             the function waits with condition SourceMissing. Ways out: apply with Troupe's own kubectl, \
             or give the code as source.inline or source.configMap, or name an image"
        )),
        ([_], _) => {}
        (many, _) => {
            findings.invalid("spec", format!("found {}, want exactly one", many.join(" and ")));
        }
    }
    if let Some(files) = &source.inline {
        if files.is_empty() {
            findings.required(
                "spec.source.inline",
                "found no file, want at least one .py file",
            );
        }
        for name in files.keys() {
            if let Err(want) = file_name(name) {
                let field = format!("spec.source.inline[{name}]");
                findings.invalid(field, format!("found file name {name:?}, want {want}"));
            }
        }
        let size: usize = files.values().map(String::len).sum();
        if size > INLINE_BYTES {
            let message = format!("found {size} bytes, want at most {INLINE_BYTES}");
            findings.invalid("spec.source.inline", message);
        }
    }
    if source.config_map.as_ref().is_some_and(String::is_empty) {
        findings.required(
            "spec.source.configMap",
            "found nothing, want a ConfigMap's name",
        );
    }
    if spec
        .image
        .as_ref()
        .is_some_and(|image| image.trim().is_empty())
    {
        findings.required("spec.image", "found nothing, want an image's name");
    }
}

/// A relative path that stays beneath its directory.
fn file_name(name: &str) -> Result<(), &'static str> {
    let good = !name.starts_with('/')
        && name.len() <= 200
        && !name.contains(['\\', '\0'])
        && name.split('/').all(|part| !matches!(part, "" | "." | ".."));
    if good {
        Ok(())
    } else {
        Err("a relative path without . and ..")
    }
}

fn scaling(rule: &Scaling, findings: &mut Findings) {
    findings.range(
        "spec.scaling.minReplicas",
        rule.min_replicas,
        0,
        MAX_REPLICAS,
    );
    findings.range(
        "spec.scaling.maxReplicas",
        rule.max_replicas,
        1,
        MAX_REPLICAS,
    );
    findings.range("spec.scaling.windowSeconds", rule.window_seconds, 1, 3600);
    findings.range(
        "spec.scaling.requestsPerReplica",
        rule.requests_per_replica,
        1,
        u32::MAX,
    );
    findings.range(
        "spec.scaling.targetConcurrency",
        rule.target_concurrency,
        1,
        1000,
    );
    findings.range(
        "spec.scaling.panicWindowPercent",
        rule.panic_window_percent,
        1,
        100,
    );
    findings.range(
        "spec.scaling.panicThresholdPercent",
        rule.panic_threshold_percent,
        110,
        1000,
    );
    findings.range("spec.scaling.pinned", rule.pinned, 0, MAX_REPLICAS);
    let (min, max) = (
        rule.min_replicas.unwrap_or(0),
        rule.max_replicas.unwrap_or(Scaling::DEFAULT_MAX_REPLICAS),
    );
    if min > max {
        let message = format!("found {min}, which is more than maxReplicas ({max})");
        findings.invalid("spec.scaling.minReplicas", message);
    }
}
