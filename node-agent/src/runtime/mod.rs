//! What starts pods: child processes or containers. Both run the same Python server, with the
//! function's directory, a socket in the pod's `run` directory and a user id of the pod's own.

pub mod choose;
mod claims;
pub mod docker;
mod error;
pub mod generic;
mod groups;
pub mod netns;
mod plan;
pub mod process;
mod uids;

use std::any::Any;
use std::collections::BTreeSet;
use std::os::fd::OwnedFd;
use std::path::Path;
use std::time::Duration;

use async_trait::async_trait;
use common::link::{Exit, Origin, PodAssignment, RuntimeKind};
use futures_util::stream::BoxStream;

pub use claims::Claims;
pub use error::RuntimeError;
pub use generic::{Generic, GenericStart, Kind, Unfit};
pub use groups::{Groups, Limits};
pub use plan::{LogOptions, Step, StepEnd};
pub(crate) use plan::{function_environment, plain_environment};
pub use uids::{UidError, Uids};

use crate::bases::Saved;

/// What a runtime says of itself.
#[derive(Clone, Debug)]
pub struct Facts {
    /// Which.
    pub kind: RuntimeKind,
    /// Docker's engine or Python.
    pub version: String,
    /// The architecture that pods run on: `amd64` or `arm64`.
    pub arch: String,
    /// The Python that pods run on, as `3.11`; empty when it is not known.
    pub python: String,
    /// Whether pods are kept apart from each other and from the machine.
    pub isolated: bool,
    /// What is missing, for people.
    pub isolation_message: String,
}

/// A pod to start. Its directories exist.
#[derive(Clone, Copy, Debug)]
pub struct PodStart<'a> {
    /// What the master wants.
    pub assignment: &'a PodAssignment,
    /// The pod's directory.
    pub directory: &'a Path,
    /// The directory with the user's files, for layers.
    pub function: Option<&'a Path>,
    /// The image it is made of, where [`Runtime::image`] gave one.
    pub image: Option<&'a Image>,
    /// The directory with packages of base full, for layers that need some.
    pub packages: Option<&'a Path>,
    /// The pod's user id.
    pub user: Option<u32>,
}

/// An image on the node. It stays there as long as somebody has this.
pub struct Image {
    /// The engine's id of it.
    pub id: String,
    /// Directories that it says to be volumes.
    pub volumes: Vec<String>,
    /// Keeps it.
    pub hold: Box<dyn Any + Send + Sync>,
}

impl std::fmt::Debug for Image {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_tuple("Image").field(&self.id).finish()
    }
}

/// What the runtime knows of a pod of an earlier agent.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Adopted {
    /// It runs; [`Runtime::wait`] works again.
    Running,
    /// It ended meanwhile.
    Ended(Exit),
    /// Nobody knows how it ended; nothing of it runs any more.
    Lost,
}

/// Whether a pod is known.
pub type Known = dyn Fn(&str) -> bool + Send + Sync;

/// Starts and ends pods. All methods may be called again after a failure.
#[async_trait]
pub trait Runtime: Send + Sync {
    /// What it says of itself.
    fn facts(&self) -> &Facts;

    /// What keeps pods from being apart from each other and from the machine right now, for people;
    /// besides what the facts say.
    fn trouble(&self) -> Option<String> {
        None
    }

    /// The image a pod is made of, brought in when it is not there. `None`: the runtime wants the
    /// function's layer as a directory.
    async fn image(&self, origin: &Origin) -> Result<Option<Image>, RuntimeError>;

    /// Whether the image a pod is made of need not be brought in first.
    async fn has_image(&self, origin: &Origin) -> bool {
        let _ = origin;
        true
    }

    /// Starts a pod; returns the runtime's id of it.
    async fn start(&self, pod: PodStart<'_>) -> Result<String, RuntimeError>;

    /// The kind of generic pod that there should always be some of; or what is in the way of having
    /// any, for people.
    fn generics(&self) -> Result<Kind, String> {
        Err("this runtime starts no generic pods".to_owned())
    }

    /// The kind of generic pod that can become a pod.
    fn kind_for(&self, pod: &PodAssignment) -> Result<Kind, Unfit> {
        let _ = pod;
        Err(Unfit::Unsupported)
    }

    /// Starts a generic pod, so that it disturbs others as little as can be.
    async fn start_generic(&self, start: GenericStart<'_>) -> Result<Generic, RuntimeError> {
        let text = format!("this runtime cannot start {}", start.id);
        Err(RuntimeError::Refused(text))
    }

    /// A generic pod waits now: from here on it counts like any other.
    async fn settle(&self, generic: &Generic) {
        let _ = generic;
    }

    /// Gives what was a generic pod all of a pod but the word. Its directory is the pod's already.
    /// Returns the environment that the word is to say.
    async fn specialise(
        &self,
        generic: &Generic,
        pod: PodStart<'_>,
    ) -> Result<Vec<(String, String)>, RuntimeError> {
        let text = format!("{} cannot become {}", generic.id, pod.assignment.uid);
        Err(RuntimeError::Refused(text))
    }

    /// Asks a pod to end: SIGTERM, after the grace SIGKILL for all in it. Does not wait.
    async fn stop(&self, uid: &str, grace: Duration);

    /// Waits until nothing of a pod runs. A pod that is not known has ended.
    async fn wait(&self, uid: &str) -> Exit;

    /// Ends at once what still runs of a pod and removes what the runtime keeps of it.
    async fn remove(&self, uid: &str, user: Option<u32>) -> Result<(), RuntimeError>;

    /// Finds a pod of an earlier agent.
    async fn adopt(&self, uid: &str, directory: &Path, user: Option<u32>) -> Adopted;

    /// Ids of the engine's images that functions are put over; empty without an engine.
    fn base_ids(&self) -> Vec<String> {
        Vec::new()
    }

    /// Takes those images apart, into files in a directory.
    async fn save_bases(&self, directory: &Path) -> Result<Vec<Saved>, RuntimeError> {
        let _ = directory;
        Ok(Vec::new())
    }

    /// The network that a running pod has to itself.
    async fn network(&self, uid: &str) -> Result<OwnedFd, RuntimeError>;

    /// Mends what others may have undone: called every half minute. Pods that `known` denies when
    /// they are looked at are ended.
    async fn tend(&self, known: &Known) {
        let _ = known;
    }

    /// Ends all that earlier agents left and that is not among `known`.
    async fn sweep(&self, known: &BTreeSet<String>);

    /// Removes what the runtime has for all pods; none is left.
    async fn close(&self);

    /// Runs one step of a build and waits for its end.
    async fn step(&self, step: Step<'_>) -> Result<StepEnd, RuntimeError>;

    /// What a pod printed.
    async fn log(
        &self,
        directory: &Path,
        options: LogOptions,
    ) -> Result<BoxStream<'static, Result<bytes::Bytes, std::io::Error>>, RuntimeError>;
}
