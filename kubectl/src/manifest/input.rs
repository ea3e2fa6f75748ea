//! Which texts an apply is made of: files, directories, addresses and standard input.

use std::io::Read as _;
use std::path::{Path, PathBuf};

use super::problem::{Problem, Problems};

/// Manifests larger than this are a mistake.
const MAX_BYTES: u64 = 10 << 20;

/// One text to read documents from.
#[derive(Debug, Clone)]
pub struct Input {
    /// How it is called in messages.
    pub label: String,
    /// The text.
    pub text: String,
    /// What relative paths in it are relative to; none for a text from the network.
    pub base: Option<PathBuf>,
}

/// Reads everything `names` stand for, in order: files, directories (their `.yaml`, `.yml` and
/// `.json` files), `http(s)://` addresses, and `-` for standard input.
///
/// # Errors
/// When something cannot be read; all such problems at once.
pub async fn gather(names: &[String], recursive: bool) -> Result<Vec<Input>, Problems> {
    let mut inputs = Vec::new();
    let mut problems = Vec::new();
    for name in names {
        if name == "-" {
            let mut text = String::new();
            let read = std::io::stdin().take(MAX_BYTES).read_to_string(&mut text);
            match read {
                Ok(_) => inputs.push(Input {
                    label: "standard input".to_owned(),
                    text,
                    base: std::env::current_dir().ok(),
                }),
                Err(error) => problems.push(Problem::of_file(
                    "standard input",
                    format!("cannot be read: {error}"),
                )),
            }
        } else if name.starts_with("http://") || name.starts_with("https://") {
            match download(name).await {
                Ok(text) => inputs.push(Input {
                    label: name.clone(),
                    text,
                    base: None,
                }),
                Err(error) => problems.push(Problem::of_file(name, error)),
            }
        } else {
            for path in list(name, Path::new(name), recursive, &mut problems) {
                match read_file(&path) {
                    Ok(input) => inputs.push(input),
                    Err(problem) => problems.push(problem),
                }
            }
        }
    }
    if problems.is_empty() {
        Ok(inputs)
    } else {
        Err(Problems(problems))
    }
}

fn list(name: &str, path: &Path, recursive: bool, problems: &mut Vec<Problem>) -> Vec<PathBuf> {
    if path.is_dir() {
        let mut found = Vec::new();
        walk(path, recursive, &mut found, problems);
        if found.is_empty() {
            let message =
                "no .yaml, .yml or .json file in this directory; -R looks in directories below too";
            problems.push(Problem::of_file(name, message));
        }
        found
    } else if path.exists() {
        vec![path.to_owned()]
    } else {
        problems.push(Problem::of_file(
            name,
            format!("the path \"{name}\" does not exist"),
        ));
        Vec::new()
    }
}

fn walk(path: &Path, recursive: bool, found: &mut Vec<PathBuf>, problems: &mut Vec<Problem>) {
    let entries = match std::fs::read_dir(path) {
        Ok(entries) => entries,
        Err(error) => {
            let message = format!("cannot be read: {error}");
            return problems.push(Problem::of_file(&path.display().to_string(), message));
        }
    };
    let mut paths: Vec<_> = entries
        .filter_map(|entry| Some(entry.ok()?.path()))
        .collect();
    paths.sort();
    for path in paths {
        let extension = path.extension().and_then(|extension| extension.to_str());
        if path.is_file() && matches!(extension, Some("yaml" | "yml" | "json")) {
            found.push(path);
        } else if recursive && path.is_dir() && !path.is_symlink() {
            walk(&path, recursive, found, problems);
        }
    }
}

fn read_file(path: &Path) -> Result<Input, Problem> {
    let label = path.display().to_string();
    let fail = |message: String| Problem::of_file(&label, message);
    let size = std::fs::metadata(path).map_err(|error| fail(format!("cannot be read: {error}")))?;
    if size.len() > MAX_BYTES {
        return Err(fail(format!(
            "has {} bytes, want at most 10 MiB of YAML or JSON",
            size.len()
        )));
    }
    let extension = path.extension().and_then(|extension| extension.to_str());
    if matches!(extension, Some("py" | "txt" | "zip" | "gz")) {
        return Err(fail(
            "want a YAML or JSON file that names the code, not the code itself".to_owned(),
        ));
    }
    let bytes = std::fs::read(path).map_err(|error| fail(format!("cannot be read: {error}")))?;
    let text = String::from_utf8(bytes).map_err(|_| fail("this is not UTF-8 text".to_owned()))?;
    let parent = path
        .parent()
        .filter(|parent| !parent.as_os_str().is_empty());
    Ok(Input {
        label,
        text,
        base: Some(parent.unwrap_or_else(|| Path::new(".")).to_owned()),
    })
}

async fn download(url: &str) -> Result<String, String> {
    crate::client::install_crypto();
    let get = async {
        let answer = reqwest::get(url).await?.error_for_status()?;
        answer.bytes().await
    };
    let bytes = get
        .await
        .map_err(|error| format!("cannot be downloaded: {}", crate::client::chain(&error)))?;
    String::from_utf8(bytes.to_vec()).map_err(|_| "this is not UTF-8 text".to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn gathered(names: &[String], recursive: bool) -> Result<Vec<Input>, Problems> {
        let runtime = tokio::runtime::Builder::new_current_thread()
            .build()
            .unwrap();
        runtime.block_on(gather(names, recursive))
    }

    #[test]
    fn a_directory_stands_for_its_manifests_in_order() {
        let dir = tempfile::tempdir().unwrap();
        for name in ["b.yml", "a.yaml", "c.json", "func.py"] {
            std::fs::write(dir.path().join(name), "x: 1").unwrap();
        }
        std::fs::create_dir(dir.path().join("sub")).unwrap();
        std::fs::write(dir.path().join("sub/d.yaml"), "x: 1").unwrap();
        let names = [dir.path().display().to_string()];
        let labels = |recursive| {
            let inputs = gathered(&names, recursive).unwrap();
            inputs
                .iter()
                .map(|i| i.label.rsplit('/').next().unwrap().to_owned())
                .collect::<Vec<_>>()
        };
        assert_eq!(labels(false), ["a.yaml", "b.yml", "c.json"]);
        assert_eq!(labels(true), ["a.yaml", "b.yml", "c.json", "d.yaml"]);
    }

    #[test]
    fn all_missing_files_are_named() {
        let text = gathered(&["x.yaml".to_owned(), "y.yaml".to_owned()], false)
            .unwrap_err()
            .to_string();
        assert!(text.contains("x.yaml") && text.contains("y.yaml"), "{text}");
    }

    #[test]
    fn python_is_not_a_manifest() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("func.py");
        std::fs::write(&path, "def main(params): pass").unwrap();
        let text = gathered(&[path.display().to_string()], false)
            .unwrap_err()
            .to_string();
        assert!(text.contains("that names the code"), "{text}");
    }
}
