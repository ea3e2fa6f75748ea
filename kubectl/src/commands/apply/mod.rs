//! `apply` and `create`: everything is read and checked before anything is written.

mod merge;
mod push;
mod wait;

use std::time::Duration;

use clap::{Args, ValueEnum};
use serde_json::{Value, json};

use super::error::{Error, message};
use crate::cli::{Globals, duration};
use crate::client::{Client, ResourceType, server_version};
use crate::manifest::{self, Object, Purpose, Strictness};
use crate::print::document;
use crate::print::progress::person_watches;

pub use push::Verb;
pub(super) use push::{Outcome, push};
pub(super) use wait::until_built;

/// Files and how they are written.
#[derive(Args, Clone, Debug)]
pub struct FileArgs {
    /// Files, directories, URLs, or - for standard input; -f may be left out
    #[arg(value_name = "FILE|DIR|URL|-")]
    pub files: Vec<String>,
    /// The same, as kubectl wants it; may be given several times
    #[arg(
        short,
        long = "filename",
        value_name = "FILE|DIR|URL|-",
        value_delimiter = ','
    )]
    pub filename: Vec<String>,
    /// Look in directories below a directory too
    #[arg(short = 'R', long)]
    pub recursive: bool,
}

impl FileArgs {
    /// All names given.
    ///
    /// # Errors
    /// When there is none.
    pub fn names(&self) -> Result<Vec<String>, Error> {
        let names: Vec<_> = self.filename.iter().chain(&self.files).cloned().collect();
        if names.is_empty() {
            return message("must specify a file, a directory, a URL or - (standard input)");
        }
        Ok(names)
    }
}

/// Who pretends.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum DryRun {
    /// Nobody: it is done.
    None,
    /// Nothing is sent.
    Client,
    /// The server checks, and stores nothing.
    Server,
}

/// `kubectl apply`.
#[derive(Args, Clone, Debug)]
#[command(after_help = "Examples:
  # a function: uploads the directory that the file names
  kubectl apply function.yaml

  # everything in a directory, and wait until the functions are built
  kubectl apply examples/seed1 --wait

  # seed 2's forms, as they are
  kubectl apply def.yaml state_machine.json

  # from another program
  generate | kubectl apply -

All documents of all files are read and checked before the first is written.")]
pub struct ApplyArgs {
    #[command(flatten)]
    files: FileArgs,
    #[command(flatten)]
    common: CommonArgs,
    /// Let the server merge, and note who set which field
    #[arg(long)]
    server_side: bool,
    /// With --server-side: take fields from other managers
    #[arg(long, requires = "server_side")]
    force_conflicts: bool,
}

/// `kubectl create`.
#[derive(Args, Clone, Debug)]
#[command(after_help = "Examples:
  # a run of a workflow under a name that the server makes up (metadata.generateName)
  kubectl create -f run.yaml

  # fails where the object is there already; apply would change it
  kubectl create -f function.yaml")]
pub struct CreateArgs {
    #[command(flatten)]
    files: FileArgs,
    #[command(flatten)]
    common: CommonArgs,
}

/// What apply and create share.
#[derive(Args, Clone, Debug)]
pub struct CommonArgs {
    /// Only pretend
    #[arg(long, value_enum, value_name = "none|client|server", num_args = 0..=1, default_value = "none", default_missing_value = "client", require_equals = true, hide_possible_values = true)]
    pub dry_run: DryRun,
    /// Wait until functions are built and the runs of workflows have ended; on a terminal functions are waited for unless --wait=false
    #[arg(long, num_args = 0..=1, default_missing_value = "true", require_equals = true, value_name = "true|false")]
    pub wait: Option<bool>,
    /// How long to wait
    #[arg(long, value_parser = duration, default_value = "5m")]
    pub timeout: Duration,
    /// Check files against the schema; false or ignore sends them as they are
    #[arg(long, num_args = 0..=1, default_value = "strict", default_missing_value = "strict", require_equals = true, value_name = "strict|warn|ignore")]
    pub validate: String,
    /// Who the server notes as the author
    #[arg(long, default_value = "kubectl-client-side-apply", hide = true)]
    pub field_manager: String,
    /// Print the objects instead: yaml, json or name
    #[arg(short, long, value_name = "yaml|json|name")]
    pub output: Option<String>,
}

