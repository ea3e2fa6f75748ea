//! Values while an expression is evaluated: borrowed from the data as far as possible.

use std::rc::Rc;

use indexmap::IndexMap;
use serde_json::{Map, Value};

use super::budget::{Budget, DEEPEST, Purse};
use super::error::{Error, too_deep};
use super::eval::function::Function;
use super::number::Num;

/// A value.
#[derive(Clone)]
pub(crate) enum Item<'a> {
    Undefined,
    Null,
    Bool(bool),
    Number(Num<'a>),
    Text(Text<'a>),
    Array(Array<'a>),
    Object(Object<'a>),
    Function(Rc<Function<'a>>),
}

/// A text.
#[derive(Clone)]
pub(crate) enum Text<'a> {
    Borrowed(&'a str),
    Shared(Rc<str>),
}

/// A list, and what JSONata remembers of how it came to be.
#[derive(Clone)]
pub(crate) struct Array<'a> {
    items: Items<'a>,
    /// Made by a path or a function: a lone item stands for itself.
    pub(crate) sequence: bool,
    /// Unless this says that it stays a list (`[]`).
    pub(crate) keep: bool,
    /// Made by `[…]` as a step of a path: not flattened into what is around it.
    pub(crate) whole: bool,
    /// Its items are bindings (`@`, `#`, `%`), with the value itself under `@`.
    pub(crate) tuples: bool,
}

#[derive(Clone)]
enum Items<'a> {
    Borrowed(&'a [Value]),
    Shared(Rc<Vec<Item<'a>>>, u16),
}

/// An object.
#[derive(Clone)]
pub(crate) enum Object<'a> {
    Borrowed(&'a Map<String, Value>),
    Shared(Rc<Fields<'a>>, u16),
}

/// The fields of an object that was made here.
pub(crate) type Fields<'a> = IndexMap<Rc<str>, Item<'a>>;

impl Text<'_> {
    pub(crate) fn as_str(&self) -> &str {
        match self {
            Text::Borrowed(text) => text,
            Text::Shared(text) => text,
        }
    }
}

impl<'a> From<&'a Value> for Item<'a> {
    fn from(value: &'a Value) -> Self {
        match value {
            Value::Null => Item::Null,
            Value::Bool(value) => Item::Bool(*value),
            Value::Number(number) => Item::Number(Num::Exact(number)),
            Value::String(text) => Item::Text(Text::Borrowed(text)),
            Value::Array(list) => Item::Array(Array {
                items: Items::Borrowed(list),
                sequence: false,
                keep: false,
                whole: false,
                tuples: false,
            }),
            Value::Object(map) => Item::Object(Object::Borrowed(map)),
        }
    }
}

impl<'a> From<&'a str> for Item<'a> {
    fn from(text: &'a str) -> Self {
        Item::Text(Text::Borrowed(text))
    }
}

impl<'a> Array<'a> {
    /// A list.
    pub(crate) fn plain(items: Vec<Item<'a>>) -> Array<'a> {
        let depth = depth_of(items.iter());
        Array {
            items: Items::Shared(Rc::new(items), depth),
            sequence: false,
            keep: false,
            whole: false,
            tuples: false,
        }
    }

    /// What a path or function finds.
    pub(crate) fn sequence(items: Vec<Item<'a>>) -> Array<'a> {
        Array {
            sequence: true,
            ..Array::plain(items)
        }
    }

    pub(crate) fn len(&self) -> usize {
        match &self.items {
            Items::Borrowed(list) => list.len(),
            Items::Shared(list, _) => list.len(),
        }
    }

    pub(crate) fn get(&self, index: usize) -> Option<Item<'a>> {
        match &self.items {
            Items::Borrowed(list) => list.get(index).map(Item::from),
            Items::Shared(list, _) => list.get(index).cloned(),
        }
    }

    pub(crate) fn iter(&self) -> impl Iterator<Item = Item<'a>> + '_ {
        (0..self.len()).filter_map(|index| self.get(index))
    }

    /// How deeply it is nested, as far as it was made here.
    fn depth(&self) -> u16 {
        match &self.items {
            Items::Borrowed(_) => 0,
            Items::Shared(_, depth) => *depth,
        }
    }
}

impl<'a> Object<'a> {
    pub(crate) fn new(fields: Fields<'a>) -> Object<'a> {
        let depth = depth_of(fields.values());
        Object::Shared(Rc::new(fields), depth)
    }

    pub(crate) fn get(&self, name: &str) -> Option<Item<'a>> {
        match self {
            Object::Borrowed(map) => map.get(name).map(Item::from),
            Object::Shared(fields, _) => fields.get(name).cloned(),
        }
    }

    pub(crate) fn len(&self) -> usize {
        match self {
            Object::Borrowed(map) => map.len(),
            Object::Shared(fields, _) => fields.len(),
        }
    }

    /// Names and values, in order.
    pub(crate) fn entries(&self) -> Vec<(Text<'a>, Item<'a>)> {
        match self {
            Object::Borrowed(map) => map
                .iter()
                .map(|(name, value)| (Text::Borrowed(name), value.into()))
                .collect(),
            Object::Shared(fields, _) => fields
                .iter()
                .map(|(name, value)| (Text::Shared(Rc::clone(name)), value.clone()))
                .collect(),
        }
    }

    /// The same object, if it was made here: what tells it from an equal one.
    pub(crate) fn identity(&self) -> Option<*const ()> {
        match self {
            Object::Borrowed(_) => None,
            Object::Shared(fields, _) => Some(Rc::as_ptr(fields).cast()),
        }
    }

    fn depth(&self) -> u16 {
        match self {
            Object::Borrowed(_) => 0,
            Object::Shared(_, depth) => *depth,
        }
    }
}

fn depth_of<'i, 'a: 'i>(items: impl Iterator<Item = &'i Item<'a>>) -> u16 {
    items.map(Item::depth).max().unwrap_or(0).saturating_add(1)
}

impl<'a> Item<'a> {
    pub(crate) fn float(value: f64) -> Item<'a> {
        Item::Number(Num::Float(value))
    }

    pub(crate) fn text(text: impl Into<Rc<str>>) -> Item<'a> {
        Item::Text(Text::Shared(text.into()))
    }

    /// An object with these fields.
    pub(crate) fn fields<'n>(fields: impl IntoIterator<Item = (&'n str, Item<'a>)>) -> Item<'a> {
        let fields = fields.into_iter().map(|(name, item)| (name.into(), item));
        Item::Object(Object::new(fields.collect()))
    }

    /// An object with these fields.
    pub(crate) fn object<const N: usize>(fields: [(&str, Item<'a>); N]) -> Item<'a> {
        Item::fields(fields)
    }

    /// As JSON, for values of a known size.
    pub(crate) fn plain(&self) -> Value {
        let purse = Purse::new(Budget {
            bytes: u64::MAX,
            ..Budget::default()
        });
        self.to_json(&purse).ok().flatten().unwrap_or(Value::Null)
    }

    pub(crate) fn is_undefined(&self) -> bool {
        matches!(self, Item::Undefined)
    }

    /// How deeply it is nested, as far as it was made here. More than [`DEEPEST`] is refused where values are made.
    pub(crate) fn depth(&self) -> u16 {
        match self {
            Item::Array(array) => array.depth(),
            Item::Object(object) => object.depth(),
            Item::Function(function) => function.depth(),
            _ => 0,
        }
    }

    /// A lone item of a sequence stands for itself, an empty sequence for nothing.
    pub(crate) fn settled(self) -> Item<'a> {
        match &self {
            Item::Array(array) if array.sequence && !array.tuples => match array.len() {
                0 => Item::Undefined,
                1 if !array.keep => array.get(0).unwrap_or(Item::Undefined),
                _ => self,
            },
            _ => self,
        }
    }

    /// The items of a list; anything else is a list of one.
    pub(crate) fn listed(&self) -> Array<'a> {
        match self {
            Item::Array(array) => array.clone(),
            other => Array::sequence(vec![other.clone()]),
        }
    }

    /// The type's name, as `$type` gives it.
    pub(crate) fn type_name(&self) -> &'static str {
        match self {
            Item::Undefined => "undefined",
            Item::Null => "null",
            Item::Bool(_) => "boolean",
            Item::Number(_) => "number",
            Item::Text(_) => "string",
            Item::Array(_) => "array",
            Item::Object(_) => "object",
            Item::Function(_) => "function",
        }
    }

    /// As JSON, paid for; functions and undefined are nothing (`null` in a list, left out of an object).
    pub(crate) fn to_json(&self, purse: &Purse) -> Result<Option<Value>, Error> {
        self.json_at(0, purse)
    }

    fn json_at(&self, depth: u16, purse: &Purse) -> Result<Option<Value>, Error> {
        if depth > DEEPEST {
            return Err(too_deep());
        }
        purse.hold(32)?;
        Ok(Some(match self {
            Item::Undefined | Item::Function(_) => return Ok(None),
            Item::Null => Value::Null,
            Item::Bool(value) => Value::Bool(*value),
            Item::Number(number) => Value::Number(number.to_json()),
            Item::Text(text) => {
                purse.hold(text.as_str().len())?;
                Value::String(text.as_str().to_owned())
            }
            Item::Array(array) => {
                let mut list = Vec::with_capacity(array.len());
                for item in array.iter() {
                    list.push(item.json_at(depth + 1, purse)?.unwrap_or(Value::Null));
                }
                Value::Array(list)
            }
            Item::Object(object) => {
                let mut map = Map::new();
                for (name, item) in object.entries() {
                    purse.hold(name.as_str().len())?;
                    if let Some(value) = item.json_at(depth + 1, purse)? {
                        map.insert(name.as_str().to_owned(), value);
                    }
                }
                Value::Object(map)
            }
        }))
    }
}
