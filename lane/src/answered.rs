use bytes::Bytes;

use crate::Head;
use crate::ticket::Ticket;

/// What came of a call that may have begun.
pub enum Answered {
    /// Its answer.
    Whole(Head, Bytes),
    /// The head of a long answer, and where the body comes from.
    Long(Head, LongBody),
    /// The connection ended with the call in hand, and why.
    Broken(String),
}

/// The body of a long answer. Dropping it before its end cancels the call.
pub struct LongBody(Ticket);

impl LongBody {
    pub(crate) fn new(ticket: Ticket) -> Self {
        Self(ticket)
    }

    /// The next piece; `None` at the end.
    ///
    /// # Errors
    /// With the reason when it breaks off.
    pub async fn piece(&mut self) -> Result<Option<Bytes>, String> {
        self.0.piece().await
    }
}
