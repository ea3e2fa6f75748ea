//! Pass: hands its input on, or a fixed result.

use indexmap::IndexMap;
use serde_json::Value;

use super::Transition;
use super::io::{Has, InputOutput};
use crate::data::context::Scope;
use crate::failure::Failure;
use crate::history::Payload;
use crate::program::fields::Fields;

/// A Pass state.
#[derive(Debug, Clone, PartialEq)]
pub struct Pass {
    /// Its data fields.
    pub io: InputOutput,
    /// `Result`.
    pub result: Option<Value>,
    /// Where it leads.
    pub transition: Transition,
}

impl Pass {
    pub(super) fn parse(fields: &mut Fields<'_>) -> Pass {
        Pass {
            io: InputOutput::parse(fields, Has::Result),
            result: if fields.speaks.jsonata() {
                None
            } else {
                fields.get("Result").cloned()
            },
            transition: Transition::parse(fields),
        }
    }

    pub(crate) fn evaluate(
        &self,
        raw: &Value,
        scope: &Scope<'_>,
    ) -> Result<(Value, IndexMap<String, Payload>), Failure> {
        let result = match &self.result {
            Some(result) => result.clone(),
            None => self.io.effective_input(raw, scope)?.into_owned(),
        };
        self.io.finish(raw, result, scope)
    }
}
