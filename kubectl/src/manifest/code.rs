//! The code of a function: found beside its YAML file, checked, packed for upload.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use common::digest::Digest;
use serde_json::{Value, json};

use super::entry::{self, Module};
use super::input::Input;
use super::object::Strictness;
use super::places::Places;
use super::problem::Problem;
use super::seeds::SeedFunction;
use super::{pack, python};

/// Code to upload.
#[derive(Clone)]
pub struct Upload {
    /// The archive's digest.
    pub digest: Digest,
    /// The archive.
    pub archive: Vec<u8>,
}

impl std::fmt::Debug for Upload {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Upload({}, {} bytes)", self.digest, self.archive.len())
    }
}

/// Finds, checks and packs the code of a Function, and notes its digest in `spec.source.upload`.
/// None when the function has no directory to upload.
///
/// # Errors
/// When the code is not there or could never be served.
pub(super) fn find(
    input: &Input,
    places: &Places,
    value: &mut Value,
    seed: Option<&SeedFunction>,
    strictness: Strictness,
) -> Result<Option<Upload>, Vec<Problem>> {
    let fail =
        |pointer: &str, message: String| vec![Problem::at(&input.label, places, pointer, message)];
    let staged = tempfile::tempdir();
    let staged =
        staged.map_err(|error| fail("", format!("make a temporary directory: {error}")))?;
    let (directory, files) = match seed {
        Some(seed) => {
            let files = seed_files(input, places, seed)?;
            pack::stage(&files, staged.path()).map_err(|error| fail("", error.to_string()))?;
            (staged.path().to_owned(), files)
        }
        None => {
            let pointer = "/spec/userUploadFilePath";
            let Some(path) = value.pointer(pointer).and_then(Value::as_str) else {
                return check_source(value)
                    .map_err(|message| fail("/spec", message))
                    .map(|()| None);
            };
            let directory = resolve(input, path).map_err(|message| fail(pointer, message))?;
            let files = directory_files(path, &directory);
            let files = files.map_err(|message| fail(pointer, message))?;
            (directory, files)
        }
    };
    let pointer = if seed.is_some() {
        "/function"
    } else {
        "/spec/userUploadFilePath"
    };
    if strictness == Strictness::Strict {
        let handler = value.pointer("/spec/handler").and_then(Value::as_str);
        let modules = entry::modules(&files);
        entry::check(&modules, handler).map_err(|message| fail(pointer, message))?;
        let sources: Vec<&Module> = modules.iter().collect();
        python::check(&sources).map_err(|message| fail(pointer, message))?;
    }
    let archive = pack::pack(&directory).map_err(|error| fail(pointer, error.to_string()))?;
    let upload = Upload {
        digest: Digest::of(&archive),
        archive,
    };
    value["spec"]["source"] = json!({ "upload": upload.digest.to_string() });
    Ok(Some(upload))
}

/// A Function without a directory says elsewhere what it runs.
fn check_source(value: &Value) -> Result<(), String> {
    let given = |pointer: &str| value.pointer(pointer).is_some_and(|value| !value.is_null());
    if [
        "/spec/source/inline",
        "/spec/source/configMap",
        "/spec/source/upload",
        "/spec/image",
    ]
    .iter()
    .any(|p| given(p))
    {
        return Ok(());
    }
    Err("nothing says what the function runs: want userUploadFilePath (a directory), source or image".to_owned())
}

/// Where a path written in a file leads.
fn resolve(input: &Input, path: &str) -> Result<PathBuf, String> {
    if path.is_empty() {
        return Err("found \"\", want the directory with the code".to_owned());
    }
    match (&input.base, Path::new(path).is_absolute()) {
        (_, true) => Ok(PathBuf::from(path)),
        (Some(base), false) => Ok(base.join(path)),
        (None, false) => Err(format!(
            "\"{path}\" cannot be uploaded: this file comes from the network; download it with its directory, or use source.inline"
        )),
    }
}

fn shown(path: &Path) -> String {
    std::path::absolute(path)
        .unwrap_or_else(|_| path.to_owned())
        .display()
        .to_string()
}

fn directory_files(written: &str, directory: &Path) -> Result<BTreeMap<String, PathBuf>, String> {
    if !directory.exists() {
        return Err(format!(
            "no directory \"{written}\": looked for {}",
            shown(directory)
        ));
    }
    if !directory.is_dir() {
        return Err(format!(
            "\"{written}\" is a file, want the directory it is in ({})",
            shown(directory)
        ));
    }
    pack::list(directory).map_err(|error| error.to_string())
}

