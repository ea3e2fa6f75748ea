use std::collections::BTreeSet;
use std::sync::Arc;

use parking_lot::Mutex;

/// The containers of the builds' steps that run; those of steps that were given up are nobody's.
#[derive(Debug, Default)]
pub(super) struct Steps(BTreeSet<String>);

impl Steps {
    /// Whether one of a container's names, as the engine writes them, is a step's.
    pub(super) fn has_one_of(&self, names: &[String]) -> bool {
        let mut names = names.iter();
        names.any(|name| self.0.contains(name.trim_start_matches('/')))
    }
}

/// A step's container is noted as long as this is held.
pub(super) struct Running {
    steps: Arc<Mutex<Steps>>,
    name: String,
}

impl Running {
    pub(super) fn note(steps: &Arc<Mutex<Steps>>, name: &str) -> Self {
        let (steps, name) = (Arc::clone(steps), name.to_owned());
        steps.lock().0.insert(name.clone());
        Self { steps, name }
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        self.steps.lock().0.remove(&self.name);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_step_is_known_while_it_runs() {
        let steps = Arc::default();
        let running = Running::note(&steps, "troupe-n-build-1-install");
        let names = vec!["/troupe-n-build-1-install".to_owned()];
        assert!(steps.lock().has_one_of(&names));
        assert!(!steps.lock().has_one_of(&["/troupe-n-p".to_owned()]));
        drop(running);
        assert!(!steps.lock().has_one_of(&names));
    }
}
