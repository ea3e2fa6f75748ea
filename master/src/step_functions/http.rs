use std::future::Future;
use std::sync::Arc;

use actix_web::http::StatusCode;
use actix_web::web::{self, Bytes, Data};
use actix_web::{HttpRequest, HttpResponse, guard};
use serde::de::DeserializeOwned;
use serde_json::{Value, json};

use super::door::Door;
use super::error::Error;
use super::keys::AccessKeys;
use super::{activities, executions, history, machines, map_runs, tags, test_state, tokens};
use crate::arn::Realm;
use crate::objects::Objects;
use crate::workflows::{RunWaiters, TaskQueue, WorkflowsTools};

/// The header that names the action, and what its value begins with.
const TARGET: &str = "x-amz-target";
const SERVICE: &str = "AWSStepFunctions.";
const CONTENT: &str = "application/x-amz-json-1.0";
/// Largest request body, in bytes: a definition of 1 MB in JSON text.
const MOST_BODY: usize = 4 << 20;

/// What the actions share.
pub struct StepFunctions {
    /// The API's objects.
    pub objects: Objects,
    /// Those who wait for the end of runs.
    pub waiters: RunWaiters,
    /// Tasks that wait for workers.
    pub task_queue: TaskQueue,
    /// Carries out the task of a state that is tested.
    pub tools: Arc<WorkflowsTools>,
    /// What ARNs name.
    pub realm: Realm,
    /// Who may come in.
    pub door: Door,
    /// Keys that requests are signed with.
    pub keys: AccessKeys,
}

/// One request.
pub(super) struct Asked<'a> {
    pub(super) service: &'a StepFunctions,
    pub(super) namespace: &'a str,
}

impl Asked<'_> {
    pub(super) fn realm(&self) -> &Realm {
        &self.service.realm
    }
}

/// Mounts the API at `/`, for requests that name one of its actions. The app's data must hold a
/// [`StepFunctions`].
pub fn configure(app: &mut web::ServiceConfig) {
    let named = guard::fn_guard(|context| {
        let target = context.head().headers().get(TARGET);
        target.is_some_and(|target| target.as_bytes().starts_with(SERVICE.as_bytes()))
    });
    let resource = web::resource("/")
        .guard(named)
        .app_data(web::PayloadConfig::new(MOST_BODY))
        .route(web::post().to(serve));
    app.service(resource);
}

async fn serve(request: HttpRequest, body: Bytes, service: Data<StepFunctions>) -> HttpResponse {
    let id = format!("{:032x}", rand::random::<u128>());
    let result = answer(&request, &body, &service).await;
    let (status, shown) = match &result {
        Ok(shown) => (StatusCode::OK, shown.clone()),
        Err(error) => {
            let status = if error.is_internal() {
                StatusCode::INTERNAL_SERVER_ERROR
            } else {
                StatusCode::BAD_REQUEST
            };
            (
                status,
                json!({ "__type": error.code, "message": error.message }),
            )
        }
    };
    HttpResponse::build(status)
        .insert_header(("x-amzn-RequestId", id))
        .content_type(CONTENT)
        .body(shown.to_string())
}

async fn answer(
    request: &HttpRequest,
    body: &[u8],
    service: &StepFunctions,
) -> Result<Value, Error> {
    let namespace = service.door.admit(request, body, service).await?;
    let asked = Asked {
        service,
        namespace: &namespace,
    };
    let target = request.headers().get(TARGET);
    let target = target.and_then(|target| target.to_str().ok());
    let action = target.and_then(|target| target.strip_prefix(SERVICE));
    dispatch(action.unwrap_or_default(), &asked, body).await
}

async fn dispatch(action: &str, asked: &Asked<'_>, body: &[u8]) -> Result<Value, Error> {
    match action {
        "CreateStateMachine" => run(asked, body, machines::create).await,
        "UpdateStateMachine" => run(asked, body, machines::update).await,
        "DescribeStateMachine" => run(asked, body, machines::describe).await,
        "DeleteStateMachine" => run(asked, body, machines::delete).await,
        "ListStateMachines" => run(asked, body, machines::list).await,
        "ValidateStateMachineDefinition" => run(asked, body, machines::validate).await,
        "TestState" => run(asked, body, test_state::test).await,
        "StartExecution" => run(asked, body, executions::start).await,
        "StartSyncExecution" => run(asked, body, executions::start_sync).await,
        "DescribeExecution" => run(asked, body, executions::describe).await,
        "DescribeStateMachineForExecution" => run(asked, body, executions::machine_of).await,
        "ListExecutions" => run(asked, body, executions::list).await,
        "RedriveExecution" => run(asked, body, executions::redrive).await,
        "StopExecution" => run(asked, body, executions::stop).await,
        "ListMapRuns" => run(asked, body, map_runs::list).await,
        "DescribeMapRun" => run(asked, body, map_runs::describe).await,
        "TagResource" => run(asked, body, tags::add).await,
        "UntagResource" => run(asked, body, tags::remove).await,
        "ListTagsForResource" => run(asked, body, tags::list).await,
        "GetExecutionHistory" => run(asked, body, history::get).await,
        "CreateActivity" => run(asked, body, activities::create).await,
        "DescribeActivity" => run(asked, body, activities::describe).await,
        "DeleteActivity" => run(asked, body, activities::delete).await,
        "ListActivities" => run(asked, body, activities::list).await,
        "GetActivityTask" => run(asked, body, activities::get_task).await,
        "SendTaskSuccess" => run(asked, body, tokens::success).await,
        "SendTaskFailure" => run(asked, body, tokens::failure).await,
        "SendTaskHeartbeat" => run(asked, body, tokens::beat).await,
        other => Err(Error::new(
            "UnknownOperationException",
            format!("{other} is not offered here"),
        )),
    }
}

/// Reads an action's parameters and carries it out.
async fn run<'a, I, F>(
    asked: &'a Asked<'a>,
    body: &[u8],
    action: impl FnOnce(&'a Asked<'a>, I) -> F,
) -> Result<Value, Error>
where
    I: DeserializeOwned,
    F: Future<Output = Result<Value, Error>>,
{
    let input = serde_json::from_slice(body)
        .map_err(|error| Error::validation(format!("the request's parameters: {error}")))?;
    action(asked, input).await
}
