/// Where a Docker engine for tests is, and function bases for it.
#[derive(Clone, Debug)]
pub struct Engine {
    /// Its socket, `unix:///…`.
    pub host: String,
    /// The function base for this machine's architecture, a tar.
    pub base: String,
    /// The one for the other architecture.
    pub foreign_base: String,
}

impl Engine {
    /// What `TROUPE_TEST_DOCKER_HOST`, `TROUPE_TEST_BASE_IMAGE` and `TROUPE_TEST_FOREIGN_BASE_IMAGE`
    /// name; nothing where they are not set.
    ///
    /// # Panics
    /// When they are not set and `CI=true`.
    #[must_use]
    pub fn find() -> Option<Self> {
        let own = |name: &str| std::env::var(format!("TROUPE_TEST_{name}")).ok();
        let found = || {
            Some(Self {
                host: own("DOCKER_HOST")?,
                base: own("BASE_IMAGE")?,
                foreign_base: own("FOREIGN_BASE_IMAGE")?,
            })
        };
        let engine = found();
        if engine.is_none() {
            let strict = std::env::var("CI").as_deref() == Ok("true");
            assert!(!strict, "CI=true needs an engine and two function bases");
            eprintln!("no engine with two function bases: not tested");
        }
        engine
    }

    /// Settings of an agent that uses it with this function base.
    #[must_use]
    pub fn settings<'a>(&'a self, base: &'a str) -> [(&'static str, &'a str); 4] {
        [
            ("runtime", "docker"),
            ("docker.host", &self.host),
            ("docker.base-image", base),
            // Emulated, everything takes its time.
            ("pods.start-timeout", "300s"),
        ]
    }
}
