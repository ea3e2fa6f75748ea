//! The words of the command line, and what is done about them.

mod arguments;
mod globals;
mod handover;
mod run;

pub use arguments::{Cli, Command, Plugin};
pub use globals::{Globals, duration};
pub use handover::hand_over;
pub use run::{run, run_plugin};
