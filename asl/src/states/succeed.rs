//! Succeed: ends its machine.

use serde_json::Value;

use super::io::{Has, InputOutput};
use crate::data::context::Scope;
use crate::failure::Failure;
use crate::program::fields::Fields;

/// A Succeed state.
#[derive(Debug, Clone, PartialEq)]
pub struct Succeed {
    /// Its data fields.
    pub io: InputOutput,
}

impl Succeed {
    pub(super) fn parse(fields: &mut Fields<'_>) -> Succeed {
        Succeed {
            io: InputOutput::parse(fields, Has::Paths),
        }
    }

    pub(crate) fn evaluate(&self, raw: &Value, scope: &Scope<'_>) -> Result<Value, Failure> {
        if self.io.is_query() {
            return self
                .io
                .finish(raw, raw.clone(), scope)
                .map(|(output, _)| output);
        }
        let selected = self.io.input_path.select(raw, scope)?;
        Ok(self.io.output_path.select(&selected, scope)?.into_owned())
    }
}
