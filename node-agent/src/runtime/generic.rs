//! Generic pods: the server runs and waits to be told whose it is.
//!
//! One is started under an id of its own. When it becomes a pod its directory is renamed to the pod's,
//! which is the one step that makes it this pod and no other; a file in it keeps the id, by which the
//! container or the groups of its processes are still called.

use std::fs;
use std::io::{self, ErrorKind};
use std::path::Path;

use common::link::PodAssignment;

use super::Limits;

/// What cannot be changed about a pod once it runs.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Kind {
    /// A process.
    Process,
    /// A container that reaches outwards.
    Egress,
    /// A container without network.
    Closed,
}

impl Kind {
    /// All of them.
    pub const ALL: [Self; 3] = [Self::Process, Self::Egress, Self::Closed];

    /// The word in metrics.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Process => "process",
            Self::Egress => "egress",
            Self::Closed => "none",
        }
    }
}

/// Why no generic pod becomes a given one.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Unfit {
    /// It is made of an image of the user's.
    Image,
    /// Its environment counts only at the start of a process.
    Environment,
    /// Its limits cannot be set on a pod that runs.
    Limits,
    /// This node has no generic pods.
    Unsupported,
}

/// A generic pod to start. Its directories exist.
#[derive(Clone, Copy, Debug)]
pub struct GenericStart<'a> {
    /// Names it.
    pub id: &'a str,
    /// Which.
    pub kind: Kind,
    /// Its directory.
    pub directory: &'a Path,
    /// Its user id.
    pub user: Option<u32>,
}

/// A generic pod that runs.
#[derive(Clone, Debug)]
pub struct Generic {
    /// Names it.
    pub id: String,
    /// Which.
    pub kind: Kind,
    /// Its user id.
    pub user: Option<u32>,
    /// The runtime's id of it.
    pub runtime_id: String,
    /// Its groups, when their limits can be set.
    pub groups: Option<super::Groups>,
}

/// What generic pods are started with: the amounts of a function that says none, so that for most
/// there is nothing left to set.
pub const LIMITS: Limits = Limits {
    memory_bytes: 256 << 20,
    cpu_milli: 1000,
    tasks: 0,
};

/// Weight of a generic pod while it is being started, so that calls come first.
pub const BEHIND: u32 = 64;
/// Weight of all others.
pub const USUAL: u32 = 1024;

/// Whether a pod's limits are those that generic pods are started with.
#[must_use]
pub fn has_usual_limits(pod: &PodAssignment) -> bool {
    (pod.memory_bytes, pod.cpu_milli) == (LIMITS.memory_bytes, LIMITS.cpu_milli)
}

const BORN_FILE: &str = "born";

/// Notes the id under which what runs in a directory was started.
///
/// # Errors
/// When it cannot be written.
pub fn note_born(directory: &Path, id: &str) -> io::Result<()> {
    fs::write(directory.join(BORN_FILE), id)
}

/// The id under which what runs in a pod's directory was started: the pod's own, but for one that was
/// generic.
#[must_use]
pub fn born(pods: &Path, uid: &str) -> String {
    read_born(pods, uid).unwrap_or_else(|error| {
        tracing::warn!(pod = uid, %error, "read under which id a pod was started");
        uid.to_owned()
    })
}

/// As [`born`].
///
/// # Errors
/// When it cannot be read whether it has another one.
pub fn read_born(pods: &Path, uid: &str) -> io::Result<String> {
    let noted = match fs::read_to_string(pods.join(uid).join(BORN_FILE)) {
        Ok(noted) => Some(noted),
        Err(error) if matches!(error.kind(), ErrorKind::NotFound | ErrorKind::NotADirectory) => {
            None
        }
        Err(error) => return Err(error),
    };
    let noted = noted.filter(|id| crate::layout::is_uid(id));
    Ok(noted.unwrap_or_else(|| uid.to_owned()))
}

/// From now on what runs in a directory is called as the pod.
///
/// # Errors
/// When the note cannot be removed.
pub fn forget_born(directory: &Path) -> io::Result<()> {
    match fs::remove_file(directory.join(BORN_FILE)) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => Err(error),
        _ => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_became_a_pod_is_found_under_the_id_it_was_started_with() {
        let pods = tempfile::tempdir().unwrap();
        let (old, new) = (pods.path().join("generic-1"), pods.path().join("uid"));
        fs::create_dir(&old).unwrap();
        note_born(&old, "generic-1").unwrap();
        assert_eq!(born(pods.path(), "uid"), "uid");
        fs::rename(&old, &new).unwrap();
        assert_eq!(born(pods.path(), "uid"), "generic-1");
        forget_born(&new).unwrap();
        forget_born(&new).unwrap();
        assert_eq!(born(pods.path(), "uid"), "uid");
        note_born(&new, "../else").unwrap();
        assert_eq!(born(pods.path(), "uid"), "uid");
    }
}
