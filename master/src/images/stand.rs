//! Where a function's build stands, for its status.

use common::digest::Digest;
use common::link::{BuildFailure, BuildOutcome, Built};
use common::resources::{Condition, Function, FunctionLayer, Style, set_condition};

use super::record::BuildPart;
use crate::platform::Platform;

/// What a function's status shows of its build.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Stand {
    pub(super) layers: Vec<FunctionLayer>,
    pub(super) first: Option<First>,
    pub(super) built: Condition,
}

/// The layer that was built first, and what was found on the way.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct First {
    pub(super) layer: Digest,
    pub(super) size: u64,
    pub(super) handler: String,
    pub(super) style: Style,
}

impl Stand {
    /// From the parts of a build that ended, in the order they did. `None` when there are none.
    pub(super) fn of(parts: &[BuildPart]) -> Option<Self> {
        let built = |part: &BuildPart| match &part.outcome {
            BuildOutcome::Built(built) => Some((part.platform.clone(), built.clone())),
            BuildOutcome::Failed(_) => None,
        };
        let all: Vec<(Platform, Built)> = parts.iter().filter_map(built).collect();
        let failed = |part: &BuildPart| match &part.outcome {
            BuildOutcome::Failed(failure) => Some((part.platform.clone(), failure.clone())),
            BuildOutcome::Built(_) => None,
        };
        let failed: Vec<(Platform, BuildFailure)> = parts.iter().filter_map(failed).collect();
        let Some((_, first)) = all.first() else {
            let (_, failure) = failed.first()?;
            let message = failure.message.clone();
            return Some(Self {
                layers: Vec::new(),
                first: None,
                built: Condition::new("Built", false, &failure.reason, message),
            });
        };
        let mut message = format!("{}, called as {}", first.handler, first.style.as_str());
        // What the first build found to be free of machine code serves all.
        let layers = if first.native {
            for (platform, failure) in &failed {
                let text = format!("; no layer for {platform}: {}", failure.reason);
                message.push_str(&text);
            }
            let made = all
                .iter()
                .map(|(platform, built)| shown(Some(platform), built));
            made.chain(failed.iter().map(|(p, f)| shown_failure(p, f)))
                .collect()
        } else {
            vec![shown(None, first)]
        };
        Some(Self {
            layers,
            first: Some(First {
                layer: first.layer,
                size: first.size,
                handler: first.handler.clone(),
                style: first.style,
            }),
            built: Condition::new("Built", true, "Built", message),
        })
    }

    /// Writes it into a function's status. Returns whether anything changed.
    pub(super) fn show(&self, function: &mut Function, build: &str, now: &str) -> bool {
        let before = function.status.clone();
        let status = &mut function.status;
        if let Some(first) = &self.first {
            let same = status.layer == Some(first.layer);
            if !same || status.image.is_none() {
                // The image follows, if there is to be one.
                status.image = Some(first.layer.to_string());
                status.image_architectures.clear();
            }
            status.layer = Some(first.layer);
            status.layer_bytes = Some(first.size);
            status.handler = Some(first.handler.clone());
            status.style = Some(first.style);
            status.layers.clone_from(&self.layers);
        }
        show(function, Some(build), self.built.clone(), now);
        function.status != before
    }
}

fn shown(platform: Option<&Platform>, built: &Built) -> FunctionLayer {
    FunctionLayer {
        architecture: platform.map(|platform| platform.arch.clone()),
        python: platform.map(|platform| platform.python.clone()),
        digest: Some(built.layer),
        bytes: Some(built.size),
        ..FunctionLayer::default()
    }
}

fn shown_failure(platform: &Platform, failure: &BuildFailure) -> FunctionLayer {
    FunctionLayer {
        architecture: Some(platform.arch.clone()),
        python: Some(platform.python.clone()),
        reason: Some(failure.reason.clone()),
        message: Some(failure.message.clone()),
        ..FunctionLayer::default()
    }
}

/// Writes what is known of a build into a function's status. Returns whether anything changed.
pub(super) fn show(
    function: &mut Function,
    build: Option<&str>,
    built: Condition,
    now: &str,
) -> bool {
    let before = function.status.clone();
    let built = Condition {
        observed_generation: Some(function.metadata.generation),
        ..built
    };
    let status = &mut function.status;
    status.build = build.map(str::to_owned);
    set_condition(&mut status.conditions, built, now);
    *status != before
}

#[cfg(test)]
mod tests {
    use super::*;

    fn part(arch: &str, ended: &str, native: bool) -> BuildPart {
        let built = Built {
            layer: Digest::of(arch.as_bytes()),
            size: 1,
            handler: "func.main".to_owned(),
            style: Style::Params,
            native,
        };
        BuildPart {
            job: "j".to_owned(),
            platform: Platform::new(arch, "3.11"),
            ended: ended.to_owned(),
            outcome: BuildOutcome::Built(built),
            log: Vec::new(),
        }
    }

    fn failed(arch: &str) -> BuildPart {
        let failure = BuildFailure {
            reason: "RequirementsFailed".to_owned(),
            message: "no wheel".to_owned(),
            transient: false,
        };
        BuildPart {
            outcome: BuildOutcome::Failed(failure),
            ..part(arch, "3", true)
        }
    }

    #[test]
    fn machine_code_is_shown_by_platform_and_a_missing_one_says_why() {
        let parts = [
            part("amd64", "1", true),
            part("arm64", "2", true),
            failed("riscv64"),
        ];
        let stand = Stand::of(&parts).unwrap();
        let of = |layer: &FunctionLayer| (layer.architecture.clone().unwrap(), layer.digest);
        let layers: Vec<_> = stand.layers.iter().map(of).collect();
        let digest = |arch: &str| Some(Digest::of(arch.as_bytes()));
        assert_eq!(
            layers,
            [
                ("amd64".to_owned(), digest("amd64")),
                ("arm64".to_owned(), digest("arm64")),
                ("riscv64".to_owned(), None),
            ]
        );
        assert!(stand.built.is_true() && stand.built.message.contains("riscv64"));
        let mut function = Function::default();
        assert!(stand.show(&mut function, "b", "now"));
        assert_eq!(function.status.layer, digest("amd64"));
        assert!(!stand.show(&mut function, "b", "later"), "the same twice");
    }

    #[test]
    fn a_pure_layer_serves_all() {
        let stand = Stand::of(&[part("amd64", "1", false)]).unwrap();
        assert_eq!(stand.layers.len(), 1);
        assert_eq!(stand.layers[0].architecture, None);
        let failed = Stand::of(&[failed("amd64")]).unwrap();
        assert_eq!(
            (failed.first, failed.built.reason.as_str()),
            (None, "RequirementsFailed")
        );
        assert_eq!(Stand::of(&[]), None);
    }
}
