use std::fmt;

use super::platform::Platform;
use crate::settings::Builds as Settings;

/// Variables of the agent's own environment that reach pip.
const PASSED: [&str; 10] = [
    "PIP_INDEX_URL",
    "PIP_EXTRA_INDEX_URL",
    "PIP_FIND_LINKS",
    "PIP_NO_INDEX",
    "PIP_CERT",
    "PIP_TRUSTED_HOST",
    "HTTP_PROXY",
    "HTTPS_PROXY",
    "NO_PROXY",
    "SSL_CERT_FILE",
];

/// In place of an index's address: there is none.
const NO_INDEX: &str = "none";

/// Whether a `requirements.txt` holds something to install.
pub(super) fn has_entries(requirements: &str) -> bool {
    requirements
        .lines()
        .map(str::trim)
        .any(|line| !line.is_empty() && !line.starts_with('#'))
}

/// The environment of every step, with what pip is to know.
pub(super) fn environment(
    settings: &Settings,
    own: impl Iterator<Item = (String, String)>,
) -> Vec<(String, String)> {
    let mut all: Vec<(String, String)> = own
        .filter(|(key, _)| PASSED.iter().any(|passed| passed.eq_ignore_ascii_case(key)))
        .collect();
    let ca = settings.ca_bundle.display().to_string();
    let (index, no_index) = match settings.index_url.as_str() {
        NO_INDEX => ("", "1"),
        url => (url, ""),
    };
    for (key, value) in [
        ("PIP_INDEX_URL", index),
        ("PIP_NO_INDEX", no_index),
        ("PIP_EXTRA_INDEX_URL", &settings.extra_index_url),
        ("PIP_FIND_LINKS", &settings.find_links),
        ("PIP_CERT", &ca),
        ("HTTPS_PROXY", &settings.proxy),
        ("HTTP_PROXY", &settings.proxy),
        ("PATH", "/usr/local/bin:/usr/bin:/bin"),
        ("LANG", "C.UTF-8"),
        ("HOME", "{build}/home"),
        ("TMPDIR", "{build}/home"),
        // The same content gives the same bytes.
        ("PYTHONHASHSEED", "0"),
        ("SOURCE_DATE_EPOCH", "315532800"),
        ("PIP_CONFIG_FILE", "/dev/null"),
    ] {
        if !value.is_empty() {
            all.retain(|(other, _)| !other.eq_ignore_ascii_case(key));
            all.push((key.to_owned(), value.to_owned()));
        }
    }
    all
}

/// The arguments that install the requirements beside the user's files.
pub(super) fn install() -> Vec<String> {
    let words = [
        // Nothing of the user's may stand in for what pip imports.
        "-I",
        "-m",
        "pip",
        "install",
        "--disable-pip-version-check",
        "--no-input",
        "--no-cache-dir",
        "--no-compile",
        "--no-warn-script-location",
        "--progress-bar=off",
        "--retries=2",
        "--root-user-action=ignore",
        "--target={build}/function/site-packages",
        "--requirement={build}/function/requirements.txt",
    ];
    words.map(ToOwned::to_owned).to_vec()
}

/// Another platform than the node's, for which wheels are taken as they are.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Target {
    platform: Platform,
    /// Its architecture, as wheels call it.
    machine: &'static str,
    /// The oldest glibc that wheels were ever made for there, 2.x.
    oldest: u8,
}

/// Wheels for a newer glibc than this, 2.x, are not taken: the node that will run them may be older.
const NEWEST_GLIBC: u8 = 28;

impl Target {
    /// What was ordered, when that is not the node's own platform and there are wheels for it.
    pub(super) fn new(arch: &str, python: &str, own: &Platform) -> Option<Self> {
        if own.serves(arch, python) {
            return None;
        }
        let (machine, oldest) = match arch {
            "amd64" => ("x86_64", 5),
            "arm64" => ("aarch64", 17),
            _ => return None,
        };
        let python = if python.is_empty() {
            &own.python
        } else {
            python
        };
        let platform = Platform {
            arch: arch.to_owned(),
            python: python.to_owned(),
        };
        Some(Self {
            platform,
            machine,
            oldest,
        })
    }

    /// The arguments that choose wheels for it. Markers such as `platform_machine` go by this node.
    pub(super) fn flags(&self) -> Vec<String> {
        let machine = self.machine;
        let glibcs = (self.oldest..=NEWEST_GLIBC).rev();
        let mut flags: Vec<String> = glibcs
            .map(|minor| format!("--platform=manylinux_2_{minor}_{machine}"))
            .collect();
        flags.push(format!("--platform=manylinux2014_{machine}"));
        if self.machine == "x86_64" {
            flags.extend(["2010", "1"].map(|old| format!("--platform=manylinux{old}_{machine}")));
        }
        flags.push(format!("--platform=linux_{machine}"));
        flags.push("--only-binary=:all:".to_owned());
        flags.push("--implementation=cp".to_owned());
        if !self.platform.python.is_empty() {
            flags.push(format!("--python-version={}", self.platform.python));
        }
        flags
    }
}

