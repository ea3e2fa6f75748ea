//! Functions that take functions.

use std::rc::Rc;

use super::super::error::Error;
use super::super::eval::function::Function;
use super::super::eval::{Evaluator, operator};
use super::super::value::{Fields, Item};
use super::{Result, Row};

pub(super) const FUNCTIONS: &[Row] = &[
    ("map", "<af>", map),
    ("filter", "<af>", filter),
    ("single", "<af?>", single),
    ("reduce", "<afj?:j>", reduce),
    ("sift", "<o-f?:o>", sift),
    ("each", "<o-f:a>", each),
];

/// Calls a callback with as many arguments as it takes.
fn call<'a>(
    run: &Evaluator<'a>,
    function: &Rc<Function<'a>>,
    arguments: [Item<'a>; 3],
) -> Result<Item<'a>> {
    let count = function.arity().clamp(1, 3);
    run.apply(
        function,
        arguments.into_iter().take(count).collect(),
        &Item::Undefined,
    )
}

fn map<'a>(run: &Evaluator<'a>, arguments: &[Item<'a>]) -> Result<Item<'a>> {
    let [Item::Array(list), Item::Function(function), ..] = arguments else {
        return Ok(Item::Undefined);
    };
    let mut mapped = Vec::new();
    for (index, item) in list.iter().enumerate() {
        let index = Item::float(index as f64);
        match call(run, function, [item, index, Item::Array(list.clone())])? {
            Item::Undefined => {}
            value => mapped.push(value),
        }
    }
    Ok(Item::Array(run.sequence(mapped)?))
}

fn filter<'a>(run: &Evaluator<'a>, arguments: &[Item<'a>]) -> Result<Item<'a>> {
    let [Item::Array(list), Item::Function(function), ..] = arguments else {
        return Ok(Item::Undefined);
    };
    let mut kept = Vec::new();
    for (index, item) in list.iter().enumerate() {
        let index = Item::float(index as f64);
        if operator::truth(&call(
            run,
            function,
            [item.clone(), index, Item::Array(list.clone())],
        )?) {
            kept.push(item);
        }
    }
    Ok(Item::Array(run.sequence(kept)?))
}

fn single<'a>(run: &Evaluator<'a>, arguments: &[Item<'a>]) -> Result<Item<'a>> {
    let Some(Item::Array(list)) = arguments.first() else {
        return Ok(Item::Undefined);
    };
    let mut only = None;
    for (index, item) in list.iter().enumerate() {
        let fits = match arguments.get(1) {
            Some(Item::Function(function)) => {
                let index = Item::float(index as f64);
                operator::truth(&call(
                    run,
                    function,
                    [item.clone(), index, Item::Array(list.clone())],
                )?)
            }
            _ => true,
        };
        if fits && only.replace(item).is_some() {
            return Err(Error::new(
                "D3138",
                "The $single() function expected exactly 1 matching result. Instead it matched more.",
            ));
        }
    }
    only.ok_or_else(|| {
        Error::new(
            "D3139",
            "The $single() function expected exactly 1 matching result. Instead it matched 0.",
        )
    })
}

fn reduce<'a>(run: &Evaluator<'a>, arguments: &[Item<'a>]) -> Result<Item<'a>> {
    let [Item::Array(list), Item::Function(function), ..] = arguments else {
        return Ok(Item::Undefined);
    };
    let arity = function.arity();
    if arity < 2 {
        return Err(Error::new(
            "D3050",
            "The second argument of reduce function must be a function with at least two arguments",
        ));
    }
    let mut items = list.iter().enumerate();
    let mut result = match arguments.get(2) {
        Some(start) if !start.is_undefined() => start.clone(),
        _ => items.next().map_or(Item::Undefined, |(_, first)| first),
    };
    for (index, item) in items {
        let all = [
            result,
            item,
            Item::float(index as f64),
            Item::Array(list.clone()),
        ];
        result = run.apply(
            function,
            all.into_iter().take(arity).collect(),
            &Item::Undefined,
        )?;
    }
    Ok(result)
}

fn sift<'a>(run: &Evaluator<'a>, arguments: &[Item<'a>]) -> Result<Item<'a>> {
    let [Item::Object(object), Item::Function(function), ..] = arguments else {
        return Ok(Item::Undefined);
    };
    let mut kept = Fields::new();
    for (name, value) in object.entries() {
        let all = [
            value.clone(),
            Item::Text(name.clone()),
            Item::Object(object.clone()),
        ];
        if operator::truth(&call(run, function, all)?) {
            kept.insert(name.as_str().into(), value);
        }
    }
    if kept.is_empty() {
        return Ok(Item::Undefined);
    }
    run.object(kept)
}

fn each<'a>(run: &Evaluator<'a>, arguments: &[Item<'a>]) -> Result<Item<'a>> {
    let [Item::Object(object), Item::Function(function), ..] = arguments else {
        return Ok(Item::Undefined);
    };
    let mut results = Vec::new();
    for (name, value) in object.entries() {
        match call(
            run,
            function,
            [value, Item::Text(name), Item::Object(object.clone())],
        )? {
            Item::Undefined => {}
            result => results.push(result),
        }
    }
    Ok(Item::Array(run.sequence(results)?))
}
