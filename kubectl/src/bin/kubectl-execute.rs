//! `kubectl-execute`: on PATH it gives `kubectl execute` to the real kubectl.

use std::process::ExitCode;

fn main() -> ExitCode {
    kubectl::run_plugin()
}
