//! Runs over HTTP.

use std::time::{Duration, Instant};

use actix_web::{HttpRequest, HttpResponse, web};
use common::resources::{Access as Marked, RunPhase, StateMachine, Workflow, WorkflowRun};
use serde_json::{Value, json};

use super::access::{Access, Denied};
use super::body::Body;
use super::prefer::Patience;
use super::{Gateway, Limits, answer, body, path, prefer};
use crate::key::ObjectKey;
use crate::objects::ObjectError;
use crate::store::Durability;
use crate::workflows::{NewRun, StartError, Target, run_name, start};

/// A client that waits so long is not answered before a run's object is on disk.
const LONG_WAIT: Duration = Duration::from_secs(1);

/// `ANY /workflow/[NS/]NAME`
pub(super) async fn workflow(
    request: HttpRequest,
    payload: web::Payload,
    gateway: web::Data<Gateway>,
) -> HttpResponse {
    begin(Target::Workflow, &request, payload, &gateway).await
}

/// `ANY /state_machine/[NS/]NAME`
pub(super) async fn state_machine(
    request: HttpRequest,
    payload: web::Payload,
    gateway: web::Data<Gateway>,
) -> HttpResponse {
    begin(Target::StateMachine, &request, payload, &gateway).await
}

async fn begin(
    target: Target,
    request: &HttpRequest,
    payload: web::Payload,
    gateway: &Gateway,
) -> HttpResponse {
    let begun = Instant::now();
    let response = serve(target, request, payload, gateway).await;
    answer::stamped(response, begun.elapsed())
}

async fn serve(
    target: Target,
    request: &HttpRequest,
    payload: web::Payload,
    gateway: &Gateway,
) -> HttpResponse {
    let key = match find(target, request, gateway).await {
        Ok(key) => key,
        Err(response) => return response,
    };
    let Body { bytes: body, room } =
        match body::read(request, payload, &gateway.limits, &gateway.bodies).await {
            Ok(body) => body,
            Err(error) => {
                let (code, reason) = error.status();
                return answer::of_trouble(code, reason, error.to_string());
            }
        };
    let input = if body.is_empty() {
        Ok(json!({}))
    } else {
        serde_json::from_slice(&body)
    };
    // A run's input is its journal's from here on.
    drop(room);
    let input: Value = match input {
        Ok(input) => input,
        Err(error) => {
            let message = format!("the body is not JSON: {error}");
            return answer::of_trouble(400, "BadRequest", message);
        }
    };
    // Whoever knows the name may read the run: it must not be guessed.
    let suffix = format!("{:032x}", rand::random::<u128>());
    let wait = wait_time(request, &gateway.limits);
    let new = NewRun {
        // Who is not answered at once hears of the run when its journal is on disk.
        durability: match wait {
            Some(wait) if wait >= LONG_WAIT => Durability::Eventual,
            _ => Durability::Durable,
        },
        ..NewRun::named(run_name(&key.name, &suffix), input)
    };
    let started = start(&gateway.objects, target, &key, new).await;
    match started {
        Ok(run) => match wait {
            Some(wait) => finish(&run, wait, gateway).await,
            None => accepted(&run),
        },
        Err(error) => {
            let (code, reason) = match &error {
                StartError::NotFound { .. } => (404, "NotFound"),
                StartError::Definition { .. } => (422, "Invalid"),
                StartError::Objects(_) => (503, "Unavailable"),
            };
            answer::of_trouble(code, reason, explain(&error))
        }
    }
}

fn explain(error: &StartError) -> String {
    match std::error::Error::source(error) {
        Some(source) => format!("{error}: {source}"),
        None => error.to_string(),
    }
}

/// What the path means.
async fn find(
    target: Target,
    request: &HttpRequest,
    gateway: &Gateway,
) -> Result<ObjectKey, HttpResponse> {
    let tail = request
        .match_info()
        .get("path")
        .unwrap_or_default()
        .trim_end_matches('/');
    let readings = path::readings(tail);
    let likeliest = readings.first().map(|(namespace, ..)| namespace.clone());
    for (namespace, name, below) in readings {
        if !below.is_empty() {
            continue;
        }
        let key = ObjectKey::new(&namespace, &name);
        let open = marked_open(target, &key, gateway)
            .await
            .map_err(|error| answer::of_trouble(503, "Unavailable", error.to_string()))?;
        if let Some(open) = open {
            let access = if open { Access::Open } else { Access::Closed };
            gateway
                .doorkeeper(request)
                .admit(request, access, Some(&key.namespace))
                .await
                .map_err(Denied::answer)?;
            return Ok(key);
        }
    }
    gateway
        .doorkeeper(request)
        .admit(request, Access::Closed, likeliest.as_deref())
        .await
        .map_err(Denied::answer)?;
    let what = target.as_str();
    Err(answer::of_trouble(
        404,
        "NotFound",
        format!("{what} {tail:?} does not exist"),
    ))
}

