use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

use reqwest::Method;
use tempfile::TempDir;

use crate::certificates::write_certificates;
use crate::http::tls_client;
use crate::{Http, Process, eventually, free_address};

/// Longest wait for one answer.
const DEADLINE: Duration = Duration::from_secs(30);

/// The bucket that there is.
const BUCKET: &str = "code";

/// It wants to know who writes over an object, and does not look at the signature.
const SIGNED: &str = "AWS4-HMAC-SHA256 Credential=me/20260101/us-east-1/s3/aws4_request, SignedHeaders=host, Signature=0";

/// A real server that speaks S3 (moto's), with one bucket, which it keeps in memory: killed and started again, it has
/// nothing. `TROUPE_TEST_S3_PYTHON` names a Python that has moto.
pub struct S3 {
    /// The program.
    pub process: Process,
    home: TempDir,
    url: String,
    http: Http,
}

impl S3 {
    /// Starts one that speaks plain http.
    #[must_use]
    pub fn start() -> Self {
        Self::with(false)
    }

    /// Starts one with a certificate, which comes from the authority in [`Self::ca_file`].
    #[must_use]
    pub fn start_with_tls() -> Self {
        Self::with(true)
    }

    fn with(tls: bool) -> Self {
        let home = tempfile::Builder::new()
            .prefix("troupe-s3-")
            .tempdir()
            .unwrap();
        let address = free_address();
        let python =
            std::env::var("TROUPE_TEST_S3_PYTHON").unwrap_or_else(|_| "python3".to_owned());
        let url = format!("{}://{address}", if tls { "https" } else { "http" });
        let (http, path) = (client(&url, home.path(), tls), home.path().to_owned());
        let process = Process::start("moto", home.path().join("log"), move || {
            let (host, port) = address.rsplit_once(':').unwrap_or_default();
            let mut command = Command::new(&python);
            command.args(["-m", "moto.server", "-H", host, "-p", port]);
            if tls {
                command.arg("-c").arg(path.join("server.pem"));
                command.arg("-k").arg(path.join("server.key"));
            }
            command
        });
        let mut s3 = Self {
            process,
            home,
            url,
            http,
        };
        s3.wait();
        s3
    }

    fn wait(&mut self) {
        let (process, http) = (&mut self.process, &self.http);
        eventually("moto makes the bucket", || {
            assert!(process.is_running(), "moto ended:\n{}", process.log());
            let made = http.try_send(Method::PUT, &format!("/{BUCKET}"), |request| request)?;
            if made.status == 200 {
                Ok(())
            } else {
                Err(made.text())
            }
        });
    }

    /// Starts it again, with an empty bucket.
    pub fn start_again(&mut self) {
        self.process.start_again();
        self.wait();
    }

    /// `s3://BUCKET`, with a prefix.
    #[must_use]
    pub fn url(&self, prefix: &str) -> String {
        format!("s3://{BUCKET}/{prefix}")
    }

    /// Where it is.
    #[must_use]
    pub fn endpoint(&self) -> String {
        self.url.clone()
    }

    /// The authority of its certificate, where it has one.
    #[must_use]
    pub fn ca_file(&self) -> PathBuf {
        self.home.path().join("ca.pem")
    }

    /// A file with credentials that it takes.
    ///
    /// # Panics
    /// When it cannot be written.
    #[must_use]
    pub fn credentials_file(&self) -> PathBuf {
        let file = self.home.path().join("credentials");
        std::fs::write(
            &file,
            "[default]\naws_access_key_id = me\naws_secret_access_key = mine\n",
        )
        .unwrap();
        file
    }

    /// The names of all objects.
    ///
    /// # Panics
    /// When it does not say.
    #[must_use]
    pub fn objects(&self) -> Vec<String> {
        self.named(&format!("/{BUCKET}?list-type=2"))
    }

    /// The names of uploads that were begun and have not ended.
    ///
    /// # Panics
    /// When it does not say.
    #[must_use]
    pub fn uploads(&self) -> Vec<String> {
        self.named(&format!("/{BUCKET}?uploads"))
    }

    fn named(&self, path: &str) -> Vec<String> {
        let answer = self.http.get(path);
        assert_eq!(answer.status, 200, "{answer:?}");
        let text = answer.text();
        let keys = text.split("<Key>").skip(1);
        keys.filter_map(|rest| Some(rest.split_once("</Key>")?.0.to_owned()))
            .collect()
    }

    /// Puts other bytes under a name.
    ///
    /// # Panics
    /// When it does not take them.
    pub fn spoil(&self, name: &str, bytes: &'static [u8]) {
        let path = format!("/{BUCKET}/{name}");
        let answer = self.http.send(Method::PUT, &path, |request| {
            request.header("authorization", SIGNED).body(bytes)
        });
        assert_eq!(answer.status, 200, "{answer:?}");
    }

    /// From now on it knows nobody's credentials.
    ///
    /// # Panics
    /// When it does not do so.
    pub fn forget_everybody(&self) {
        let answer = self
            .http
            .send(Method::POST, "/moto-api/reset-auth", |request| {
                request.header("content-type", "text/plain").body("0")
            });
        assert_eq!(answer.status, 200, "{answer:?}");
    }
}

/// A client of the server; with TLS it knows the authority whose certificates it writes.
fn client(url: &str, home: &Path, tls: bool) -> Http {
    if !tls {
        return Http::new(url);
    }
    write_certificates(home);
    let pem = std::fs::read_to_string(home.join("ca.pem")).unwrap();
    let client = tls_client(&pem, None).timeout(DEADLINE);
    Http::with(url, client.build().unwrap())
}
