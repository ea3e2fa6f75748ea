//! One attempt, from the store to the function and back.

use std::time::Duration;

use async_trait::async_trait;
use jiff::Timestamp;

use super::ledger::Stored;
use super::{Class, Id, Ledger, LedgerError, Outcome, Record, Response};
use crate::calls::{Call, CallError, Calls, Timing};
use crate::store::StoreError;
use crate::upstream::Answer;

/// Wait before the store is tried again.
const RETRY_AFTER: Duration = Duration::from_millis(500);

/// Makes a call.
#[async_trait]
pub trait Carry: Send + Sync + 'static {
    /// Makes it and waits for the answer. Dropping the future cancels the call.
    async fn carry(&self, call: &Call) -> Result<Answer, CallError>;
}

#[async_trait]
impl Carry for Calls {
    async fn carry(&self, call: &Call) -> Result<Answer, CallError> {
        self.call(call, &mut Timing::default()).await
    }
}

/// What became of an attempt.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Attempted {
    /// The invocation has ended.
    Over,
    /// The next attempt is due at this time.
    Later(Timestamp),
}

/// Attempts an invocation. It is read anew: whatever the room believes, only what the store shows as
/// open and due is attempted.
pub(super) async fn attempt(ledger: &Ledger, carry: &dyn Carry, id: Id) -> Attempted {
    match try_attempt(ledger, carry, id).await {
        Ok(attempted) => attempted,
        Err(error @ LedgerError::Damaged { .. }) => {
            tracing::error!(invocation = %id, %error, "an invocation is left out");
            Attempted::Over
        }
        // A conflict: an earlier life of the room wrote at the same time.
        Err(LedgerError::Store(error)) => {
            tracing::warn!(invocation = %id, %error, "could not make an attempt");
            soon(ledger)
        }
    }
}

/// A little later.
pub(super) fn soon(ledger: &Ledger) -> Attempted {
    let now = ledger.clock.now();
    Attempted::Later(now.checked_add(RETRY_AFTER).unwrap_or(now))
}

async fn try_attempt(ledger: &Ledger, carry: &dyn Carry, id: Id) -> Result<Attempted, LedgerError> {
    let Some(stored) = ledger
        .stored(id)
        .await?
        .filter(|s| !s.record.state.is_final())
    else {
        return Ok(Attempted::Over);
    };
    let now = ledger.clock.now();
    if stored.record.due > now {
        return Ok(Attempted::Later(stored.record.due));
    }
    if let Some(dead) = ledger.policy.expire(&stored.record, now) {
        return settle(ledger, id, &stored, dead, None).await;
    }
    let Some((request, body)) = ledger.request(id).await? else {
        let outcome = Outcome::without_answer(Class::Hopeless, "the stored request is missing");
        return conclude(ledger, id, &stored, outcome).await;
    };
    let stored = ledger.begin(id, &stored).await?;
    let call = request.into_call(stored.record.function(), id.into(), body);
    let outcome = match carry.carry(&call).await {
        Ok(answer) => Outcome::of_answer(answer),
        Err(error) => Outcome::of_error(&error),
    };
    drop(call);
    conclude(ledger, id, &stored, outcome).await
}

async fn conclude(
    ledger: &Ledger,
    id: Id,
    stored: &Stored,
    outcome: Outcome,
) -> Result<Attempted, LedgerError> {
    let now = ledger.clock.now();
    let record = ledger
        .policy
        .judge(stored.record.clone(), &outcome, now, rand::random());
    settle(ledger, id, stored, record, outcome.response).await
}

/// Writes an attempt's end; again while the store is in trouble, since the function has run.
async fn settle(
    ledger: &Ledger,
    id: Id,
    stored: &Stored,
    record: Record,
    response: Option<Response>,
) -> Result<Attempted, LedgerError> {
    loop {
        match ledger
            .settle(id, stored.revision, &record, response.as_ref())
            .await
        {
            Err(LedgerError::Store(error @ (StoreError::Busy | StoreError::Failed { .. }))) => {
                tracing::warn!(invocation = %id, %error, "could not write an attempt's end");
                tokio::time::sleep(RETRY_AFTER).await;
            }
            settled => {
                settled?;
                let over = record.state.is_final();
                return Ok(if over {
                    Attempted::Over
                } else {
                    Attempted::Later(record.due)
                });
            }
        }
    }
}
