use super::build::{Build, succeeded};
use super::error::BuildError;
use super::files::read_small;
use super::pip;
use super::place::Place;

use super::step::Output;
use crate::runtime::StepEnd;

const TIDY: &str = include_str!("tidy.py");

/// What the installed requirements are good for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Serves {
    /// The platform that was ordered.
    Ordered,
    /// This node's platform.
    Own,
}

impl Build<'_> {
    /// Installs the requirements beside the user's files. For another platform than the node's,
    /// wheels are taken as they are; what has none is built here, which does when it is pure.
    pub(super) async fn install(&self, place: &Place) -> Result<Serves, BuildError> {
        let path = place.function().join("requirements.txt");
        let wanted = read_small(&path).is_some_and(|text| pip::has_entries(&text));
        if !wanted {
            return Ok(Serves::Own);
        }
        self.check_pip(place).await?;
        let own = self.own_platform();
        if let Some(target) = pip::Target::new(&self.order.arch, &self.order.python, &own) {
            let (end, output) = self.pip(place, "wheels", &target.flags()).await?;
            if succeeded(end) {
                self.tidy(place).await?;
                return Ok(Serves::Ordered);
            }
            let (message, transient) = pip::explain(&output.lines);
            if transient {
                return Err(BuildError::Requirements { message, transient });
            }
            let text = "not all requirements have wheels for {}; building them on this node";
            (self.say)(&text.replace("{}", &target.to_string()));
        }
        let (end, output) = self.pip(place, "pip", &[]).await?;
        if !succeeded(end) {
            let (message, transient) = pip::explain(&output.lines);
            return Err(BuildError::Requirements { message, transient });
        }
        self.tidy(place).await?;
        Ok(Serves::Own)
    }

    /// Installs the requirements from wheels alone: nothing of them runs.
    pub(super) async fn install_wheels(&self, place: &Place) -> Result<(), BuildError> {
        self.check_pip(place).await?;
        let flags = ["--only-binary=:all:".to_owned()];
        let (end, output) = self.pip(place, "wheels", &flags).await?;
        if !succeeded(end) {
            let (message, transient) = pip::explain(&output.lines);
            return Err(BuildError::Requirements { message, transient });
        }
        self.tidy(place).await
    }

    async fn check_pip(&self, place: &Place) -> Result<(), BuildError> {
        let version = ["-I", "-m", "pip", "--version"].map(ToOwned::to_owned);
        let (end, output) = self
            .step(place, "pip-version", &version, false, &|_| {})
            .await?;
        if succeeded(end) {
            return Ok(());
        }
        let said = output.lines.last().map(String::as_str).unwrap_or_default();
        let message = format!(
            "requirements.txt cannot be installed: this node's Python has no pip ({said}); \
             install python3-pip there, or set process.python to one that has it"
        );
        Err(BuildError::Requirements {
            message,
            transient: false,
        })
    }

    async fn pip(
        &self,
        place: &Place,
        name: &'static str,
        flags: &[String],
    ) -> Result<(StepEnd, Output), BuildError> {
        let mut arguments = pip::install();
        arguments.extend_from_slice(flags);
        self.step(place, name, &arguments, true, self.say).await
    }

    /// As the build's user too: what packages left there may be links to anywhere.
    async fn tidy(&self, place: &Place) -> Result<(), BuildError> {
        let arguments = ["-I", "-c", TIDY, "{build}/function/site-packages"].map(ToOwned::to_owned);
        let (end, output) = self.step(place, "tidy", &arguments, false, &|_| {}).await?;
        if succeeded(end) {
            return Ok(());
        }
        let said = output.lines.join(" ");
        Err(BuildError::Node(format!("tidy up requirements: {said}")))
    }
}
