use std::ffi::OsString;
use std::path::Path;
use std::process::ExitCode;

use clap::error::ErrorKind;
use clap::{CommandFactory as _, Parser as _};

use super::arguments::{Cli, Command, Plugin};
use super::hand_over;
use crate::commands::error::Error;
use crate::commands::{
    apply, completion, delete, describe, execute, get, logs, nodes, redrive, scale, stop, task,
    update, version,
};

/// `kubectl`; under the name `kubectl-execute` the plugin.
#[must_use]
pub fn run() -> ExitCode {
    let own_name = std::env::args_os().next();
    let own_name = own_name.as_deref().map(Path::new).and_then(Path::file_name);
    if own_name.is_some_and(|name| name == "kubectl-execute") {
        return run_plugin();
    }
    clap_complete::CompleteEnv::with_factory(Cli::command).complete();
    let words: Vec<OsString> = std::env::args_os().collect();
    if creates_by_flags(&words) {
        return left_to_the_next("this kubectl creates from files only");
    }
    match Cli::try_parse_from(&words) {
        Ok(cli) => finish(run_command(cli)),
        Err(error) => refuse(&error, &words),
    }
}

/// `kubectl-execute`.
#[must_use]
pub fn run_plugin() -> ExitCode {
    match Plugin::try_parse() {
        Ok(plugin) => finish(block_on(execute::execute(&plugin.execute, &plugin.globals))),
        Err(error) => show(&error),
    }
}

fn block_on(work: impl Future<Output = Result<(), Error>>) -> Result<(), Error> {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build();
    let runtime = runtime.map_err(|error| Error::Message(format!("start: {error}")))?;
    runtime.block_on(work)
}

fn run_command(cli: Cli) -> Result<(), Error> {
    let globals = cli.globals;
    block_on(async {
        match cli.command {
            Command::Apply(args) => apply::apply(&args, &globals).await,
            Command::Create(args) => apply::create(&args, &globals).await,
            Command::Get(args) => get::get(&args, &globals).await,
            Command::Describe(args) => describe::describe(&args, &globals).await,
            Command::Delete(args) => delete::delete(&args, &globals).await,
            Command::Logs(args) => logs::logs(&args, &globals).await,
            Command::Scale(args) => scale::scale(&args, &globals).await,
            Command::Cordon(args) => nodes::cordon::cordon(&args, &globals).await,
            Command::Uncordon(args) => nodes::cordon::uncordon(&args, &globals).await,
            Command::Drain(args) => nodes::drain::drain(&args, &globals).await,
            Command::Taint(args) => nodes::taint::taint(&args, &globals).await,
            Command::Task(args) => task::task(&args, &globals).await,
            Command::Stop(args) => stop::stop(&args, &globals).await,
            Command::Execute(args) => execute::execute(&args, &globals).await,
            Command::Redrive(args) => redrive::redrive(&args, &globals).await,
            Command::Update(args) => update::update(&args, &globals).await,
            Command::Version(args) => version::version(&args, &globals).await,
            Command::Completion(args) => completion::completion(&args),
            Command::Other(words) => {
                let word = words
                    .first()
                    .map(|word| word.to_string_lossy().into_owned())
                    .unwrap_or_default();
                Err(Error::HandOver(format!(
                    "unknown command \"{word}\"{}",
                    near(&word)
                )))
            }
        }
    })
}

fn near(word: &str) -> String {
    let command = Cli::command();
    let known: Vec<&str> = command
        .get_subcommands()
        .map(clap::Command::get_name)
        .collect();
    crate::manifest::nearest(word, &known)
        .map(crate::manifest::did_you_mean)
        .unwrap_or_default()
}

fn finish(done: Result<(), Error>) -> ExitCode {
    match done {
        Ok(()) => ExitCode::SUCCESS,
        Err(Error::Said) => ExitCode::FAILURE,
        // As other programs in a pipe whose reader has left.
        Err(Error::Pipe) => ExitCode::from(141),
        Err(Error::HandOver(why)) => left_to_the_next(&why),
        Err(error) => {
            eprintln!("{error}");
            ExitCode::FAILURE
        }
    }
}

fn left_to_the_next(why: &str) -> ExitCode {
    eprintln!("error: {}", hand_over(why));
    ExitCode::FAILURE
}

