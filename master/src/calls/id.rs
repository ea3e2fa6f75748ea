use std::fmt;

/// Names one call. 128 random bits, so that who knows it may read the call's result.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct InvocationId(String);

impl InvocationId {
    /// A new id from 128 random bits.
    #[must_use]
    pub fn new(entropy: u128) -> Self {
        Self(format!("{entropy:032x}"))
    }

    /// The id of a run's task: the same for each attempt that is repeated after a crash, so that a
    /// function can tell a repeat. Other characters than letters, digits and `-_.` become `-`.
    #[must_use]
    pub fn of_task(run_uid: &str, task: &str) -> Self {
        let fit = |c: char| {
            if c.is_ascii_alphanumeric() || "-_.".contains(c) {
                c
            } else {
                '-'
            }
        };
        Self(format!("{run_uid}.{task}").chars().map(fit).collect())
    }

    /// The id as text.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for InvocationId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}
