use std::process::Command;

/// Docker engines for tests, and images for them.
#[derive(Clone, Debug)]
pub struct Engine {
    /// Its socket, `unix:///…`.
    pub host: String,
    /// The function base for this machine's architecture, a tar.
    pub base: String,
}

impl Engine {
    /// What `TROUPE_TEST_DOCKER_HOST` and `TROUPE_TEST_BASE_IMAGE` name; nothing where they are not set.
    ///
    /// # Panics
    /// When they are not set and `CI=true`.
    #[must_use]
    pub fn find() -> Option<Self> {
        let engine = || {
            Some(Self {
                host: named("DOCKER_HOST")?,
                base: named("BASE_IMAGE")?,
            })
        };
        wanted(engine(), "an engine with a function base")
    }

    /// Another engine, with images of its own.
    ///
    /// # Panics
    /// When there is none and `CI=true`.
    #[must_use]
    pub fn second(&self) -> Option<Self> {
        let other = named("SECOND_DOCKER_HOST").map(|host| Self {
            host,
            ..self.clone()
        });
        wanted(other, "a second engine")
    }

    /// The same engine with the function base for the other architecture, whose programs run here.
    ///
    /// # Panics
    /// When there is none and `CI=true`.
    #[must_use]
    pub fn foreign(&self) -> Option<Self> {
        let other = named("FOREIGN_BASE_IMAGE").map(|base| Self {
            base,
            ..self.clone()
        });
        wanted(other, "a function base for another architecture")
    }

    /// An image of a registry that it has.
    ///
    /// # Panics
    /// When there is none and `CI=true`.
    #[must_use]
    pub fn registry_image(&self) -> Option<String> {
        wanted(named("REGISTRY_IMAGE"), "an image of a registry")
    }

    /// Settings of an agent that uses it.
    #[must_use]
    pub fn settings(&self) -> [(&'static str, &str); 4] {
        [
            ("runtime", "docker"),
            ("docker.host", &self.host),
            ("docker.base-image", &self.base),
            // Emulated, everything takes its time.
            ("pods.start-timeout", "300s"),
        ]
    }

    /// What a command of docker's own says.
    ///
    /// # Panics
    /// When it fails.
    #[must_use]
    pub fn docker(&self, words: &[&str]) -> String {
        let mut command = Command::new("docker");
        let output = command
            .args(["-H", &self.host])
            .args(words)
            .output()
            .unwrap();
        let said = String::from_utf8_lossy(&output.stderr);
        assert!(output.status.success(), "docker {words:?}: {said}");
        String::from_utf8_lossy(&output.stdout).trim().to_owned()
    }

    /// Makes an image `name` that runs a Python program on the function base, which must be there.
    pub fn make_image(&self, name: &str, program: &str) {
        let bases = self.docker(&["images", "-q", "troupe/func-base"]);
        let container = self.docker(&["create", bases.lines().next().unwrap(), "true"]);
        // The base has an entry point of its own, which an empty one does not replace.
        let words = serde_json::json!(["python3", "-c", program]);
        let entry = format!("ENTRYPOINT {words}");
        let _ = self.docker(&["commit", "--change", &entry, &container, name]);
        let _ = self.docker(&["rm", "-v", &container]);
    }
}

fn named(what: &str) -> Option<String> {
    std::env::var(format!("TROUPE_TEST_{what}")).ok()
}

fn wanted<T>(found: Option<T>, what: &str) -> Option<T> {
    if found.is_none() {
        let strict = std::env::var("CI").as_deref() == Ok("true");
        assert!(!strict, "CI=true needs {what}");
        eprintln!("not tested: there is not {what}");
    }
    found
}
