use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use common::pod_protocol as pod;
use http::HeaderMap;
use tokio::time::Instant;

use super::{Call, CallError, InvocationId, PodHealth};
use crate::key::ObjectKey;
use crate::router::{Permit, Route};
use crate::upstream::{Endpoint, UpstreamError};

/// A pod answers its own timeouts; after the function's limit and this much more it counts as hung.
const POD_GRACE: Duration = Duration::from_secs(2);
/// How long a timed-out call's thread may go on before its pod is replaced.
const STUCK_AFTER: Duration = Duration::from_secs(2);

/// A call that a pod works on. Dropped before the answer came, because the caller went away, it keeps
/// its slot until the pod says that its thread has ended: closing the connection tells the pod to
/// cancel, but a thread may take its time.
pub(super) struct Flight {
    health: Arc<dyn PodHealth>,
    route: Arc<Route>,
    function: ObjectKey,
    id: InvocationId,
    permit: Option<Permit>,
    endpoint: Arc<Endpoint>,
    begun: Instant,
    limit: Duration,
}

impl Flight {
    /// A call that may take `limit` begins now, in this slot.
    pub(super) fn begin(
        health: &Arc<dyn PodHealth>,
        route: &Arc<Route>,
        call: &Call,
        permit: Permit,
        limit: Duration,
    ) -> Self {
        Self {
            health: Arc::clone(health),
            route: Arc::clone(route),
            function: call.function.clone(),
            id: call.id.clone(),
            endpoint: Arc::clone(permit.endpoint()),
            permit: Some(permit),
            begun: Instant::now(),
            limit,
        }
    }

    /// When a pod that has not answered counts as hung.
    pub(super) fn until(&self) -> Instant {
        self.begun + self.limit + POD_GRACE
    }

    /// How long it is under way.
    pub(super) fn took(&self) -> Duration {
        self.begun.elapsed()
    }

    /// The answer with these headers was read: the slot is free, unless the pod says that the call's thread goes on.
    pub(super) fn land(mut self, headers: &HeaderMap) {
        let goes_on = headers.get(pod::THREAD);
        if goes_on.is_none_or(|word| word != "running") {
            self.permit = None;
        }
    }

    /// No answer came, or not all of it. Where the rest of it is not wanted, the slot is free when the call's thread has
    /// ended.
    pub(super) fn lose(mut self, error: UpstreamError) -> CallError {
        if error.is_on_the_way() {
            // An agent that is away for a moment changes nothing for its pods.
            self.route.set_aside(&self.endpoint.uid);
        } else if !error.is_too_large() {
            self.route.drain(&self.endpoint.uid);
            self.health.unreachable(&self.function, &self.endpoint.uid);
        }
        if error.is_unsent()
            && let Some(permit) = self.permit.take()
        {
            permit.return_unused();
        } else if !error.is_too_large() {
            self.permit = None;
        }
        CallError::Lost {
            function: self.function.clone(),
            pod: self.endpoint.pod.clone(),
            source: error,
        }
    }

    /// The pod did not answer in time, nor say so itself: it hangs, or its whole node has gone silent, and then the
    /// function is not to blame.
    pub(super) async fn time_out(mut self) -> CallError {
        if !self.endpoint.is_node_heard_of().await {
            return self.lose(UpstreamError::Silent);
        }
        self.route.drain(&self.endpoint.uid);
        self.health.stuck(&self.function, &self.endpoint.uid);
        self.permit = None;
        CallError::Deadline {
            function: self.function.clone(),
            after: self.limit,
        }
    }
}

impl Drop for Flight {
    fn drop(&mut self) {
        let Some(permit) = self.permit.take() else {
            return;
        };
        let Ok(runtime) = tokio::runtime::Handle::try_current() else {
            return;
        };
        let (health, route) = (Arc::clone(&self.health), Arc::clone(&self.route));
        let (function, id) = (self.function.clone(), self.id.clone());
        let endpoint = Arc::clone(&self.endpoint);
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

async fn thread_ended(endpoint: &Endpoint, id: &InvocationId) -> bool {
    let wait = STUCK_AFTER.as_millis();
    let mut request = http::Request::new(Bytes::new());
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
