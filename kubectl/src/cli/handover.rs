//! What this program lacks is left to the next `kubectl` on PATH.

use std::ffi::OsString;
use std::os::unix::fs::MetadataExt as _;
use std::os::unix::process::CommandExt as _;
use std::path::{Path, PathBuf};
use std::process::Command;

/// Programs that handed over already, as `dev:inode,…`: two copies of this one would play ping-pong.
const HANDED: &str = "TROUPE_KUBECTL_HANDED_OVER";

/// Becomes the next kubectl on PATH, with the same arguments. Returns only when there is none: then
/// why.
#[must_use]
pub fn hand_over(what: &str) -> String {
    let own = std::env::current_exe()
        .ok()
        .and_then(|path| identity(&path));
    let seen = std::env::var(HANDED).unwrap_or_default();
    let mut seen: Vec<String> = seen
        .split(',')
        .filter(|id| !id.is_empty())
        .map(str::to_owned)
        .collect();
    seen.extend(own);
    let path = std::env::var_os("PATH").unwrap_or_default();
    let Some(next) = find_next(&path, &seen) else {
        return format!(
            "{what}, and no other kubectl is on PATH that could: see 'kubectl --help' for what this one does"
        );
    };
    let arguments: Vec<OsString> = std::env::args_os().skip(1).collect();
    let error = Command::new(&next)
        .args(arguments)
        .env(HANDED, seen.join(","))
        .exec();
    format!(
        "{what}, and {} could not be started: {error}",
        next.display()
    )
}

/// What tells one file from another, whatever it is called.
fn identity(path: &Path) -> Option<String> {
    let metadata = std::fs::metadata(path).ok()?;
    Some(format!("{}:{}", metadata.dev(), metadata.ino()))
}

fn find_next(path: &std::ffi::OsStr, seen: &[String]) -> Option<PathBuf> {
    std::env::split_paths(path)
        .map(|folder| folder.join("kubectl"))
        .find(|file| {
            let runs = std::fs::metadata(file).is_ok_and(|m| m.is_file() && m.mode() & 0o111 != 0);
            runs && identity(file).is_some_and(|id| !seen.contains(&id))
        })
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::PermissionsExt as _;

    use super::*;

    #[test]
    fn the_next_is_never_the_same_file_under_another_name() {
        let dirs: Vec<_> = (0..4).map(|_| tempfile::tempdir().unwrap()).collect();
        let file = |n: usize| dirs[n].path().join("kubectl");
        std::fs::write(file(0), "own").unwrap();
        std::os::unix::fs::symlink(file(0), file(1)).unwrap();
        std::fs::write(file(2), "not executable").unwrap();
        std::fs::write(file(3), "next").unwrap();
        for (n, mode) in [(0, 0o755), (2, 0o644), (3, 0o755)] {
            std::fs::set_permissions(file(n), std::fs::Permissions::from_mode(mode)).unwrap();
        }
        let path = std::env::join_paths(dirs.iter().map(tempfile::TempDir::path)).unwrap();
        let own = identity(&file(0)).unwrap();
        assert_eq!(find_next(&path, std::slice::from_ref(&own)), Some(file(3)));
        let next = identity(&file(3)).unwrap();
        assert_eq!(find_next(&path, &[own, next]), None);
    }
}
