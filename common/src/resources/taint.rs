use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// New pods go elsewhere.
pub const NO_SCHEDULE: &str = "NoSchedule";
/// New pods go elsewhere while there is room elsewhere.
pub const PREFER_NO_SCHEDULE: &str = "PreferNoSchedule";
/// New pods go elsewhere, and those that are there leave.
pub const NO_EXECUTE: &str = "NoExecute";
/// All effects of a taint.
pub const TAINT_EFFECTS: [&str; 3] = [NO_SCHEDULE, PREFER_NO_SCHEDULE, NO_EXECUTE];

/// A mark on a node that keeps pods away.
#[derive(
    Clone, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize, JsonSchema,
)]
#[serde(rename_all = "camelCase", default)]
pub struct Taint {
    /// The mark's name.
    pub key: String,
    /// The mark's value.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub value: Option<String>,
    /// `NoSchedule`, `PreferNoSchedule` or `NoExecute`.
    pub effect: String,
    /// When it was added.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub time_added: Option<String>,
}

impl std::fmt::Display for Taint {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(&self.key)?;
        if let Some(value) = self.value.as_ref().filter(|value| !value.is_empty()) {
            write!(f, "={value}")?;
        }
        write!(f, ":{}", self.effect)
    }
}

/// A taint that a function's pods put up with.
#[derive(
    Clone, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize, JsonSchema,
)]
#[serde(rename_all = "camelCase", default)]
pub struct Toleration {
    /// The taint's key. Without one, with the operator `Exists`, every taint is meant.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub key: Option<String>,
    /// `Equal` (the default): the value is the same. `Exists`: whatever the value.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub operator: Option<String>,
    /// The taint's value, for `Equal`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub value: Option<String>,
    /// The taint's effect; without one every effect is meant.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub effect: Option<String>,
    /// For `NoExecute`: how long a pod stays after the taint was added, in seconds. Without it, for good.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub toleration_seconds: Option<i64>,
}

impl Toleration {
    /// Whether the taint is one of those that it puts up with.
    #[must_use]
    pub fn tolerates(&self, taint: &Taint) -> bool {
        let named = |own: &Option<String>, other: &str| {
            own.as_deref()
                .is_none_or(|own| own.is_empty() || own == other)
        };
        let value = taint.value.as_deref().unwrap_or_default();
        let same_value = match self.operator.as_deref() {
            Some("Exists") => true,
            _ => self.value.as_deref().unwrap_or_default() == value,
        };
        named(&self.key, &taint.key) && named(&self.effect, &taint.effect) && same_value
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tolerations_match_as_in_kubernetes() {
        let taint = Taint {
            key: "gpu".into(),
            value: Some("a100".into()),
            effect: NO_SCHEDULE.into(),
            time_added: None,
        };
        assert_eq!(taint.to_string(), "gpu=a100:NoSchedule");
        let some = |text: &str| (!text.is_empty()).then(|| text.to_owned());
        let fits = |key: &str, operator: &str, value: &str, effect: &str| {
            let toleration = Toleration {
                key: some(key),
                operator: some(operator),
                value: some(value),
                effect: some(effect),
                toleration_seconds: None,
            };
            toleration.tolerates(&taint)
        };
        assert!(fits("gpu", "Equal", "a100", NO_SCHEDULE));
        assert!(fits("gpu", "", "a100", ""));
        assert!(fits("gpu", "Exists", "", NO_SCHEDULE));
        assert!(fits("", "Exists", "", ""));
        assert!(!fits("gpu", "Equal", "h100", NO_SCHEDULE));
        assert!(!fits("gpu", "", "", ""));
        assert!(!fits("gpu", "Exists", "", NO_EXECUTE));
        assert!(!fits("disk", "Exists", "", ""));
    }
}