impl CommonArgs {
    fn strictness(&self) -> Strictness {
        match self.validate.as_str() {
            "false" | "ignore" => Strictness::Lax,
            _ => Strictness::Strict,
        }
    }
}

/// Runs `apply`.
///
/// # Errors
/// When a file is wrong, the server refuses, or what is waited for fails.
pub async fn apply(args: &ApplyArgs, globals: &Globals) -> Result<(), Error> {
    let verb = match args.server_side {
        true => Verb::ServerSideApply {
            force: args.force_conflicts,
        },
        false => Verb::Apply,
    };
    write_all(&args.files, &args.common, verb, globals).await
}

/// Runs `create`.
///
/// # Errors
/// As [`apply`].
pub async fn create(args: &CreateArgs, globals: &Globals) -> Result<(), Error> {
    write_all(&args.files, &args.common, Verb::Create, globals).await
}

/// Reads and checks the files, and sees that the server is one of ours, before anything is written.
///
/// # Errors
/// When a file is wrong or the server is another's.
pub(super) async fn prepare(
    files: &FileArgs,
    strictness: Strictness,
    globals: &Globals,
) -> Result<(Client, Vec<Object>), Error> {
    let inputs = manifest::gather(&files.names()?, files.recursive).await?;
    let objects = manifest::read_all(&inputs, strictness, Purpose::Write)?;
    let client = globals.connect()?;
    for object in &objects {
        namespace_of(object, globals, &client)?;
    }
    Ok((client, objects))
}

/// The namespace an object goes to.
///
/// # Errors
/// When the file and the flag name different ones.
pub(super) fn namespace_of(
    object: &Object,
    globals: &Globals,
    client: &Client,
) -> Result<String, Error> {
    match (object.namespace(), globals.namespace.as_deref()) {
        (Some(file), Some(flag)) if file != flag => message(format!(
            "the namespace from the provided object \"{file}\" does not match the namespace \"{flag}\". \
             You must pass '--namespace={file}' to perform this operation."
        )),
        (Some(file), _) => Ok(file.to_owned()),
        (None, _) => Ok(client.namespace().to_owned()),
    }
}

/// Refuses servers that are not ours: a Function sent to somebody's Kubernetes would do no good there.
///
/// # Errors
/// When the server does not say that it is Troupe.
pub(super) async fn check_server(client: &Client) -> Result<(), Error> {
    let version = server_version(client).await?;
    let version = version
        .get("gitVersion")
        .and_then(Value::as_str)
        .unwrap_or_default()
        .to_owned();
    if version.to_lowercase().contains("troupe") {
        return Ok(());
    }
    message(format!(
        "{} is not a Troupe master (its version is \"{version}\"): nothing was written. Is KUBECONFIG the \
         admin.kubeconfig of the master you mean?",
        client.server()
    ))
}

async fn write_all(
    files: &FileArgs,
    common: &CommonArgs,
    verb: Verb,
    globals: &Globals,
) -> Result<(), Error> {
    let (client, objects) = prepare(files, common.strictness(), globals).await?;
    if common.dry_run != DryRun::Client {
        check_server(&client).await?;
    }
    if common.dry_run == DryRun::None && objects.len() > 1 {
        rehearse(&client, &objects, verb, common, globals).await?;
    }
    let mut written = Vec::new();
    let mut failed = false;
    for object in &objects {
        let namespace = namespace_of(object, globals, &client)?;
        match push(&client, object, &namespace, verb, common).await {
            Ok((outcome, value)) => {
                report(object, outcome, &value, common)?;
                written.push((object, namespace, value));
            }
            Err(error) => {
                failed = true;
                eprintln!("{}", place_error(object, &error));
            }
        }
    }
    print_objects(&written, common)?;
    if common.dry_run == DryRun::None && common.wait.unwrap_or_else(person_watches) {
        for (object, namespace, value) in &written {
            let resource = ResourceType::from(object.kind);
            let runs_too = common.wait == Some(true);
            if let Err(error) = wait::until_done(
                &client,
                &resource,
                namespace,
                value,
                runs_too,
                common.timeout,
            )
            .await
            {
                failed = true;
                eprintln!("{error}");
            }
        }
    }
    if failed { Err(Error::Said) } else { Ok(()) }
}

