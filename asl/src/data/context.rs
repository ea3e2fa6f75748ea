//! What expressions see.

use std::borrow::Cow;
use std::cell::OnceCell;
use std::sync::Arc;

use indexmap::IndexMap;
use jiff::Timestamp;
use serde_json::Value;

use super::context_object::ContextObject;
use super::path::{NothingFound, Path, Root, Segment};
use crate::entropy::Entropy;
use crate::history::Payload;
use crate::jsonata::{self, Budget, Expression, Item};

/// Variables in scope: a branch or iteration begins with a copy of those outside.
pub type Variables = Arc<IndexMap<String, Payload>>;

/// What one evaluation sees beside its data.
pub struct Scope<'a> {
    context: ContextObject<'a>,
    /// The context object without the execution's input, and with it: the input may be large, and few paths ask for it.
    light: OnceCell<Value>,
    full: OnceCell<Value>,
    variables: &'a IndexMap<String, Payload>,
    entropy: &'a Entropy,
    now: Timestamp,
    budget: Budget,
    input: Option<&'a Value>,
    result: Option<&'a Value>,
    error: Option<&'a Value>,
}

impl<'a> Scope<'a> {
    /// A scope; the context object is built when an expression first asks for it.
    pub fn new(
        context: ContextObject<'a>,
        variables: &'a IndexMap<String, Payload>,
        entropy: &'a Entropy,
        now: Timestamp,
    ) -> Self {
        Scope {
            context,
            light: OnceCell::new(),
            full: OnceCell::new(),
            variables,
            entropy,
            now,
            budget: Budget::default(),
            input: None,
            result: None,
            error: None,
        }
    }

    /// The same with other bounds for JSONata.
    pub fn with_budget(self, budget: Budget) -> Self {
        Scope { budget, ..self }
    }

    /// The same with `$states.input`.
    pub fn with_input(self, input: &'a Value) -> Self {
        Scope {
            input: Some(input),
            ..self
        }
    }

    /// The same with `$states.result`.
    pub fn with_result(self, result: &'a Value) -> Self {
        Scope {
            result: Some(result),
            ..self
        }
    }

    /// The same with `$states.errorOutput`.
    pub fn with_error(self, error: &'a Value) -> Self {
        Scope {
            error: Some(error),
            ..self
        }
    }

    /// `$$`.
    pub fn context(&self) -> &Value {
        self.full.get_or_init(|| self.context.to_json(true))
    }

    /// The randomness.
    pub fn entropy(&self) -> &Entropy {
        self.entropy
    }

    /// Follows a path; `input` is what `$` means.
    pub fn find<'v>(
        &'v self,
        path: &Path,
        input: &'v Value,
    ) -> Result<Cow<'v, Value>, NothingFound> {
        match path.root() {
            Root::Input => path.find_ref(input),
            Root::Context => self.find_in_context(path),
            Root::Variable(name) => match self.variables.get(name) {
                Some(value) => path.find_ref(value),
                None => Err(NothingFound(format!("Variable '{name}' is not defined"))),
            },
        }
    }

    fn find_in_context<'v>(&'v self, path: &Path) -> Result<Cow<'v, Value>, NothingFound> {
        let key = |index: usize| match path.segments().get(index) {
            Some(Segment::Key(key)) => Some(key.as_str()),
            _ => None,
        };
        match (key(0), key(1)) {
            (Some("Execution"), Some("Input")) => {
                let found = self
                    .context
                    .input()
                    .and_then(|input| path.beyond(2).find_ref(input).ok());
                // If there is nothing, the search through the whole says so in the right words.
                found.map_or_else(|| path.find_ref(self.context()), Ok)
            }
            (Some("Execution"), None) | (None, _) => path.find_ref(self.context()),
            _ => path.find_ref(self.light.get_or_init(|| self.context.to_json(false))),
        }
    }

    /// Evaluates a JSONata expression; none is undefined.
    pub(crate) fn query<'s>(
        &'s self,
        expression: &'s Expression,
    ) -> Result<Option<Value>, jsonata::Error> {
        let variable = |name: &str| match name {
            "states" => Some(self.states()),
            name => self.variables.get(name).map(|value| Item::from(&**value)),
        };
        expression.evaluate(jsonata::World {
            variable: &variable,
            now: self.now,
            entropy: self.entropy,
            budget: self.budget,
        })
    }

    /// `$states`
    fn states(&self) -> Item<'_> {
        let optional = |value: Option<&'a Value>| value.map_or(Item::Undefined, Item::from);
        Item::object([
            ("input", optional(self.input)),
            ("result", optional(self.result)),
            ("errorOutput", optional(self.error)),
            ("context", self.context.item(true)),
        ])
    }

    /// What a message shows as "the input" of a path.
    pub(crate) fn shown<'v>(&'v self, path: &Path, input: &'v Value) -> &'v Value {
        match path.root() {
            Root::Context => self.context(),
            _ => input,
        }
    }
}
