//! Settings of a program: a TOML file, over it the environment, over that the flags.
//!
//! Keys are kebab-case words with dots between levels. In the environment `PREFIX__POOL__MAX_SIZE`
//! is the key `pool.max-size`. Every error names where the value stands, the key, what was found
//! and what is wanted. Give the type `#[serde(deny_unknown_fields)]` at all levels, so that a
//! misspelt key is an error.

mod error;
mod source;
mod value;

use std::path::Path;

use config::{Config, File, FileFormat};
use serde::de::DeserializeOwned;

pub use error::Error;
pub use value::{ByteCount, duration, list};

use source::Pairs;

/// Reads settings. `environment` is usually [`std::env::vars`]; `overrides` are keys with their
/// flags' values.
///
/// # Errors
/// When the file cannot be read or parsed, or a value does not fit.
pub fn load<T: DeserializeOwned>(
    file: Option<&Path>,
    prefix: &str,
    environment: impl IntoIterator<Item = (String, String)>,
    overrides: &[(&str, String)],
) -> Result<T, Error> {
    let mut builder = Config::builder();
    if let Some(path) = file {
        std::fs::metadata(path).map_err(|source| Error::File {
            path: path.to_owned(),
            source,
        })?;
        builder = builder.add_source(File::from(path).format(FileFormat::Toml));
    }
    let builder = builder
        .add_source(Pairs::of_environment(prefix, environment))
        .add_source(Pairs::of_flags(overrides));
    let config = builder.build().map_err(Error::whole)?;
    let root = config.cache.clone();
    serde_path_to_error::deserialize(config).map_err(|error| Error::at(&root, error))
}

#[cfg(test)]
mod tests;
