//! `{…}`: objects, and lists grouped into objects.

use std::rc::Rc;

use indexmap::IndexMap;

use super::super::error::Error;
use super::super::syntax::ast::Node;
use super::super::value::{Array, Fields, Item, Object};
use super::frame::Frame;
use super::operator::brief;
use super::path::value_of;
use super::{Evaluator, Result};

/// What came together under one name.
struct Group<'a> {
    /// Which of the pairs named it.
    pair: usize,
    items: Vec<Item<'a>>,
}

impl<'a> Evaluator<'a> {
    /// Names are evaluated for each item; items with the same name come together, and the value is evaluated over them.
    pub(super) fn group(
        &self,
        pairs: &'a [(Node, Node)],
        input: &Item<'a>,
        frame: &Rc<Frame<'a>>,
    ) -> Result<Item<'a>> {
        let tuples = matches!(input, Item::Array(array) if array.tuples);
        let mut items: Vec<Item<'a>> = match input {
            Item::Array(array) => array.iter().collect(),
            other => vec![other.clone()],
        };
        if items.is_empty() && !tuples {
            items.push(Item::Undefined);
        }
        let mut groups: IndexMap<Rc<str>, Group<'a>> = IndexMap::new();
        for item in items {
            let (context, inner) = match (&item, tuples) {
                (Item::Object(tuple), true) => (value_of(&item), Frame::of_tuple(frame, tuple)),
                _ => (item.clone(), Rc::clone(frame)),
            };
            for (pair, (name, _)) in pairs.iter().enumerate() {
                let name = match self.evaluate(name, &context, &inner)? {
                    Item::Undefined => continue,
                    Item::Text(name) => name,
                    other => {
                        return Err(Error::new(
                            "T1003",
                            format!(
                                "Key in object structure must evaluate to a string; got: {}",
                                brief(&other)
                            ),
                        ));
                    }
                };
                self.purse.hold(name.as_str().len() + 64)?;
                match groups.get_mut(name.as_str()) {
                    Some(group) if group.pair != pair => {
                        return Err(Error::new(
                            "D1009",
                            format!(
                                "Multiple key definitions evaluate to same key: \"{}\"",
                                name.as_str()
                            ),
                        ));
                    }
                    Some(group) => group.items.push(item.clone()),
                    None => {
                        let items = vec![item.clone()];
                        groups.insert(name.as_str().into(), Group { pair, items });
                    }
                }
            }
        }
        let mut fields = Fields::new();
        for (name, group) in groups {
            let (context, inner) = if tuples {
                let (context, bound) = self.reduce(group.items)?;
                (context, Frame::of_tuple(frame, &bound))
            } else {
                (self.gathered(group.items)?, Rc::clone(frame))
            };
            if let Some((_, value)) = pairs.get(group.pair) {
                match self.evaluate(value, &context, &inner)? {
                    Item::Undefined => {}
                    value => {
                        fields.insert(name, value);
                    }
                }
            }
        }
        self.object(fields)
    }

    /// What several items are together: one stands for itself, lists are joined.
    fn gathered(&self, mut items: Vec<Item<'a>>) -> Result<Item<'a>> {
        if items.len() == 1 {
            return Ok(items.pop().unwrap_or(Item::Undefined));
        }
        let mut joined = Vec::with_capacity(items.len());
        for item in items {
            match item {
                Item::Undefined => {}
                Item::Array(array) => {
                    self.purse.work(array.len())?;
                    joined.extend(array.iter());
                }
                other => joined.push(other),
            }
        }
        Ok(Item::Array(self.array(joined)?))
    }

    /// Tuples with the same name become one: each binding holds what all of them bound.
    fn reduce(&self, tuples: Vec<Item<'a>>) -> Result<(Item<'a>, Object<'a>)> {
        let mut bound: IndexMap<Rc<str>, Vec<Item<'a>>> = IndexMap::new();
        for tuple in tuples {
            let Item::Object(tuple) = tuple else { continue };
            for (name, value) in tuple.entries() {
                self.purse.work(1)?;
                bound.entry(name.as_str().into()).or_default().push(value);
            }
        }
        let mut fields = Fields::new();
        for (name, values) in bound {
            let value = self.gathered(values)?;
            fields.insert(name, value);
        }
        let context = fields.shift_remove("@").unwrap_or(Item::Undefined);
        Ok((context, Object::new(fields)))
    }
}

/// Items of a list or a lone one, joined behind others.
pub(crate) fn append<'a>(first: Item<'a>, second: Item<'a>) -> (Vec<Item<'a>>, bool) {
    let sequence = !matches!(first, Item::Array(_));
    let items = |item: Item<'a>| -> Vec<Item<'a>> {
        match item {
            Item::Array(array) => Array::iter(&array).collect(),
            other => vec![other],
        }
    };
    let mut all = items(first);
    all.extend(items(second));
    (all, sequence)
}
