use std::path::PathBuf;
use std::time::Duration;

use clap::Args;

use crate::client::{Client, Error, Kubeconfig, Overrides};

/// Options of every command.
#[derive(Args, Clone, Debug, Default)]
#[command(next_help_heading = "Options of every command")]
pub struct Globals {
    /// The kubeconfig file; without it the files of $KUBECONFIG, else ~/.kube/config
    #[arg(long, global = true, value_name = "FILE")]
    pub kubeconfig: Option<PathBuf>,
    /// The kubeconfig's context to use
    #[arg(long, global = true, value_name = "NAME")]
    pub context: Option<String>,
    /// The kubeconfig's cluster to use
    #[arg(long, global = true, value_name = "NAME", hide = true)]
    pub cluster: Option<String>,
    /// The kubeconfig's user to use
    #[arg(long, global = true, value_name = "NAME", hide = true)]
    pub user: Option<String>,
    /// The namespace to work in
    #[arg(short, long, global = true, value_name = "NAME")]
    pub namespace: Option<String>,
    /// The server's URL; several masters' with commas between them
    #[arg(short, long, global = true, value_name = "URL[,URL…]")]
    pub server: Option<String>,
    /// A bearer token instead of the kubeconfig's credentials
    #[arg(long, global = true, hide = true)]
    pub token: Option<String>,
    /// The authority that the server's certificate is checked against
    #[arg(long, global = true, value_name = "FILE", hide = true)]
    pub certificate_authority: Option<PathBuf>,
}

impl Globals {
    /// A client for the server these options lead to.
    ///
    /// # Errors
    /// When they lead to none.
    pub fn connect(&self) -> Result<Client, Error> {
        let environment = std::env::var("KUBECONFIG").ok();
        let home = std::env::var_os("HOME").map(PathBuf::from);
        let config = Kubeconfig::load(
            self.kubeconfig.as_deref(),
            environment.as_deref(),
            home.as_deref(),
        )?;
        let access = config.access(&Overrides {
            kubeconfig: self.kubeconfig.clone(),
            context: self.context.clone(),
            cluster: self.cluster.clone(),
            user: self.user.clone(),
            namespace: self.namespace.clone(),
            server: self.server.clone(),
            token: self.token.clone(),
            certificate_authority: self.certificate_authority.clone(),
        })?;
        Client::new(access)
    }
}

/// Reads `30s`, `2m`, `1h30m`, `500ms`, or seconds alone.
///
/// # Errors
/// When the text is no duration.
pub fn duration(text: &str) -> Result<Duration, String> {
    let want = || format!("found {text:?}, want a duration, as 30s, 2m or 1h30m");
    if let Ok(seconds) = text.parse::<u32>() {
        return Ok(Duration::from_secs(seconds.into()));
    }
    let mut rest = text;
    let mut total = 0.0_f64;
    while !rest.is_empty() {
        let end = rest
            .find(|c: char| !c.is_ascii_digit() && c != '.')
            .ok_or_else(want)?;
        let (number, tail) = rest.split_at(end);
        let number: f64 = number.parse().map_err(|_| want())?;
        let units = [("ms", 0.001), ("s", 1.0), ("m", 60.0), ("h", 3600.0)];
        let (unit, factor) = units
            .into_iter()
            .find(|(unit, _)| tail.starts_with(unit))
            .ok_or_else(want)?;
        total += number * factor;
        rest = tail.strip_prefix(unit).unwrap_or_default();
    }
    let fits = !text.is_empty() && total < 1e9;
    if fits {
        Ok(Duration::from_secs_f64(total))
    } else {
        Err(want())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn durations_as_go_writes_them() {
        for (text, ms) in [
            ("30s", 30_000),
            ("500ms", 500),
            ("1h30m", 5_400_000),
            ("5", 5000),
            ("1.5s", 1500),
            ("0", 0),
        ] {
            assert_eq!(duration(text).map(|d| d.as_millis()), Ok(ms), "{text}");
        }
        for bad in ["", "s", "5x", "-1s", "1e99h", "five"] {
            assert!(duration(bad).is_err(), "{bad}");
        }
    }
}
