//! From a tree to a value.
//!
//! - `path`: steps, predicates, bindings; `sort`: order-by
//! - `operator`: what stands between two values; `equal`: deep equality
//! - `object`: `{…}`, behind a path and alone; `transform`: `|…|…|`
//! - `function`: functions as values, calls, tail calls; `arguments`: signatures applied
//! - `frame`: variables
//! - `text`: values as text

mod arguments;
pub(super) mod equal;
pub(super) mod frame;
pub(super) mod function;
pub(super) mod object;
pub(super) mod operator;
mod path;
pub(super) mod sort;
pub(super) mod text;
mod transform;

use std::cell::RefCell;
use std::rc::Rc;

use serde_json::Value;

use super::World;
use super::budget::{DEEPEST, Purse};
use super::error::{Error, too_deep};
use super::syntax::ast::{Kind, Node, Tree};
use super::value::{Array, Fields, Item, Object};
use frame::Frame;
use function::Function;

/// One evaluation.
pub(super) struct Evaluator<'a> {
    pub(super) tree: &'a Tree,
    pub(super) world: World<'a>,
    pub(super) purse: Purse,
    /// Frames that a function holds on to. A function in its own frame is a circle: they are emptied at the end.
    held: RefCell<Vec<Rc<Frame<'a>>>>,
}

pub(super) type Result<T, E = Error> = std::result::Result<T, E>;

pub(super) fn run<'a>(tree: &'a Tree, world: World<'a>) -> Result<Option<Value>> {
    let evaluator = Evaluator {
        tree,
        purse: Purse::new(world.budget),
        world,
        held: RefCell::default(),
    };
    let result = evaluator
        .evaluate(&tree.root, &Item::Undefined, &Rc::new(Frame::root()))
        .and_then(|item| item.to_json(&evaluator.purse));
    let mut held = evaluator.held.take();
    held.iter().for_each(|frame| frame.clear());
    // Inner frames first: a long chain is so taken apart link by link, not by one deep recursion.
    while held.pop().is_some() {}
    result
}

