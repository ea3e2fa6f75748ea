//! Which builds a function lacks, given the nodes there are. Pure.

use std::collections::{BTreeMap, BTreeSet};

use common::resources::{Condition, ConditionStatus, Function, FunctionLayer};

use crate::platform::{ARCH_LABEL, Platform};

/// Failures that lie in the code: the same code fails the same way.
const FINAL: [&str; 5] = [
    "SyntaxError",
    "NoEntry",
    "AmbiguousEntry",
    "BadHandler",
    "BadSource",
];

/// Whether a failure lies in the code.
pub(super) fn is_final(reason: &str) -> bool {
    FINAL.contains(&reason)
}

/// A node that is ready, as builds see it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Ground {
    pub(super) labels: BTreeMap<String, String>,
    pub(super) platform: Platform,
}

/// The ready nodes by name.
pub(super) type Grounds = BTreeMap<String, Ground>;

/// Labels that a node must have.
type Selector = BTreeMap<String, String>;

/// Platforms of the nodes that a selector admits.
pub(super) fn admitted(nodes: &Grounds, selector: &Selector) -> BTreeSet<Platform> {
    let admits = |node: &&Ground| selector.iter().all(|(k, v)| node.labels.get(k) == Some(v));
    nodes
        .values()
        .filter(admits)
        .map(|node| node.platform.clone())
        .collect()
}

/// What a layer may be built for; empty: whatever the node is that builds it.
pub(super) fn targets(nodes: &Grounds, selector: &Selector) -> Vec<Platform> {
    let admitted = admitted(nodes, selector);
    if admitted.is_empty() {
        let named = selector.get(ARCH_LABEL);
        return named
            .map(|arch| Platform::new(arch, ""))
            .into_iter()
            .collect();
    }
    admitted.into_iter().collect()
}

/// What `Schedulable` says of a function that chooses its nodes; `None` for one that takes any.
pub(super) fn schedulable(nodes: &Grounds, selector: &Selector) -> Option<Condition> {
    if selector.is_empty() {
        return None;
    }
    if !admitted(nodes, selector).is_empty() {
        return Some(Condition::new("Schedulable", true, "NodesMatch", ""));
    }
    let labels: Vec<_> = selector.iter().map(|(k, v)| format!("{k}={v}")).collect();
    let message = format!(
        "no ready node has the labels {}: start a node-agent on such a machine, or change \
         spec.nodeSelector; see: kubectl get nodes --show-labels",
        labels.join(",")
    );
    Some(Condition::new(
        "Schedulable",
        false,
        "NoMatchingNode",
        message,
    ))
}

/// What a function lacks.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Need {
    /// Builds to start now; `None` for the first of all.
    pub(super) now: BTreeSet<Option<Platform>>,
    /// Builds that failed for reasons outside the code: worth another try later.
    pub(super) later: BTreeSet<Option<Platform>>,
    /// Whether another kind of node could make more of it necessary.
    pub(super) depends_on_nodes: bool,
}

/// What `Built` says of a build, if it says anything definite.
pub(super) fn verdict<'a>(function: &'a Function, build: &str) -> Option<&'a Condition> {
    if function.status.build.as_deref() != Some(build) {
        return None;
    }
    let mut conditions = function.status.conditions.iter();
    let built = conditions.find(|c| c.r#type == "Built")?;
    (built.status != ConditionStatus::Unknown).then_some(built)
}

/// What the function lacks of this build.
pub(super) fn need(function: &Function, build: &str, nodes: &Grounds) -> Need {
    let mut need = Need {
        depends_on_nodes: !function.spec.node_selector.is_empty(),
        ..Need::default()
    };
    let Some(built) = verdict(function, build) else {
        need.now.insert(None);
        return need;
    };
    if !built.is_true() {
        if !is_final(&built.reason) {
            need.later.insert(None);
        }
        return need;
    }
    let layers = &function.status.layers;
    let native = |layer: &FunctionLayer| layer.architecture.is_some();
    if layers.is_empty() || !layers.iter().any(native) {
        return need;
    }
    need.depends_on_nodes = true;
    for platform in admitted(nodes, &function.spec.node_selector) {
        let serves = |layer: &&FunctionLayer| {
            Platform::of_layer(layer).is_none_or(|made| made.serves(&platform))
        };
        match layers.iter().find(serves) {
            None => {
                need.now.insert(Some(platform));
            }
            Some(FunctionLayer {
                reason: Some(reason),
                ..
            }) if !is_final(reason) => {
                need.later.insert(Some(platform));
            }
            Some(_) => {}
        }
    }
    need
}

