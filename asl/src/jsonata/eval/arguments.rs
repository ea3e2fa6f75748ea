//! A function's arguments, made to fit its signature.

use super::super::error::Error;
use super::super::syntax::signature::Signature;
use super::super::value::Item;
use super::{Evaluator, Result};

impl<'a> Evaluator<'a> {
    /// Checks the arguments' types; puts the context in where it may stand for a missing one, and wraps a lone value for a list.
    pub(super) fn fitted(
        &self,
        name: &str,
        signature: &Signature,
        arguments: Vec<Item<'a>>,
        context: &Item<'a>,
    ) -> Result<Vec<Item<'a>>> {
        let letters: Vec<char> = arguments.iter().map(letter).collect();
        let Some(taken) = signature.fit(&letters) else {
            return Err(misfit(name, signature, &letters));
        };
        let mut fitted = Vec::with_capacity(signature.parameters.len());
        let mut given = arguments.into_iter();
        for (index, (parameter, count)) in signature.parameters.iter().zip(taken).enumerate() {
            if count == 0 {
                if !parameter.context {
                    fitted.push(Item::Undefined);
                } else if takes_context(context, &parameter.takes) {
                    fitted.push(context.clone());
                } else {
                    return Err(Error::new(
                        "T0411",
                        format!(
                            "Context value is not a compatible type with argument {} of function \"{name}\"",
                            index + 1
                        ),
                    ));
                }
            }
            for argument in given.by_ref().take(count) {
                fitted.push(if parameter.array {
                    self.as_list(argument, parameter.of.as_deref(), name, index)?
                } else {
                    argument
                });
            }
        }
        Ok(fitted)
    }

    fn as_list(
        &self,
        argument: Item<'a>,
        of: Option<&str>,
        name: &str,
        index: usize,
    ) -> Result<Item<'a>> {
        let wrong = |of: &str| {
            let of = match of {
                "n" => "numbers",
                "s" => "strings",
                "o" => "objects",
                "b" => "booleans",
                "f" => "functions",
                _ => "arrays",
            };
            Error::new(
                "T0412",
                format!(
                    "Argument {} of function \"{name}\" must be an array of {of}",
                    index + 1
                ),
            )
        };
        match (argument, of) {
            (Item::Undefined, _) => Ok(Item::Undefined),
            (Item::Array(array), Some(of)) => {
                self.purse.work(array.len())?;
                let wanted = of.chars().next();
                if array.iter().all(|item| Some(letter(&item)) == wanted) {
                    Ok(Item::Array(array))
                } else {
                    Err(wrong(of))
                }
            }
            (argument @ Item::Array(_), None) => Ok(argument),
            (argument, Some(of)) if !of.starts_with(letter(&argument)) => Err(wrong(of)),
            (argument, _) => Ok(Item::Array(self.array(vec![argument])?)),
        }
    }
}

fn letter(item: &Item<'_>) -> char {
    match item {
        Item::Undefined => 'm',
        Item::Null => 'l',
        Item::Bool(_) => 'b',
        Item::Number(_) => 'n',
        Item::Text(_) => 's',
        Item::Array(_) => 'a',
        Item::Object(_) => 'o',
        Item::Function(_) => 'f',
    }
}

fn takes_context(context: &Item<'_>, takes: &str) -> bool {
    let letter = letter(context);
    letter == 'm' || takes.contains(letter)
}

/// Which argument is the first that does not fit.
fn misfit(name: &str, signature: &Signature, letters: &[char]) -> Error {
    let fits = |count: usize| {
        let shorter = Signature {
            parameters: signature.parameters.iter().take(count).cloned().collect(),
        };
        (1..=letters.len())
            .rev()
            .any(|n| shorter.fit(letters.get(..n).unwrap_or_default()).is_some())
    };
    let index = (1..=signature.parameters.len())
        .take_while(|n| fits(*n))
        .count();
    let index = index.min(letters.len());
    Error::new(
        "T0410",
        format!(
            "Argument {} of function \"{name}\" does not match function signature",
            index + 1
        ),
    )
}
