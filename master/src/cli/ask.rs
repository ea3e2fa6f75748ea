//! Speaking to the master that runs, as its administrator.

use std::path::PathBuf;
use std::time::Duration;

use common::trust::client_config;
use master::house::Admin;
use reqwest::{Client, Method};
use serde::de::DeserializeOwned;
use serde_json::Value;

use super::{Failure, Serve, load};

/// The master whose data directory the settings name.
pub(super) struct Running {
    pub(super) admin: Admin,
}

impl Running {
    pub(super) fn find(serve: &Serve, data_dir: Option<&PathBuf>) -> Result<Self, Failure> {
        let settings = load(serve, data_dir)?;
        let admin = Admin::read(&settings.data_dir)?;
        Ok(Self { admin })
    }

    /// One request; its answer.
    pub(super) fn ask<T: DeserializeOwned>(
        &self,
        method: Method,
        path: &str,
        body: Option<Value>,
    ) -> Result<T, Failure> {
        let server = &self.admin.server;
        let tls = client_config(&self.admin.ca_pem, Some(&self.admin.identity))?;
        actix_web::rt::System::new().block_on(async move {
            let client = Client::builder()
                .use_preconfigured_tls(tls)
                .no_proxy()
                .timeout(Duration::from_secs(10))
                .build()?;
            let mut request = client.request(method, format!("{server}{path}"));
            if let Some(body) = body {
                request = request.json(&body);
            }
            let answer = request
                .send()
                .await
                .map_err(|error| format!("ask the master at {server}; is it running? ({error})"))?;
            let status = answer.status();
            if status.is_success() {
                return Ok(answer.json().await?);
            }
            let text = answer.text().await.unwrap_or_default();
            let said = serde_json::from_str::<Value>(&text).ok();
            let said = said.and_then(|status| status["message"].as_str().map(str::to_owned));
            Err(Failure::from(format!(
                "the master says {status}: {}",
                said.unwrap_or(text)
            )))
        })
    }
}

/// A time as 30m, 24h or 7d, in whole seconds.
pub(super) fn seconds(text: &str) -> Result<u64, Failure> {
    let span: jiff::Span = text
        .parse()
        .map_err(|_| format!("--ttl {text:?}: want a time as 30m, 24h or 7d"))?;
    let relative = jiff::SpanRelativeTo::days_are_24_hours();
    let seconds = span.total((jiff::Unit::Second, relative))?;
    Ok(seconds.max(1.0).round() as u64)
}
