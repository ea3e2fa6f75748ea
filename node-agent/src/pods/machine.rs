use std::time::Duration;

use common::link::{Cold, Exit, PodReport, PodState};
use tokio::time::Instant;

/// The longest that a function may take for a call.
const LONGEST_CALL: Duration = Duration::from_secs(900);

/// What happened to a pod.
#[derive(Clone, Debug, PartialEq)]
pub enum Event {
    /// The pod is new.
    Begin {
        /// Whether a generic pod that waits becomes it: it is ready in a moment, and nobody needs to
        /// hear of the steps.
        warm: bool,
    },
    /// The pod is one of an earlier agent's and runs.
    Adopt,
    /// Its layer or image stands on the node.
    Fetched {
        /// How long that took.
        took: Duration,
    },
    /// What it is made of cannot be had.
    FetchFailed {
        /// One CamelCase word.
        reason: &'static str,
        /// Why.
        message: String,
    },
    /// Its main process or container was started.
    Started {
        /// The runtime's id of it.
        runtime_id: String,
        /// The time of day, RFC 3339.
        at: String,
        /// Whether it was a generic pod that waited.
        warm: bool,
        /// What it said of itself at once.
        ready: Option<Told>,
    },
    /// It could not be started.
    StartFailed {
        /// Why.
        message: String,
    },
    /// Its socket answers.
    Answered {
        /// How long after the start.
        took: Duration,
    },
    /// The server inside takes calls.
    Ready {
        /// How long the import took, in milliseconds.
        import_ms: f64,
    },
    /// The function cannot be imported.
    ImportFailed {
        /// The exception and its stack.
        message: String,
    },
    /// It is a generic pod that nobody told its function, and nobody will.
    NeverTold,
    /// A deadline that was set has passed.
    Deadline,
    /// Nothing of it runs any more.
    Exited(Exit),
    /// The master does not want it any more.
    Remove {
        /// Between SIGTERM and SIGKILL.
        grace: Duration,
    },
    /// It cannot be removed yet; that is tried on.
    RemoveFailed {
        /// Why.
        message: String,
    },
    /// All it had on the node is gone.
    Removed,
}

/// A pod was told its function and takes calls.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Told {
    /// How long it took to tell it.
    pub took: Duration,
    /// How long the import took, in milliseconds.
    pub import_ms: f64,
}

/// What is to be done about a pod.
#[derive(Clone, Debug, PartialEq)]
pub enum Effect {
    /// Get its layer or image.
    Fetch,
    /// Start it.
    Start,
    /// Tell when it exits.
    Watch,
    /// Find out when it is ready.
    Probe,
    /// Send [`Event::Deadline`] then.
    Deadline(Instant),
    /// Ask it to end.
    Stop {
        /// Between SIGTERM and SIGKILL.
        grace: Duration,
    },
    /// Remove all it has on the node.
    Remove,
    /// Write the record and report to the master.
    Report,
    /// Write the record.
    Note,
}

/// Decides about one pod. Whatever comes, in whatever order, it starts at most once, and ends with
/// nothing left after it was removed.
#[derive(Clone, Debug)]
pub struct PodMachine {
    report: PodReport,
    start_timeout: Duration,
    /// Its steps are not told, only what comes of them.
    quiet: bool,
    fetching: bool,
    starting: bool,
    running: bool,
    removing: bool,
}

impl PodMachine {
    /// A pod as its record or its assignment says.
    #[must_use]
    pub fn new(report: PodReport, start_timeout: Duration) -> Self {
        let idle = false;
        Self {
            report,
            start_timeout,
            quiet: idle,
            fetching: idle,
            starting: idle,
            running: idle,
            removing: idle,
        }
    }

    /// What the master is told.
    #[must_use]
    pub fn report(&self) -> &PodReport {
        &self.report
    }

    /// Takes in what happened; tells what to do.
    pub fn decide(&mut self, event: Event, now: Instant) -> Vec<Effect> {
        if self.report.state == PodState::Gone {
            return Vec::new();
        }
        match event {
            Event::Begin { warm } => self.begin(warm),
            Event::Adopt => self.adopt(now),
            Event::Fetched { took } => self.fetched(took),
            Event::FetchFailed { reason, message } => {
                self.fetching = false;
                self.failed(reason, message)
            }
            Event::Started {
                runtime_id,
                at,
                warm,
                ready,
            } => {
                self.cold().warm = warm;
                self.started(runtime_id, at, ready, now)
            }
            Event::StartFailed { message } => {
                self.starting = false;
                let mut effects = self.failed("StartFailed", message);
                // Half of it may run.
                if self.report.state == PodState::Failed {
                    effects.push(Effect::Stop {
                        grace: Duration::ZERO,
                    });
                }
                effects
            }
            Event::Answered { took } => {
                self.cold().start_ms = millis(took);
                Vec::new()
            }
            Event::Ready { import_ms } => self.ready(import_ms),
            Event::ImportFailed { message } => self.give_up("ImportError", message),
            Event::NeverTold => self.give_up("Lost", "the agent ended while it was started".into()),
            Event::Deadline => {
                let seconds = self.start_timeout.as_secs();
                self.give_up(
                    "StartTimeout",
                    format!("not ready {seconds} s after it was started"),
                )
            }
            Event::Exited(exit) => self.exited(exit),
            Event::Remove { grace } => self.remove(grace),
            Event::RemoveFailed { message } => self.remove_failed(message),
            Event::Removed => self.removed(),
        }
    }