impl fmt::Display for Target {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.platform.fmt(f)
    }
}

/// Signs in pip's output that another try may succeed.
const NETWORK: [&str; 6] = [
    "NewConnectionError",
    "ConnectTimeoutError",
    "ReadTimeoutError",
    "Temporary failure in name resolution",
    "ProxyError",
    "Connection reset by peer",
];

/// The sign that the index is not whom the node trusts.
const UNTRUSTED: &str = "CERTIFICATE_VERIFY_FAILED";

/// What pip's output says to users, and whether it was the network.
pub(super) fn explain(log: &[String]) -> (String, bool) {
    let transient = log
        .iter()
        .any(|line| NETWORK.iter().any(|sign| line.contains(sign)));
    let errors: Vec<&str> = log
        .iter()
        .map(|line| line.trim())
        .filter(|line| line.starts_with("ERROR:") || line.starts_with("error:"))
        .collect();
    let said = if errors.is_empty() {
        let last = log
            .iter()
            .rev()
            .map(|line| line.trim())
            .find(|line| !line.is_empty());
        last.unwrap_or("pip said nothing").to_owned()
    } else {
        errors.join("; ")
    };
    let untrusted = log.iter().any(|line| line.contains(UNTRUSTED));
    let hint = if untrusted {
        "; the index's certificate is not trusted: name its authority in builds.ca-bundle on the nodes"
    } else {
        ""
    };
    (
        format!("requirements.txt cannot be installed: {said}{hint}"),
        transient,
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn comments_are_no_requirements() {
        assert!(!has_entries("\n# requests\n  \n"));
        assert!(has_entries("# x\nrequests==2.32\n"));
    }

    #[test]
    fn wheels_are_chosen_for_what_was_ordered_and_only_when_it_is_another_platform() {
        let own = Platform {
            arch: "amd64".into(),
            python: "3.11".into(),
        };
        assert_eq!(Target::new("amd64", "3.11", &own), None);
        assert_eq!(Target::new("", "", &own), None);
        assert_eq!(Target::new("riscv64", "3.11", &own), None);
        let arm = Target::new("arm64", "", &own).unwrap().flags();
        assert_eq!(arm[0], "--platform=manylinux_2_28_aarch64");
        assert!(arm.contains(&"--platform=manylinux2014_aarch64".to_owned()));
        assert!(arm.contains(&"--python-version=3.11".to_owned()));
        assert!(!arm.iter().any(|flag| flag.contains("manylinux1_")));
        let newer = Target::new("amd64", "3.13", &own).unwrap();
        assert!(newer.flags().contains(&"--python-version=3.13".to_owned()));
        assert_eq!(newer.to_string(), "amd64 with Python 3.13");
    }

    #[test]
    fn settings_win_over_the_agents_own_environment() {
        let own = [
            ("PIP_INDEX_URL", "own"),
            ("https_proxy", "own"),
            ("SECRET", "own"),
        ];
        let own = own.map(|(key, value)| (key.to_owned(), value.to_owned()));
        let settings = Settings {
            index_url: "set".into(),
            ..Settings::default()
        };
        let all = environment(&settings, own.into_iter());
        let find = |key: &str| all.iter().find(|(k, _)| k == key).map(|(_, v)| v.as_str());
        assert_eq!(find("PIP_INDEX_URL"), Some("set"));
        assert_eq!(find("https_proxy"), Some("own"));
        assert_eq!(find("SECRET"), None);
        let alone = Settings {
            index_url: "none".into(),
            find_links: "/wheels".into(),
            ..Settings::default()
        };
        let all = environment(&alone, std::iter::empty());
        let find = |key: &str| all.iter().find(|(k, _)| k == key).map(|(_, v)| v.as_str());
        assert_eq!(
            (find("PIP_NO_INDEX"), find("PIP_INDEX_URL")),
            (Some("1"), None)
        );
        assert_eq!(find("PIP_FIND_LINKS"), Some("/wheels"));
    }

    #[test]
    fn pips_errors_are_told_and_the_networks_known() {
        let log = |lines: &[&str]| {
            lines
                .iter()
                .map(|line| (*line).to_owned())
                .collect::<Vec<_>>()
        };
        let absent = log(&[
            "Looking",
            "ERROR: No matching distribution found for nosuch",
        ]);
        let (message, transient) = explain(&absent);
        assert!(message.ends_with("ERROR: No matching distribution found for nosuch"));
        assert!(!transient);
        let (_, transient) = explain(&log(&[
            "WARNING: NewConnectionError(..)",
            "ERROR: No match",
        ]));
        assert!(transient);
    }
}
