//! What an operator says of the object store.

use std::path::PathBuf;

use reqwest::Url;
use serde::Deserialize;

use crate::store::etcd::is_loopback;

/// How the object store is used, with `blobs = "s3://…"`.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case", default)]
pub struct S3Settings {
    /// The store's URL. Empty: AWS's of the region.
    pub endpoint: String,
    /// The bucket's region.
    pub region: String,
    /// The file with the credentials, as AWS's own tools read it. Empty: the environment, or the machine's role.
    pub credentials_file: PathBuf,
    /// The profile in that file.
    pub profile: String,
    /// The certificates (PEM) that the store's must come from. Empty: the public authorities.
    pub ca_file: PathBuf,
    /// Whether plain http may be spoken with another machine.
    pub allow_http: bool,
}

impl Default for S3Settings {
    fn default() -> Self {
        Self {
            endpoint: String::new(),
            region: "us-east-1".to_owned(),
            credentials_file: PathBuf::new(),
            profile: "default".to_owned(),
            ca_file: PathBuf::new(),
            allow_http: false,
        }
    }
}

/// A bucket, and how to be let in.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct BucketTarget {
    /// The store's URL.
    pub endpoint: Url,
    /// The bucket's region.
    pub region: String,
    /// The bucket's name.
    pub bucket: String,
    /// What the blobs' names begin with, without slashes at the ends; may be empty.
    pub prefix: String,
    /// The file with the credentials, and the profile in it.
    pub credentials: Option<(PathBuf, String)>,
    /// PEM file of the authority that the store's certificate comes from.
    pub ca_file: Option<PathBuf>,
}

/// A setting that cannot be used: its key, what was found, what is wanted.
pub type Refused = (&'static str, String, &'static str);

impl S3Settings {
    /// The bucket that `blobs` names; `None` when it names none.
    ///
    /// # Errors
    /// The key, what was found and what is wanted, of a setting that cannot be used.
    pub fn target(&self, blobs: &str) -> Result<Option<BucketTarget>, Refused> {
        let Some(name) = blobs.strip_prefix("s3://") else {
            return Ok(None);
        };
        let (bucket, prefix) = name.split_once('/').unwrap_or((name, ""));
        let prefix = prefix.trim_end_matches('/');
        let parts = || prefix.split('/');
        let odd = |part: &str| matches!(part, "" | "." | "..");
        if !is_bucket(bucket) || !prefix.is_empty() && parts().any(odd) {
            return Err((
                "blobs",
                blobs.to_owned(),
                "s3://BUCKET or s3://BUCKET/PREFIX",
            ));
        }
        let region = &self.region;
        let plain = |b: u8| b.is_ascii_alphanumeric() || b == b'-';
        if region.is_empty() || !region.bytes().all(plain) {
            let want = "the bucket's region, as eu-central-1; us-east-1 where the store knows none";
            return Err(("s3.region", region.clone(), want));
        }
        let text = match self.endpoint.as_str() {
            "" => format!("https://s3.{region}.amazonaws.com"),
            endpoint => endpoint.to_owned(),
        };
        Ok(Some(BucketTarget {
            endpoint: self.endpoint(&text)?,
            region: region.clone(),
            bucket: bucket.to_owned(),
            prefix: prefix.to_owned(),
            credentials: given(&self.credentials_file).map(|file| (file, self.profile.clone())),
            ca_file: given(&self.ca_file),
        }))
    }

    fn endpoint(&self, text: &str) -> Result<Url, Refused> {
        let refused = |want| ("s3.endpoint", text.to_owned(), want);
        let want = "a URL as https://s3.lan:9000";
        let url = Url::parse(text).map_err(|_| refused(want))?;
        let host = url.host_str().unwrap_or_default();
        if host.is_empty() || !url.username().is_empty() || url.query().is_some() {
            return Err(refused(want));
        }
        let near = self.allow_http || is_loopback(&format!("{host}:0"));
        match url.scheme() {
            "https" => Ok(url),
            "http" if near => Ok(url),
            "http" => Err(refused(
                "https, since people's code may not travel in the clear; or set s3.allow-http",
            )),
            _ => Err(refused(want)),
        }
    }
}

fn given(path: &std::path::Path) -> Option<PathBuf> {
    (!path.as_os_str().is_empty()).then(|| path.to_owned())
}

fn is_bucket(name: &str) -> bool {
    let plain = |b: u8| b.is_ascii_alphanumeric() || b"._-".contains(&b);
    (3..=63).contains(&name.len()) && name.bytes().all(plain) && !name.contains("..")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_bucket_is_named_with_a_prefix_or_without() {
        let settings = S3Settings::default();
        let named = |blobs| {
            let target = settings.target(blobs)?;
            Ok::<_, Refused>(target.map(|t| (t.bucket, t.prefix)))
        };
        let is = |bucket: &str, prefix: &str| Ok(Some((bucket.to_owned(), prefix.to_owned())));
        assert_eq!(named("/mnt/troupe"), Ok(None));
        assert_eq!(named("s3://code"), is("code", ""));
        assert_eq!(named("s3://code/"), is("code", ""));
        assert_eq!(named("s3://code/a/b/"), is("code", "a/b"));
        for bad in [
            "s3://",
            "s3:///a",
            "s3://a b",
            "s3://code//a",
            "s3://code/../a",
            "s3://me@code",
        ] {
            assert_eq!(named(bad).unwrap_err().0, "blobs", "{bad}");
        }
    }

    #[test]
    fn code_does_not_travel_in_the_clear_unless_somebody_says_so() {
        let with = |endpoint: &str, allow_http| {
            let settings = S3Settings {
                endpoint: endpoint.to_owned(),
                allow_http,
                ..S3Settings::default()
            };
            let target = settings.target("s3://code");
            target
                .map(|t| t.unwrap().endpoint.to_string())
                .map_err(|refused| refused.0)
        };
        assert_eq!(
            with("", false).unwrap(),
            "https://s3.us-east-1.amazonaws.com/"
        );
        assert!(with("https://s3.lan:9000", false).is_ok());
        assert!(with("http://127.0.0.1:9000", false).is_ok());
        assert!(with("http://[::1]:9000", false).is_ok());
        assert!(with("http://s3.lan:9000", true).is_ok());
        for bad in [
            "http://s3.lan:9000",
            "s3.lan:9000",
            "ftp://s3.lan",
            "https://me@s3.lan",
            "https://",
        ] {
            assert_eq!(with(bad, false).unwrap_err(), "s3.endpoint", "{bad}");
        }
    }
}
