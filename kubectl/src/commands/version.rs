//! `version`.

use std::io::Write as _;

use clap::Args;
use serde_json::{Value, json};

use super::error::{Error, message};
use crate::cli::Globals;
use crate::client::server_version;
use crate::print::document;

/// This program's version, as servers and clients of Kubernetes write theirs.
const CLIENT: &str = concat!("v", env!("CARGO_PKG_VERSION"), "+troupe");

/// `kubectl version`.
#[derive(Args, Clone, Debug)]
#[command(after_help = "Examples:
  kubectl version
  kubectl version --client -o json")]
pub struct VersionArgs {
    /// Only this program's
    #[arg(long, num_args = 0..=1, default_value = "false", default_missing_value = "true", require_equals = true, value_name = "true|false")]
    client: String,
    /// yaml or json
    #[arg(short, long, value_name = "yaml|json")]
    output: Option<String>,
}

/// Runs `version`.
///
/// # Errors
/// When the server cannot be asked.
pub async fn version(args: &VersionArgs, globals: &Globals) -> Result<(), Error> {
    let (os, architecture) = (std::env::consts::OS, std::env::consts::ARCH);
    let mut value = json!({"clientVersion": {"gitVersion": CLIENT, "platform": format!("{os}/{architecture}")}});
    let server = match args.client.as_str() {
        "true" => None,
        _ => Some(async { server_version(&globals.connect()?).await }.await),
    };
    if let Some(Ok(server)) = &server {
        value["serverVersion"] = server.clone();
    }
    let mut out = std::io::stdout().lock();
    match args.output.as_deref() {
        Some("json") => out.write_all(document::json(&value).as_bytes())?,
        Some("yaml") => out.write_all(document::yaml(&value).as_bytes())?,
        Some(_) => return message("--output must be 'yaml' or 'json'"),
        None => {
            writeln!(out, "Client Version: {CLIENT}")?;
            if let Some(Ok(server)) = &server {
                let version = server
                    .get("gitVersion")
                    .and_then(Value::as_str)
                    .unwrap_or("unknown");
                writeln!(out, "Server Version: {version}")?;
            }
        }
    }
    match server {
        Some(Err(error)) => Err(error.into()),
        _ => Ok(()),
    }
}
