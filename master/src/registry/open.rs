use std::path::Path;
use std::sync::Arc;

use common::trust::client_config;
use reqwest::Url;
use rustls::{ClientConfig, RootCertStore};

use super::auth::Credentials;
use super::child::Child;
use super::client::Registry;
use super::container::{Container, Image};
use super::error::RegistryError;
use super::home::OwnRegistry;
use crate::settings::Settings;

/// Certificates of the public authorities, where Debian and its like keep them.
const PUBLIC: &str = "/etc/ssl/certs/ca-certificates.crt";

/// The cluster's registry.
#[derive(Clone)]
pub struct Opened {
    /// Where functions' images go.
    pub registry: Arc<Registry>,
    /// The registry itself, when the master runs it.
    pub own: Option<Arc<dyn OwnRegistry>>,
}

/// Opens the registry that the settings ask for; `None` when there is none.
///
/// # Errors
/// When an external registry is set up wrongly, or the master's own does not come up. That an external
/// one does not answer is no error: it may do so later.
pub async fn open(settings: &Settings) -> Result<Option<Opened>, RegistryError> {
    let access = &settings.registry_access;
    let repository = format!("{}/functions", access.prefix);
    match settings.registry.as_str() {
        "none" => Ok(None),
        "auto" => own(settings, &repository).await,
        url => {
            let registry = external(url, settings, repository)?;
            if let Err(error) = registry.check().await {
                tracing::warn!(url, %error, "the registry does not answer; images are pushed later");
            }
            Ok(Some(Opened {
                registry: Arc::new(registry),
                own: None,
            }))
        }
    }
}

/// This program, whatever has become of its file since it started.
const MASTER: &str = "/proc/self/exe";

/// A registry of the master's own: through Docker where an image of it is at hand, else as a process
/// where its program is installed, else none.
async fn own(settings: &Settings, repository: &str) -> Result<Option<Opened>, RegistryError> {
    let directory = settings.data_dir.join("registry");
    let missing = match Image::find(&settings.own_registry).await {
        Err(missing) => missing,
        Ok(image) => match Container::start(image, &directory).await {
            Ok(container) => {
                tracing::info!(
                    image = settings.own_registry.image,
                    "the registry is a container"
                );
                return Ok(Some(Opened {
                    registry: Arc::new(container.registry(repository)?),
                    own: Some(Arc::new(container)),
                }));
            }
            Err(error) => crate::explain(&error),
        },
    };
    let Some(program) = Child::program() else {
        tracing::info!(
            docker = missing,
            "no image of a registry and no docker-registry on this machine: nodes take layers from the master"
        );
        return Ok(None);
    };
    tracing::info!(docker = missing, "the registry is a process");
    let child = Child::start(Path::new(MASTER), &program, &directory).await?;
    Ok(Some(Opened {
        registry: Arc::new(child.registry(repository)?),
        own: Some(Arc::new(child)),
    }))
}

fn external(url: &str, settings: &Settings, repository: String) -> Result<Registry, RegistryError> {
    let access = &settings.registry_access;
    let mut base = Url::parse(url).map_err(|error| RegistryError::Answer {
        action: "find the registry",
        registry: url.to_owned(),
        status: 0,
        said: error.to_string(),
    })?;
    if !base.path().ends_with('/') {
        base.set_path(&format!("{}/", base.path()));
    }
    let password = match access.password_file.as_os_str().is_empty() {
        true => String::new(),
        false => read(&access.password_file)?
            .trim_end_matches(['\r', '\n'])
            .to_owned(),
    };
    let ca = match access.ca_file.as_os_str().is_empty() {
        true => Path::new(PUBLIC),
        false => &access.ca_file,
    };
    let mut client = Registry::client();
    if base.scheme() == "https" {
        client = client.use_preconfigured_tls(client_config(&read(ca)?, None)?);
    } else {
        client = client.use_preconfigured_tls(trusts_nobody()?);
    }
    let http = client.build().map_err(RegistryError::Client)?;
    let credentials = Credentials {
        username: access.username.clone(),
        password,
    };
    Ok(Registry::new(http, base, repository, credentials))
}

/// For ways that need no TLS: nothing may be fetched by it either.
pub(super) fn trusts_nobody() -> Result<ClientConfig, RegistryError> {
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let builder =
        ClientConfig::builder_with_provider(provider).with_safe_default_protocol_versions();
    let builder = builder.map_err(common::trust::Error::from)?;
    Ok(builder
        .with_root_certificates(RootCertStore::empty())
        .with_no_client_auth())
}

fn read(path: &Path) -> Result<String, RegistryError> {
    std::fs::read_to_string(path).map_err(|source| RegistryError::File {
        path: path.to_owned(),
        source,
    })
}
