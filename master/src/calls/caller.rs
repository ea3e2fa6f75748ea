use std::sync::Arc;
use std::time::{Duration, Instant};

use async_trait::async_trait;

use super::flight::Flight;
use super::noted::Noted;
use super::reply::{Arrival, Read};
use super::{Call, CallError, Reply, Timing};
use crate::key::ObjectKey;
use crate::router::{Admission, Permit, Refusal, Route, Routes};
use crate::store::Tenure;
use crate::supervisor::AskError;
use crate::upstream::{Answer, Arriving, UpstreamError};

/// Looks into the directory while its room is being restarted, and the pause between two.
const MOST_FINDS: u32 = 50;
const FIND_PAUSE: Duration = Duration::from_millis(100);
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
    tenure: Tenure,
}

impl Calls {
    /// Calls over these routes. Those on record are made within the `tenure`.
    #[must_use]
    pub fn new(
        routes: Routes,
        directory: Arc<dyn Directory>,
        health: Arc<dyn PodHealth>,
        tenure: Tenure,
    ) -> Self {
        Self {
            routes,
            directory,
            health,
            tenure,
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

    /// Makes a call and waits for its whole answer. The time it took is noted in `timing` even when it
    /// fails. Dropping the future cancels the call.
    ///
    /// # Errors
    /// When the platform could not get an answer; what the function itself says, exceptions too, is
    /// an [`Answer`].
    pub async fn call(&self, call: &Call, timing: &mut Timing) -> Result<Answer, CallError> {
        let route = self.route(&call.function).await?;
        let mut noted = Noted::new(&route);
        match self.make(&route, call, timing, Arriving::whole).await {
            Ok((answer, flight)) => {
                noted.answered(&answer.headers, timing);
                flight.land(&answer.headers);
                Ok(answer)
            }
            Err(error) => {
                noted.failed(&error, timing);
                Err(error)
            }
        }
    }

    /// As [`Self::call`], but an answer that is long, or does not say how long it is, is handed on as it comes.
    /// Dropping that cancels the call, too.
    ///
    /// # Errors
    /// As [`Self::call`].
    pub async fn reply(&self, call: &Call, timing: &mut Timing) -> Result<Reply, CallError> {
        let route = self.route(&call.function).await?;
        let mut noted = Noted::new(&route);
        match self.make(&route, call, timing, Read::new).await {
            Ok((Read::Whole(answer), flight)) => {
                noted.answered(&answer.headers, timing);
                flight.land(&answer.headers);
                Ok(Reply::Whole(answer))
            }
            Ok((Read::Head(arriving), flight)) => {
                let arrival = Arrival::new(arriving, flight, noted, *timing);
                Ok(Reply::Arriving(Box::new(arrival)))
            }
            Err(error) => {
                noted.failed(&error, timing);
                Err(error)
            }
        }
    }

    /// Sends the call to a pod, to another one if it reached none, and reads of the answer what `read` reads.
    async fn make<T, R>(
        &self,
        route: &Arc<Route>,
        call: &Call,
        timing: &mut Timing,
        read: impl Fn(Arriving) -> R,
    ) -> Result<(T, Flight), CallError>
    where
        R: Future<Output = Result<T, UpstreamError>>,
    {
        let (mut tries, begun) = (0, Instant::now());
        // What is left of the time in which the call may wait for pods.
        let mut hold = hold_of(route, call);
        let mut unreached = None;
        loop {
            let admitted = self.admit_within_tenure(route, call, &mut hold, timing);
            // Of a pod that there is but was not reached, that says more than the wait for another.
            let permit = match (admitted.await, unreached.take()) {
                (Err(error), Some(unreached)) if is_over_time(&error) => return Err(unreached),
                (admitted, _) => admitted?,
            };
            let endpoint = Arc::clone(permit.endpoint());
            let limit = route.settings().timeout;
            let patience = |whole: Duration| whole.saturating_sub(begun.elapsed());
            let limit = call
                .patience
                .map_or(limit, |whole| patience(whole).min(limit));
            let flight = Flight::begin(&self.health, route, call, permit, limit);
            let sent = async { read(endpoint.open(call.request(limit)).await?).await };
            let result = tokio::time::timeout_at(flight.until(), sent).await;
            timing.run += flight.took();
            match result {
                Ok(Ok(answer)) => return Ok((answer, flight)),
                Ok(Err(error)) => {
                    let on_the_way = error.is_on_the_way();
                    let is_last = if on_the_way {
                        // Waiting for a node is waiting for a pod.
                        hold = hold.saturating_sub(flight.took());
                        hold.is_zero()
                    } else {
                        tries += 1;
                        let again = error.is_unsent() || call.repeatable;
                        !again || tries == MOST_TRIES || error.is_too_large()
                    };
                    let lost = flight.lose(error);
                    if is_last {
                        return Err(lost);
                    }
                    unreached = on_the_way.then_some(lost);
                }
                Err(_) => return Err(flight.time_out().await),
            }
        }
    }

    /// A slot for the call, at a moment at which this master may make it.
    async fn admit_within_tenure(
        &self,
        route: &Arc<Route>,
        call: &Call,
        hold: &mut Duration,
        timing: &mut Timing,
    ) -> Result<Permit, CallError> {
        loop {
            let permit = self.admit(route, call, hold, timing).await?;
            if !call.recorded || self.tenure.is_sure() {
                return Ok(permit);
            }
            // Others shall have the slot meanwhile.
            drop(permit);
            self.tenure.sure().await;
        }
    }

    async fn admit(
        &self,
        route: &Arc<Route>,
        call: &Call,
        hold: &mut Duration,
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
                let result = held.wait(*hold).await;
                let waited = begun.elapsed();
                *hold = hold.saturating_sub(waited);
                *(if cold {
                    &mut timing.cold
                } else {
                    &mut timing.queue
                }) += waited;
                // It may have waited before.
                let whole = hold_of(route, call).as_secs();
                result.map_err(|refusal| match refusal {
                    Refusal::HoldExpired(_) => refused(Refusal::HoldExpired(whole)),
                    refusal => refused(refusal),
                })
            }
        }
    }
}

/// Whether the call waited for a pod for as long as it may.
fn is_over_time(error: &CallError) -> bool {
    matches!(
        error,
        CallError::Refused {
            refusal: Refusal::HoldExpired(_),
            ..
        }
    )
}

/// Longest time the call waits for a pod.
fn hold_of(route: &Route, call: &Call) -> Duration {
    let hold = route.settings().hold;
    call.patience.map_or(hold, |patience| patience.min(hold))
}
