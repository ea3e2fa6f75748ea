//! Which objects a list or watch is about. Pure.

mod field;
mod label;

use serde_json::Value;

pub(super) use field::FieldSelector;
pub(super) use label::LabelSelector;

use super::ApiError;
use super::request::Options;
use common::resources::Kind;

/// Both selectors of a request.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Selector {
    labels: LabelSelector,
    fields: FieldSelector,
}

impl Selector {
    pub(super) fn parse(kind: &Kind, options: &Options) -> Result<Self, ApiError> {
        Ok(Self {
            labels: LabelSelector::parse(&options.label_selector).map_err(ApiError::bad_request)?,
            fields: FieldSelector::parse(kind, &options.field_selector)
                .map_err(ApiError::bad_request)?,
        })
    }

    pub(super) fn is_empty(&self) -> bool {
        self.labels.is_empty() && self.fields.is_empty()
    }

    pub(super) fn matches(&self, object: &Value) -> bool {
        self.fields.matches(object) && self.labels.matches(&object["metadata"]["labels"])
    }

    /// The one name that can match, if there is only one.
    pub(super) fn name(&self) -> Option<&str> {
        self.fields.name()
    }

    /// Also only this name.
    pub(super) fn only_name(&mut self, name: &str) {
        self.fields.require("metadata.name", name);
    }
}
