//! Objects, types, errors.

use super::super::error::Error;
use super::super::eval::Evaluator;
use super::super::value::{Fields, Item};
use super::{Result, Row, text_of};

pub(super) const FUNCTIONS: &[Row] = &[
    ("keys", "<x-:a<s>>", keys),
    ("lookup", "<x-s:x>", lookup),
    ("spread", "<x-:a<o>>", spread),
    ("merge", "<a<o>:o>", merge),
    ("clone", "<(oa)-:o>", clone),
    ("type", "<x:s>", type_of),
    ("error", "<s?:x>", error),
    ("assert", "<bs?:x>", assert),
];

fn keys<'a>(run: &Evaluator<'a>, arguments: &[Item<'a>]) -> Result<Item<'a>> {
    let mut names = Fields::new();
    collect_names(
        run,
        arguments.first().unwrap_or(&Item::Undefined),
        &mut names,
    )?;
    let found = names.into_keys().map(Item::text).collect();
    Ok(Item::Array(run.sequence(found)?))
}

fn collect_names<'a>(run: &Evaluator<'a>, item: &Item<'a>, names: &mut Fields<'a>) -> Result<()> {
    run.purse.work(1)?;
    match item {
        Item::Object(object) => {
            for (name, _) in object.entries() {
                run.purse.work(1)?;
                names.insert(name.as_str().into(), Item::Null);
            }
        }
        Item::Array(list) => {
            for item in list.iter() {
                collect_names(run, &item, names)?;
            }
        }
        _ => {}
    }
    Ok(())
}

fn lookup<'a>(run: &Evaluator<'a>, arguments: &[Item<'a>]) -> Result<Item<'a>> {
    let name = text_of(arguments.get(1)).unwrap_or_default();
    run.field(arguments.first().unwrap_or(&Item::Undefined), name)
}

fn spread<'a>(run: &Evaluator<'a>, arguments: &[Item<'a>]) -> Result<Item<'a>> {
    let input = arguments.first().cloned().unwrap_or(Item::Undefined);
    if !matches!(input, Item::Object(_) | Item::Array(_)) {
        return Ok(input);
    }
    let mut parts = Vec::new();
    spread_into(run, &input, &mut parts)?;
    Ok(Item::Array(run.sequence(parts)?))
}

fn spread_into<'a>(run: &Evaluator<'a>, item: &Item<'a>, parts: &mut Vec<Item<'a>>) -> Result<()> {
    run.purse.work(1)?;
    match item {
        Item::Array(list) => {
            for item in list.iter() {
                spread_into(run, &item, parts)?;
            }
        }
        Item::Object(object) => {
            for (name, value) in object.entries() {
                parts.push(run.object(Fields::from_iter([(name.as_str().into(), value)]))?);
            }
        }
        other => parts.push(other.clone()),
    }
    Ok(())
}

fn merge<'a>(run: &Evaluator<'a>, arguments: &[Item<'a>]) -> Result<Item<'a>> {
    let Some(Item::Array(list)) = arguments.first() else {
        return Ok(Item::Undefined);
    };
    let mut merged = Fields::new();
    for item in list.iter() {
        if let Item::Object(object) = item {
            for (name, value) in object.entries() {
                run.purse.work(1)?;
                merged.insert(name.as_str().into(), value);
            }
        }
    }
    run.object(merged)
}

fn clone<'a>(_: &Evaluator<'a>, arguments: &[Item<'a>]) -> Result<Item<'a>> {
    // Values do not change: a copy is the value itself.
    Ok(arguments.first().cloned().unwrap_or(Item::Undefined))
}

fn type_of<'a>(_: &Evaluator<'a>, arguments: &[Item<'a>]) -> Result<Item<'a>> {
    Ok(match arguments.first() {
        None | Some(Item::Undefined) => Item::Undefined,
        Some(value) => Item::text(value.type_name()),
    })
}

fn error<'a>(_: &Evaluator<'a>, arguments: &[Item<'a>]) -> Result<Item<'a>> {
    Err(Error::new(
        "D3137",
        text_of(arguments.first()).unwrap_or("$error() function evaluated"),
    ))
}

fn assert<'a>(_: &Evaluator<'a>, arguments: &[Item<'a>]) -> Result<Item<'a>> {
    match arguments.first() {
        Some(Item::Bool(true)) => Ok(Item::Undefined),
        _ => Err(Error::new(
            "D3141",
            text_of(arguments.get(1)).unwrap_or("$assert() statement failed"),
        )),
    }
}
