//! The one line on a terminal that says what is going on.

use std::io::IsTerminal as _;
use std::time::Duration;

use indicatif::{ProgressBar, ProgressStyle};

/// A line that is rewritten while something takes its time; nothing where there is no terminal.
pub struct Progress(Option<ProgressBar>);

impl Progress {
    /// A line, if the standard error is a terminal.
    #[must_use]
    pub fn on_terminal() -> Self {
        if !std::io::stderr().is_terminal() {
            return Self(None);
        }
        let bar = ProgressBar::new_spinner();
        if let Ok(style) = ProgressStyle::with_template("{spinner} {wide_msg} {elapsed}") {
            bar.set_style(style);
        }
        bar.enable_steady_tick(Duration::from_millis(120));
        Self(Some(bar))
    }

    /// Says something else.
    pub fn say(&self, text: impl Into<String>) {
        if let Some(bar) = &self.0 {
            bar.set_message(clean(&text.into()));
        }
    }

    /// A line that stays, on the standard error, above the one that is rewritten.
    pub fn line(&self, text: &str) {
        match &self.0 {
            Some(bar) => bar.println(clean(text)),
            None => eprintln!("{}", clean(text)),
        }
    }

    /// Whether anybody sees it.
    #[must_use]
    pub fn is_seen(&self) -> bool {
        self.0.is_some()
    }
}

impl Drop for Progress {
    fn drop(&mut self) {
        if let Some(bar) = &self.0 {
            bar.finish_and_clear();
        }
    }
}

/// A text that cannot move the terminal's cursor.
fn clean(text: &str) -> String {
    text.chars()
        .map(|c| if c.is_control() { ' ' } else { c })
        .collect()
}

/// Whether a person watches: both outputs are terminals.
#[must_use]
pub fn person_watches() -> bool {
    std::io::stderr().is_terminal() && std::io::stdout().is_terminal()
}
