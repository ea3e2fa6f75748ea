//! `scale`.

use std::io::Write as _;

use clap::Args;
use common::resources::{Function, Resource as _};
use reqwest::Method;
use serde_json::json;

use super::error::{Error, message};
use super::target::targets;
use crate::cli::Globals;
use crate::client::{MERGE_PATCH, Request};

/// `kubectl scale`.
#[derive(Args, Clone, Debug)]
#[command(after_help = "Examples:
  # exactly three pods, whatever the traffic
  kubectl scale function/func1 --replicas=3

  # off: calls get 503 Paused
  kubectl scale function/func1 --replicas=0

  # by the function's own rule again
  kubectl scale function/func1 --replicas=auto")]
pub struct ScaleArgs {
    /// function/NAME…, or KIND NAME…
    #[arg(value_name = "function/NAME", required = true, add = super::completion::names())]
    words: Vec<String>,
    /// How many pods; auto leaves it to the function's rule
    #[arg(long, value_name = "N|auto", required = true, value_parser = replicas)]
    replicas: Replicas,
}

/// How many pods.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Replicas {
    Auto,
    Pinned(u32),
}

fn replicas(text: &str) -> Result<Replicas, String> {
    if text == "auto" {
        return Ok(Replicas::Auto);
    }
    text.parse()
        .map(Replicas::Pinned)
        .map_err(|_| format!("found {text:?}, want a number or auto"))
}

/// Runs `scale`.
///
/// # Errors
/// When there is nothing to scale or the server refuses.
pub async fn scale(args: &ScaleArgs, globals: &Globals) -> Result<(), Error> {
    let client = globals.connect()?;
    for target in targets(&client, &args.words).await? {
        let Some(name) = &target.name else {
            return message("resource(s) were provided, but no name was specified");
        };
        let is_function = target.resource.plural == Function::KIND.plural;
        let object = target.path(false);
        let (path, patch) = match (args.replicas, is_function) {
            (Replicas::Pinned(n), true) => (object, json!({"spec": {"scaling": {"pinned": n}}})),
            (Replicas::Auto, true) => (object, json!({"spec": {"scaling": {"pinned": null}}})),
            (Replicas::Pinned(n), false) => {
                (format!("{object}/scale"), json!({"spec": {"replicas": n}}))
            }
            (Replicas::Auto, false) => return message("--replicas=auto is for functions"),
        };
        client
            .json(Request::new(Method::PATCH, &path).body(MERGE_PATCH, patch.to_string()))
            .await?;
        writeln!(
            std::io::stdout().lock(),
            "{}/{name} scaled",
            target.resource.label()
        )?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn replicas_are_a_number_or_auto() {
        assert_eq!(replicas("auto"), Ok(Replicas::Auto));
        assert_eq!(replicas("0"), Ok(Replicas::Pinned(0)));
        assert!(replicas("-1").is_err() && replicas("many").is_err());
    }
}
