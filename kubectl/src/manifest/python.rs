//! Compiles Python files, without running them, where this machine has a Python. Where it has none,
//! the builder's verdict comes as a condition of the Function.

use std::io::Write as _;
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use serde_json::{Value, json};

use super::entry::Module;

/// Reads `[[name, text], …]` and prints the first problem as a JSON string, or null.
const PROGRAM: &str = r"
import json, sys, warnings
warnings.simplefilter('ignore')
verdict = None
for name, text in json.load(sys.stdin):
    try:
        compile(text, name, 'exec', dont_inherit=True)
    except SyntaxError as error:
        line = (error.text or '').strip()
        verdict = '%s line %s: %s%s' % (name, error.lineno, error.msg, ': ' + line[:100] if line else '')
    except (ValueError, RecursionError, MemoryError) as error:
        verdict = '%s: %s' % (name, error or type(error).__name__)
    if verdict:
        verdict = 'Python %d.%d says of %s' % (sys.version_info[0], sys.version_info[1], verdict)
        break
print(json.dumps(verdict))
";

/// Longest time the check may take.
const LIMIT: Duration = Duration::from_secs(10);

/// Compiles the files.
///
/// # Errors
/// When one does not parse. A missing, old or broken Python is no error.
pub(super) fn check(modules: &[&Module]) -> Result<(), String> {
    let sources = modules
        .iter()
        .filter_map(|module| Some(json!([module.name, module.text.as_ref()?])));
    let sources = Value::Array(sources.collect()).to_string();
    match ask(sources) {
        Some(Value::String(verdict)) => Err(verdict),
        _ => Ok(()),
    }
}

fn ask(sources: String) -> Option<Value> {
    let version = "import sys; sys.version_info >= (3, 9) or sys.exit(3)\n";
    let mut child = Command::new("python3")
        .args(["-I", "-c", &format!("{version}{PROGRAM}")])
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::null())
        .spawn()
        .ok()?;
    let mut stdin = child.stdin.take()?;
    // On a thread of its own: a child that does not read would hold us for ever.
    let writer = std::thread::spawn(move || stdin.write_all(sources.as_bytes()));
    let start = Instant::now();
    while child.try_wait().ok()?.is_none() {
        if start.elapsed() > LIMIT {
            let _ = child.kill();
            let _ = child.wait();
            return None;
        }
        std::thread::sleep(Duration::from_millis(5));
    }
    let _ = writer.join();
    let output = child.wait_with_output().ok()?;
    serde_json::from_slice(&output.stdout).ok()
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use super::super::entry;
    use super::*;

    fn verdict(text: &str) -> Result<(), String> {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("func.py");
        std::fs::write(&path, text).unwrap();
        let modules = entry::modules(&BTreeMap::from([("func.py".to_owned(), path)]));
        check(&modules.iter().collect::<Vec<_>>())
    }

    #[test]
    fn what_does_not_parse_is_named_by_line_and_nothing_runs() {
        let marker = tempfile::tempdir().unwrap().path().join("ran");
        let runs = format!("open({:?}, 'w')\n", marker.display().to_string());
        assert_eq!(verdict(&runs), Ok(()));
        assert!(!marker.exists());
        if Command::new("python3").arg("--version").output().is_ok() {
            let problem = verdict("x = 1\ndef main(params)\n    return 1\n").unwrap_err();
            assert!(
                problem.contains("func.py line 2") && problem.contains("def main(params)"),
                "{problem}"
            );
        }
    }
}
