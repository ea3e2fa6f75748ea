//! Colours, and how wide texts are.

use super::model::Kind;
use crate::run::StepStatus;
use crate::states::StateType;

/// Fill and line of a box.
pub(super) struct Colours {
    pub(super) fill: &'static str,
    pub(super) line: &'static str,
}

/// The colours of a state by what happened in it.
pub(super) fn of_outcome(status: Option<StepStatus>) -> Colours {
    let (fill, line) = match status {
        None => ("#ffffff", "#9aa5b1"),
        Some(StepStatus::Succeeded) => ("#e5f6ea", "#2f9e55"),
        Some(StepStatus::Caught) => ("#fff3df", "#d9861a"),
        Some(StepStatus::Failed) => ("#fde8e8", "#cf3b3b"),
        Some(StepStatus::Running) => ("#e4f0fe", "#2b73d1"),
        Some(StepStatus::Aborted) => ("#eef0f3", "#737f8c"),
    };
    Colours { fill, line }
}

/// The stripe that tells a state's type.
pub(super) fn of_kind(kind: Kind) -> &'static str {
    match kind {
        Kind::State(StateType::Task) => "#e07b39",
        Kind::State(StateType::Choice) => "#8a63d2",
        Kind::State(StateType::Wait) => "#c9a227",
        Kind::State(StateType::Succeed) => "#2f9e55",
        Kind::State(StateType::Fail) => "#cf3b3b",
        Kind::State(StateType::Parallel) => "#1f8a9e",
        Kind::State(StateType::Map) => "#3466c2",
        Kind::State(StateType::Pass) | Kind::Start | Kind::End => "#8794a3",
    }
}

/// The width of a text in a common sans-serif face, about.
pub(super) fn width(text: &str, size: f64) -> f64 {
    let letters: f64 = text
        .chars()
        .map(|c| match c {
            'i' | 'j' | 'l' | '.' | ',' | ':' | ';' | '\'' | '|' | '!' => 0.30,
            'f' | 't' | 'r' | ' ' | '(' | ')' | '[' | ']' | '/' | '-' | '"' => 0.39,
            'm' | 'w' | 'M' | 'W' | '@' | '%' => 0.92,
            c if c.is_ascii_uppercase() => 0.70,
            c if c.is_ascii() => 0.59,
            c if u32::from(c) >= 0x2e80 => 1.05,
            _ => 0.62,
        })
        .sum();
    // Faces differ: rather a bit too wide.
    letters * size * 1.06
}
