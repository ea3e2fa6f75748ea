use common::resources::Style;
use serde::Deserialize;

use super::build::Build;
use super::error::BuildError;
use super::place::Place;

#[derive(Deserialize)]
struct Verdict {
    ok: bool,
    handler: Option<String>,
    style: Option<Style>,
    reason: Option<String>,
    message: Option<String>,
    #[serde(default)]
    imports: Vec<String>,
}

/// What a look at the sources found.
pub(super) struct Entry {
    pub(super) handler: String,
    pub(super) style: Style,
    /// Top-level names that the sources import and that are not among them.
    pub(super) imports: Vec<String>,
}

impl Build<'_> {
    /// Finds the entry and parses all files, without running any of them.
    pub(super) async fn check(&self, place: &Place) -> Result<Entry, BuildError> {
        let mut arguments = vec!["-I", "{server}", "--check", "{build}/function"]
            .into_iter()
            .map(ToOwned::to_owned)
            .collect::<Vec<_>>();
        if let Some(handler) = &self.order.handler {
            arguments.extend(["--handler".to_owned(), handler.clone()]);
        }
        if let Some(style) = self.order.style {
            arguments.extend(["--style".to_owned(), style.as_str().to_owned()]);
        }
        let (end, output) = self
            .step(place, "check", &arguments, false, &|_| {})
            .await?;
        let verdict = output
            .lines
            .iter()
            .rev()
            .find_map(|line| serde_json::from_str::<Verdict>(line).ok());
        let Some(verdict) = verdict else {
            let said = output.lines.join(" ");
            return Err(BuildError::Node(format!(
                "check the source: it ended {end:?}: {said}"
            )));
        };
        match (verdict.ok, verdict.handler, verdict.style) {
            (true, Some(handler), Some(style)) => {
                (self.say)(&format!("entry {handler}, style {}", style.as_str()));
                Ok(Entry {
                    handler,
                    style,
                    imports: verdict.imports,
                })
            }
            _ => Err(BuildError::Check {
                reason: verdict.reason.unwrap_or_else(|| "NoEntry".to_owned()),
                message: verdict.message.unwrap_or_default(),
            }),
        }
    }
}
