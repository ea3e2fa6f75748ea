//! `master token`

use std::path::PathBuf;

use clap::Subcommand;
use reqwest::Method;
use serde::Deserialize;
use serde_json::json;

use super::ask::{Running, seconds};
use super::{Failure, Serve};

#[derive(Subcommand)]
pub(super) enum TokenCommand {
    /// Makes a join token through the running master and prints it
    ///
    /// Give it to the agent: node-agent --master https://HOST:6443 --token TOKEN
    Create {
        /// The running master's data directory
        #[arg(long, value_name = "DIR")]
        data_dir: Option<PathBuf>,
        /// How long the token is good, as 30m, 24h or 7d; at most 30 days
        #[arg(long, value_name = "TIME", default_value = "24h")]
        ttl: String,
    },
}

#[derive(Deserialize)]
struct Token {
    token: String,
}

pub(super) fn run(serve: &Serve, command: TokenCommand) -> Result<(), Failure> {
    let TokenCommand::Create { data_dir, ttl } = command;
    let body = json!({ "ttlSeconds": seconds(&ttl)? });
    let running = Running::find(serve, data_dir.as_ref())?;
    let made: Token = running.ask(Method::POST, "/tokens", Some(body))?;
    println!("{}", made.token);
    Ok(())
}
