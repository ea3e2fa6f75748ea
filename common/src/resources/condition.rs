use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// One thing that is true, false or unknown about an object, and why.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", default)]
pub struct Condition {
    /// What is judged, as `Ready`.
    pub r#type: String,
    /// The verdict.
    pub status: ConditionStatus,
    /// One CamelCase word for programs.
    pub reason: String,
    /// The same for people, with what to do next.
    pub message: String,
    /// When `status` last changed.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub last_transition_time: String,
    /// The generation of `spec` that was judged.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub observed_generation: Option<i64>,
}

/// A condition's verdict.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub enum ConditionStatus {
    /// It holds.
    True,
    /// It does not hold.
    False,
    /// Not judged yet.
    #[default]
    Unknown,
}

impl From<bool> for ConditionStatus {
    fn from(holds: bool) -> Self {
        if holds { Self::True } else { Self::False }
    }
}

impl Condition {
    /// A condition that was just judged.
    pub fn new(
        r#type: &str,
        status: impl Into<ConditionStatus>,
        reason: &str,
        message: impl Into<String>,
    ) -> Self {
        Self {
            r#type: r#type.to_owned(),
            status: status.into(),
            reason: reason.to_owned(),
            message: message.into(),
            ..Self::default()
        }
    }

    /// Whether the verdict is [`ConditionStatus::True`].
    #[must_use]
    pub fn is_true(&self) -> bool {
        self.status == ConditionStatus::True
    }
}

/// Puts `new` among `conditions`; the transition time moves only when the verdict does. Returns
/// whether anything a reader would see has changed.
pub fn set_condition(conditions: &mut Vec<Condition>, mut new: Condition, now: &str) -> bool {
    let Some(old) = conditions.iter_mut().find(|c| c.r#type == new.r#type) else {
        new.last_transition_time = now.to_owned();
        conditions.push(new);
        return true;
    };
    new.last_transition_time = if old.status == new.status {
        old.last_transition_time.clone()
    } else {
        now.to_owned()
    };
    if *old == new {
        return false;
    }
    *old = new;
    true
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_transition_time_moves_only_with_the_verdict() {
        let mut conditions = Vec::new();
        assert!(set_condition(
            &mut conditions,
            Condition::new("Ready", false, "A", ""),
            "t1"
        ));
        assert!(set_condition(
            &mut conditions,
            Condition::new("Ready", false, "B", ""),
            "t2"
        ));
        assert_eq!(conditions[0].last_transition_time, "t1");
        assert!(!set_condition(
            &mut conditions,
            Condition::new("Ready", false, "B", ""),
            "t3"
        ));
        assert!(set_condition(
            &mut conditions,
            Condition::new("Ready", true, "C", ""),
            "t4"
        ));
        assert_eq!(conditions[0].last_transition_time, "t4");
    }
}
