//! `get`: objects as tables, YAML, JSON, names or by template.

mod invocations;
mod output;
mod watch;

use std::io::Write as _;

use clap::Args;
use serde_json::{Value, json};

use super::error::{Error, message};
use super::target::{Target, targets};
use crate::cli::Globals;
use crate::client::{Client, Request, TABLE};
use crate::print::table;
pub(super) use invocations::list as invocations;
pub use output::Output;

/// `kubectl get`.
#[derive(Args, Clone, Debug)]
#[command(after_help = "Examples:
  # functions, and what they own
  kubectl get functions
  kubectl get rs,pods,svc

  # a workflow's phase and result
  kubectl get workflow default/workflow-example

  # only the result
  kubectl get workflow workflow-example -o jsonpath='{.status.result}'

  # asynchronous calls that were given up
  kubectl get invocations --failed

  # everything in all namespaces, and changes as they come
  kubectl get all -A
  kubectl get pods -w")]
pub struct GetArgs {
    /// KIND [NAME | NS/NAME]…, or KIND/NAME…; several kinds as rs,pods; all for the usual ones
    #[arg(value_name = "KIND [NAME]", required_unless_present = "raw", add = super::completion::names())]
    words: Vec<String>,
    /// In all namespaces
    #[arg(short = 'A', long)]
    all_namespaces: bool,
    /// Only objects with these labels, as a=b,c!=d
    #[arg(short = 'l', long, value_name = "SELECTOR")]
    selector: Option<String>,
    /// Only objects with these fields, as metadata.name=x
    #[arg(long, value_name = "SELECTOR")]
    field_selector: Option<String>,
    /// wide, yaml, json, name or jsonpath=TEMPLATE
    #[arg(short, long, value_name = "FORMAT")]
    output: Option<String>,
    /// Go on printing changes as they come
    #[arg(short, long)]
    watch: bool,
    /// As --watch, without what is there already
    #[arg(long)]
    watch_only: bool,
    /// No line with the columns' names
    #[arg(long)]
    no_headers: bool,
    /// All labels in a last column
    #[arg(long)]
    show_labels: bool,
    /// Say nothing about an object that is not there
    #[arg(long)]
    ignore_not_found: bool,
    /// Show metadata.managedFields in YAML and JSON
    #[arg(long)]
    show_managed_fields: bool,
    /// Of invocations: only dead letters, calls that were given up
    #[arg(long)]
    failed: bool,
    /// Print what the server answers for this path
    #[arg(long, value_name = "PATH", conflicts_with = "words")]
    raw: Option<String>,
}

/// Runs `get`.
///
/// # Errors
/// When the server refuses or something is not there.
pub async fn get(args: &GetArgs, globals: &Globals) -> Result<(), Error> {
    let output = Output::parse(args.output.as_deref())?;
    let client = globals.connect()?;
    if let Some(path) = &args.raw {
        return raw(&client, path).await;
    }
    if let Some(ids) = invocations::asked(&args.words) {
        return invocations::get(&client, args, &ids, &output).await;
    }
    if args.failed {
        return message("--failed is for invocations: kubectl get invocations --failed");
    }
    let targets = targets(&client, &args.words).await?;
    if output == Output::Svg {
        return picture(&client, &targets).await;
    }
    if args.watch || args.watch_only {
        return match targets.as_slice() {
            [target] => watch::watch(&client, args, &output, target).await,
            _ => {
                message("you may only specify a single resource type, or one object, with --watch")
            }
        };
    }
    match output {
        Output::Table { wide } => tables(&client, args, &targets, wide).await,
        output => documents(&client, args, &targets, &output).await,
    }
}

/// A definition or a run as the server draws it.
async fn picture(client: &Client, targets: &[Target]) -> Result<(), Error> {
    let [target] = targets else {
        return message("-o svg draws one object");
    };
    if target.name.is_none() {
        return message("-o svg wants a name, as in: kubectl get run NAME -o svg > run.svg");
    }
    let path = format!("{}/graph", target.path(false));
    raw(client, &path).await
}

async fn raw(client: &Client, path: &str) -> Result<(), Error> {
    if !path.starts_with('/') {
        return message(format!("found \"{path}\", want a path, as /version"));
    }
    // As it comes: a watch has no end.
    let mut answer = client.ok(Request::get(path)).await?;
    while let Some(piece) = client.piece(&mut answer).await? {
        let mut out = std::io::stdout().lock();
        out.write_all(&piece)?;
        out.flush()?;
    }
    Ok(())
}

