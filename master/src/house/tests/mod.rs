//! The whole tree of actors with a pretended agent.

mod agent;
mod falls;
mod faulty;
mod lives;
mod outages;
mod platforms;
mod pushes;
mod village;

use std::time::Duration;

use crate::calls::CallError;
use crate::upstream::Answer;

const DEADLINE: Duration = Duration::from_secs(20);

async fn eventually<T>(what: &str, mut look: impl AsyncFnMut() -> Option<T>) -> T {
    let begun = std::time::Instant::now();
    loop {
        if let Some(found) = look().await {
            return found;
        }
        assert!(begun.elapsed() < DEADLINE, "waited in vain for: {what}");
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
}

fn is_ok(answer: Result<Answer, CallError>) -> bool {
    match answer {
        Ok(answer) => answer.status == 200,
        Err(error) => panic!("{}", error.explain()),
    }
}
