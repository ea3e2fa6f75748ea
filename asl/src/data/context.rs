//! What expressions see.

use std::borrow::Cow;
use std::cell::OnceCell;
use std::sync::Arc;

use indexmap::IndexMap;
use serde_json::Value;

use super::entropy::Entropy;
use super::path::{NothingFound, Path, Root};
use crate::history::Payload;

/// Variables in scope: a branch or iteration begins with a copy of those outside.
pub type Variables = Arc<IndexMap<String, Payload>>;

/// What one evaluation sees beside its data.
pub struct Scope<'a> {
    make_context: Box<dyn Fn() -> Value + 'a>,
    context: OnceCell<Value>,
    variables: &'a IndexMap<String, Payload>,
    entropy: &'a Entropy,
}

impl<'a> Scope<'a> {
    /// A scope; the context object is built when an expression first asks for it.
    pub fn new(
        make_context: impl Fn() -> Value + 'a,
        variables: &'a IndexMap<String, Payload>,
        entropy: &'a Entropy,
    ) -> Self {
        Scope {
            make_context: Box::new(make_context),
            context: OnceCell::new(),
            variables,
            entropy,
        }
    }

    /// `$$`.
    pub fn context(&self) -> &Value {
        self.context.get_or_init(|| (self.make_context)())
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
            Root::Context => path.find_ref(self.context()),
            Root::Variable(name) => match self.variables.get(name) {
                Some(value) => path.find_ref(value),
                None => Err(NothingFound(format!("Variable '{name}' is not defined"))),
            },
        }
    }

    /// What a message shows as "the input" of a path.
    pub(crate) fn shown<'v>(&'v self, path: &Path, input: &'v Value) -> &'v Value {
        match path.root() {
            Root::Context => self.context(),
            _ => input,
        }
    }
}