impl<'a> Evaluator<'a> {
    /// Evaluates a part, with the predicates and the grouping behind it.
    pub(super) fn evaluate(
        &self,
        node: &'a Node,
        input: &Item<'a>,
        frame: &Rc<Frame<'a>>,
    ) -> Result<Item<'a>> {
        self.purse.work(1)?;
        self.purse.descend()?;
        let item = stacker::maybe_grow(96 << 10, 1 << 20, || self.alone(node, input, frame))
            .and_then(|item| self.behind(node, item, frame));
        self.purse.ascend();
        item
    }

    /// What stands behind a part: predicates, a grouping, `[]`.
    fn behind(&self, node: &'a Node, item: Item<'a>, frame: &Rc<Frame<'a>>) -> Result<Item<'a>> {
        let mut item = item;
        let is_path = matches!(node.kind, Kind::Path { .. });
        if !node.staged {
            item = self.staged(&node.stages, item, frame)?;
        }
        if let (false, Some(group)) = (is_path, &node.group) {
            item = self.group(group, &item, frame)?;
        }
        if let Item::Array(array) = &mut item
            && array.sequence
            && node.keep_array
        {
            array.keep = true;
        }
        Ok(item.settled())
    }

    fn alone(&self, node: &'a Node, input: &Item<'a>, frame: &Rc<Frame<'a>>) -> Result<Item<'a>> {
        Ok(match &node.kind {
            Kind::Text(text) => Item::Text(super::value::Text::Borrowed(text)),
            Kind::Number(value) => Item::float(*value),
            Kind::Bool(value) => Item::Bool(*value),
            Kind::Null => Item::Null,
            Kind::Regex(pattern) => Item::Function(Rc::new(Function::Regex(pattern))),
            Kind::Name(name) => self.field(input, name)?,
            Kind::Variable(name) => self.variable(name, input, frame),
            Kind::Wildcard => self.wildcard(input)?,
            Kind::Descendants => self.descendants(input)?,
            Kind::Parent(slot) => match self.tree.labels.get(*slot) {
                Some(label) => frame.find(label).unwrap_or(Item::Undefined),
                None => Item::Undefined,
            },
            Kind::Path {
                steps,
                keep_singleton,
            } => self.path(node, steps, *keep_singleton, input, frame)?,
            Kind::Binary(operator, left, right) => {
                self.operate(*operator, left, right, input, frame)?
            }
            Kind::Negate(inner) => operator::negate(self.evaluate(inner, input, frame)?)?,
            Kind::Array(items) => self.list(node, items, input, frame)?,
            Kind::Object(pairs) => self.group(pairs, input, frame)?,
            Kind::Bind(name, value) => {
                let value = self.evaluate(value, input, frame)?;
                frame.bind(name, value.clone());
                value
            }
            Kind::Apply(left, right) => self.chain(left, right, input, frame)?,
            Kind::Condition(test, then, otherwise) => {
                if operator::truth(&self.evaluate(test, input, frame)?) {
                    self.evaluate(then, input, frame)?
                } else {
                    match otherwise {
                        Some(otherwise) => self.evaluate(otherwise, input, frame)?,
                        None => Item::Undefined,
                    }
                }
            }
            Kind::Block(parts) => {
                let inner = Frame::inside(frame);
                let mut last = Item::Undefined;
                for part in parts {
                    last = self.evaluate(part, input, &inner)?;
                }
                last
            }
            Kind::Lambda(lambda) => {
                self.hold(frame);
                self.function(Function::Lambda {
                    lambda,
                    frame: Rc::clone(frame),
                    input: input.clone(),
                })?
            }
            Kind::Call {
                procedure,
                arguments,
            } => self.call(procedure, arguments, None, input, frame)?,
            Kind::Partial {
                procedure,
                arguments,
            } => self.partial(procedure, arguments, input, frame)?,
            Kind::Transform(transform) => {
                self.hold(frame);
                Item::Function(Rc::new(Function::Transform {
                    transform,
                    frame: Rc::clone(frame),
                }))
            }
            // Steps are looked at by their path; the rest has been replaced when the tree was shaped.
            Kind::Sort(_) | Kind::Placeholder => Item::Undefined,
            Kind::Dot(..)
            | Kind::Predicate(..)
            | Kind::Grouped(..)
            | Kind::Ordered(..)
            | Kind::Focus(..)
            | Kind::Index(..) => Item::Undefined,
        })
    }

    fn variable(&self, name: &str, input: &Item<'a>, frame: &Rc<Frame<'a>>) -> Item<'a> {
        if name.is_empty() {
            return input.clone();
        }
        frame
            .find(name)
            .or_else(|| (self.world.variable)(name))
            .or_else(|| {
                super::functions::find(name).map(|f| Item::Function(Rc::new(Function::Native(f))))
            })
            .unwrap_or(Item::Undefined)
    }

    /// `[…]`
    fn list(
        &self,
        node: &'a Node,
        items: &'a [Node],
        input: &Item<'a>,
        frame: &Rc<Frame<'a>>,
    ) -> Result<Item<'a>> {
        let mut list = Vec::new();
        for part in items {
            let value = self.evaluate(part, input, frame)?;
            match (&part.kind, value) {
                (_, Item::Undefined) => {}
                (Kind::Array(_), value) => list.push(value),
                (_, Item::Array(array)) => {
                    self.purse.work(array.len())?;
                    list.extend(array.iter());
                }
                (_, value) => list.push(value),
            }
        }
        let mut array = self.array(list)?;
        array.whole = node.whole;
        Ok(Item::Array(array))
    }

    /// A list, paid for.
    pub(super) fn array(&self, items: Vec<Item<'a>>) -> Result<Array<'a>> {
        self.purse.hold(items.len() * size_of::<Item<'a>>() + 32)?;
        let array = Array::plain(items);
        match Item::Array(array.clone()).depth() > DEEPEST {
            true => Err(too_deep()),
            false => Ok(array),
        }
    }

    /// What a path or function finds, paid for.
    pub(super) fn sequence(&self, items: Vec<Item<'a>>) -> Result<Array<'a>> {
        let mut array = self.array(items)?;
        array.sequence = true;
        Ok(array)
    }

    /// An object, paid for.
    pub(super) fn object(&self, fields: Fields<'a>) -> Result<Item<'a>> {
        let names: usize = fields.keys().map(|name| name.len()).sum();
        self.purse.hold(fields.len() * 64 + names + 64)?;
        let item = Item::Object(Object::new(fields));
        match item.depth() > DEEPEST {
            true => Err(too_deep()),
            false => Ok(item),
        }
    }

    /// A function, paid for.
    pub(super) fn function(&self, function: Function<'a>) -> Result<Item<'a>> {
        self.purse.hold(size_of::<Function<'a>>() + 64)?;
        match function.depth() > DEEPEST {
            true => Err(too_deep()),
            false => Ok(Item::Function(Rc::new(function))),
        }
    }

    /// A text, paid for.
    pub(super) fn text(&self, text: String) -> Result<Item<'a>> {
        self.purse.hold(text.len())?;
        Ok(Item::text(text))
    }

    /// Remembers a frame, and those around it, that a function holds on to.
    fn hold(&self, frame: &Rc<Frame<'a>>) {
        let mut chain = Vec::new();
        let mut at = Some(frame);
        while let Some(frame) = at
            && !frame.mark_held()
        {
            chain.push(Rc::clone(frame));
            at = frame.outer();
        }
        self.held.borrow_mut().extend(chain.into_iter().rev());
    }
}
