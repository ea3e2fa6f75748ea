use std::fs::{self, File, OpenOptions};
use std::io::{BufReader, Write as _};
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use common::archive::{self, Limits};
use common::digest::Digest;
use common::link::BuildOrder;
use tokio::sync::watch;
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

use super::build::{Build, BuildRoom};
use super::error::BuildError;
use super::files::{blocking, give_away};
use super::place::Place;
use crate::chain::chain;
use crate::layout::{PRIVATE, make_directory, remove_directory};

/// The same list that the image of the flavour `full` is made from.
const LIST: &str = include_str!("../../../func-base/image/full.txt");
/// A file of a layer that needs some of them: their names, one a line.
const MARK: &str = ".preinstalled";
/// Room for all of them, unpacked or packed.
const MOST_BYTES: u64 = 1 << 30;
const MOST_SECONDS: u32 = 600;
/// After a failure, so long every wish is answered with it.
const REMEMBERED: Duration = Duration::from_secs(60);

/// The packages that the base `full` promises, for nodes whose function base does not hold them: a
/// directory that is made once, when the first function needs it, and lies beneath all that do.
pub struct Preinstalled {
    room: Arc<BuildRoom>,
    state: watch::Sender<State>,
}

#[derive(Clone, Debug)]
enum State {
    Unknown,
    Making,
    Ready(PathBuf),
    Failed(String, Instant),
}

impl Preinstalled {
    /// Nothing is made yet.
    #[must_use]
    pub fn new(room: Arc<BuildRoom>) -> Arc<Self> {
        let (state, _) = watch::channel(State::Unknown);
        Arc::new(Self { room, state })
    }

    /// The directory for a function whose layer is unpacked at `function`, made if need be. None
    /// when the function needs none of the packages.
    ///
    /// # Errors
    /// What is in the way, for people.
    pub async fn for_function(
        self: &Arc<Self>,
        function: &Path,
    ) -> Result<Option<PathBuf>, String> {
        if !self.are_wanted(function) {
            return Ok(None);
        }
        self.directory().await.map(Some)
    }

    /// Whether a function needs any of the packages.
    #[must_use]
    pub fn are_wanted(&self, function: &Path) -> bool {
        function.join(MARK).exists()
    }

    /// The directory, made if need be.
    async fn directory(self: &Arc<Self>) -> Result<PathBuf, String> {
        let mut state = self.state.subscribe();
        loop {
            let begun = self.state.send_if_modified(|state| {
                let begin = match state {
                    State::Unknown => true,
                    State::Failed(_, at) => at.elapsed() > REMEMBERED,
                    State::Making | State::Ready(_) => false,
                };
                if begin {
                    *state = State::Making;
                }
                begin
            });
            if begun {
                // It goes on when who asked first does not wait for it.
                let own = Arc::clone(self);
                tokio::spawn(async move { own.prepare().await });
            }
            let seen = state.borrow_and_update().clone();
            match seen {
                State::Ready(path) => return Ok(path),
                State::Failed(problem, _) => return Err(problem),
                State::Unknown | State::Making => {}
            }
            if state.changed().await.is_err() {
                return Err("the agent ends".to_owned());
            }
        }
    }

    /// Where it stands: another list, Python or architecture has another place.
    fn place(&self) -> PathBuf {
        let facts = self.room.runtime.facts();
        let key = Digest::of(format!("{} {} {LIST}", facts.arch, facts.python).as_bytes()).hex();
        self.room.layout.preinstalled().join(&key[..16])
    }

    /// Removes what earlier agents left of it, while there is no pod that may use it.
    pub fn sweep(&self) {
        let own = self.place();
        let all = fs::read_dir(self.room.layout.preinstalled());
        for entry in all.into_iter().flatten().flatten() {
            let path = entry.path();
            if path != own
                && let Err(error) = remove_directory(&path)
            {
                tracing::warn!(error = chain(&error), "remove old packages of base full");
            }
        }
    }

    async fn prepare(&self) {
        let directory = self.place();
        let made = if directory.exists() {
            Ok(())
        } else {
            tracing::info!("installing the packages of base full");
            self.make(&directory).await.map_err(|error| chain(&error))
        };
        let state = match made {
            Ok(()) => State::Ready(directory.join("packages")),
            Err(problem) => {
                tracing::warn!(problem, "install the packages of base full");
                State::Failed(problem, Instant::now())
            }
        };
        self.state.send_replace(state);
    }

    async fn make(&self, directory: &Path) -> Result<(), BuildError> {
        let order = order();
        let build = Build {
            room: &self.room,
            order: &order,
            say: &|line| tracing::debug!(line, "packages of base full"),
            cancel: &CancellationToken::new(),
            preinstalled: None,
        };
        let mut place = build.begin()?;
        let done = build
            .limit(build.make_preinstalled(&mut place, directory))
            .await;
        build.end(place).await;
        done
    }
}

