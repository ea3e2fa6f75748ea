//! Values as text: `$string` and `&`.

use serde_json::Value;

use super::super::error::Error;
use super::super::number::Num;
use super::super::value::Item;
use super::{Evaluator, Result};

impl<'a> Evaluator<'a> {
    /// A value as `&` and `$string` show it: texts as they are, the rest as JSON; nothing is empty.
    pub(crate) fn shown(&self, item: &Item<'a>) -> Result<String> {
        match item {
            Item::Undefined | Item::Function(_) => Ok(String::new()),
            Item::Text(text) => {
                self.purse.hold(text.as_str().len())?;
                Ok(text.as_str().to_owned())
            }
            Item::Number(number) if !number.value().is_finite() => Err(Error::new(
                "D3001",
                "Attempting to invoke string function on Infinity or NaN",
            )),
            other => {
                let mut out = String::new();
                self.write(other, None, 0, &mut out)?;
                Ok(out)
            }
        }
    }

    /// The same with line breaks and two blanks for each level.
    pub(crate) fn pretty(&self, item: &Item<'a>) -> Result<String> {
        match item {
            Item::Array(_) | Item::Object(_) => {
                let mut out = String::new();
                self.write(item, Some(2), 0, &mut out)?;
                Ok(out)
            }
            other => self.shown(other),
        }
    }

    fn write(
        &self,
        item: &Item<'a>,
        indent: Option<usize>,
        depth: usize,
        out: &mut String,
    ) -> Result<()> {
        self.purse.work(1)?;
        let before = out.len();
        let line = |out: &mut String, depth: usize| {
            if let Some(width) = indent {
                out.push('\n');
                out.extend(std::iter::repeat_n(' ', width * depth));
            }
        };
        match item {
            Item::Undefined => out.push_str("null"),
            // As the reference has it: a function inside a value is an empty text.
            Item::Function(_) => out.push_str("\"\""),
            Item::Null => out.push_str("null"),
            Item::Bool(value) => out.push_str(if *value { "true" } else { "false" }),
            Item::Number(Num::Float(value)) if !value.is_finite() => out.push_str("null"),
            Item::Number(number) => out.push_str(&number.text()),
            Item::Text(text) => out.push_str(&Value::String(text.as_str().to_owned()).to_string()),
            Item::Array(array) => {
                out.push('[');
                for (index, item) in array.iter().enumerate() {
                    if index > 0 {
                        out.push(',');
                    }
                    line(out, depth + 1);
                    self.write(&item, indent, depth + 1, out)?;
                }
                if array.len() > 0 {
                    line(out, depth);
                }
                out.push(']');
            }
            Item::Object(object) => {
                out.push('{');
                let mut first = true;
                for (name, item) in object.entries() {
                    if item.is_undefined() {
                        continue;
                    }
                    if !std::mem::take(&mut first) {
                        out.push(',');
                    }
                    line(out, depth + 1);
                    out.push_str(&Value::String(name.as_str().to_owned()).to_string());
                    out.push(':');
                    if indent.is_some() {
                        out.push(' ');
                    }
                    self.write(&item, indent, depth + 1, out)?;
                }
                if !first {
                    line(out, depth);
                }
                out.push('}');
            }
        }
        if matches!(item, Item::Array(_) | Item::Object(_)) {
            return Ok(());
        }
        self.purse.hold(out.len() - before)
    }
}
