//! The rules names obey, and pod names made from names that pods may not have.

use crate::digest::Digest;

/// A name breaks its rule.
#[derive(Debug, thiserror::Error, PartialEq, Eq)]
#[error("found {found:?}, want {want}")]
pub struct NameError {
    /// The offending name, shortened.
    pub found: String,
    /// The rule, in words.
    pub want: &'static str,
}

fn check(name: &str, holds: bool, want: &'static str) -> Result<(), NameError> {
    if holds {
        Ok(())
    } else {
        Err(NameError {
            found: name.chars().take(100).collect(),
            want,
        })
    }
}

/// Functions, workflows, state machines, runs and activities: `[A-Za-z0-9_.-]{1,80}`. Seed 2 uses
/// underscores, which Kubernetes itself would refuse.
///
/// # Errors
/// When the name breaks the rule; `.` and `..` do too, since names become path segments.
pub fn check_name(name: &str) -> Result<(), NameError> {
    let allowed = |b: u8| b.is_ascii_alphanumeric() || matches!(b, b'_' | b'.' | b'-');
    let holds = (1..=80).contains(&name.len())
        && name.bytes().all(allowed)
        && name.bytes().any(|b| b != b'.');
    check(name, holds, "1 to 80 letters, digits, '_', '.' or '-'")
}

/// RFC 1123 label: namespaces.
///
/// # Errors
/// When the name breaks the rule.
pub fn check_dns_label(name: &str) -> Result<(), NameError> {
    let holds = (1..=63).contains(&name.len()) && is_dns_label(name);
    check(
        name,
        holds,
        "1 to 63 lower-case letters, digits or '-', with a letter or digit at both ends",
    )
}

/// RFC 1123 subdomain: pods, nodes, secrets and the like.
///
/// # Errors
/// When the name breaks the rule.
pub fn check_dns_subdomain(name: &str) -> Result<(), NameError> {
    let holds = (1..=253).contains(&name.len()) && name.split('.').all(is_dns_label);
    check(
        name,
        holds,
        "1 to 253 lower-case letters, digits, '-' or '.', with a letter or digit at both ends of each part",
    )
}

fn is_dns_label(label: &str) -> bool {
    let inner = |b: u8| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'-';
    !label.is_empty()
        && label.bytes().all(inner)
        && !label.starts_with('-')
        && !label.ends_with('-')
}

/// The name of a revision's replica set: the function's, made fit for DNS and cut to 40 characters,
/// and the revision. Names that were changed carry a hash so that `a_b` and `a-b` stay apart.
#[must_use]
pub fn derive_replica_set_name(function: &str, revision: &str) -> String {
    let fit: String = function
        .chars()
        .map(|c| {
            if c.is_ascii_alphanumeric() {
                c.to_ascii_lowercase()
            } else {
                '-'
            }
        })
        .collect();
    let fit = fit.trim_matches('-');
    let fit = &fit[..fit.len().min(40)];
    let fit = fit.trim_end_matches('-');
    if fit == function {
        return format!("{fit}-{revision}");
    }
    let hash = &Digest::of(function.as_bytes()).hex()[..6];
    let fit = if fit.is_empty() { "f" } else { fit };
    format!("{fit}-{hash}-{revision}")
}

/// A pod's name: its replica set's and a suffix of up to five characters.
#[must_use]
pub fn derive_pod_name(function: &str, revision: &str, suffix: &str) -> String {
    format!("{}-{suffix}", derive_replica_set_name(function, revision))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn names_of_both_seeds_pass() {
        for good in ["func1", "test_state_machine1", "a.b-c", "A"] {
            assert_eq!(check_name(good), Ok(()), "{good}");
        }
        for bad in ["", "a/b", "a b", ".", "..", &"x".repeat(81), "ä"] {
            assert!(check_name(bad).is_err(), "{bad}");
        }
    }

    proptest! {
        #[test]
        fn pod_names_are_dns_names(function in "[A-Za-z0-9_.-]{1,80}") {
            let pod = derive_pod_name(&function, "7f00aa11", "x1y2z");
            prop_assert_eq!(check_dns_label(&pod), Ok(()), "{}", pod);
        }
    }
}
