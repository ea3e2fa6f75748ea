use super::{Id, Ledger, LedgerError, Record, State, keys};
use crate::store::Page;

/// Which invocations are listed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Which {
    /// Those that have not ended, then those that have.
    All,
    /// Those in this state.
    In(State),
}

/// A page of invocations: those that ended stand in the order of their end.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Listing {
    /// The invocations.
    pub items: Vec<(Id, Record)>,
    /// Where the next page begins, when there is one.
    pub next: Option<String>,
}

impl Which {
    /// The indexes to look through, one after the other.
    fn indexes(self) -> &'static [&'static str] {
        match self {
            Self::All => &[keys::OPEN, keys::ENDED],
            Self::In(State::Pending | State::Running) => &[keys::OPEN],
            Self::In(State::Succeeded) => &[keys::ENDED],
            Self::In(State::Failed) => &[keys::FAILED],
        }
    }

    fn is(self, state: State) -> bool {
        match self {
            Self::All => true,
            Self::In(wanted) => wanted == state,
        }
    }
}

impl Ledger {
    /// A page of at most `limit` invocations; `after` is an earlier page's [`Listing::next`]. A page may
    /// hold fewer although there are more.
    ///
    /// # Errors
    /// When the store fails.
    pub async fn list(
        &self,
        which: Which,
        after: Option<&str>,
        limit: usize,
    ) -> Result<Listing, LedgerError> {
        let after = after.map(|after| format!("{}{after}", keys::ALL));
        let indexes = which.indexes();
        let begins = |prefix: &str| after.as_deref().is_some_and(|key| key.starts_with(prefix));
        let at = indexes
            .iter()
            .position(|prefix| begins(prefix))
            .unwrap_or(0);
        let page = Page {
            prefix: indexes[at],
            after: after.as_deref().filter(|key| key.starts_with(indexes[at])),
            limit,
        };
        let listed = self.store.list(page).await?;
        let mut items = Vec::with_capacity(listed.entries.len());
        for entry in &listed.entries {
            let Some(id) = keys::read_id(&entry.key) else {
                continue;
            };
            // It may have ended, been redriven or swept in between.
            let record = self.find(id).await?.filter(|record| which.is(record.state));
            items.extend(record.map(|record| (id, record)));
        }
        let last = listed.entries.last().filter(|_| listed.more);
        let next = match (last, indexes.get(at + 1)) {
            (Some(last), _) => Some(last.key.as_str()),
            (None, Some(next)) => Some(*next),
            (None, None) => None,
        };
        let next = next.and_then(|key| key.strip_prefix(keys::ALL));
        Ok(Listing {
            items,
            next: next.map(str::to_owned),
        })
    }
}
