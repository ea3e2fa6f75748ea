use common::resources::RUN_ANNOTATION;
use reqwest::Method;
use reqwest::header::HeaderValue;
use serde_json::{Value, json};

use super::{CommonArgs, DryRun, merge};
use crate::client::{
    APPLY_PATCH, Client, Error as ClientError, JSON, MERGE_PATCH, Request, ResourceType,
};
use crate::commands::error::{Error, message};
use crate::manifest::{Object, Upload};

/// How objects are written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Verb {
    /// Only new ones.
    Create,
    /// New and old ones, merged here.
    Apply,
    /// New and old ones, merged by the server.
    ServerSideApply {
        /// Take fields from other managers.
        force: bool,
    },
}

/// What writing did.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::commands) enum Outcome {
    Created,
    Configured,
    Unchanged,
    Applied,
}

impl Outcome {
    pub(in crate::commands) fn word(self) -> &'static str {
        match self {
            Self::Created => "created",
            Self::Configured => "configured",
            Self::Unchanged => "unchanged",
            Self::Applied => "serverside-applied",
        }
    }
}

/// Writes one object; its code first. Gives what the server then has.
pub(in crate::commands) async fn push(
    client: &Client,
    object: &Object,
    namespace: &str,
    verb: Verb,
    args: &CommonArgs,
) -> Result<(Outcome, Value), Error> {
    if let (Some(upload), DryRun::None) = (&object.upload, args.dry_run) {
        send_code(client, upload).await?;
    }
    let resource = ResourceType::from(object.kind);
    let mut wanted = object.value.clone();
    if resource.namespaced {
        wanted["metadata"]["namespace"] = namespace.into();
    }
    match verb {
        Verb::Create => create(client, &resource, namespace, &wanted, args).await,
        Verb::Apply => apply(client, &resource, namespace, &wanted, args).await,
        Verb::ServerSideApply { force } => {
            let path = named(&resource, namespace, &wanted)?;
            let force = if force { "true" } else { "false" };
            let request = Request::new(Method::PATCH, &path).body(APPLY_PATCH, wanted.to_string());
            let request = decorate(request, args, "kubectl").query("force", force);
            Ok((Outcome::Applied, client.json(request).await?))
        }
    }
}

fn named(resource: &ResourceType, namespace: &str, wanted: &Value) -> Result<String, Error> {
    match wanted.pointer("/metadata/name").and_then(Value::as_str) {
        Some(name) => Ok(resource.object(namespace, name)),
        None => message(format!(
            "from {}: cannot use generate name with apply; use create",
            wanted
                .pointer("/metadata/generateName")
                .and_then(Value::as_str)
                .unwrap_or_default()
        )),
    }
}

/// What kubectl adds to every write.
fn decorate<'a>(request: Request<'a>, args: &CommonArgs, manager: &str) -> Request<'a> {
    let validation = match args.validate.as_str() {
        "false" | "ignore" => "Ignore",
        "warn" => "Warn",
        _ => "Strict",
    };
    let request = request
        .query("fieldManager", manager)
        .query("fieldValidation", validation);
    match args.dry_run {
        DryRun::Server => request.query("dryRun", "All"),
        _ => request,
    }
}

async fn create(
    client: &Client,
    resource: &ResourceType,
    namespace: &str,
    wanted: &Value,
    args: &CommonArgs,
) -> Result<(Outcome, Value), Error> {
    if args.dry_run == DryRun::Client {
        return Ok((Outcome::Created, wanted.clone()));
    }
    let path = resource.collection(Some(namespace));
    let request = Request::new(Method::POST, &path).body(JSON, wanted.to_string());
    let created = client
        .json(decorate(request, args, "kubectl-create"))
        .await?;
    Ok((Outcome::Created, created))
}

async fn apply(
    client: &Client,
    resource: &ResourceType,
    namespace: &str,
    wanted: &Value,
    args: &CommonArgs,
) -> Result<(Outcome, Value), Error> {
    let path = named(resource, namespace, wanted)?;
    let wanted = merge::annotated(wanted);
    // Twice: somebody may create or delete the object in between.
    for last_try in [false, true] {
        let Some(current) = client.find(&path).await? else {
            if args.dry_run == DryRun::Client {
                return Ok((Outcome::Created, wanted));
            }
            let collection = resource.collection(Some(namespace));
            let request = Request::new(Method::POST, &collection).body(JSON, wanted.to_string());
            match client
                .json(decorate(request, args, &args.field_manager))
                .await
            {
                Err(ClientError::Status(status))
                    if status.reason == "AlreadyExists" && !last_try =>
                {
                    continue;
                }
                created => return Ok((Outcome::Created, created?)),
            }
        };
        let last = merge::last_applied(&current).unwrap_or_else(|| json!({}));
        let patch = merge::three_way(&last, &wanted, &current)
            .or_else(|| lacks_its_run(resource, &current).then(ask_for_run));
        let Some(patch) = patch else {
            return Ok((Outcome::Unchanged, current));
        };
        if args.dry_run == DryRun::Client {
            return Ok((Outcome::Configured, wanted));
        }
        let request = Request::new(Method::PATCH, &path).body(MERGE_PATCH, patch.to_string());
        match client
            .json(decorate(request, args, &args.field_manager))
            .await
        {
            Err(error) if error.is_not_found() && !last_try => {}
            changed => {
                let changed = changed?;
                // The server may write a value its own way: then nothing changed after all.
                let version = |value: &Value| value.pointer("/metadata/resourceVersion").cloned();
                let same = version(&changed).is_some() && version(&changed) == version(&current);
                let pretends = args.dry_run == DryRun::Server;
                let outcome = if same && !pretends {
                    Outcome::Unchanged
                } else {
                    Outcome::Configured
                };
                return Ok((outcome, changed));
            }
        }
    }
    message(format!(
        "{path} came and went while it was applied; try again"
    ))
}

/// Whether a workflow was run once, and that run was deleted since: applying it runs it again.
fn lacks_its_run(resource: &ResourceType, workflow: &Value) -> bool {
    let has = |path| workflow.pointer(path).is_some_and(|value| !value.is_null());
    let ran =
        workflow.pointer("/status/observedGeneration") == workflow.pointer("/metadata/generation");
    resource.kind == "Workflow"
        && has("/spec/entryParams")
        && ran
        && !has("/status/lastRun")
        && !has("/status/phase")
}

fn ask_for_run() -> Value {
    let now = jiff::Timestamp::now().to_string();
    json!({"metadata": {"annotations": {RUN_ANNOTATION: now}}})
}

/// Uploads code, unless the server has it.
async fn send_code(client: &Client, upload: &Upload) -> Result<(), Error> {
    let path = format!("/blobs/{}", upload.digest);
    if client
        .send(Request::new(Method::HEAD, &path))
        .await?
        .status()
        .is_success()
    {
        return Ok(());
    }
    let request = Request::new(Method::PUT, &path)
        .header("accept", HeaderValue::from_static(JSON))
        .body("application/gzip", upload.archive.clone());
    client.ok(request).await?;
    Ok(())
}
