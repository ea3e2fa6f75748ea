//! Paths: step by step through the data.

use std::rc::Rc;

use super::super::syntax::ast::{Kind, Node, Stage};
use super::super::value::{Array, Fields, Item, Object};
use super::frame::Frame;
use super::operator::truth;
use super::{Evaluator, Result};

impl<'a> Evaluator<'a> {
    pub(super) fn path(
        &self,
        node: &'a Node,
        steps: &'a [Node],
        keep_singleton: bool,
        input: &Item<'a>,
        frame: &Rc<Frame<'a>>,
    ) -> Result<Item<'a>> {
        let starts_at_variable = steps
            .first()
            .is_some_and(|s| matches!(s.kind, Kind::Variable(_)));
        let mut current = match input {
            Item::Array(array) if !starts_at_variable => array.clone(),
            other => Array::sequence(vec![other.clone()]),
        };
        let mut result = Item::Undefined;
        let mut tuples: Option<Vec<Fields<'a>>> = None;
        let last = steps.len().saturating_sub(1);
        for (index, step) in steps.iter().enumerate() {
            if index == 0 && step.whole {
                result = self.evaluate(step, &Item::Array(current.clone()), frame)?;
            } else if step.tuple || tuples.is_some() {
                tuples = Some(self.tuple_step(step, &current, tuples, frame)?);
                continue;
            } else {
                result = self.step(step, &current, frame, index == last)?;
            }
            match &result {
                Item::Undefined => break,
                Item::Array(array) if array.len() == 0 => break,
                found => current = found.listed(),
            }
        }
        let mut for_group = None;
        if let Some(tuples) = tuples {
            let stream = self.tuple_stream(tuples)?;
            result = if node.tuple {
                Item::Array(stream)
            } else {
                let values = stream.iter().map(|tuple| value_of(&tuple)).collect();
                for_group = Some(stream);
                Item::Array(self.sequence(values)?)
            };
        }
        if keep_singleton {
            result = match result {
                Item::Array(array) if array.whole && !array.sequence => {
                    Item::Array(self.sequence(vec![Item::Array(array)])?)
                }
                other => other,
            };
            if let Item::Array(array) = &mut result {
                array.keep = true;
            }
        }
        match &node.group {
            Some(group) => {
                let over = for_group.map_or(result, Item::Array);
                self.group(group, &over, frame)
            }
            None => Ok(result),
        }
    }

    fn step(
        &self,
        step: &'a Node,
        input: &Array<'a>,
        frame: &Rc<Frame<'a>>,
        last: bool,
    ) -> Result<Item<'a>> {
        if let Kind::Sort(terms) = &step.kind {
            let sorted = self.sort_by(terms, input, frame)?;
            return self.staged(&step.stages, Item::Array(sorted), frame);
        }
        let mut found = Vec::new();
        for item in input.iter() {
            let mut value = self.evaluate(step, &item, frame)?;
            if step.staged {
                value = self.staged(&step.stages, value, frame)?;
            }
            match value {
                Item::Undefined => {}
                value => found.push(value),
            }
        }
        if let (true, [Item::Array(only)]) = (last, found.as_slice())
            && !only.sequence
        {
            return Ok(Item::Array(only.clone()));
        }
        let mut flat = Vec::with_capacity(found.len());
        for value in found {
            match value {
                Item::Array(array) if !array.whole => {
                    self.purse.work(array.len())?;
                    flat.extend(array.iter());
                }
                other => flat.push(other),
            }
        }
        Ok(Item::Array(self.sequence(flat)?))
    }

    /// Applies predicates and position bindings.
    pub(super) fn staged(
        &self,
        stages: &'a [Stage],
        item: Item<'a>,
        frame: &Rc<Frame<'a>>,
    ) -> Result<Item<'a>> {
        let mut item = item;
        for stage in stages {
            item = match stage {
                Stage::Filter(condition) => self.filter(condition, &item, frame)?,
                Stage::Index(name) => self.number_tuples(&item, name)?,
            };
        }
        Ok(item)
    }

    fn number_tuples(&self, item: &Item<'a>, name: &str) -> Result<Item<'a>> {
        let Item::Array(array) = item else {
            return Ok(item.clone());
        };
        let mut tuples = Vec::with_capacity(array.len());
        for (index, tuple) in array.iter().enumerate() {
            let mut fields = fields_of(&tuple);
            fields.insert(name.into(), Item::float(index as f64));
            tuples.push(fields);
        }
        Ok(Item::Array(self.tuple_stream(tuples)?))
    }

    /// `[…]` behind a value: a position, positions, or a condition.
    pub(super) fn filter(
        &self,
        condition: &'a Node,
        item: &Item<'a>,
        frame: &Rc<Frame<'a>>,
    ) -> Result<Item<'a>> {
        let tuples = matches!(item, Item::Array(array) if array.tuples);
        let input = item.listed();
        let length = input.len();
        if let Kind::Number(position) = condition.kind {
            let found = position_in(position, length).and_then(|index| input.get(index));
            return Ok(match found {
                None | Some(Item::Undefined) => Item::Array(self.found(Vec::new(), tuples)?),
                Some(Item::Array(array)) => Item::Array(array),
                Some(other) => Item::Array(self.found(vec![other], tuples)?),
            });
        }
        let mut kept = Vec::new();
        for (index, item) in input.iter().enumerate() {
            let (context, inner);
            let at = if tuples {
                context = value_of(&item);
                inner = match &item {
                    Item::Object(tuple) => Frame::of_tuple(frame, tuple),
                    _ => Rc::clone(frame),
                };
                (&context, &inner)
            } else {
                (&item, frame)
            };
            let result = self.evaluate(condition, at.0, at.1)?;
            // A position that is named twice is kept twice.
            let times = match positions(&result) {
                Some(positions) => {
                    self.purse.work(positions.len())?;
                    let here = positions
                        .into_iter()
                        .filter(|p| position_in(*p, length) == Some(index));
                    here.count()
                }
                None => usize::from(truth(&result)),
            };
            kept.extend(std::iter::repeat_n(item, times));
        }
        Ok(Item::Array(self.found(kept, tuples)?))
    }

    fn found(&self, items: Vec<Item<'a>>, tuples: bool) -> Result<Array<'a>> {
        let mut array = self.sequence(items)?;
        array.tuples = tuples;
        Ok(array)
    }

    fn tuple_stream(&self, tuples: Vec<Fields<'a>>) -> Result<Array<'a>> {
        let mut items = Vec::with_capacity(tuples.len());
        for tuple in tuples {
            items.push(self.object(tuple)?);
        }
        self.found(items, true)
    }

    /// A step of a path in which bindings go along.
    fn tuple_step(
        &self,
        step: &'a Node,
        input: &Array<'a>,
        tuples: Option<Vec<Fields<'a>>>,
        frame: &Rc<Frame<'a>>,
    ) -> Result<Vec<Fields<'a>>> {
        if let Kind::Sort(terms) = &step.kind {
            let sorted = match tuples {
                Some(tuples) => self.sort_by(terms, &self.tuple_stream(tuples)?, frame)?,
                None => {
                    let sorted = self.sort_by(terms, input, frame)?;
                    let mut tuples = Vec::with_capacity(sorted.len());
                    for (index, item) in sorted.iter().enumerate() {
                        let mut tuple = Fields::new();
                        tuple.insert("@".into(), item);
                        if let Some(name) = &step.index {
                            tuple.insert((&**name).into(), Item::float(index as f64));
                        }
                        tuples.push(tuple);
                    }
                    self.tuple_stream(tuples)?
                }
            };
            return Ok(self.tuples_of(&self.staged(&step.stages, Item::Array(sorted), frame)?));
        }
        let tuples = match tuples {
            Some(tuples) => tuples,
            None => input
                .iter()
                .map(|item| Fields::from_iter([("@".into(), item)]))
                .collect(),
        };
        let mut result = Vec::new();
        for tuple in tuples {
            let context = tuple.get("@").cloned().unwrap_or(Item::Undefined);
            let inner = Frame::of_tuple(frame, &Object::new(tuple.clone()));
            // Predicates work on the whole stream, below.
            let found = self.evaluate(step, &context, &inner)?;
            let (found, is_stream) = match &found {
                Item::Undefined => continue,
                Item::Array(array) => (array.clone(), array.tuples),
                other => (Array::plain(vec![other.clone()]), false),
            };
            for (index, value) in found.iter().enumerate() {
                self.purse.work(1)?;
                let mut next = tuple.clone();
                if is_stream {
                    next.extend(fields_of(&value));
                } else {
                    match &step.focus {
                        Some(name) => {
                            next.insert((&**name).into(), value);
                        }
                        None => {
                            next.insert("@".into(), value);
                        }
                    }
                    if let Some(name) = &step.index {
                        next.insert((&**name).into(), Item::float(index as f64));
                    }
                    if let Some(label) = step.ancestor.and_then(|slot| self.tree.labels.get(slot)) {
                        next.insert((&**label).into(), context.clone());
                    }
                }
                result.push(next);
            }
        }
        if !step.staged || step.stages.is_empty() {
            return Ok(result);
        }
        let stream = Item::Array(self.tuple_stream(result)?);
        Ok(self.tuples_of(&self.staged(&step.stages, stream, frame)?))
    }

    fn tuples_of(&self, item: &Item<'a>) -> Vec<Fields<'a>> {
        item.listed()
            .iter()
            .map(|tuple| fields_of(&tuple))
            .collect()
    }

    /// A field, of an object or of each object in a list.
    pub(crate) fn field(&self, input: &Item<'a>, name: &str) -> Result<Item<'a>> {
        Ok(match input {
            Item::Object(object) => object.get(name).unwrap_or(Item::Undefined),
            Item::Array(array) => {
                let mut found = Vec::new();
                for item in array.iter() {
                    self.purse.work(1)?;
                    match self.field(&item, name)? {
                        Item::Undefined => {}
                        Item::Array(inner) => {
                            self.purse.work(inner.len())?;
                            found.extend(inner.iter());
                        }
                        other => found.push(other),
                    }
                }
                Item::Array(self.sequence(found)?)
            }
            _ => Item::Undefined,
        })
    }

    pub(super) fn wildcard(&self, input: &Item<'a>) -> Result<Item<'a>> {
        let values: Vec<Item<'a>> = match input {
            Item::Object(object) => object
                .entries()
                .into_iter()
                .map(|(_, value)| value)
                .collect(),
            Item::Array(array) => array.iter().collect(),
            _ => Vec::new(),
        };
        let mut found = Vec::new();
        let mut joined = false;
        for value in values {
            joined |= matches!(value, Item::Array(_));
            self.flatten(value, &mut found)?;
        }
        let mut array = self.sequence(found)?;
        // What was joined with a list stays one.
        array.sequence = !joined;
        Ok(Item::Array(array))
    }

    fn flatten(&self, value: Item<'a>, found: &mut Vec<Item<'a>>) -> Result<()> {
        self.purse.work(1)?;
        match value {
            Item::Array(array) => {
                for item in array.iter() {
                    self.flatten(item, found)?;
                }
            }
            other => found.push(other),
        }
        Ok(())
    }

    pub(super) fn descendants(&self, input: &Item<'a>) -> Result<Item<'a>> {
        let mut found = Vec::new();
        self.descend_into(input, &mut found)?;
        Ok(Item::Array(self.sequence(found)?))
    }

    fn descend_into(&self, item: &Item<'a>, found: &mut Vec<Item<'a>>) -> Result<()> {
        self.purse.work(1)?;
        self.purse.hold(32)?;
        match item {
            Item::Undefined => {}
            Item::Array(array) => {
                for item in array.iter() {
                    self.descend_into(&item, found)?;
                }
            }
            other => {
                found.push(other.clone());
                if let Item::Object(object) = other {
                    for (_, value) in object.entries() {
                        self.descend_into(&value, found)?;
                    }
                }
            }
        }
        Ok(())
    }
}

/// The value that a tuple is about.
pub(super) fn value_of<'a>(tuple: &Item<'a>) -> Item<'a> {
    match tuple {
        Item::Object(fields) => fields.get("@").unwrap_or(Item::Undefined),
        other => other.clone(),
    }
}

fn fields_of<'a>(tuple: &Item<'a>) -> Fields<'a> {
    match tuple {
        Item::Object(Object::Shared(fields, _)) => (**fields).clone(),
        Item::Object(object) => {
            let entries = object.entries().into_iter();
            entries
                .map(|(name, value)| (name.as_str().into(), value))
                .collect()
        }
        _ => Fields::new(),
    }
}

fn position_in(position: f64, length: usize) -> Option<usize> {
    let position = position.floor();
    let position = if position < 0.0 {
        position + length as f64
    } else {
        position
    };
    (position >= 0.0 && position < length as f64).then_some(position as usize)
}

/// The positions that a predicate names, if it names any.
fn positions(result: &Item<'_>) -> Option<Vec<f64>> {
    match result {
        Item::Number(number) => Some(vec![number.value()]),
        Item::Array(array) if array.len() > 0 => array
            .iter()
            .map(|item| match item {
                Item::Number(number) => Some(number.value()),
                _ => None,
            })
            .collect(),
        _ => None,
    }
}
