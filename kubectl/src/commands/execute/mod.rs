//! `execute`: calls a function, or starts a run of a workflow or state machine.

mod again;
pub(super) mod arguments;
mod function;
mod run;

use std::time::Duration;

use clap::Args;

use super::error::{Error, message};
use crate::cli::{Globals, duration};

/// `kubectl execute`.
#[derive(Args, Clone, Debug)]
#[command(after_help = "Examples:
  # a function, with the JSON it is given
  kubectl execute func1 '{\"x\": 1, \"y\": 2}'
  kubectl execute default/func1 @input.json
  echo '{\"x\": 1}' | kubectl execute func1 -

  # a function with handler(env): its query is env.uri, its body env.body
  kubectl execute hello --query user=ann

  # do not wait: prints the id under which the result will be found
  kubectl execute func1 '{}' --async

  # a new run of a workflow or state machine
  kubectl execute workflow/workflow-example '{\"x\": 1, \"y\": 2}'
  kubectl execute statemachine/default/test_state_machine1 '{}'

  # a run again: with the same input, or with another
  kubectl execute run/workflow-example-1-3f2a9
  kubectl get run workflow-example-1-3f2a9 -o jsonpath={.spec.input} > input.json
  kubectl execute run/workflow-example-1-3f2a9 @input.json

The answer goes to the standard output as it is. The exit code is 0 when the call went well, else 1.")]
pub struct ExecuteArgs {
    /// [NS/]NAME of a function, workflow/[NS/]NAME, statemachine/[NS/]NAME, or run/[NS/]NAME to run again
    #[arg(value_name = "[NS/]NAME", add = super::completion::callables())]
    target: String,
    /// The input: JSON, @FILE, or - for standard input; nothing is {}, or what the run had
    #[arg(value_name = "ARGS|@FILE|-", allow_negative_numbers = true)]
    input: Vec<String>,
    /// Do not wait for the result; print the id under which it will be found
    #[arg(long = "async")]
    detached: bool,
    /// How long to wait; without it as long as the server holds a call, and 5m for a run
    #[arg(long, value_parser = duration, value_name = "30s")]
    timeout: Option<Duration>,
    /// A parameter of the query, as user=ann; may be given several times
    #[arg(short, long, value_name = "KEY=VALUE")]
    query: Vec<String>,
    /// A key under which the call is made at most once more, however often it is sent
    #[arg(long, value_name = "KEY")]
    idempotency_key: Option<String>,
}

/// What is executed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Callable {
    Function,
    Workflow,
    StateMachine,
    Run,
}

/// Runs `execute`.
///
/// # Errors
/// When the call cannot be made or fails.
pub async fn execute(args: &ExecuteArgs, globals: &Globals) -> Result<(), Error> {
    let (callable, namespace, name) = parse_target(&args.target)?;
    let body = arguments::read(&args.input)?;
    let client = globals.connect()?;
    let namespace = namespace.unwrap_or_else(|| client.namespace().to_owned());
    let call = Call {
        client: &client,
        args,
        namespace: &namespace,
        name: &name,
        body,
    };
    match callable {
        Callable::Function => function::call(&call).await,
        Callable::Workflow => run::start(&call, "workflow").await,
        Callable::StateMachine => run::start(&call, "state_machine").await,
        Callable::Run => again::start(call).await,
    }
}

/// One call, ready to be made.
struct Call<'a> {
    client: &'a crate::client::Client,
    args: &'a ExecuteArgs,
    namespace: &'a str,
    name: &'a str,
    body: String,
}

impl Call<'_> {
    /// The query's parameters.
    fn query(&self) -> Result<Vec<(String, String)>, Error> {
        let pair = |text: &String| match text.split_once('=') {
            Some((key, value)) => Ok((key.to_owned(), value.to_owned())),
            None => message(format!("--query: found \"{text}\", want KEY=VALUE")),
        };
        self.args.query.iter().map(pair).collect()
    }

    /// What follows the path's prefix.
    fn place(&self) -> String {
        format!(
            "{}/{}",
            crate::client::segment(self.namespace),
            crate::client::segment(self.name)
        )
    }
}

fn parse_target(text: &str) -> Result<(Callable, Option<String>, String), Error> {
    let parts: Vec<&str> = text.split('/').collect();
    let known = |word: &str| match word.to_ascii_lowercase().as_str() {
        "workflow" | "workflows" | "wf" => Some(Callable::Workflow),
        "statemachine" | "statemachines" | "sm" | "state_machine" => Some(Callable::StateMachine),
        "function" | "functions" | "fn" => Some(Callable::Function),
        "run" | "runs" | "workflowrun" | "workflowruns" => Some(Callable::Run),
        _ => None,
    };
    let name = |name: &str| match common::resources::check_name(name) {
        Ok(()) => Ok(name.to_owned()),
        Err(error) => message(format!("the name {error}")),
    };
    match parts.as_slice() {
        [one] => Ok((Callable::Function, None, name(one)?)),
        [first, second] => match known(first) {
            Some(callable) => Ok((callable, None, name(second)?)),
            None => Ok((Callable::Function, Some((*first).to_owned()), name(second)?)),
        },
        [first, namespace, last] if known(first).is_some() => Ok((
            known(first).unwrap_or(Callable::Function),
            Some((*namespace).to_owned()),
            name(last)?,
        )),
        _ => message(format!(
            "found \"{text}\", want [NS/]NAME, workflow/[NS/]NAME, statemachine/[NS/]NAME or run/[NS/]NAME"
        )),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn targets_are_functions_unless_they_say_otherwise() {
        let some = |text: &str| Some(text.to_owned());
        let parsed = |text: &str| parse_target(text).unwrap();
        assert_eq!(
            parsed("func1"),
            (Callable::Function, None, "func1".to_owned())
        );
        assert_eq!(
            parsed("team/func1"),
            (Callable::Function, some("team"), "func1".to_owned())
        );
        assert_eq!(
            parsed("function/team/f"),
            (Callable::Function, some("team"), "f".to_owned())
        );
        assert_eq!(
            parsed("workflow/w"),
            (Callable::Workflow, None, "w".to_owned())
        );
        assert_eq!(
            parsed("sm/team/m_1"),
            (Callable::StateMachine, some("team"), "m_1".to_owned())
        );
        assert_eq!(
            parsed("run/team/w-1"),
            (Callable::Run, some("team"), "w-1".to_owned())
        );
        for bad in ["", "a/", "a/b/c", "a b", "workflow/"] {
            assert!(parse_target(bad).is_err(), "{bad}");
        }
    }
}
