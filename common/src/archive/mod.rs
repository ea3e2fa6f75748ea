//! Directories as tar archives: [`pack`] gives the same bytes for the same content wherever and
//! whenever it runs; [`unpack`] takes archives from strangers and never touches anything outside
//! its directory.

mod error;
mod pack;
mod unpack;

pub use error::Error;
pub use pack::{Packing, pack, pack_gzip};
pub use unpack::{unpack, unpack_gzip};

/// How much an archive may hold.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Limits {
    /// All files together, in bytes.
    pub bytes: u64,
    /// Files, directories and links.
    pub entries: u64,
    /// The longest path, in bytes.
    pub path: usize,
}

impl Limits {
    /// Limits that fit functions, for so many bytes.
    #[must_use]
    pub const fn bytes(bytes: u64) -> Self {
        Self {
            bytes,
            entries: 200_000,
            path: 1024,
        }
    }
}

/// What an archive held.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Summary {
    /// All files together, in bytes.
    pub bytes: u64,
    /// Files, directories and links.
    pub entries: u64,
}

impl Summary {
    /// Counts an entry of so many bytes.
    fn add(&mut self, bytes: u64, path: &str, limits: &Limits) -> Result<(), Error> {
        self.entries += 1;
        self.bytes = self.bytes.saturating_add(bytes);
        if self.entries > limits.entries {
            return Err(Error::limit(
                path,
                format!("more than {} entries", limits.entries),
            ));
        }
        if self.bytes > limits.bytes {
            return Err(Error::limit(
                path,
                format!("more than {} bytes", limits.bytes),
            ));
        }
        if path.len() > limits.path {
            return Err(Error::limit(
                path,
                format!("a path longer than {} bytes", limits.path),
            ));
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests;