fn order() -> BuildOrder {
    BuildOrder {
        id: "preinstalled".to_owned(),
        namespace: String::new(),
        function: String::new(),
        source: Digest::of(LIST.as_bytes()),
        handler: None,
        style: None,
        full_base: true,
        arch: String::new(),
        python: String::new(),
        timeout_seconds: MOST_SECONDS,
        max_layer_bytes: MOST_BYTES,
    }
}

impl Build<'_> {
    async fn make_preinstalled(
        &self,
        place: &mut Place,
        directory: &Path,
    ) -> Result<(), BuildError> {
        place.make(self.room.options.settings.disk.0).await?;
        let place = &*place;
        let (function, home, user) = (place.function(), place.build().join("home"), place.user);
        blocking(move || {
            make_directory(&function.join("site-packages"), 0o755)?;
            make_directory(&home, PRIVATE)?;
            let list = fs::write(function.join("requirements.txt"), LIST);
            list.and_then(|()| match user {
                Some(user) => give_away(&function, user).and_then(|()| give_away(&home, user)),
                None => Ok(()),
            })
            .map_err(|error| BuildError::Node(error.to_string()))
        })
        .await?;
        self.install_wheels(place).await?;
        self.compile(place).await?;
        let packages = place.function().join("site-packages");
        self.pack(place, packages, "packages").await?;
        let (tar, directory) = (place.tar(), directory.to_owned());
        blocking(move || {
            // Through an archive, so that it is ours and nothing in it leads elsewhere.
            let part = directory.with_extension("part");
            remove_directory(&part)?;
            make_directory(&part, 0o755)?;
            let node = |error: std::io::Error| BuildError::Node(error.to_string());
            let file = BufReader::new(File::open(&tar).map_err(node)?);
            archive::unpack(file, &part, Limits::bytes(MOST_BYTES))
                .map_err(|error| BuildError::Node(chain(&error)))?;
            fs::rename(&part, &directory).map_err(node)
        })
        .await
    }

    /// Notes in the layer which of the preinstalled packages the function needs, and sees to it that
    /// this node has them.
    pub(super) async fn mark_preinstalled(
        &self,
        place: &Place,
        imports: &[String],
    ) -> Result<(), BuildError> {
        if !self.order.full_base {
            return Ok(());
        }
        let installed = place.function().join("site-packages");
        let brought = |name: &str| {
            let module = installed.join(format!("{name}.py"));
            installed.join(name).exists() || module.exists()
        };
        let needed = needed(imports, brought);
        if needed.is_empty() {
            return Ok(());
        }
        write_mark(&place.function().join(MARK), &needed, place.user)
            .map_err(|error| BuildError::Node(format!("write {MARK}: {error}")))?;
        let packages = needed.join(", ");
        (self.say)(&format!("{packages}: preinstalled with base full"));
        if !self
            .own_platform()
            .serves(&self.order.arch, &self.order.python)
        {
            return Ok(());
        }
        let Some(preinstalled) = self.preinstalled else {
            return Ok(());
        };
        let ready = preinstalled.directory().await;
        ready
            .map(|_| ())
            .map_err(|problem| BuildError::Base { packages, problem })
    }
}

/// The imports that only the preinstalled packages can satisfy.
fn needed(imports: &[String], brought: impl Fn(&str) -> bool) -> Vec<String> {
    let promised: Vec<&str> = LIST
        .lines()
        .filter_map(|line| line.split_once("# import ").map(|(_, name)| name.trim()))
        .collect();
    let needed = imports
        .iter()
        .filter(|name| promised.contains(&name.as_str()) && !brought(name));
    needed.cloned().collect()
}

/// Whatever the user has under this name, a link too, is replaced and not written through.
fn write_mark(path: &Path, needed: &[String], user: Option<u32>) -> std::io::Result<()> {
    match fs::remove_file(path) {
        Err(error) if error.kind() != std::io::ErrorKind::NotFound => return Err(error),
        _ => {}
    }
    let mut options = OpenOptions::new();
    let mut file = options
        .write(true)
        .create_new(true)
        .mode(0o644)
        .open(path)?;
    file.write_all((needed.join("\n") + "\n").as_bytes())?;
    user.map_or(Ok(()), |user| give_away(path, user))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_what_nothing_else_brings_is_needed() {
        let imports = ["json", "numpy", "PIL", "yaml"].map(ToOwned::to_owned);
        assert_eq!(needed(&imports, |name| name == "yaml"), ["numpy", "PIL"]);
        assert_eq!(needed(&imports, |_| true), Vec::<String>::new());
    }

    #[test]
    fn the_mark_is_not_written_through_a_link() {
        let directory = tempfile::tempdir().unwrap();
        let (other, mark) = (directory.path().join("other"), directory.path().join(MARK));
        fs::write(&other, "mine").unwrap();
        std::os::unix::fs::symlink(&other, &mark).unwrap();
        write_mark(&mark, &["numpy".to_owned()], None).unwrap();
        assert_eq!(fs::read_to_string(&other).unwrap(), "mine");
        assert_eq!(fs::read_to_string(&mark).unwrap(), "numpy\n");
    }
}
