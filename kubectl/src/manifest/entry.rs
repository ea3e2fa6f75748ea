//! Looks for a function's entry by reading the text, without running anything. It only refuses what
//! certainly has none: the builder, which has Python, judges the rest.

use std::collections::BTreeMap;
use std::path::PathBuf;

/// One Python file.
#[derive(Debug, Clone)]
pub(super) struct Module {
    /// Name in the archive, as `lib/util.py`.
    pub name: String,
    /// Its text; none when it is not UTF-8 (Python knows other encodings).
    pub text: Option<String>,
    /// Names of all files beside it at the top.
    top_level: bool,
}

/// All that the check needs to know of the code.
#[derive(Debug, Clone)]
pub(super) struct Modules {
    python: Vec<Module>,
    listing: String,
}

impl Modules {
    /// The Python files.
    pub(super) fn iter(&self) -> std::slice::Iter<'_, Module> {
        self.python.iter()
    }
}

impl<'a> IntoIterator for &'a Modules {
    type Item = &'a Module;
    type IntoIter = std::slice::Iter<'a, Module>;

    fn into_iter(self) -> Self::IntoIter {
        self.iter()
    }
}

/// Reads the Python files among `files`.
#[must_use]
pub(super) fn modules(files: &BTreeMap<String, PathBuf>) -> Modules {
    let python = files.iter().filter(|(name, _)| name.ends_with(".py"));
    let python = python.map(|(name, path)| Module {
        name: name.clone(),
        text: std::fs::read_to_string(path).ok(),
        top_level: !name.contains('/'),
    });
    let top: Vec<&str> = files
        .keys()
        .map(String::as_str)
        .filter(|name| !name.contains('/'))
        .collect();
    let mut listing = top.iter().take(20).copied().collect::<Vec<_>>().join(", ");
    if top.len() > 20 {
        listing.push_str(", …");
    }
    Modules {
        python: python.collect(),
        listing: if listing.is_empty() {
            "no file".to_owned()
        } else {
            listing
        },
    }
}

/// Whether an entry can be there.
///
/// # Errors
/// When there certainly is none; says what is there and what is wanted.
pub(super) fn check(modules: &Modules, handler: Option<&str>) -> Result<(), String> {
    let binds = |module: &Module, name: &str| {
        module
            .text
            .as_deref()
            .is_none_or(|text| may_bind(text, name))
    };
    if let Some(handler) = handler {
        let Some((module, name)) = handler.rsplit_once('.') else {
            return Err(format!(
                "handler: found \"{handler}\", want module.function, as func.main"
            ));
        };
        let path = module.replace('.', "/");
        let files = [format!("{path}.py"), format!("{path}/__init__.py")];
        let Some(found) = modules.iter().find(|module| files.contains(&module.name)) else {
            return Err(format!(
                "handler {handler}: there is no {path}.py; found {}",
                modules.listing
            ));
        };
        return match binds(found, name) {
            true => Ok(()),
            false => Err(format!(
                "handler {handler}: {} defines no {name}",
                found.name
            )),
        };
    }
    let top = || modules.iter().filter(|module| module.top_level);
    let has_main = top().any(|module| module.name == "func.py" && binds(module, "main"));
    if has_main || top().any(|module| binds(module, "handler")) {
        return Ok(());
    }
    Err(format!(
        "no entry function: found {}; want func.py with main(params), or one module with handler(env) or \
         handler(event, context), or spec.handler",
        modules.listing
    ))
}

/// Whether some line outside comments could give the name a meaning: a definition, an assignment, an
/// import.
fn may_bind(text: &str, name: &str) -> bool {
    text.lines().any(|line| {
        let line = line.split('#').next().unwrap_or_default();
        let binding = line.contains("def ") || line.contains("import ") || line.contains('=');
        let words = line.split(|c: char| !c.is_alphanumeric() && c != '_');
        binding && (words.clone().any(|word| word == name) || line.contains("import *"))
    }) || text
        .lines()
        .any(|line| line.trim().trim_end_matches(',') == name)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(files: &[(&str, &str)]) -> Modules {
        let python = files.iter().map(|(name, text)| Module {
            name: (*name).to_owned(),
            text: Some((*text).to_owned()),
            top_level: !name.contains('/'),
        });
        Modules {
            python: python.collect(),
            listing: "files".to_owned(),
        }
    }

    #[test]
    fn entries_of_all_styles_are_found() {
        for (name, text) in [
            ("func.py", "def main(params):\n    return 1\n"),
            ("func.py", "async def main(params):\n    return 1\n"),
            ("func.py", "from impl import main\n"),
            ("func.py", "from impl import (\n    main,\n)\n"),
            ("func.py", "main = lambda params: 1\n"),
            ("app.py", "def handler(env):\n    return ''\n"),
            ("app.py", "class A: ...\nhandler = A()\n"),
        ] {
            assert_eq!(check(&of(&[(name, text)]), None), Ok(()), "{text}");
        }
    }

    #[test]
    fn what_certainly_has_none_is_refused() {
        for (name, text) in [
            ("main.py", "def main(params): pass"),
            ("func.py", "def mian(params): pass"),
            ("func.py", "# def main(params)"),
            ("sub/func.py", "def main(params): pass"),
        ] {
            assert!(check(&of(&[(name, text)]), None).is_err(), "{text}");
        }
    }

    #[test]
    fn a_handler_given_by_name_must_be_there() {
        let modules = of(&[("pkg/app.py", "def run(event, context): pass")]);
        assert_eq!(check(&modules, Some("pkg.app.run")), Ok(()));
        assert!(
            check(&modules, Some("pkg.app.other"))
                .unwrap_err()
                .contains("defines no other")
        );
        assert!(
            check(&modules, Some("app.run"))
                .unwrap_err()
                .contains("there is no app.py")
        );
        assert!(
            check(&modules, Some("run"))
                .unwrap_err()
                .contains("module.function")
        );
    }
}
