//! `kubectl` for Troupe.

use std::process::ExitCode;

fn main() -> ExitCode {
    kubectl::run()
}
