//! The connection to etcd: each call has a deadline and is tried again while etcd is away.

use std::future::Future;
use std::time::Duration;

use etcd_client::{Client, Error};
use tokio::sync::Semaphore;
use tokio::time::{Instant, sleep, timeout};
use tonic::Code;

use crate::store::StoreError;

/// Most calls under way; one more is answered `Busy`.
const CALLS: usize = 4096;
/// Longest time that one try may take.
const TRY: Duration = Duration::from_secs(5);
/// Shortest and longest wait between two tries.
const WAIT: (Duration, Duration) = (Duration::from_millis(20), Duration::from_millis(500));

pub(super) struct Line {
    client: Client,
    calls: Semaphore,
    /// How long a call is tried again.
    patience: Duration,
}

/// What came of a call.
pub(super) struct Answer<T> {
    pub(super) value: T,
    /// Whether an earlier try may have been carried out, although its answer was lost.
    pub(super) repeated: bool,
}

impl Line {
    pub(super) fn new(client: Client, patience: Duration) -> Self {
        Self {
            client,
            calls: Semaphore::new(CALLS),
            patience,
        }
    }

    pub(super) fn client(&self) -> Client {
        self.client.clone()
    }

    /// Makes a call, again and again while etcd is away, until the patience is over.
    pub(super) async fn call<T, F>(
        &self,
        attempt: &str,
        make: impl Fn(Client) -> F,
    ) -> Result<Answer<T>, StoreError>
    where
        F: Future<Output = Result<T, Error>>,
    {
        let _permit = self.calls.try_acquire().map_err(|_| StoreError::Busy)?;
        persist(attempt, self.patience, || make(self.client())).await
    }
}

/// Does something until it succeeds, fails for good, or the patience is over.
pub(super) async fn persist<T, F>(
    attempt: &str,
    patience: Duration,
    make: impl Fn() -> F,
) -> Result<Answer<T>, StoreError>
where
    F: Future<Output = Result<T, Error>>,
{
    let until = Instant::now() + patience;
    let mut wait = WAIT.0;
    let mut repeated = false;
    loop {
        let why = match timeout(TRY, make()).await {
            Ok(Ok(value)) => return Ok(Answer { value, repeated }),
            Ok(Err(error)) => match judge(attempt, &error) {
                Verdict::Final(error) => return Err(error),
                Verdict::Again => text(&error),
            },
            Err(_) => format!("no answer within {} s", TRY.as_secs()),
        };
        repeated = true;
        let pause = wait.mul_f64(0.5 + rand::random::<f64>());
        if Instant::now() + pause >= until {
            return Err(StoreError::failed(format!("{attempt} in etcd"), why));
        }
        sleep(pause).await;
        wait = (wait * 2).min(WAIT.1);
    }
}

enum Verdict {
    /// etcd is away or changes its leader.
    Again,
    Final(StoreError),
}

/// Whether a call that failed may succeed later.
fn judge(attempt: &str, error: &Error) -> Verdict {
    let Error::GRpcStatus(status) = error else {
        return match error {
            Error::LeaseKeepAliveError(why) if why.contains("not found") => {
                Verdict::Final(StoreError::LeaseGone(0))
            }
            Error::TransportError(_)
            | Error::IoError(_)
            | Error::LeaseKeepAliveError(_)
            | Error::WatchError(_) => Verdict::Again,
            _ => Verdict::Final(failed(attempt, error)),
        };
    };
    match status.code() {
        Code::Unavailable
        | Code::DeadlineExceeded
        | Code::Cancelled
        | Code::Aborted
        | Code::Internal
        | Code::Unknown => Verdict::Again,
        Code::ResourceExhausted if status.message().contains("too many requests") => Verdict::Again,
        Code::ResourceExhausted if !status.message().contains("space exceeded") => {
            Verdict::Final(StoreError::TooLarge(status.message().to_owned()))
        }
        Code::OutOfRange if status.message().contains("compacted") => {
            Verdict::Final(StoreError::Compacted { after: 0 })
        }
        Code::InvalidArgument
            if ["too large", "too many operations"]
                .iter()
                .any(|known| status.message().contains(known)) =>
        {
            Verdict::Final(StoreError::TooLarge(status.message().to_owned()))
        }
        Code::NotFound if status.message().contains("lease not found") => {
            Verdict::Final(StoreError::LeaseGone(0))
        }
        _ => Verdict::Final(failed(attempt, error)),
    }
}

fn failed(attempt: &str, error: &Error) -> StoreError {
    let mut why = text(error);
    if let Error::GRpcStatus(status) = error {
        why.push_str(match status.code() {
            Code::ResourceExhausted => {
                "; compact and defragment etcd, raise its --quota-backend-bytes, and disarm the alarm"
            }
            Code::Unauthenticated | Code::InvalidArgument
                if status.message().contains("auth") || status.message().contains("user name") =>
            {
                "; see etcd.username and etcd.password-file in the settings"
            }
            Code::PermissionDenied => {
                "; the user needs read and write permission for everything beneath etcd.prefix"
            }
            _ => "",
        });
    }
    StoreError::failed(format!("{attempt} in etcd"), why)
}

/// What went wrong, with what lies beneath it.
pub(super) fn text(error: &Error) -> String {
    match error {
        Error::GRpcStatus(status) => {
            let message = status.message().to_owned();
            match std::error::Error::source(status) {
                Some(source) => format!("{message}: {}", crate::explain(source)),
                None => message,
            }
        }
        Error::TransportError(error) => crate::explain(error),
        other => other.to_string(),
    }
}
