//! A registry that others run: with TLS, a password, and sometimes not at all.

use std::path::Path;
use std::process::{Child as Process, Command, Stdio};
use std::time::Duration;

use common::digest::Digest;
use common::trust::{Authority, install_crypto};
use jiff::Timestamp;
use master::images::image_store;
use master::registry::{Child, Item, Opened, RegistryError, open};
use master::settings::{RegistryAccess, Settings};

use super::image;

/// The password "secret" of the user "me".
const HTPASSWD: &str = "me:$2b$04$h4/MjGf3inxGag3tJIM3v.aKWhNZDKKHt1dZOLEg2JUHfJRp/blqS\n";

struct External {
    process: Process,
    directory: tempfile::TempDir,
    port: u16,
}

impl Drop for External {
    fn drop(&mut self) {
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

impl External {
    async fn start() -> Self {
        install_crypto();
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path();
        let authority = Authority::load_or_create(&path.join("ca"), Timestamp::now()).unwrap();
        let identity = authority
            .issue_server(&["127.0.0.1".to_owned()], Timestamp::now())
            .unwrap();
        std::fs::write(path.join("cert.pem"), &identity.cert_pem).unwrap();
        std::fs::write(path.join("key.pem"), &identity.key_pem).unwrap();
        std::fs::write(path.join("ca.pem"), authority.ca_pem()).unwrap();
        std::fs::write(path.join("htpasswd"), HTPASSWD).unwrap();
        std::fs::write(path.join("password"), "secret\n").unwrap();
        std::fs::write(path.join("wrong"), "guess\n").unwrap();
        let port = std::net::TcpListener::bind("127.0.0.1:0")
            .unwrap()
            .local_addr()
            .unwrap()
            .port();
        let config = format!(
            "version: 0.1
storage: {{ filesystem: {{ rootdirectory: data }}, delete: {{ enabled: true }} }}
auth: {{ htpasswd: {{ realm: test, path: htpasswd }} }}
http: {{ addr: '127.0.0.1:{port}', tls: {{ certificate: cert.pem, key: key.pem }} }}
"
        );
        std::fs::write(path.join("config.yml"), config).unwrap();
        let program = Child::program().expect("install the package docker-registry");
        let process = Command::new(program)
            .args(["serve", "config.yml"])
            .current_dir(path)
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .unwrap();
        for _ in 0..500 {
            if std::net::TcpStream::connect(("127.0.0.1", port)).is_ok() {
                break;
            }
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
        Self {
            process,
            directory,
            port,
        }
    }

    fn file(&self, name: &str) -> std::path::PathBuf {
        self.directory.path().join(name)
    }

    async fn open(&self, password: &str, ca: &Path) -> Opened {
        let settings = Settings {
            registry: format!("https://127.0.0.1:{}", self.port),
            registry_access: RegistryAccess {
                username: "me".to_owned(),
                password_file: self.file(password),
                ca_file: ca.to_owned(),
                prefix: "team/troupe".to_owned(),
            },
            ..Settings::default()
        };
        open(&settings.complete().unwrap()).await.unwrap().unwrap()
    }
}

#[tokio::test]
async fn an_external_registry_takes_images_by_tls_and_password() {
    let external = External::start().await;
    let opened = external.open("password", &external.file("ca.pem")).await;
    let registry = std::sync::Arc::clone(&opened.registry);
    let images = image_store(Some(opened));
    let one = image(external.directory.path(), "one");
    let reference = images.publish(&one).await.unwrap().unwrap();
    assert!(
        reference.starts_with("team/troupe/functions@sha256:"),
        "{reference}"
    );
    let index = Digest::of(&one.index);
    assert_eq!(registry.manifest(&index).await.unwrap().unwrap(), one.index);
    images.forget(&[index]).await.unwrap();
    assert_eq!(registry.manifest(&index).await.unwrap(), None);
}

#[tokio::test]
async fn wrong_credentials_a_wrong_authority_and_no_registry_say_so() {
    let external = External::start().await;
    let look = async |opened: Opened| {
        let looked = opened.registry.has(Item::Blob, &Digest::of(b"x")).await;
        looked.unwrap_err()
    };
    let denied = look(external.open("wrong", &external.file("ca.pem")).await).await;
    assert!(matches!(denied, RegistryError::Denied { .. }), "{denied}");
    assert!(
        denied.to_string().contains("registry-access.password-file"),
        "{denied}"
    );
    let other = tempfile::tempdir().unwrap();
    let authority = Authority::load_or_create(other.path(), Timestamp::now()).unwrap();
    let ca = other.path().join("other.pem");
    std::fs::write(&ca, authority.ca_pem()).unwrap();
    let distrusted = look(external.open("password", &ca).await).await;
    let mut text = String::new();
    let mut cause: Option<&dyn std::error::Error> = Some(&distrusted);
    while let Some(error) = cause {
        text.push_str(&format!("{error}; "));
        cause = error.source();
    }
    assert!(text.contains("certificate"), "{text}");
    let opened = external.open("password", &external.file("ca.pem")).await;
    drop(external);
    let down = look(opened).await;
    assert!(matches!(down, RegistryError::Unreachable { .. }), "{down}");
}