#[cfg(test)]
mod tests {
    use super::*;

    fn nodes(archs: &[&str]) -> Grounds {
        let node = |arch: &&str| {
            let ground = Ground {
                labels: BTreeMap::from([(ARCH_LABEL.to_owned(), (*arch).to_owned())]),
                platform: Platform::new(arch, "3.11"),
            };
            (format!("node-{arch}"), ground)
        };
        archs.iter().map(node).collect()
    }

    fn built(layers: &[(Option<&str>, Option<&str>)]) -> Function {
        let mut function = Function::default();
        function.status.build = Some("b".to_owned());
        function.status.conditions = vec![Condition::new("Built", true, "Built", "")];
        let layer = |(arch, reason): &(Option<&str>, Option<&str>)| FunctionLayer {
            architecture: arch.map(str::to_owned),
            python: arch.map(|_| "3.11".to_owned()),
            reason: reason.map(str::to_owned),
            ..FunctionLayer::default()
        };
        function.status.layers = layers.iter().map(layer).collect();
        function
    }

    fn some(arch: &str) -> BTreeSet<Option<Platform>> {
        BTreeSet::from([Some(Platform::new(arch, "3.11"))])
    }

    #[test]
    fn the_first_build_is_for_any_node_and_machine_code_then_for_each_kind() {
        let fresh = need(&Function::default(), "b", &nodes(&["amd64", "arm64"]));
        assert_eq!(fresh.now, BTreeSet::from([None]));
        let native = built(&[(Some("amd64"), None)]);
        assert_eq!(need(&native, "b", &nodes(&["amd64"])).now, BTreeSet::new());
        assert_eq!(
            need(&native, "b", &nodes(&["amd64", "arm64"])).now,
            some("arm64")
        );
        let pure = need(&built(&[(None, None)]), "b", &nodes(&["amd64", "arm64"]));
        assert_eq!(pure, Need::default());
    }

    #[test]
    fn only_nodes_that_the_selector_admits_count() {
        let mut native = built(&[(Some("arm64"), None)]);
        native.spec.node_selector = BTreeMap::from([(ARCH_LABEL.to_owned(), "arm64".to_owned())]);
        let need = need(&native, "b", &nodes(&["amd64", "arm64"]));
        assert!(need.now.is_empty() && need.depends_on_nodes);
        let selector = &native.spec.node_selector;
        assert_eq!(
            targets(&nodes(&["amd64"]), selector),
            [Platform::new("arm64", "")]
        );
        assert_eq!(
            targets(&nodes(&["amd64", "arm64"]), selector),
            [Platform::new("arm64", "3.11")]
        );
        assert_eq!(targets(&nodes(&[]), &BTreeMap::new()), []);
    }

    #[test]
    fn failures_outside_the_code_are_worth_another_try() {
        let failed = |reason| built(&[(Some("amd64"), None), (Some("arm64"), Some(reason))]);
        let all = nodes(&["amd64", "arm64"]);
        assert_eq!(
            need(&failed("RequirementsFailed"), "b", &all).later,
            some("arm64")
        );
        assert_eq!(
            need(&failed("SyntaxError"), "b", &all).later,
            BTreeSet::new()
        );
        let mut first = built(&[]);
        first.status.conditions = vec![Condition::new("Built", false, "Timeout", "")];
        assert_eq!(need(&first, "b", &all).later, BTreeSet::from([None]));
    }
}
