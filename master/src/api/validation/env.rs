use std::collections::HashSet;

use common::resources::EnvVar;

use super::Findings;

const MAX_VARIABLES: usize = 1000;

pub(super) fn check(field: &str, env: &[EnvVar], findings: &mut Findings) {
    if env.len() > MAX_VARIABLES {
        findings.invalid(
            field,
            format!(
                "found {} variables, want at most {MAX_VARIABLES}",
                env.len()
            ),
        );
    }
    let mut seen = HashSet::new();
    for (at, variable) in env.iter().enumerate() {
        let name = variable.name.as_str();
        let path = format!("{field}[{at}]");
        let good = |c: char| c.is_ascii_alphanumeric() || c == '_';
        if name.is_empty() {
            findings.required(format!("{path}.name"), "a name is required");
        } else if !name.chars().all(good) || name.starts_with(|c: char| c.is_ascii_digit()) {
            findings.invalid(
                format!("{path}.name"),
                format!("found {name:?}, want letters, digits and '_', not beginning with a digit"),
            );
        } else if name.starts_with("TROUPE_") {
            findings.invalid(
                format!("{path}.name"),
                format!("{name}: TROUPE_ is reserved"),
            );
        } else if !seen.insert(name) {
            findings.invalid(format!("{path}.name"), format!("{name} is there twice"));
        }
        let from = variable.value_from.as_ref();
        let sources = [
            variable.value.is_some(),
            from.is_some_and(|from| from.secret_key_ref.is_some()),
            from.is_some_and(|from| from.config_map_key_ref.is_some()),
        ];
        if sources.iter().filter(|set| **set).count() > 1 {
            let want = "want one of value, valueFrom.secretKeyRef and valueFrom.configMapKeyRef";
            findings.invalid(path, format!("found more than one source, {want}"));
        } else if from.is_some() && !sources[1] && !sources[2] {
            let want = "want secretKeyRef or configMapKeyRef";
            findings.required(
                format!("{path}.valueFrom"),
                format!("found nothing, {want}"),
            );
        } else if let Some(from) = from {
            let references = [
                (
                    "secretKeyRef",
                    from.secret_key_ref.as_ref().map(|r| (&r.name, &r.key)),
                ),
                (
                    "configMapKeyRef",
                    from.config_map_key_ref.as_ref().map(|r| (&r.name, &r.key)),
                ),
            ];
            for (kind, reference) in references {
                if reference.is_some_and(|(name, key)| name.is_empty() || key.is_empty()) {
                    let field = format!("{path}.valueFrom.{kind}");
                    findings.required(field, "name and key are required");
                }
            }
        }
    }
}
