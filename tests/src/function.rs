use std::fs;
use std::path::{Path, PathBuf};

/// A function's files, written into a test's directory.
pub struct Source {
    yaml: PathBuf,
    code: PathBuf,
}

impl Source {
    /// A function `name` whose `func.py` is `code`; `spec` is more YAML for its spec, one field a line.
    ///
    /// # Panics
    /// When the files cannot be written.
    #[must_use]
    pub fn write(home: &Path, name: &str, code: &str, spec: &str) -> Self {
        let directory = home.join("sources").join(name);
        let source = Self {
            yaml: directory.join("function.yaml"),
            code: directory.join("code"),
        };
        fs::create_dir_all(&source.code).unwrap();
        let fields: String = spec.lines().map(|line| format!("  {line}\n")).collect();
        fs::write(
            &source.yaml,
            format!(
                "apiVersion: v1\nkind: Function\nmetadata:\n  name: {name}\nspec:\n  \
                 userUploadFilePath: ./code\n{fields}"
            ),
        )
        .unwrap();
        source.file("func.py", code);
        source
    }

    /// Writes one more file beside the code.
    ///
    /// # Panics
    /// When it cannot be written.
    pub fn file(&self, name: &str, text: &str) -> &Self {
        let path = self.code.join(name);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, text).unwrap();
        self
    }

    /// Takes a file away.
    ///
    /// # Panics
    /// When it is not there.
    pub fn without(&self, name: &str) -> &Self {
        fs::remove_file(self.code.join(name)).unwrap();
        self
    }

    /// The YAML file.
    ///
    /// # Panics
    /// When its path is not text.
    #[must_use]
    pub fn yaml(&self) -> &str {
        self.yaml.to_str().unwrap()
    }
}

/// The code of a `main(params)` that returns the value of one expression.
#[must_use]
pub fn params(expression: &str) -> String {
    format!("def main(params):\n    return {expression}\n")
}

/// The code of a `main(params)` that prints `began`, waits until the file `gate` is there, and returns the
/// value of one expression: a test says when the call ends.
#[must_use]
pub fn waits_for(gate: &Path, expression: &str) -> String {
    format!(
        "import os, time\ndef main(params):\n    print('began', flush=True)\n    while not os.path.exists({gate:?}):\n        time.sleep(0.02)\n    return {expression}\n"
    )
}