/// `create namespace x`, `create secret generic …`: kubectl's own forms, which take no file.
fn creates_by_flags(words: &[OsString]) -> bool {
    let mut plain = words
        .iter()
        .skip(1)
        .filter_map(|word| word.to_str())
        .filter(|word| !word.starts_with('-'));
    let forms = [
        "namespace",
        "ns",
        "secret",
        "configmap",
        "cm",
        "deployment",
        "service",
        "svc",
        "job",
        "cronjob",
        "token",
        "serviceaccount",
        "sa",
        "role",
        "rolebinding",
        "clusterrole",
        "clusterrolebinding",
        "quota",
        "ingress",
    ];
    plain.any(|word| word == "create")
        && plain
            .next()
            .is_some_and(|word| forms.contains(&word) && !Path::new(word).exists())
}

/// Options that only the real kubectl knows are left to it; everything else is said.
fn refuse(error: &clap::Error, words: &[OsString]) -> ExitCode {
    let ours_alone = [
        "apply",
        "create",
        "execute",
        "redrive",
        "update",
        "completion",
    ];
    let is_ours = words
        .iter()
        .filter_map(|word| word.to_str())
        .any(|word| ours_alone.contains(&word));
    if error.kind() == ErrorKind::UnknownArgument && !is_ours {
        let why = error.to_string();
        let why = why
            .trim_start_matches("error: ")
            .lines()
            .next()
            .unwrap_or_default()
            .to_owned();
        return left_to_the_next(&why);
    }
    show(error)
}

fn show(error: &clap::Error) -> ExitCode {
    // Nothing more can be done when even this cannot be written.
    let _ = error.print();
    match error.kind() {
        ErrorKind::DisplayHelp | ErrorKind::DisplayVersion => ExitCode::SUCCESS,
        _ => ExitCode::FAILURE,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_command_line_is_sound() {
        Cli::command().debug_assert();
        Plugin::command().debug_assert();
    }

    #[test]
    fn the_words_of_the_seeds_are_understood() {
        for line in [
            "kubectl apply function.yaml",
            "kubectl apply -f a.yaml -f b.yaml,c.yaml --dry-run=server",
            "kubectl apply a.yaml --wait --timeout 1m",
            "kubectl execute default/func1 {}",
            "kubectl execute func1 {x: 1}",
            "kubectl execute func1 -",
            "kubectl execute func1 -5",
            "kubectl execute func1 @a.json --async --timeout 30s",
            "kubectl -n team execute workflow/w",
            "kubectl get workflow default/workflow-example",
            "kubectl get rs,pods,svc -A -o wide -w",
            "kubectl scale function/f --replicas=auto",
            "kubectl update hard -f f.yaml",
            "kubectl update -f f.yaml",
            "kubectl logs -f function/f --tail=10 --build",
            "kubectl get invocations --failed -A",
            "kubectl redrive 0123 4567",
            "kubectl redrive --failed --function f",
            "kubectl cordon node-1 node/node-2",
            "kubectl uncordon -l rack=2",
            "kubectl drain node-1 --ignore-daemonsets --delete-emptydir-data --force --timeout=60s",
            "kubectl taint nodes node-1 gpu=a:NoSchedule x:NoExecute- y- --overwrite",
            "kubectl delete -f f.yaml --wait=false",
            "kubectl get pods -n team",
        ] {
            let parsed = Cli::try_parse_from(line.split(' '));
            assert!(parsed.is_ok(), "{line}: {}", parsed.unwrap_err());
        }
    }

    #[test]
    fn what_is_lacking_is_left_to_others() {
        let words = |line: &str| line.split(' ').map(OsString::from).collect::<Vec<_>>();
        let cli = Cli::try_parse_from(words("kubectl rollout status x --watch")).unwrap();
        assert!(matches!(cli.command, Command::Other(words) if words.len() == 4));
        assert!(creates_by_flags(&words("kubectl create ns x")));
        assert!(creates_by_flags(&words(
            "kubectl -n=a create secret generic x --from-literal=a=b"
        )));
        assert!(!creates_by_flags(&words("kubectl create -f x.yaml")));
        assert_eq!(near("aply"), "; did you mean \"apply\"?");
    }
}
