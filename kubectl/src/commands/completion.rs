//! `completion`, and the names that shells complete.

use std::ffi::OsStr;
use std::io::Write as _;
use std::time::Duration;

use clap::{Args, ValueEnum};
use clap_complete::engine::{ArgValueCompleter, CompletionCandidate};
use common::resources::{Function, KINDS, Kind, Node, Pod, Resource as _, StateMachine, Workflow};
use serde_json::Value;

use super::error::Error;
use crate::cli::Globals;
use crate::client::{Request, ResourceType};

/// A shell.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum Shell {
    Bash,
    Zsh,
    Fish,
}

/// `kubectl completion`.
#[derive(Args, Clone, Debug)]
#[command(after_help = "Examples:
  # bash, for this session or for good
  source <(kubectl completion bash)
  echo 'source <(kubectl completion bash)' >> ~/.bashrc

  # zsh
  echo 'source <(kubectl completion zsh)' >> ~/.zshrc

  # fish
  kubectl completion fish > ~/.config/fish/completions/kubectl.fish")]
pub struct CompletionArgs {
    /// The shell to complete in
    #[arg(value_enum, value_name = "bash|zsh|fish", hide_possible_values = true)]
    shell: Shell,
}

/// Runs `completion`.
///
/// # Errors
/// When the script cannot be written.
pub fn completion(args: &CompletionArgs) -> Result<(), Error> {
    let shells = clap_complete::env::Shells::builtins();
    let name = match args.shell {
        Shell::Bash => "bash",
        Shell::Zsh => "zsh",
        Shell::Fish => "fish",
    };
    let shell = shells
        .completer(name)
        .ok_or_else(|| Error::Message(format!("no completion for {name}")))?;
    let mut script = Vec::new();
    shell.write_registration("COMPLETE", "kubectl", "kubectl", "kubectl", &mut script)?;
    std::io::stdout().lock().write_all(&script)?;
    Ok(())
}

/// Completes `KIND NAME` and `KIND/NAME`.
pub(super) fn names() -> ArgValueCompleter {
    ArgValueCompleter::new(|current: &OsStr| {
        let current = current.to_string_lossy();
        if let Some((word, _)) = current.split_once('/') {
            let found = Kind::by_word(word).map(objects).unwrap_or_default();
            return offer(
                &current,
                found.into_iter().map(|name| format!("{word}/{name}")),
            );
        }
        match kind_typed() {
            Some(kind) => offer(&current, objects(kind)),
            None => offer(&current, KINDS.iter().map(|kind| kind.plural.to_owned())),
        }
    })
}

/// Completes nodes.
pub(super) fn nodes() -> ArgValueCompleter {
    ArgValueCompleter::new(|current: &OsStr| offer(&current.to_string_lossy(), objects(Node::KIND)))
}

/// Completes pods and `function/NAME`.
pub(super) fn pods() -> ArgValueCompleter {
    ArgValueCompleter::new(|current: &OsStr| {
        let functions = objects(Function::KIND)
            .into_iter()
            .map(|name| format!("function/{name}"));
        offer(
            &current.to_string_lossy(),
            objects(Pod::KIND).into_iter().chain(functions),
        )
    })
}

/// Completes what can be executed.
pub(super) fn callables() -> ArgValueCompleter {
    ArgValueCompleter::new(|current: &OsStr| {
        let under = |kind: &'static Kind| {
            objects(kind)
                .into_iter()
                .map(move |name| format!("{}/{name}", kind.singular))
        };
        let all = objects(Function::KIND)
            .into_iter()
            .chain(under(Workflow::KIND))
            .chain(under(StateMachine::KIND));
        offer(&current.to_string_lossy(), all)
    })
}

fn offer(current: &str, all: impl IntoIterator<Item = String>) -> Vec<CompletionCandidate> {
    all.into_iter()
        .filter(|name| name.starts_with(current))
        .map(CompletionCandidate::new)
        .collect()
}

/// The kind that stands on the line already: the shell hands over all words typed so far.
fn kind_typed() -> Option<&'static Kind> {
    let words: Vec<String> = std::env::args().collect();
    let typed = words
        .iter()
        .position(|word| word == "--")
        .map(|place| words.get(place + 1..).unwrap_or_default())?;
    // The last one is being typed.
    typed
        .split_last()?
        .1
        .iter()
        .skip(2)
        .find_map(|word| Kind::by_word(word))
}

/// Names of a kind's objects. Nothing when the server does not answer at once: a shell waits.
fn objects(kind: &'static Kind) -> Vec<String> {
    let Ok(runtime) = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
    else {
        return Vec::new();
    };
    let ask = async {
        let client = Globals::default().connect().ok()?;
        let path = ResourceType::from(kind).collection(Some(client.namespace()));
        let list = client
            .json(Request::get(&path).query("limit", "500"))
            .await
            .ok()?;
        let items = list.get("items")?.as_array()?;
        let name = |item: &Value| Some(item.pointer("/metadata/name")?.as_str()?.to_owned());
        Some(items.iter().filter_map(name).collect())
    };
    let found = runtime.block_on(async { tokio::time::timeout(Duration::from_secs(2), ask).await });
    found.ok().flatten().unwrap_or_default()
}
