use std::io;
use std::path::PathBuf;

use config::{ConfigError, Value, ValueKind};

/// Settings cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The file is not there or may not be read.
    #[error("read settings file {path}")]
    File {
        /// The file.
        path: PathBuf,
        /// Why.
        #[source]
        source: io::Error,
    },
    /// The file is not TOML; the text names file and line.
    #[error("read settings: {0}")]
    Parse(String),
    /// A value does not fit.
    #[error("{place}: {key}: {problem}")]
    Value {
        /// The file, the environment variable or the flag.
        place: String,
        /// The key.
        key: String,
        /// What was found and what is wanted.
        problem: String,
    },
}

impl Error {
    pub(super) fn whole(error: ConfigError) -> Self {
        Self::Parse(error.to_string())
    }

    pub(super) fn at(root: &Value, error: serde_path_to_error::Error<ConfigError>) -> Self {
        let path = error.path().to_string();
        let problem = problem(error.inner());
        let unknown = unknown_field(&problem);
        let key = match unknown {
            Some(field) if path == "." => field.to_owned(),
            Some(field) if path.rsplit('.').next() != Some(field) => format!("{path}.{field}"),
            _ => path,
        };
        let place = place(root, &key).unwrap_or_else(|| "settings".to_owned());
        Self::Value {
            place,
            key,
            problem: problem.replace("unknown field", "unknown key"),
        }
    }
}

/// What is wrong, without place and key, which stand before it.
fn problem(error: &ConfigError) -> String {
    match error {
        ConfigError::At { error, .. } => problem(error),
        ConfigError::Type {
            unexpected,
            expected,
            ..
        } => {
            format!("found {unexpected}, want {expected}")
        }
        ConfigError::NotFound(key) => format!("want a value for {key}"),
        other => other.to_string(),
    }
}

fn unknown_field(problem: &str) -> Option<&str> {
    problem.strip_prefix("unknown field `")?.split('`').next()
}

/// Where the value of a key stands, or the nearest one above it.
fn place(root: &Value, key: &str) -> Option<String> {
    let mut at = root;
    let mut place = None;
    for part in key.split(['.', '[']) {
        place = at.origin().or(place);
        let ValueKind::Table(table) = &at.kind else {
            break;
        };
        let Some(next) = table.get(part) else { break };
        at = next;
    }
    at.origin().or(place).map(ToOwned::to_owned)
}
