//! The master: `master` serves, `master token create` lets a node join.

mod cli;

use clap::Parser as _;

/// Runs by the ten thousand come and go in bursts: this one gives back to the system what they took.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

fn main() -> std::process::ExitCode {
    cli::run(cli::Cli::parse())
}