/// A request for a target.
fn request<'a>(args: &GetArgs, target: &Target, path: &'a str) -> Request<'a> {
    let mut request = Request::get(path);
    if target.name.is_none() {
        if let Some(selector) = &args.selector {
            request = request.query("labelSelector", selector);
        }
        if let Some(selector) = &args.field_selector {
            request = request.query("fieldSelector", selector);
        }
    }
    request
}

fn check_selectors(args: &GetArgs, target: &Target) -> Result<(), Error> {
    if target.name.is_some() && args.all_namespaces {
        return message("a resource cannot be retrieved by name across all namespaces");
    }
    if target.name.is_some() && (args.selector.is_some() || args.field_selector.is_some()) {
        return message("name cannot be provided when a selector is specified");
    }
    Ok(())
}

async fn tables(
    client: &Client,
    args: &GetArgs,
    targets: &[Target],
    wide: bool,
) -> Result<(), Error> {
    let several = targets
        .iter()
        .any(|target| target.resource != targets[0].resource);
    let mut groups: Vec<(&Target, Vec<Value>)> = Vec::new();
    let mut failed = false;
    for target in targets {
        check_selectors(args, target)?;
        let path = target.path(args.all_namespaces);
        match client
            .json(request(args, target, &path).accept(TABLE))
            .await
        {
            Ok(answer) => {
                let table = output::as_table(answer);
                match groups
                    .iter_mut()
                    .find(|(other, _)| other.resource == target.resource)
                {
                    Some((_, tables)) => tables.push(table),
                    None => groups.push((target, vec![table])),
                }
            }
            Err(error) if error.is_not_found() && args.ignore_not_found => {}
            Err(error) => {
                eprintln!("{error}");
                failed = true;
            }
        }
    }
    let mut text = String::new();
    for (target, tables) in &groups {
        let options = table::Options {
            wide,
            namespace: args.all_namespaces && target.resource.namespaced,
            prefix: several.then(|| target.resource.label()),
            show_labels: args.show_labels,
            no_headers: args.no_headers,
        };
        let whole = output::joined(tables);
        if whole["rows"].as_array().is_none_or(Vec::is_empty) {
            continue;
        }
        if !text.is_empty() {
            text.push('\n');
        }
        text.push_str(&table::Printer::new(options).print(&whole));
    }
    if text.is_empty() && !failed && !args.ignore_not_found {
        let namespaced = targets.iter().any(|target| target.resource.namespaced);
        match targets
            .first()
            .filter(|_| namespaced && !args.all_namespaces)
        {
            Some(target) => eprintln!("No resources found in {} namespace.", target.namespace),
            None => eprintln!("No resources found"),
        }
    }
    std::io::stdout().lock().write_all(text.as_bytes())?;
    if failed { Err(Error::Said) } else { Ok(()) }
}

async fn documents(
    client: &Client,
    args: &GetArgs,
    targets: &[Target],
    output: &Output,
) -> Result<(), Error> {
    let mut found = Vec::new();
    let mut failed = false;
    for target in targets {
        check_selectors(args, target)?;
        let path = target.path(args.all_namespaces);
        match client.json(request(args, target, &path)).await {
            Ok(answer) if target.name.is_some() => found.push(answer),
            Ok(answer) => found.extend(output::items(&answer)),
            Err(error) if error.is_not_found() && args.ignore_not_found => {}
            Err(error) => {
                eprintln!("{error}");
                failed = true;
            }
        }
    }
    for object in &mut found {
        if !args.show_managed_fields
            && let Some(metadata) = object.get_mut("metadata").and_then(Value::as_object_mut)
        {
            metadata.shift_remove("managedFields");
        }
    }
    let mut out = std::io::stdout().lock();
    match (output, targets) {
        (Output::Name, _) => {
            for object in &found {
                writeln!(out, "{}", output::name_of(object))?;
            }
        }
        (_, [target]) if target.name.is_some() => {
            if let Some(object) = found.first() {
                out.write_all(output.render(object)?.as_bytes())?;
            }
        }
        _ if failed && found.is_empty() => {}
        _ => {
            let list = json!({"apiVersion": "v1", "items": found, "kind": "List", "metadata": {"resourceVersion": ""}});
            out.write_all(output.render(&list)?.as_bytes())?;
        }
    }
    if failed { Err(Error::Said) } else { Ok(()) }
}
