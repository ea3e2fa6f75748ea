//! The log of a function's build, for those who read it.

use std::collections::BTreeSet;
use std::time::Duration;

use common::resources::Function;
use tokio::sync::mpsc;

use super::log::{BuildLogs, Live};
use super::need::verdict;
use super::record;
use crate::functions::build_id;
use crate::key::ObjectKey;
use crate::objects::Objects;

/// Between two looks for a build that has not begun, or whose end is not shown yet.
const LOOK: Duration = Duration::from_millis(250);
/// Lines on their way to a reader.
const AHEAD: usize = 256;

/// The reader went away.
struct Gone;

/// The lines of a function's build. With `follow` they go on until the build has ended; without they
/// end with what there is. Reading ends when the receiver is dropped.
#[must_use]
pub fn build_log(
    objects: Objects,
    logs: BuildLogs,
    function: ObjectKey,
    follow: bool,
) -> mpsc::Receiver<String> {
    let (lines, receiver) = mpsc::channel(AHEAD);
    let reader = Reader {
        objects,
        logs,
        function,
        lines,
        shown: BTreeSet::new(),
    };
    tokio::spawn(reader.read(follow));
    receiver
}

struct Reader {
    objects: Objects,
    logs: BuildLogs,
    function: ObjectKey,
    lines: mpsc::Sender<String>,
    /// Jobs whose log was shown to its end, with the build's name since that may change.
    shown: BTreeSet<String>,
}

impl Reader {
    async fn read(mut self, follow: bool) {
        loop {
            match self.look(follow).await {
                Ok(true) if follow => {}
                Ok(_) | Err(Gone) => return,
            }
            tokio::select! {
                () = tokio::time::sleep(LOOK) => {}
                () = self.lines.closed() => return,
            }
        }
    }

    /// Shows what there is. Whether more is to come.
    async fn look(&mut self, follow: bool) -> Result<bool, Gone> {
        let (namespace, name) = (&self.function.namespace, &self.function.name);
        let function = match self.objects.get::<Function>(namespace, name).await {
            Ok(Some(function)) => function,
            Ok(None) => return Ok(false),
            Err(error) => {
                self.say(format!("the build's log cannot be read: {error}"))
                    .await?;
                return Ok(false);
            }
        };
        let metadata = &function.metadata;
        let Some(build) = build_id(&metadata.namespace, metadata.generation, &function.spec) else {
            return Ok(false);
        };
        for live in self.logs.of(&build) {
            if self.shown.insert(live.job().to_owned()) {
                self.show_live(&live, follow).await?;
            }
        }
        match record::load(&**self.objects.store(), &build).await {
            Ok(parts) => {
                for part in parts {
                    if self.shown.insert(part.job) {
                        for line in part.log {
                            self.say(line).await?;
                        }
                    }
                }
            }
            Err(error) => {
                self.say(format!("the build's log cannot be read: {error}"))
                    .await?
            }
        }
        Ok(verdict(&function, &build).is_none() || !self.logs.of(&build).is_empty())
    }

    async fn show_live(&self, live: &Live, follow: bool) -> Result<(), Gone> {
        let mut changes = live.changes();
        let mut next = 0;
        loop {
            changes.mark_unchanged();
            let piece = live.read(next);
            next = piece.next;
            for line in piece.lines {
                self.say(line).await?;
            }
            if piece.ended || !follow {
                return Ok(());
            }
            tokio::select! {
                changed = changes.changed() => if changed.is_err() { return Ok(()) },
                () = self.lines.closed() => return Err(Gone),
            }
        }
    }

    async fn say(&self, line: String) -> Result<(), Gone> {
        self.lines.send(line).await.map_err(|_| Gone)
    }
}
