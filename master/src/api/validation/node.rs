//! Taints of nodes, and the tolerations that answer them.

use std::collections::BTreeSet;

use common::resources::{NO_EXECUTE, Node, TAINT_EFFECTS, Toleration};

use super::Findings;
use super::meta::check_key;

/// Longest value of a taint.
const VALUE_CHARS: usize = 63;
/// Most tolerations of a function.
const MOST: usize = 50;

pub(super) fn check(node: &Node, findings: &mut Findings) {
    let mut known = BTreeSet::new();
    for (at, taint) in node.spec.taints.iter().enumerate() {
        let field = format!("spec.taints[{at}]");
        check_key(&format!("{field}.key"), &taint.key, findings);
        check_value(&format!("{field}.value"), taint.value.as_deref(), findings);
        check_effect(&format!("{field}.effect"), &taint.effect, findings);
        if !known.insert((&taint.key, &taint.effect)) {
            let message = format!("found {}:{} twice", taint.key, taint.effect);
            findings.invalid(field, message);
        }
    }
}

pub(super) fn check_tolerations(tolerations: &[Toleration], findings: &mut Findings) {
    if tolerations.len() > MOST {
        let message = format!("found {}, want at most {MOST}", tolerations.len());
        findings.invalid("spec.tolerations", message);
    }
    for (at, toleration) in tolerations.iter().enumerate() {
        let field = format!("spec.tolerations[{at}]");
        let key = toleration.key.as_deref().unwrap_or_default();
        let effect = toleration.effect.as_deref().unwrap_or_default();
        let exists = match toleration.operator.as_deref() {
            None | Some("" | "Equal") => false,
            Some("Exists") => true,
            Some(other) => {
                let message = format!("found {other:?}, want Equal or Exists");
                findings.invalid(format!("{field}.operator"), message);
                continue;
            }
        };
        if key.is_empty() && !exists {
            findings.invalid(
                format!("{field}.operator"),
                "without a key all taints are meant: want Exists",
            );
        }
        if !key.is_empty() {
            check_key(&format!("{field}.key"), key, findings);
        }
        if exists
            && toleration
                .value
                .as_ref()
                .is_some_and(|value| !value.is_empty())
        {
            let message = "the operator Exists takes no value";
            findings.invalid(format!("{field}.value"), message);
        }
        check_value(
            &format!("{field}.value"),
            toleration.value.as_deref(),
            findings,
        );
        if !effect.is_empty() {
            check_effect(&format!("{field}.effect"), effect, findings);
        }
        if toleration.toleration_seconds.is_some() && effect != NO_EXECUTE {
            let message = "only for the effect NoExecute: other taints end no pods";
            findings.invalid(format!("{field}.tolerationSeconds"), message);
        }
    }
}

fn check_effect(field: &str, effect: &str, findings: &mut Findings) {
    if !TAINT_EFFECTS.contains(&effect) {
        let message = format!("found {effect:?}, want {}", TAINT_EFFECTS.join(", "));
        findings.invalid(field, message);
    }
}

fn check_value(field: &str, value: Option<&str>, findings: &mut Findings) {
    let value = value.unwrap_or_default();
    let inner = |c: char| c.is_ascii_alphanumeric() || matches!(c, '-' | '_' | '.');
    let edge = |c: Option<char>| c.is_none_or(|c| c.is_ascii_alphanumeric());
    let good = value.chars().all(inner) && edge(value.chars().next()) && edge(value.chars().last());
    if value.len() > VALUE_CHARS || !good {
        findings.invalid(
            field,
            format!(
                "found {value:?}, want at most {VALUE_CHARS} letters, digits, '-', '_' or '.', letters or \
                 digits at both ends"
            ),
        );
    }
}

#[cfg(test)]
mod tests {
    use common::resources::Taint;

    use super::*;

    fn fields(findings: &Findings) -> Vec<&str> {
        findings
            .causes
            .iter()
            .map(|cause| cause.field.as_str())
            .collect()
    }

    #[test]
    fn taints_have_a_key_and_an_effect_that_exists_and_stand_once() {
        let taint = |key: &str, value: Option<&str>, effect: &str| Taint {
            key: key.to_owned(),
            value: value.map(str::to_owned),
            effect: effect.to_owned(),
            time_added: None,
        };
        let judge = |taints: Vec<Taint>| {
            let mut node = Node::default();
            node.spec.taints = taints;
            let mut findings = Findings::default();
            check(&node, &mut findings);
            fields(&findings).join(" ")
        };
        let good = taint("team.example/gpu", Some("a_1"), "NoSchedule");
        assert_eq!(
            judge(vec![good.clone(), taint("gpu", None, "NoExecute")]),
            ""
        );
        assert_eq!(
            judge(vec![taint("", None, "NoSchedule")]),
            "spec.taints[0].key."
        );
        assert_eq!(
            judge(vec![taint("a", Some("-"), "Never")]),
            "spec.taints[0].value spec.taints[0].effect"
        );
        assert_eq!(judge(vec![good.clone(), good]), "spec.taints[1]");
    }

    #[test]
    fn tolerations_that_mean_nothing_are_told() {
        let judge = |json: serde_json::Value| {
            let tolerations: Vec<Toleration> = serde_json::from_value(json).unwrap();
            let mut findings = Findings::default();
            check_tolerations(&tolerations, &mut findings);
            fields(&findings).join(" ")
        };
        let good = serde_json::json!([
            { "key": "a", "value": "b", "effect": "NoSchedule" },
            { "operator": "Exists" },
            { "key": "a", "operator": "Exists", "effect": "NoExecute", "tolerationSeconds": 5 },
        ]);
        assert_eq!(judge(good), "");
        let bad = serde_json::json!([
            { "value": "b" },
            { "key": "a", "operator": "Is" },
            { "key": "a", "operator": "Exists", "value": "b" },
            { "key": "a", "effect": "NoSchedule", "tolerationSeconds": 5 },
            { "key": "a", "effect": "Never" },
        ]);
        assert_eq!(
            judge(bad),
            "spec.tolerations[0].operator spec.tolerations[1].operator spec.tolerations[2].value \
             spec.tolerations[3].tolerationSeconds spec.tolerations[4].effect"
        );
    }
}
