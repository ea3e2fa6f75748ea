//! How many files a program may have open.

use nix::sys::resource::{Resource, getrlimit, setrlimit};

/// Lets this program open as many files as it may: each connection is one, and the usual limit of a shell is 1024. Where
/// that is refused it stays as it is.
pub fn raise_limit() {
    if let Ok((now, most)) = getrlimit(Resource::RLIMIT_NOFILE)
        && now < most
    {
        let _ = setrlimit(Resource::RLIMIT_NOFILE, most, most);
    }
}
