use std::fmt::Debug;
use std::time::{Duration, Instant};

/// Looks again and again until `look` is content.
///
/// The time is only there so that a broken test ends: it is generous, and no test says anything about
/// how long something took.
///
/// # Panics
/// With what `look` saw last, when it is not content in time.
#[track_caller]
pub fn eventually<T, E: Debug>(what: &str, mut look: impl FnMut() -> Result<T, E>) -> T {
    const PATIENCE: Duration = Duration::from_secs(90);
    const PAUSE: Duration = Duration::from_millis(50);
    let until = Instant::now() + PATIENCE;
    loop {
        match look() {
            Ok(found) => return found,
            Err(seen) if Instant::now() > until => {
                panic!("waited {PATIENCE:?} for: {what}\nlast seen: {seen:?}")
            }
            Err(_) => std::thread::sleep(PAUSE),
        }
    }
}
