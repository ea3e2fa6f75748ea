use std::sync::Arc;
use std::time::{Duration, Instant};

use async_trait::async_trait;
use bytes::Bytes;
use common::pod_protocol as pod;
use http_body_util::Full;

use super::noted::Noted;
use super::{Call, CallError, InvocationId, Timing};
use crate::key::ObjectKey;
use crate::router::{Admission, Permit, Refusal, Route, Routes};
use crate::supervisor::AskError;
use crate::upstream::{Answer, Endpoint};

/// A pod answers its own timeouts; after the function's limit and this much more it counts as hung.
const POD_GRACE: Duration = Duration::from_secs(2);
/// How long a timed-out call's thread may go on before its pod is replaced.
const STUCK_AFTER: Duration = Duration::from_secs(2);
/// Looks into the directory while its room is being restarted, and the pause between two.
const MOST_FINDS: u32 = 50;
const FIND_PAUSE: Duration = Duration::from_millis(100);
/// Pause before the next try when an agent could not be reached.
const WAY_PAUSE: Duration = Duration::from_millis(500);
/// Pods tried when nothing reached the one before.
const MOST_TRIES: u32 = 3;

/// Finds functions that the route table does not show yet.
#[async_trait]
pub trait Directory: Send + Sync {
    /// The route of a function that exists.
    async fn find(&self, function: &ObjectKey) -> Result<Option<Arc<Route>>, AskError>;

    /// A call to a function is likely soon.
    fn expect(&self, function: &ObjectKey) {
        let _ = function;
    }
}

/// Told of pods that calls found unhealthy.
pub trait PodHealth: Send + Sync {
    /// A call's thread does not end: replace the pod when its other calls are done.
    fn stuck(&self, function: &ObjectKey, uid: &str);
    /// The pod cannot be reached.
    fn unreachable(&self, function: &ObjectKey, uid: &str);
}

/// Makes calls. Cheap to clone.
#[derive(Clone)]
pub struct Calls {
    routes: Routes,
    directory: Arc<dyn Directory>,
    health: Arc<dyn PodHealth>,
}

impl Calls {
    /// Calls over these routes.
    #[must_use]
    pub fn new(routes: Routes, directory: Arc<dyn Directory>, health: Arc<dyn PodHealth>) -> Self {
        Self {
            routes,
            directory,
            health,
        }
    }

    /// A call to a function is likely soon: it may get a pod that waits for it a while.
    pub fn expect(&self, function: &ObjectKey) {
        self.directory.expect(function);
    }

    /// The route of a function.
    ///
    /// # Errors
    /// When there is no such function, or nobody can say.
    pub async fn route(&self, function: &ObjectKey) -> Result<Arc<Route>, CallError> {
        if let Some(route) = self.routes.find(&function.namespace, &function.name) {
            return Ok(route);
        }
        let mut tries = 0;
        loop {
            tries += 1;
            match self.directory.find(function).await {
                Ok(Some(route)) => return Ok(route),
                Ok(None) => return Err(CallError::NoSuchFunction(function.clone())),
                // A room that fell is back in a moment; the caller need not know.
                Err(AskError::Down(_)) if tries < MOST_FINDS => {
                    tokio::time::sleep(FIND_PAUSE).await;
                }
                Err(error) => return Err(CallError::Directory(function.clone(), error)),
            }
        }
    }

    /// Makes a call and waits for its answer. The time it took is noted in `timing` even when it
    /// fails. Dropping the future cancels the call.
    ///
    /// # Errors
    /// When the platform could not get an answer; what the function itself says, exceptions too, is
    /// an [`Answer`].
    pub async fn call(&self, call: &Call, timing: &mut Timing) -> Result<Answer, CallError> {
        let route = self.route(&call.function).await?;
        let mut noted = Noted::new(&route);
        let result = self.make(&route, call, timing).await;
        noted.end(&result, timing);
        result
    }

