use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use serde_json::Value;

/// A kubectl, ours or the real one, pointed at a cluster.
#[derive(Clone)]
pub struct Kubectl {
    program: PathBuf,
    kubeconfig: PathBuf,
    home: PathBuf,
    directory: PathBuf,
    path: std::ffi::OsString,
}

/// What a command said.
#[derive(Clone, Debug)]
pub struct Said {
    /// Standard output.
    pub out: String,
    /// Standard error.
    pub err: String,
    /// The exit code; -1 when a signal ended it.
    pub code: i32,
}

impl Kubectl {
    /// `program` with the cluster's kubeconfig, its caches below `home`; `bin` comes first on PATH.
    ///
    /// # Panics
    /// When PATH cannot be put together.
    #[must_use]
    pub fn new(program: PathBuf, kubeconfig: &Path, home: &Path, bin: &Path) -> Self {
        let path = std::env::var_os("PATH").unwrap_or_default();
        let path = std::iter::once(bin.to_owned()).chain(std::env::split_paths(&path));
        Self {
            program,
            kubeconfig: kubeconfig.to_owned(),
            home: home.to_owned(),
            directory: home.to_owned(),
            path: std::env::join_paths(path).unwrap(),
        }
    }

    /// The same, run in another directory.
    #[must_use]
    pub fn within(&self, directory: &Path) -> Self {
        Self {
            directory: directory.to_owned(),
            ..self.clone()
        }
    }

    /// The same as somebody else.
    #[must_use]
    pub fn with_kubeconfig(&self, kubeconfig: &Path) -> Self {
        Self {
            kubeconfig: kubeconfig.to_owned(),
            ..self.clone()
        }
    }

    /// The command, not started.
    #[must_use]
    pub fn command(&self, words: &[&str]) -> Command {
        let mut command = Command::new(&self.program);
        command
            .args(words)
            .current_dir(&self.directory)
            .env("PATH", &self.path)
            .env("KUBECONFIG", &self.kubeconfig)
            .env("HOME", &self.home)
            .env("KUBECACHEDIR", self.home.join("cache"))
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped());
        command
    }

    /// Runs it, whatever comes of it.
    ///
    /// # Panics
    /// When it cannot be started.
    #[must_use]
    pub fn say(&self, words: &[&str]) -> Said {
        self.finish(self.command(words), "")
    }

    /// Runs it with something on standard input.
    ///
    /// # Panics
    /// When it cannot be started.
    #[must_use]
    pub fn say_with(&self, words: &[&str], input: &str) -> Said {
        let mut command = self.command(words);
        command.stdin(Stdio::piped());
        self.finish(command, input)
    }

    fn finish(&self, mut command: Command, input: &str) -> Said {
        let mut child = command
            .spawn()
            .unwrap_or_else(|e| panic!("{}: {e}", self.program.display()));
        if let Some(mut stdin) = child.stdin.take() {
            // A program that refuses early does not read to the end.
            let _ = stdin.write_all(input.as_bytes());
        }
        let done = child.wait_with_output().unwrap();
        Said {
            out: String::from_utf8_lossy(&done.stdout).into_owned(),
            err: String::from_utf8_lossy(&done.stderr).into_owned(),
            code: done.status.code().unwrap_or(-1),
        }
    }

    /// Runs it; its standard output.
    ///
    /// # Panics
    /// When it fails.
    #[track_caller]
    pub fn run(&self, words: &[&str]) -> String {
        let said = self.say(words);
        assert_eq!(
            said.code,
            0,
            "kubectl {}\n{}{}",
            words.join(" "),
            said.out,
            said.err
        );
        said.out
    }

    /// Runs it with something on standard input; its standard output.
    ///
    /// # Panics
    /// When it fails.
    #[track_caller]
    pub fn run_with(&self, words: &[&str], input: &str) -> String {
        let said = self.say_with(words, input);
        assert_eq!(
            said.code,
            0,
            "kubectl {}\n{}{}",
            words.join(" "),
            said.out,
            said.err
        );
        said.out
    }

    /// Runs it; standard error of a command that has to fail.
    ///
    /// # Panics
    /// When it does not.
    #[track_caller]
    pub fn refuse(&self, words: &[&str]) -> String {
        let said = self.say(words);
        assert_ne!(
            said.code,
            0,
            "kubectl {} should fail\n{}",
            words.join(" "),
            said.out
        );
        said.err
    }

    /// An object, or a list of them, as JSON.
    ///
    /// # Panics
    /// When it is not there.
    #[track_caller]
    pub fn json(&self, words: &[&str]) -> Value {
        let out = self.run(&[words, &["-o", "json"]].concat());
        serde_json::from_str(&out).unwrap_or_else(|error| panic!("{error} in {out}"))
    }

    /// The objects of a list.
    ///
    /// # Panics
    /// When there is no list.
    #[track_caller]
    pub fn items(&self, words: &[&str]) -> Vec<Value> {
        match self.json(words)["items"].take() {
            Value::Array(items) => items,
            other => panic!("no items: {other}"),
        }
    }
}