/// The two files of seed 2's form.
fn seed_files(
    input: &Input,
    places: &Places,
    seed: &SeedFunction,
) -> Result<BTreeMap<String, PathBuf>, Vec<Problem>> {
    let fail = |pointer: &str, message: String| Problem::at(&input.label, places, pointer, message);
    let mut problems = Vec::new();
    let mut find = |pointer: &str, written: &str| {
        let found = resolve(input, written).and_then(|path| match path.is_file() {
            true => Ok(path),
            false => Err(format!(
                "no file \"{written}\": looked for {}",
                shown(&path)
            )),
        });
        found
            .map_err(|message| problems.push(fail(pointer, message)))
            .ok()
    };
    let mut files = BTreeMap::new();
    if let Some(path) = find("/function", &seed.function) {
        files.insert(module_name(&path), path);
    }
    if let Some(path) = seed
        .requirements
        .as_ref()
        .and_then(|written| find("/requirements", written))
    {
        files.insert("requirements.txt".to_owned(), path);
    }
    if !files.keys().any(|name| name.ends_with(".py")) && problems.is_empty() {
        problems.push(fail(
            "/function",
            format!("\"{}\" is not a Python file", seed.function),
        ));
    }
    if problems.is_empty() {
        Ok(files)
    } else {
        Err(problems)
    }
}

/// The name a Python file gets in the archive: its own where Python can import it.
fn module_name(path: &Path) -> String {
    let stem = path
        .file_stem()
        .and_then(|stem| stem.to_str())
        .unwrap_or_default();
    let importable = stem.chars().all(|c| c.is_alphanumeric() || c == '_')
        && stem.chars().next().is_some_and(|c| !c.is_numeric());
    if importable {
        format!("{stem}.py")
    } else {
        "handler.py".to_owned()
    }
}

#[cfg(test)]
mod tests {
    use super::super::object::{Object, Purpose, read_all};
    use super::super::problem::Problems;
    use super::*;

    fn apply(files: &[(&str, &str)], manifest: &str) -> Result<Vec<Object>, Problems> {
        let dir = tempfile::tempdir().unwrap();
        for (name, text) in files {
            let path = dir.path().join(name);
            std::fs::create_dir_all(path.parent().unwrap()).unwrap();
            std::fs::write(path, text).unwrap();
        }
        let input = Input {
            label: "f.yaml".to_owned(),
            text: manifest.to_owned(),
            base: Some(dir.path().to_owned()),
        };
        read_all(&[input], Strictness::Strict, Purpose::Write)
    }

    const SEED_1: &str = "apiVersion: v1\nkind: Function\nmetadata:\n  name: func1\nspec:\n  userUploadFilePath: \"./code\" # 计算任务所在目录\n";
    const SEED_2: &str = "kind: activity\nname: a_b\nfunction: x/my-code.py\nrequirements: requirements.txt\nversion: 1\n";

    #[test]
    fn a_directory_is_packed_and_its_digest_noted() {
        let objects = apply(
            &[("code/func.py", "def main(params):\n    return params\n")],
            SEED_1,
        )
        .unwrap();
        let upload = objects[0].upload.as_ref().unwrap();
        assert_eq!(
            objects[0].value["spec"]["source"]["upload"],
            upload.digest.to_string()
        );
        assert_eq!(objects[0].value["spec"]["userUploadFilePath"], "./code");
    }

    #[test]
    fn a_missing_directory_is_named() {
        let text = apply(&[], SEED_1).unwrap_err().to_string();
        assert!(
            text.starts_with(
                "f.yaml line 6: spec.userUploadFilePath: no directory \"./code\": looked for /"
            ),
            "{text}"
        );
    }

    #[test]
    fn a_directory_without_entry_says_what_it_has_and_what_is_wanted() {
        let text = apply(
            &[("code/app.py", "def run(): pass\n"), ("code/data.txt", "")],
            SEED_1,
        )
        .unwrap_err()
        .to_string();
        assert!(
            text.contains("app.py, data.txt") && text.contains("func.py with main(params)"),
            "{text}"
        );
    }

    #[test]
    fn seed_2_packs_the_module_and_its_requirements() {
        let objects = apply(
            &[
                ("x/my-code.py", "def handler(env):\n    return ''\n"),
                ("requirements.txt", ""),
            ],
            SEED_2,
        )
        .unwrap();
        assert_eq!(objects[0].kind.kind, "Function");
        assert!(objects[0].upload.is_some());
        let text = apply(&[], SEED_2).unwrap_err().to_string();
        assert!(
            text.contains("f.yaml line 3: function: no file")
                && text.contains("f.yaml line 4: requirements: no file"),
            "{text}"
        );
    }

    #[test]
    fn a_function_of_nothing_is_refused() {
        let text = apply(
            &[],
            "apiVersion: v1\nkind: Function\nmetadata: {name: a}\nspec: {}\n",
        )
        .unwrap_err()
        .to_string();
        assert!(
            text.contains("nothing says what the function runs"),
            "{text}"
        );
    }

    #[test]
    fn a_name_with_a_slash_is_refused() {
        let text = apply(
            &[],
            "apiVersion: v1\nkind: Function\nmetadata: {name: a/b}\nspec: {image: x}\n",
        )
        .unwrap_err()
        .to_string();
        assert!(
            text.contains("line 3: metadata.name: found \"a/b\""),
            "{text}"
        );
    }

    #[test]
    fn an_unknown_kind_is_refused_with_the_nearest() {
        let text = apply(&[], "apiVersion: v1\nkind: Funktion\nmetadata: {name: a}\n")
            .unwrap_err()
            .to_string();
        assert!(
            text.contains("line 2: kind: unknown kind \"Funktion\"; did you mean \"Function\"?"),
            "{text}"
        );
    }
}
