use std::fs::{self, File, OpenOptions, TryLockError};
use std::io::{self, ErrorKind};
use std::os::unix::fs::MetadataExt as _;
use std::path::{Path, PathBuf};

use crate::layout::{PRIVATE, make_directory};

/// The user ids that all agents of this machine have given away. Who ends a pod ends whatever runs as the pod's user, so
/// agents that gave the same id to two pods would end each other's.
///
/// An id is a file, locked while its agent lives. One that no agent holds is free when nothing runs under it: pods outlive
/// their agent.
#[derive(Debug)]
pub struct Claims {
    directory: PathBuf,
}

/// An id that no other agent gives away while this is held.
#[derive(Debug)]
pub struct Claim {
    uid: u32,
    path: PathBuf,
    _locked: File,
}

impl Claims {
    /// Claims are noted here: the same directory for all agents of a machine, which goes when the machine starts.
    #[must_use]
    pub fn at(directory: PathBuf) -> Self {
        Self { directory }
    }

    /// Claims an id for something new; `None` when another agent has it, or something runs under it.
    ///
    /// # Errors
    /// When claims cannot be noted.
    pub fn claim(&self, uid: u32) -> io::Result<Option<Claim>> {
        // What runs may be an adopted pod whose agent claims the id again at this moment: it is not locked to look.
        if self.path(uid).exists() && runs_anything(uid) {
            return Ok(None);
        }
        let (claim, is_new) = self.hold(uid)?;
        Ok(claim.filter(|_| is_new || !runs_anything(uid)))
    }

    /// Claims an id for what has it already; `None` when another agent has claimed it since.
    ///
    /// # Errors
    /// When claims cannot be noted.
    pub fn claim_again(&self, uid: u32) -> io::Result<Option<Claim>> {
        Ok(self.hold(uid)?.0)
    }

    fn path(&self, uid: u32) -> PathBuf {
        self.directory.join(uid.to_string())
    }

    /// The claim, unless somebody holds it, and whether nobody had noted it before.
    fn hold(&self, uid: u32) -> io::Result<(Option<Claim>, bool)> {
        make_directory(&self.directory, PRIVATE).map_err(io::Error::other)?;
        let path = self.path(uid);
        let mut options = OpenOptions::new();
        options.write(true);
        let (file, is_new) = match options.clone().create_new(true).open(&path) {
            Ok(file) => (file, true),
            Err(error) if error.kind() == ErrorKind::AlreadyExists => {
                match options.open(&path) {
                    Ok(file) => (file, false),
                    // Given back just now.
                    Err(error) if error.kind() == ErrorKind::NotFound => return Ok((None, false)),
                    Err(error) => return Err(error),
                }
            }
            Err(error) => return Err(error),
        };
        match file.try_lock() {
            Ok(()) if is_at(&file, &path) => {}
            // It was given back before it was locked.
            Ok(()) | Err(TryLockError::WouldBlock) => return Ok((None, false)),
            Err(TryLockError::Error(error)) => return Err(error),
        }
        let claim = Claim {
            uid,
            path,
            _locked: file,
        };
        Ok((Some(claim), is_new))
    }
}

impl Claim {
    /// Gives the id back. A claim that is only dropped stays noted, as does one under which something runs: who wants it next
    /// looks then.
    pub fn release(self) {
        if runs_anything(self.uid) {
            return;
        }
        // Where it stays, whoever wants the id sees that nothing runs under it.
        let _ = fs::remove_file(&self.path);
    }
}

fn is_at(file: &File, path: &Path) -> bool {
    let held = file.metadata().map(|held| (held.dev(), held.ino()));
    let found = fs::metadata(path).map(|found| (found.dev(), found.ino()));
    matches!((held, found), (Ok(held), Ok(found)) if held == found)
}

/// Whether any process has this user id, as its own or to change to. Those that have ended and wait to be reaped do nothing.
pub(crate) fn runs_anything(uid: u32) -> bool {
    let processes = fs::read_dir("/proc").into_iter().flatten().flatten();
    processes
        .map(|entry| fs::read_to_string(entry.path().join("status")))
        .any(|status| status.is_ok_and(|status| is_of(&status, uid)))
}

fn is_of(status: &str, uid: u32) -> bool {
    let field = |name| status.lines().find_map(|line| line.strip_prefix(name));
    let is_over = field("State:").is_some_and(|state| state.trim_start().starts_with(['Z', 'X']));
    !is_over
        && field("Uid:").is_some_and(|ids| ids.split_whitespace().any(|id| id.parse() == Ok(uid)))
}

#[cfg(test)]
mod tests {
    use super::*;

    const NOBODY: u32 = 3_999_999_999;

    #[test]
    fn an_id_is_claimed_by_one_at_a_time() {
        let place = tempfile::tempdir().unwrap();
        let (one, other) = (
            Claims::at(place.path().join("uids")),
            Claims::at(place.path().join("uids")),
        );
        let held = one.claim(NOBODY).unwrap().unwrap();
        assert!(other.claim(NOBODY).unwrap().is_none());
        assert!(other.claim_again(NOBODY).unwrap().is_none());
        assert!(other.claim(NOBODY - 1).unwrap().is_some());
        held.release();
        assert!(other.claim(NOBODY).unwrap().is_some());
    }

    #[test]
    fn what_an_agent_left_is_free_when_nothing_runs_under_it() {
        let place = tempfile::tempdir().unwrap();
        let claims = Claims::at(place.path().to_owned());
        let own = nix::unistd::geteuid().as_raw();
        // Nobody had noted it, so nobody looks who runs.
        drop(claims.claim(own).unwrap().unwrap());
        assert!(
            claims.claim(own).unwrap().is_none(),
            "this test runs under it"
        );
        assert!(claims.claim_again(own).unwrap().is_some());
        drop(claims.claim(NOBODY).unwrap().unwrap());
        assert!(claims.claim(NOBODY).unwrap().is_some());
    }

    #[test]
    fn a_claim_that_is_released_while_another_waits_for_it_is_not_shared() {
        let place = tempfile::tempdir().unwrap();
        let claims = std::sync::Arc::new(Claims::at(place.path().to_owned()));
        let holders = std::sync::atomic::AtomicU32::new(0);
        std::thread::scope(|scope| {
            for _ in 0..4 {
                scope.spawn(|| {
                    for _ in 0..500 {
                        if let Some(claim) = claims.claim(NOBODY).unwrap() {
                            let others = holders.fetch_add(1, std::sync::atomic::Ordering::SeqCst);
                            assert_eq!(others, 0);
                            holders.fetch_sub(1, std::sync::atomic::Ordering::SeqCst);
                            claim.release();
                        }
                    }
                });
            }
        });
    }

    #[test]
    fn all_four_ids_of_a_process_count() {
        let status = "Name:\tx\nUid:\t0\t0\t200001\t0\nGid:\t5\t5\t5\t5\n";
        assert!(is_of(status, 200_001) && is_of(status, 0));
        assert!(!is_of(status, 5) && !is_of(status, 20_000));
        let over = "Name:\tx\nState:\tZ (zombie)\nUid:\t7\t7\t7\t7\n";
        assert!(!is_of(over, 7) && is_of(&over.replace('Z', "S"), 7));
    }
}