/// Lets the server check all of several objects before the first is written, so that one it refuses
/// does not leave the others half applied.
async fn rehearse(
    client: &Client,
    objects: &[Object],
    verb: Verb,
    common: &CommonArgs,
    globals: &Globals,
) -> Result<(), Error> {
    let pretend = CommonArgs {
        dry_run: DryRun::Server,
        ..common.clone()
    };
    let is_namespace = |object: &&Object| object.kind.kind == "Namespace";
    let coming: Vec<&str> = objects
        .iter()
        .filter(is_namespace)
        .map(Object::name)
        .collect();
    let mut refused = false;
    for object in objects {
        let namespace = namespace_of(object, globals, client)?;
        // Nothing can be rehearsed in a namespace that is about to be made.
        if object.kind.namespaced && coming.contains(&namespace.as_str()) {
            continue;
        }
        if let Err(error) = push(client, object, &namespace, verb, &pretend).await {
            refused = true;
            eprintln!("{}", place_error(object, &error));
        }
    }
    if refused {
        eprintln!("Nothing was changed.");
        return Err(Error::Said);
    }
    Ok(())
}

/// kubectl says from which file an object came that the server refused.
fn place_error(object: &Object, error: &Error) -> String {
    let text = error.to_string();
    match text.strip_prefix("Error from server ") {
        Some(rest) => {
            let (reason, rest) = rest.split_once(": ").unwrap_or(("", rest));
            format!(
                "Error from server {reason}: error when applying \"{}\": {rest}",
                object.file
            )
        }
        None => text,
    }
}

fn report(
    object: &Object,
    outcome: Outcome,
    value: &Value,
    common: &CommonArgs,
) -> Result<(), Error> {
    use std::io::Write as _;
    let resource = ResourceType::from(object.kind);
    let name = value
        .pointer("/metadata/name")
        .and_then(Value::as_str)
        .unwrap_or_else(|| object.name());
    let suffix = match common.dry_run {
        DryRun::None => "",
        DryRun::Client => " (dry run)",
        DryRun::Server => " (server dry run)",
    };
    let mut out = std::io::stdout().lock();
    match common.output.as_deref() {
        None => writeln!(
            out,
            "{}/{name} {}{suffix}",
            resource.label(),
            outcome.word()
        )?,
        Some("name") => writeln!(out, "{}/{name}", resource.label())?,
        Some(_) => {}
    }
    Ok(())
}

fn print_objects(written: &[(&Object, String, Value)], common: &CommonArgs) -> Result<(), Error> {
    use std::io::Write as _;
    let value = match written {
        [] => return Ok(()),
        [(_, _, value)] => value.clone(),
        several => json!({
            "apiVersion": "v1", "kind": "List", "metadata": {"resourceVersion": ""},
            "items": several.iter().map(|(_, _, value)| value.clone()).collect::<Vec<_>>(),
        }),
    };
    let text = match common.output.as_deref() {
        Some("yaml") => document::yaml(&value),
        Some("json") => document::json(&value),
        None | Some("name") => return Ok(()),
        Some(other) => {
            return message(format!(
                "unknown output format \"{other}\": want yaml, json or name"
            ));
        }
    };
    std::io::stdout().lock().write_all(text.as_bytes())?;
    Ok(())
}
