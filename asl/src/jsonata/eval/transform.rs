//! `|pattern|update, delete|`: a copy of a value with parts of it changed.

use std::collections::HashMap;
use std::rc::Rc;

use super::super::error::Error;
use super::super::syntax::ast::Transform;
use super::super::value::{Fields, Item, Object};
use super::frame::Frame;
use super::operator::brief;
use super::{Evaluator, Result};

/// What happens to one object of the copy.
struct Change<'a> {
    update: Option<Object<'a>>,
    delete: Vec<String>,
}

impl<'a> Evaluator<'a> {
    pub(super) fn transform(
        &self,
        transform: &'a Transform,
        value: &Item<'a>,
        frame: &Rc<Frame<'a>>,
    ) -> Result<Item<'a>> {
        match value {
            Item::Undefined => return Ok(Item::Undefined),
            Item::Object(_) | Item::Array(_) => {}
            _ => {
                return Err(Error::new(
                    "T0410",
                    "Argument 1 of function \"transform\" does not match function signature",
                ));
            }
        }
        // Each object of the copy is one of a kind, so that a match can be told from an equal object elsewhere.
        let copy = self.copied(value)?;
        let mut changes: HashMap<*const (), Vec<Change<'a>>> = HashMap::new();
        let found = self.evaluate(&transform.pattern, &copy, frame)?;
        if found.is_undefined() {
            return Ok(copy);
        }
        for found in found.listed().iter() {
            let update = match self.evaluate(&transform.update, &found, frame)? {
                Item::Undefined => None,
                Item::Object(update) => Some(update),
                other => {
                    return Err(Error::new(
                        "T2011",
                        format!(
                            "The insert/update clause of the transform expression must evaluate to an object: {}",
                            brief(&other)
                        ),
                    ));
                }
            };
            let mut delete = Vec::new();
            if let Some(clause) = &transform.delete {
                let names = self.evaluate(clause, &found, frame)?;
                if !names.is_undefined() {
                    for name in names.listed().iter() {
                        let Item::Text(name) = name else {
                            return Err(Error::new(
                                "T2012",
                                format!(
                                    "The delete clause of the transform expression must evaluate to a string or array of strings: {}",
                                    brief(&names)
                                ),
                            ));
                        };
                        delete.push(name.as_str().to_owned());
                    }
                }
            }
            if let Item::Object(object) = &found
                && let Some(identity) = object.identity()
            {
                changes
                    .entry(identity)
                    .or_default()
                    .push(Change { update, delete });
            }
        }
        self.changed(&copy, &changes)
    }

    fn copied(&self, item: &Item<'a>) -> Result<Item<'a>> {
        self.purse.work(1)?;
        match item {
            Item::Array(array) => {
                let items = array
                    .iter()
                    .map(|item| self.copied(&item))
                    .collect::<Result<_>>()?;
                Ok(Item::Array(self.array(items)?))
            }
            Item::Object(object) => {
                let mut fields = Fields::new();
                for (name, value) in object.entries() {
                    fields.insert(name.as_str().into(), self.copied(&value)?);
                }
                self.object(fields)
            }
            other => Ok(other.clone()),
        }
    }

    fn changed(
        &self,
        item: &Item<'a>,
        changes: &HashMap<*const (), Vec<Change<'a>>>,
    ) -> Result<Item<'a>> {
        self.purse.work(1)?;
        match item {
            Item::Array(array) => {
                let items = array
                    .iter()
                    .map(|item| self.changed(&item, changes))
                    .collect::<Result<_>>()?;
                Ok(Item::Array(self.array(items)?))
            }
            Item::Object(object) => {
                let mut fields = Fields::new();
                for (name, value) in object.entries() {
                    fields.insert(name.as_str().into(), self.changed(&value, changes)?);
                }
                let own = object
                    .identity()
                    .and_then(|identity| changes.get(&identity));
                for change in own.into_iter().flatten() {
                    for (name, value) in change.update.iter().flat_map(Object::entries) {
                        fields.insert(name.as_str().into(), value);
                    }
                    for name in &change.delete {
                        fields.shift_remove(name.as_str());
                    }
                }
                self.object(fields)
            }
            other => Ok(other.clone()),
        }
    }
}