/// Whether the target is `access: open`; `None` when it is not there.
async fn marked_open(
    target: Target,
    key: &ObjectKey,
    gateway: &Gateway,
) -> Result<Option<bool>, ObjectError> {
    let (namespace, name) = (&*key.namespace, &*key.name);
    Ok(match target {
        Target::Workflow => {
            let found = gateway.objects.get::<Workflow>(namespace, name).await?;
            found.map(|workflow| workflow.spec.access == Some(Marked::Open))
        }
        Target::StateMachine => {
            let found = gateway.objects.get::<StateMachine>(namespace, name).await?;
            found.map(|machine| machine.spec.access == Some(Marked::Open))
        }
    })
}

/// How long the client waits; `None` for not at all.
fn wait_time(request: &HttpRequest, limits: &Limits) -> Option<Duration> {
    match prefer::patience(request) {
        Patience::None => None,
        Patience::Usual => Some(limits.run_wait),
        Patience::For(wish) => Some(wish.min(limits.longest_run_wait)),
    }
}

/// Waits for the end of a run. A client that goes away leaves the run going.
async fn finish(run: &WorkflowRun, wait: Duration, gateway: &Gateway) -> HttpResponse {
    let (namespace, name) = (&run.metadata.namespace, &run.metadata.name);
    let ended = gateway.waiters.end_of(&gateway.objects, run);
    match tokio::time::timeout(wait, ended).await {
        Ok(Some(run)) => end(&run),
        Ok(None) => {
            let message = format!("run {namespace}/{name} was deleted before it ended");
            answer::of_trouble(410, "Gone", message)
        }
        Err(_) => accepted(run),
    }
}

fn end(run: &WorkflowRun) -> HttpResponse {
    let status = &run.status;
    let name = &run.metadata.name;
    match status.phase {
        Some(RunPhase::Succeeded) => HttpResponse::Ok()
            .insert_header(("X-Troupe-Run", name.as_str()))
            .insert_header(("X-Invocation-Id", run.metadata.uid.as_str()))
            .json(status.output.as_ref().unwrap_or(&Value::Null)),
        _ => HttpResponse::InternalServerError()
            .insert_header(("X-Invocation-Id", run.metadata.uid.as_str()))
            .json(json!({
                "error": status.error,
                "cause": status.cause,
                "run": format!("{}/{name}", run.metadata.namespace),
            })),
    }
}

fn accepted(run: &WorkflowRun) -> HttpResponse {
    let location = format!("/runs/{}/{}", run.metadata.namespace, run.metadata.name);
    let phase = run.status.phase.unwrap_or_default().as_str();
    HttpResponse::Accepted()
        .insert_header(("Location", location.clone()))
        .insert_header(("X-Invocation-Id", run.metadata.uid.as_str()))
        .json(json!({ "run": location.trim_start_matches("/runs/"), "phase": phase }))
}

/// Who may call may read: a run is as open as what it is a run of.
async fn access_to(run: &WorkflowRun, gateway: &Gateway) -> Access {
    let (target, name) = match (&run.spec.workflow, &run.spec.state_machine) {
        (Some(name), _) => (Target::Workflow, name),
        (None, Some(name)) => (Target::StateMachine, name),
        (None, None) => return Access::Closed,
    };
    let key = ObjectKey::new(&run.metadata.namespace, name);
    match marked_open(target, &key, gateway).await {
        Ok(Some(true)) => Access::Open,
        _ => Access::Closed,
    }
}

/// `GET /runs/NS/NAME`
pub(super) async fn read(
    request: HttpRequest,
    path: web::Path<(String, String)>,
    gateway: web::Data<Gateway>,
) -> HttpResponse {
    let (namespace, name) = path.into_inner();
    let found = gateway.objects.get::<WorkflowRun>(&namespace, &name).await;
    let access = match &found {
        Ok(Some(run)) => access_to(run, &gateway).await,
        _ => Access::Closed,
    };
    let admitted = gateway
        .doorkeeper(&request)
        .admit(&request, access, Some(&namespace));
    if let Err(denied) = admitted.await {
        return denied.answer();
    }
    match found {
        Ok(Some(run)) => {
            let status = &run.status;
            HttpResponse::Ok().json(json!({
                "run": format!("{namespace}/{name}"),
                "phase": status.phase,
                "output": status.output,
                "error": status.error,
                "cause": status.cause,
                "startTime": status.start_time,
                "completionTime": status.completion_time,
            }))
        }
        Ok(None) => answer::of_trouble(
            404,
            "NotFound",
            format!("run {namespace}/{name} does not exist"),
        ),
        Err(error) => answer::of_trouble(503, "Unavailable", error.to_string()),
    }
}
