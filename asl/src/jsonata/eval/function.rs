//! Functions as values, and how they are called.

use std::rc::Rc;
use std::sync::Arc;

use super::super::error::{Error, not_a_function};
use super::super::functions::Native;
use super::super::regex::Pattern;
use super::super::syntax::ast::{Kind, Lambda, Node, Transform};
use super::super::value::Item;
use super::frame::Frame;
use super::{Evaluator, Result, operator};

/// A function.
pub(crate) enum Function<'a> {
    /// Of the library.
    Native(&'static Native),
    /// Written in the expression, with the variables around it.
    Lambda {
        lambda: &'a Arc<Lambda>,
        frame: Rc<Frame<'a>>,
        input: Item<'a>,
    },
    /// Another one with some arguments given; the others are still open.
    Partial {
        function: Rc<Function<'a>>,
        given: Vec<Option<Item<'a>>>,
    },
    /// One after another: `$f ~> $g`.
    Chain(Rc<Function<'a>>, Rc<Function<'a>>),
    /// `/…/`: finds the first match.
    Regex(&'a Arc<Pattern>),
    /// `|…|…|`
    Transform {
        transform: &'a Arc<Transform>,
        frame: Rc<Frame<'a>>,
    },
}

/// What a body comes to: a value, or one more call in the last place, which needs no room of its own.
enum Tail<'a> {
    Done(Item<'a>),
    Call(Rc<Function<'a>>, Vec<Item<'a>>, Item<'a>),
}

impl Function<'_> {
    /// How deeply it is nested in functions and values that it holds itself; frames are taken apart separately.
    pub(crate) fn depth(&self) -> u16 {
        let inner = match self {
            Function::Lambda { input, .. } => input.depth(),
            Function::Partial { function, given } => {
                let given = given.iter().flatten().map(Item::depth).max();
                function.depth().max(given.unwrap_or(0))
            }
            Function::Chain(first, second) => first.depth().max(second.depth()),
            Function::Native(_) | Function::Regex(_) | Function::Transform { .. } => return 0,
        };
        inner.saturating_add(1)
    }

    /// How many parameters it has; callbacks get no more arguments than that.
    pub(crate) fn arity(&self) -> usize {
        match self {
            Function::Native(native) => native.arity(),
            Function::Lambda { lambda, .. } => lambda.parameters.len(),
            Function::Partial { given, .. } => given.iter().filter(|g| g.is_none()).count(),
            Function::Chain(..) | Function::Regex(_) | Function::Transform { .. } => 1,
        }
    }
}

impl<'a> Evaluator<'a> {
    /// `f(…)`; with `first`, that is the first argument: `x ~> f(…)`.
    pub(super) fn call(
        &self,
        procedure: &'a Node,
        arguments: &'a [Node],
        first: Option<Item<'a>>,
        input: &Item<'a>,
        frame: &Rc<Frame<'a>>,
    ) -> Result<Item<'a>> {
        let function = self.callee(procedure, input, frame)?;
        let mut values = Vec::with_capacity(arguments.len() + 1);
        values.extend(first);
        for argument in arguments {
            values.push(self.evaluate(argument, input, frame)?);
        }
        self.apply(&function, values, input)
    }

    fn callee(
        &self,
        procedure: &'a Node,
        input: &Item<'a>,
        frame: &Rc<Frame<'a>>,
    ) -> Result<Rc<Function<'a>>> {
        match self.evaluate(procedure, input, frame)? {
            Item::Function(function) => Ok(function),
            Item::Undefined => {
                Err(forgotten_dollar(procedure, "T1005", "invoke").unwrap_or_else(not_a_function))
            }
            _ => Err(not_a_function()),
        }
    }

    pub(super) fn partial(
        &self,
        procedure: &'a Node,
        arguments: &'a [Node],
        input: &Item<'a>,
        frame: &Rc<Frame<'a>>,
    ) -> Result<Item<'a>> {
        let function = match self.evaluate(procedure, input, frame)? {
            Item::Function(function) => function,
            _ => {
                return Err(forgotten_dollar(procedure, "T1007", "partially apply")
                    .unwrap_or_else(|| {
                        Error::new("T1008", "Attempted to partially apply a non-function")
                    }));
            }
        };
        let mut given = Vec::with_capacity(arguments.len());
        for argument in arguments {
            given.push(match argument.kind {
                Kind::Placeholder => None,
                _ => Some(self.evaluate(argument, input, frame)?),
            });
        }
        self.function(Function::Partial { function, given })
    }

    /// `left ~> right`
    pub(super) fn chain(
        &self,
        left: &'a Node,
        right: &'a Node,
        input: &Item<'a>,
        frame: &Rc<Frame<'a>>,
    ) -> Result<Item<'a>> {
        let first = self.evaluate(left, input, frame)?;
        // What stands behind the call is not looked at, as in the reference.
        if let Kind::Call {
            procedure,
            arguments,
        } = &right.kind
        {
            return self.call(procedure, arguments, Some(first), input, frame);
        }
        let Item::Function(second) = self.evaluate(right, input, frame)? else {
            return Err(Error::new(
                "T2006",
                "The right side of the function application operator ~> must be a function",
            ));
        };
        match first {
            Item::Function(first) => self.function(Function::Chain(first, second)),
            value => self.apply(&second, vec![value], &Item::Undefined),
        }
    }

    /// Calls a function. Calls in the last place of a body follow one another without going deeper.
    pub(crate) fn apply(
        &self,
        function: &Rc<Function<'a>>,
        arguments: Vec<Item<'a>>,
        input: &Item<'a>,
    ) -> Result<Item<'a>> {
        stacker::maybe_grow(96 << 10, 1 << 20, || {
            let mut next = self.apply_once(function, arguments, input)?;
            loop {
                match next {
                    Tail::Done(item) => return Ok(item),
                    Tail::Call(function, arguments, input) => {
                        next = self.apply_once(&function, arguments, &input)?;
                    }
                }
            }
        })
    }

    fn apply_once(
        &self,
        function: &Rc<Function<'a>>,
        arguments: Vec<Item<'a>>,
        input: &Item<'a>,
    ) -> Result<Tail<'a>> {
        self.purse.work(1)?;
        Ok(Tail::Done(match &**function {
            Function::Native(native) => {
                let arguments = self.fitted(native.name, native.signature(), arguments, input)?;
                self.purse.descend()?;
                let result = (native.call)(self, &arguments);
                self.purse.ascend();
                result?
            }
            Function::Lambda {
                lambda,
                frame,
                input: own,
            } => {
                let arguments = match &lambda.signature {
                    Some(signature) => self.fitted("", signature, arguments, input)?,
                    None => arguments,
                };
                let inner = Frame::inside(frame);
                let mut arguments = arguments.into_iter();
                for parameter in &lambda.parameters {
                    inner.bind(parameter, arguments.next().unwrap_or(Item::Undefined));
                }
                return self.tail(&lambda.body, own, &inner);
            }
            Function::Partial { function, given } => {
                let mut open = arguments.into_iter();
                let all = given
                    .iter()
                    .map(|given| {
                        given
                            .clone()
                            .or_else(|| open.next())
                            .unwrap_or(Item::Undefined)
                    })
                    .collect();
                return Ok(Tail::Call(Rc::clone(function), all, input.clone()));
            }
            Function::Chain(first, second) => {
                self.purse.descend()?;
                let between = self.apply(first, arguments, &Item::Undefined);
                self.purse.ascend();
                let between = between?;
                return Ok(Tail::Call(
                    Rc::clone(second),
                    vec![between],
                    Item::Undefined,
                ));
            }
            Function::Regex(pattern) => self.first_match(pattern, arguments.first())?,
            Function::Transform { transform, frame } => {
                let object = arguments.into_iter().next().unwrap_or(Item::Undefined);
                self.transform(transform, &object, frame)?
            }
        }))
    }

    /// Evaluates a body up to a call in its last place.
    fn tail(&self, node: &'a Node, input: &Item<'a>, frame: &Rc<Frame<'a>>) -> Result<Tail<'a>> {
        if !node.stages.is_empty() || node.group.is_some() || node.keep_array {
            return self.evaluate(node, input, frame).map(Tail::Done);
        }
        match &node.kind {
            Kind::Condition(test, then, otherwise) => {
                let holds = operator::truth(&self.evaluate(test, input, frame)?);
                match (holds, otherwise) {
                    (true, _) => self.tail(then, input, frame),
                    (false, Some(otherwise)) => self.tail(otherwise, input, frame),
                    (false, None) => Ok(Tail::Done(Item::Undefined)),
                }
            }
            Kind::Block(parts) => {
                let Some((last, before)) = parts.split_last() else {
                    return Ok(Tail::Done(Item::Undefined));
                };
                let inner = Frame::inside(frame);
                for part in before {
                    self.evaluate(part, input, &inner)?;
                }
                self.tail(last, input, &inner)
            }
            Kind::Call {
                procedure,
                arguments,
            } => {
                self.purse.work(1)?;
                let function = self.callee(procedure, input, frame)?;
                let mut values = Vec::with_capacity(arguments.len());
                for argument in arguments {
                    values.push(self.evaluate(argument, input, frame)?);
                }
                Ok(Tail::Call(function, values, input.clone()))
            }
            _ => self.evaluate(node, input, frame).map(Tail::Done),
        }
    }

    /// What a regular expression gives when it is called.
    fn first_match(&self, pattern: &Pattern, text: Option<&Item<'a>>) -> Result<Item<'a>> {
        let Some(Item::Text(text)) = text else {
            return Ok(Item::Undefined);
        };
        self.purse.work(text.as_str().len() / 16 + 1)?;
        let Some(found) = pattern.find(text.as_str(), 0) else {
            return Ok(Item::Undefined);
        };
        let chars = |byte: usize| {
            text.as_str()
                .get(..byte)
                .map_or(0, |t| t.encode_utf16().count()) as f64
        };
        let groups = found
            .groups
            .into_iter()
            .map(|g| g.map_or(Item::Undefined, Item::text))
            .collect();
        Ok(Item::object([
            (
                "match",
                Item::text(
                    text.as_str()
                        .get(found.start..found.end)
                        .unwrap_or_default(),
                ),
            ),
            ("start", Item::float(chars(found.start))),
            ("end", Item::float(chars(found.end))),
            ("groups", Item::Array(self.array(groups)?)),
        ]))
    }
}

/// `uppercase(…)` for `$uppercase(…)`.
fn forgotten_dollar(procedure: &Node, code: &'static str, verb: &str) -> Option<Error> {
    let Kind::Path { steps, .. } = &procedure.kind else {
        return None;
    };
    match steps.as_slice() {
        [
            Node {
                kind: Kind::Name(name),
                ..
            },
        ] if super::super::functions::find(name).is_some() => Some(Error::new(
            code,
            format!("Attempted to {verb} a non-function. Did you mean ${name}?"),
        )),
        _ => None,
    }
}
