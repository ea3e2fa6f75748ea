/// What a test's cluster is like.
#[derive(Clone, Debug)]
pub struct Options {
    pub(crate) agents: usize,
    pub(crate) more_masters: String,
    pub(crate) gateway_host: &'static str,
    pub(crate) near: bool,
    pub(crate) master: Vec<(String, String)>,
    pub(crate) agent: Vec<(String, String)>,
}

impl Default for Options {
    fn default() -> Self {
        // Pods of an agent that was killed for good end soon, not after the minute people get.
        // Nor does a test start pods that nobody asked for, where they are not the question.
        let agent = vec![
            agent_variable("pods.orphan-after", "15s"),
            agent_variable("pool.size", "0"),
        ];
        Self {
            agents: 1,
            more_masters: String::new(),
            gateway_host: "127.0.0.1",
            near: false,
            master: Vec::new(),
            agent,
        }
    }
}

impl Options {
    /// So many agents; 1 if not said.
    #[must_use]
    pub fn agents(mut self, count: usize) -> Self {
        self.agents = count;
        self
    }

    /// The gateway listens on all addresses, as for a cluster that others use.
    #[must_use]
    pub fn open_to_others(mut self) -> Self {
        self.gateway_host = "0.0.0.0";
        self
    }

    /// The gateway goes to the first agent's pods itself, as it may where both share a machine.
    #[must_use]
    pub fn near(mut self) -> Self {
        self.near = true;
        self
    }

    /// One more master, which agents try when the first is gone.
    #[must_use]
    pub fn also_master(mut self, url: &str) -> Self {
        self.more_masters = format!("{},{url}", self.more_masters);
        self
    }

    /// A setting of the master, by its key in `config/master.toml`, as `gateway.hold`.
    #[must_use]
    pub fn master(mut self, key: &str, value: &str) -> Self {
        self.master.push(master_variable(key, value));
        self
    }

    /// A setting of every agent, by its key in `config/node-agent.toml`.
    #[must_use]
    pub fn agent(mut self, key: &str, value: &str) -> Self {
        self.agent.push(agent_variable(key, value));
        self
    }
}

/// The variable for a setting of the master, by its key in `config/master.toml`.
#[must_use]
pub fn master_variable(key: &str, value: &str) -> (String, String) {
    variable("TROUPE_MASTER__", key, value)
}

/// The variable for a setting of an agent.
#[must_use]
pub fn agent_variable(key: &str, value: &str) -> (String, String) {
    variable("TROUPE_AGENT__", key, value)
}

fn variable(prefix: &str, key: &str, value: &str) -> (String, String) {
    let key = key.to_uppercase().replace('.', "__").replace('-', "_");
    (format!("{prefix}{key}"), value.to_owned())
}
