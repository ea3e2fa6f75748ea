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

/// What is wrong with a `requirements.txt` that holds nothing to install.
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
    for (key, value) in [
        ("PIP_INDEX_URL", settings.index_url.as_str()),
        ("PIP_EXTRA_INDEX_URL", &settings.extra_index_url),
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

/// Signs in pip's output that another try may succeed.
const NETWORK: [&str; 6] = [
    "NewConnectionError",
    "ConnectTimeoutError",
    "ReadTimeoutError",
    "Temporary failure in name resolution",
    "ProxyError",
    "Connection reset by peer",
];

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
    (
        format!("requirements.txt cannot be installed: {said}"),
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
