use std::time::Duration;

use serde::Deserialize;

use super::*;

#[derive(Debug, Deserialize, PartialEq)]
#[serde(deny_unknown_fields, rename_all = "kebab-case", default)]
struct Example {
    data_dir: String,
    #[serde(deserialize_with = "list")]
    master: Vec<String>,
    pods: Pods,
}

#[derive(Debug, Deserialize, PartialEq)]
#[serde(deny_unknown_fields, rename_all = "kebab-case", default)]
struct Pods {
    max_count: u32,
    memory: ByteCount,
    #[serde(deserialize_with = "duration")]
    orphan_after: Duration,
    strict: bool,
}

impl Default for Example {
    fn default() -> Self {
        Self {
            data_dir: "d".into(),
            master: vec![],
            pods: Pods::default(),
        }
    }
}

impl Default for Pods {
    fn default() -> Self {
        let orphan_after = Duration::from_secs(60);
        Self {
            max_count: 1,
            memory: ByteCount(1),
            orphan_after,
            strict: false,
        }
    }
}

fn read(file: &str, env: &[(&str, &str)], flags: &[(&str, &str)]) -> Result<Example, String> {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("example.toml");
    std::fs::write(&path, file).unwrap();
    let env = env
        .iter()
        .map(|(key, value)| ((*key).to_owned(), (*value).to_owned()));
    let flags: Vec<_> = flags
        .iter()
        .map(|(key, value)| (*key, (*value).to_owned()))
        .collect();
    load(Some(&path), "TROUPE_TEST", env, &flags).map_err(|error| error.to_string())
}

#[test]
fn flags_win_over_the_environment_and_that_over_the_file() {
    let file = "data-dir = 'file'\nmaster = ['a', 'b']\n[pods]\nmax-count = 3\nmemory = '2Mi'";
    let env = [
        ("TROUPE_TEST__DATA_DIR", "env"),
        ("TROUPE_TEST__PODS__MAX_COUNT", "4"),
        ("TROUPE_TEST__PODS__ORPHAN_AFTER", "1m 30s"),
        ("TROUPE_TEST__PODS__STRICT", "true"),
        ("UNRELATED__X", "1"),
    ];
    let read = read(file, &env, &[("pods.max-count", "5"), ("data-dir", "flag")]).unwrap();
    let orphan_after = Duration::from_secs(90);
    let pods = Pods {
        max_count: 5,
        memory: ByteCount(2 << 20),
        orphan_after,
        strict: true,
    };
    let wanted = Example {
        data_dir: "flag".into(),
        master: vec!["a".into(), "b".into()],
        pods,
    };
    assert_eq!(read, wanted);
    let none: Example = load(None, "X", [("X__MASTER".into(), "a, b".into())], &[]).unwrap();
    assert_eq!(none.master, ["a", "b"]);
}

#[test]
fn errors_name_the_place_the_key_what_was_found_and_what_is_wanted() {
    let contains = |result: Result<Example, String>, parts: &[&str]| {
        let error = result.unwrap_err();
        for part in parts {
            assert!(error.contains(part), "{error:?} lacks {part:?}");
        }
    };
    let wrong = read("[pods]\nmax-count = 'many'", &[], &[]);
    contains(
        wrong,
        &[
            "example.toml",
            "pods.max-count",
            "\"many\"",
            "want an integer",
        ],
    );
    let wrong = read("", &[("TROUPE_TEST__PODS__MAX_COUNT", "many")], &[]);
    contains(
        wrong,
        &[
            "environment variable TROUPE_TEST__PODS__MAX_COUNT",
            "many",
            "integer",
        ],
    );
    let wrong = read("", &[], &[("pods.orphan-after", "soon")]);
    contains(wrong, &["flag for pods.orphan-after", "\"soon\"", "60s"]);
    let wrong = read("data-dri = 'x'", &[], &[]);
    contains(
        wrong,
        &["example.toml", "data-dri", "unknown key", "`data-dir`"],
    );
    let wrong = read("[pods]\nmax = 3", &[], &[]);
    contains(
        wrong,
        &["example.toml", "pods", "max", "unknown key", "`max-count`"],
    );
    contains(read("data-dir = ", &[], &[]), &["example.toml", "line 1"]);
    let gone = load::<Example>(Some(Path::new("/nonexistent.toml")), "X", [], &[]);
    assert!(gone.unwrap_err().to_string().contains("/nonexistent.toml"));
}
