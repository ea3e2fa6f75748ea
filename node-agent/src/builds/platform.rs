use std::fmt;

/// What machine code is for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Platform {
    /// `amd64` or `arm64`.
    pub(super) arch: String,
    /// Such as `3.11`; empty when it is not known.
    pub(super) python: String,
}

impl Platform {
    /// Whether what is made for this platform is what is wanted; an empty word wants nothing.
    pub(super) fn serves(&self, arch: &str, python: &str) -> bool {
        let fits = |wanted: &str, own: &str| wanted.is_empty() || own.is_empty() || wanted == own;
        fits(arch, &self.arch) && fits(python, &self.python)
    }
}

impl fmt::Display for Platform {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.arch)?;
        if self.python.is_empty() {
            return Ok(());
        }
        write!(f, " with Python {}", self.python)
    }
}