    fn begin(&mut self, warm: bool) -> Vec<Effect> {
        if self.report.state != PodState::Preparing || self.fetching {
            return Vec::new();
        }
        self.fetching = true;
        self.quiet = warm;
        let tell = if warm { Effect::Note } else { Effect::Report };
        vec![tell, Effect::Fetch]
    }

    fn adopt(&mut self, now: Instant) -> Vec<Effect> {
        self.running = true;
        match self.report.state {
            PodState::Preparing | PodState::Starting | PodState::Ready => {
                // One that took calls may be busy with a long one, and say nothing until that is over.
                let patience = match self.report.state {
                    PodState::Ready => self.start_timeout.max(LONGEST_CALL),
                    _ => self.start_timeout,
                };
                // Ready again only when the server inside says so.
                self.report.state = PodState::Starting;
                vec![
                    Effect::Watch,
                    Effect::Probe,
                    Effect::Deadline(now + patience),
                ]
            }
            PodState::Stopping | PodState::Failed | PodState::Gone => {
                vec![
                    Effect::Watch,
                    Effect::Stop {
                        grace: Duration::ZERO,
                    },
                ]
            }
        }
    }

    fn fetched(&mut self, took: Duration) -> Vec<Effect> {
        self.fetching = false;
        self.cold().prepare_ms = millis(took);
        if self.report.state != PodState::Preparing {
            return self.remove_if_idle();
        }
        self.report.state = PodState::Starting;
        self.starting = true;
        if self.quiet {
            return vec![Effect::Start];
        }
        vec![Effect::Report, Effect::Start]
    }

    fn started(
        &mut self,
        runtime_id: String,
        at: String,
        ready: Option<Told>,
        now: Instant,
    ) -> Vec<Effect> {
        self.starting = false;
        self.running = true;
        self.report.runtime_id = Some(runtime_id);
        self.report.started_at = Some(at);
        if self.report.state != PodState::Starting {
            return vec![
                Effect::Watch,
                Effect::Stop {
                    grace: Duration::ZERO,
                },
            ];
        }
        if let Some(Told { took, import_ms }) = ready {
            self.cold().start_ms = millis(took);
            let mut effects = self.ready(import_ms);
            effects.push(Effect::Watch);
            return effects;
        }
        let deadline = Effect::Deadline(now + self.start_timeout);
        vec![Effect::Report, Effect::Watch, Effect::Probe, deadline]
    }

    fn ready(&mut self, import_ms: f64) -> Vec<Effect> {
        if self.report.state != PodState::Starting || !self.running {
            return Vec::new();
        }
        self.cold().import_ms = import_ms;
        self.report.state = PodState::Ready;
        vec![Effect::Report]
    }

    /// It runs but is of no use.
    fn give_up(&mut self, reason: &str, message: String) -> Vec<Effect> {
        if self.report.state != PodState::Starting || !self.running {
            return Vec::new();
        }
        let mut effects = self.failed(reason, message);
        effects.push(Effect::Stop {
            grace: Duration::ZERO,
        });
        effects
    }

    fn failed(&mut self, reason: &str, message: String) -> Vec<Effect> {
        if self.report.state == PodState::Stopping {
            return self.remove_if_idle();
        }
        self.report.state = PodState::Failed;
        self.report.reason = Some(reason.to_owned());
        self.report.message = Some(message);
        vec![Effect::Report]
    }

    fn exited(&mut self, exit: Exit) -> Vec<Effect> {
        if !self.running {
            return Vec::new();
        }
        self.running = false;
        self.report.exit = Some(exit);
        match self.report.state {
            PodState::Stopping => self.remove_if_idle(),
            PodState::Failed => vec![Effect::Report],
            _ if exit.oom => self.failed("OOMKilled", "it used more memory than its limit".into()),
            _ => self.failed(
                "Exited",
                format!("its process ended with code {}", exit.code),
            ),
        }
    }

    fn remove(&mut self, grace: Duration) -> Vec<Effect> {
        if self.removing {
            return Vec::new();
        }
        self.report.state = PodState::Stopping;
        let mut effects = vec![Effect::Report];
        if self.running {
            effects.push(Effect::Stop { grace });
        }
        effects.extend(self.remove_if_idle());
        effects
    }

    /// What is under way must end before the pod's directory goes.
    fn remove_if_idle(&mut self) -> Vec<Effect> {
        let busy = self.fetching || self.starting || self.running;
        if busy || self.removing || self.report.state != PodState::Stopping {
            return Vec::new();
        }
        self.removing = true;
        vec![Effect::Remove]
    }

    /// It stays what it is, and who asks can see why.
    fn remove_failed(&mut self, message: String) -> Vec<Effect> {
        let said = Some(message);
        if !self.removing || self.report.message == said {
            return Vec::new();
        }
        self.report.reason = Some("RemoveFailed".to_owned());
        self.report.message = said;
        vec![Effect::Report]
    }

    fn removed(&mut self) -> Vec<Effect> {
        if !self.removing {
            return Vec::new();
        }
        self.report.state = PodState::Gone;
        vec![Effect::Report]
    }

    fn cold(&mut self) -> &mut Cold {
        self.report.cold.get_or_insert_default()
    }
}

fn millis(duration: Duration) -> f64 {
    // Microseconds are as fine as anybody reads them.
    (duration.as_secs_f64() * 1e6).round() / 1e3
}
