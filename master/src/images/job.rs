use std::collections::BTreeSet;
use std::sync::Arc;

use common::digest::Digest;

use super::log::Live;
use super::messages::BuildNews;
use crate::key::ObjectKey;
use crate::platform::Platform;

/// A build for one kind of machine.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct JobKey {
    /// The build: the same source and settings.
    pub(super) build: String,
    /// What it is for; `None` for the first of all, which is for whatever the node is.
    pub(super) platform: Option<Platform>,
}

impl JobKey {
    /// The id that nodes know it by.
    pub(super) fn id(&self) -> String {
        match &self.platform {
            None => self.build.clone(),
            Some(Platform { arch, python }) => {
                let text = format!("{} {arch} {python}", self.build);
                Digest::of(text.as_bytes()).hex()[..24].to_owned()
            }
        }
    }
}

/// A build under way.
pub(super) struct Job {
    pub(super) key: JobKey,
    /// Functions that wait for it.
    pub(super) functions: BTreeSet<ObjectKey>,
    /// Who was given it last, and what for.
    pub(super) given: Option<(String, Platform)>,
    /// Whether that node has it still.
    pub(super) held: bool,
    /// An offer is under way: a node that took it may be heard before that is known.
    pub(super) offering: bool,
    /// What was heard so early.
    pub(super) early: Vec<BuildNews>,
    pub(super) log: Arc<Live>,
    pub(super) tries: u32,
    /// Counts the offers, so that a late time limit does not hit a newer one.
    pub(super) offer: u64,
    /// What it waits for, when a node of another kind could not do it: one of the right kind.
    pub(super) needs: Option<String>,
    /// It ended; its functions are being told.
    pub(super) ending: bool,
}

impl Job {
    pub(super) fn new(key: JobKey, log: Arc<Live>) -> Self {
        Self {
            key,
            functions: BTreeSet::new(),
            given: None,
            held: false,
            offering: false,
            early: Vec::new(),
            log,
            tries: 0,
            offer: 0,
            needs: None,
            ending: false,
        }
    }

    /// Whether it is the build that `Built` waits for.
    pub(super) fn is_first(&self) -> bool {
        self.key.platform.is_none()
    }
}
