//! Which query language a state speaks.

use super::fields::Fields;

/// A query language.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum QueryLanguage {
    /// Paths and payload templates.
    #[default]
    JsonPath,
    /// `{% … %}`
    Jsonata,
}

/// The machine's language, and the one of what is being read.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct Speaks {
    pub(crate) machine: QueryLanguage,
    pub(crate) here: QueryLanguage,
}

impl Speaks {
    pub(crate) fn jsonata(self) -> bool {
        self.here == QueryLanguage::Jsonata
    }

    /// What states inside a state speak, unless they say otherwise.
    pub(crate) fn inside(self) -> Speaks {
        Speaks {
            here: self.machine,
            ..self
        }
    }
}

/// Reads a machine's `QueryLanguage`.
pub(super) fn of_machine(fields: &mut Fields<'_>) -> Speaks {
    let language = read(fields).unwrap_or_default();
    Speaks {
        machine: language,
        here: language,
    }
}

/// Reads a state's `QueryLanguage`.
pub(crate) fn of_state(fields: &mut Fields<'_>) {
    let Some(language) = read(fields) else {
        return;
    };
    if fields.speaks.machine == QueryLanguage::Jsonata && language == QueryLanguage::JsonPath {
        fields.wrong(
            "QueryLanguage",
            "'QueryLanguage' can not be 'JSONPath' if set to 'JSONata' for whole state machine",
        );
        return;
    }
    fields.speaks.here = language;
}

fn read(fields: &mut Fields<'_>) -> Option<QueryLanguage> {
    match fields.text("QueryLanguage")? {
        "JSONPath" => Some(QueryLanguage::JsonPath),
        "JSONata" => Some(QueryLanguage::Jsonata),
        other => {
            let message =
                format!("'QueryLanguage' must be 'JSONPath' or 'JSONata' but is '{other}'");
            fields.wrong("QueryLanguage", message);
            None
        }
    }
}
