//! A timer that is due before those of calls.
//!
//! tokio wakes its own thread, by two system calls, whenever a timer is set that is due before all others of that
//! thread, as the short ones of every call are. While calls come, one timer of the thread that is always due sooner
//! spares them that.

use std::cell::Cell;
use std::time::Duration;

/// Shorter than the shortest timer that calls set.
const BEAT: Duration = Duration::from_millis(20);

thread_local! {
    static BEATS: Cell<bool> = const { Cell::new(false) };
    static CALLED: Cell<bool> = const { Cell::new(false) };
}

/// A call came: the heart beats on. It rests when none came between two beats.
pub(super) fn quicken() {
    CALLED.set(true);
    if BEATS.replace(true) {
        return;
    }
    actix_web::rt::spawn(async {
        while CALLED.replace(false) {
            tokio::time::sleep(BEAT).await;
        }
        BEATS.set(false);
    });
}
