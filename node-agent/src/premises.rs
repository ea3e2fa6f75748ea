//! What a pod has on the node, and the end of it.

use std::sync::Arc;

use crate::backoff::Backoff;
use crate::chain::chain;
use crate::clock::Chance;
use crate::layout::{Layout, LayoutError, PASSABLE, PRIVATE, make_directory, remove_directory};
use crate::runtime::{Runtime, Uids, generic};

/// After so many failed removals somebody is told.
const PATIENCE: u32 = 4;

/// Directories, users and the runtime, for pods and for generic ones. Cheap to clone.
#[derive(Clone)]
pub struct Premises {
    /// What starts and ends them.
    pub runtime: Arc<dyn Runtime>,
    /// Where they stand.
    pub layout: Layout,
    /// Whom they run as.
    pub uids: Arc<Uids>,
    /// For waits.
    pub chance: Chance,
}

impl Premises {
    /// Makes a pod's directories, the inner ones its own. One that serves on a port has none for the
    /// socket, by which a gateway on this machine knows that it must ask the agent.
    ///
    /// # Errors
    /// When one cannot be made.
    pub fn make(&self, uid: &str, user: Option<u32>, port: Option<u16>) -> Result<(), LayoutError> {
        let directory = self.layout.pod(uid);
        make_directory(&directory, PASSABLE)?;
        let inner: &[&str] = if port.is_some() {
            &["tmp"]
        } else {
            &["run", "tmp"]
        };
        for name in inner {
            let path = directory.join(name);
            make_directory(&path, PRIVATE)?;
            if let Some(user) = user {
                std::os::unix::fs::chown(&path, Some(user), Some(user)).map_err(|source| {
                    LayoutError::Io {
                        action: "give away",
                        path,
                        source,
                    }
                })?;
            }
        }
        Ok(())
    }

    /// Whether something that is called by this id may run: it has a directory, or what has one was
    /// started under this id. Where that cannot be seen, it may.
    #[must_use]
    pub fn has(&self, id: &str) -> bool {
        let pods = self.layout.pods();
        let look = || {
            if self.layout.pod(id).try_exists()? {
                return Ok(true);
            }
            for entry in std::fs::read_dir(&pods)? {
                let name = entry?.file_name();
                if generic::read_born(&pods, &name.to_string_lossy())? == id {
                    return Ok(true);
                }
            }
            Ok::<_, std::io::Error>(false)
        };
        look().unwrap_or_else(|error| {
            tracing::warn!(id, %error, "look for a pod's directory");
            true
        })
    }

    /// Ends a pod and removes all it has on the node, trying until it is done; what is in the way is
    /// told.
    pub async fn remove(&self, uid: &str, user: Option<u32>, stuck: impl Fn(String)) {
        let mut backoff = Backoff::new(self.chance.clone());
        let mut failures = 0;
        while let Err(problem) = self.try_remove(uid, user).await {
            failures += 1;
            tracing::warn!(pod = uid, failures, problem, "remove pod");
            if failures >= PATIENCE {
                stuck(problem);
            }
            tokio::time::sleep(backoff.fail()).await;
        }
        self.uids.give_back(user);
    }

    async fn try_remove(&self, uid: &str, user: Option<u32>) -> Result<(), String> {
        let removed = self.runtime.remove(uid, user).await;
        removed.map_err(|error| chain(&error))?;
        let path = self.layout.pod(uid);
        let removed = tokio::task::spawn_blocking(move || remove_directory(&path)).await;
        removed
            .map_err(|error| error.to_string())?
            .map_err(|error| chain(&error))
    }

    /// Ends what was a generic pod, so that the pod can be started from nothing in the same place.
    ///
    /// # Errors
    /// What is in the way.
    pub async fn clear(&self, uid: &str, user: Option<u32>) -> Result<(), String> {
        let removed = self.runtime.remove(uid, user).await;
        removed.map_err(|error| chain(&error))?;
        generic::forget_born(&self.layout.pod(uid)).map_err(|error| error.to_string())?;
        self.make(uid, user, None).map_err(|error| chain(&error))
    }
}