    async fn make(
        &self,
        route: &Arc<Route>,
        call: &Call,
        timing: &mut Timing,
    ) -> Result<Answer, CallError> {
        let mut tries = 0;
        loop {
            tries += 1;
            let permit = self.admit(route, call, timing).await?;
            let endpoint = Arc::clone(permit.endpoint());
            let mut flight = Flight {
                calls: self,
                call,
                route,
                permit: Some(permit),
            };
            let limit = route.settings().timeout;
            let limit = call.patience.map_or(limit, |patience| patience.min(limit));
            let begun = Instant::now();
            let sent = tokio::time::timeout(limit + POD_GRACE, endpoint.call(call.request(limit)));
            let result = sent.await;
            let permit = flight.permit.take();
            timing.run += begun.elapsed();
            match result {
                Ok(Ok(answer)) => {
                    if answer.header(pod::THREAD) == Some("running")
                        && let Some(permit) = permit
                    {
                        self.watch_stuck(call, route, permit);
                    }
                    return Ok(answer);
                }
                Ok(Err(error)) => {
                    if matches!(error, crate::upstream::UpstreamError::TooLarge(_)) {
                        return Err(self.lost(call, &endpoint, error));
                    }
                    // A link or an agent that is down for a moment changes nothing for its pods.
                    let on_the_way = error.is_on_the_way();
                    if !on_the_way {
                        route.drain(&endpoint.uid);
                        self.health.unreachable(&call.function, &endpoint.uid);
                    }
                    let again = error.is_unsent() || call.repeatable;
                    if !again || tries == MOST_TRIES {
                        return Err(self.lost(call, &endpoint, error));
                    }
                    drop(permit);
                    if on_the_way {
                        tokio::time::sleep(WAY_PAUSE).await;
                    }
                }
                Err(_) => {
                    route.drain(&endpoint.uid);
                    self.health.stuck(&call.function, &endpoint.uid);
                    let function = call.function.clone();
                    return Err(CallError::Deadline {
                        function,
                        after: limit,
                    });
                }
            }
        }
    }

    fn lost(
        &self,
        call: &Call,
        endpoint: &Endpoint,
        source: crate::upstream::UpstreamError,
    ) -> CallError {
        CallError::Lost {
            function: call.function.clone(),
            pod: endpoint.pod.clone(),
            source,
        }
    }

    async fn admit(
        &self,
        route: &Arc<Route>,
        call: &Call,
        timing: &mut Timing,
    ) -> Result<Permit, CallError> {
        let refused = |refusal: Refusal| CallError::Refused {
            function: call.function.clone(),
            refusal,
        };
        match route.admit() {
            Admission::Now(permit) => Ok(permit),
            Admission::Refused(refusal) => Err(refused(refusal)),
            Admission::Held(held) => {
                let begun = Instant::now();
                let cold = !route.is_routable();
                let hold = route.settings().hold;
                let hold = call.patience.map_or(hold, |patience| patience.min(hold));
                let result = held.wait(hold).await;
                let waited = begun.elapsed();
                *(if cold {
                    &mut timing.cold
                } else {
                    &mut timing.queue
                }) += waited;
                result.map_err(refused)
            }
        }
    }

    /// Keeps the slot of a timed-out call until its thread has ended; a pod whose thread does not end
    /// is replaced.
    fn watch_stuck(&self, call: &Call, route: &Arc<Route>, permit: Permit) {
        let route = Arc::clone(route);
        let endpoint = Arc::clone(permit.endpoint());
        let health = Arc::clone(&self.health);
        let (function, id) = (call.function.clone(), call.id.clone());
        let Ok(runtime) = tokio::runtime::Handle::try_current() else {
            return;
        };
        runtime.spawn(async move {
            if !thread_ended(&endpoint, &id).await {
                // Before the slot is free: who waits for it must not get it.
                route.drain(&endpoint.uid);
                health.stuck(&function, &endpoint.uid);
            }
            drop(permit);
        });
    }
}

/// A call that a pod works on. Dropped before the answer came, because the caller went away, it keeps
/// its slot until the pod says that its thread has ended: closing the connection tells the pod to
/// cancel, but a thread may take its time.
struct Flight<'a> {
    calls: &'a Calls,
    call: &'a Call,
    route: &'a Arc<Route>,
    permit: Option<Permit>,
}

impl Drop for Flight<'_> {
    fn drop(&mut self) {
        if let Some(permit) = self.permit.take() {
            self.calls.watch_stuck(self.call, self.route, permit);
        }
    }
}

async fn thread_ended(endpoint: &Endpoint, id: &InvocationId) -> bool {
    let wait = STUCK_AFTER.as_millis();
    let mut request = http::Request::new(Full::new(Bytes::new()));
    let Ok(uri) = format!("{}{id}?wait={wait}", pod::CALLS_PATH).parse() else {
        return false;
    };
    *request.uri_mut() = uri;
    let host = http::HeaderValue::from_static("function");
    request.headers_mut().insert(http::header::HOST, host);
    let answer = tokio::time::timeout(STUCK_AFTER + POD_GRACE, endpoint.call(request)).await;
    let Ok(Ok(answer)) = answer else { return false };
    #[derive(serde::Deserialize)]
    struct Ended {
        ended: bool,
    }
    serde_json::from_slice::<Ended>(&answer.body).is_ok_and(|body| body.ended)
}
