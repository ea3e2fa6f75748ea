//! Lists.

use super::super::error::Error;
use super::super::eval::sort::merge_sort;
use super::super::eval::{Evaluator, equal, object, operator};
use super::super::value::{Array, Item};
use super::{Result, Row, number_of};

pub(super) const FUNCTIONS: &[Row] = &[
    ("count", "<a:n>", count),
    ("append", "<xx:a>", append),
    ("reverse", "<a:a>", reverse),
    ("shuffle", "<a:a>", shuffle),
    ("distinct", "<x:x>", distinct),
    ("zip", "<a+>", zip),
    ("sort", "<af?:a>", sort),
    ("boolean", "<x-:b>", boolean),
    ("not", "<x-:b>", not),
    ("exists", "<x:b>", exists),
];

fn count<'a>(_: &Evaluator<'a>, arguments: &[Item<'a>]) -> Result<Item<'a>> {
    Ok(Item::float(match arguments.first() {
        Some(Item::Array(list)) => list.len() as f64,
        _ => 0.0,
    }))
}

fn append<'a>(run: &Evaluator<'a>, arguments: &[Item<'a>]) -> Result<Item<'a>> {
    let argument = |index: usize| arguments.get(index).cloned().unwrap_or(Item::Undefined);
    match (argument(0), argument(1)) {
        (Item::Undefined, other) | (other, Item::Undefined) => Ok(other),
        (first, second) => {
            let length = first.listed().len() + second.listed().len();
            run.purse.work(length)?;
            run.purse.hold(length * size_of::<Item<'a>>())?;
            let (items, _) = object::append(first, second);
            Ok(Item::Array(run.array(items)?))
        }
    }
}

fn reverse<'a>(run: &Evaluator<'a>, arguments: &[Item<'a>]) -> Result<Item<'a>> {
    let Some(Item::Array(list)) = arguments.first() else {
        return Ok(Item::Undefined);
    };
    run.purse.work(list.len())?;
    let mut items: Vec<Item<'a>> = list.iter().collect();
    items.reverse();
    Ok(Item::Array(run.array(items)?))
}

fn shuffle<'a>(run: &Evaluator<'a>, arguments: &[Item<'a>]) -> Result<Item<'a>> {
    let Some(Item::Array(list)) = arguments.first() else {
        return Ok(Item::Undefined);
    };
    run.purse.work(list.len())?;
    let mut items: Vec<Item<'a>> = list.iter().collect();
    for last in (1..items.len()).rev() {
        let other = (run.world.entropy.unit() * (last + 1) as f64) as usize;
        items.swap(last, other.min(last));
    }
    Ok(Item::Array(run.array(items)?))
}

fn distinct<'a>(run: &Evaluator<'a>, arguments: &[Item<'a>]) -> Result<Item<'a>> {
    let Some(Item::Array(list)) = arguments.first() else {
        return Ok(arguments.first().cloned().unwrap_or(Item::Undefined));
    };
    if list.len() <= 1 {
        return Ok(Item::Array(list.clone()));
    }
    let mut kept: Vec<Item<'a>> = Vec::new();
    for item in list.iter() {
        let mut known = false;
        for other in &kept {
            if equal::deep(other, &item, &run.purse)? {
                known = true;
                break;
            }
        }
        if !known {
            kept.push(item);
        }
    }
    let mut array = run.array(kept)?;
    array.sequence = list.sequence;
    Ok(Item::Array(array))
}

fn zip<'a>(run: &Evaluator<'a>, arguments: &[Item<'a>]) -> Result<Item<'a>> {
    let lists: Vec<Array<'a>> = arguments
        .iter()
        .map(|item| match item {
            Item::Undefined => Array::plain(Vec::new()),
            other => other.listed(),
        })
        .collect();
    let length = lists.iter().map(Array::len).min().unwrap_or(0);
    let mut zipped = Vec::new();
    for index in 0..length {
        let row = lists.iter().filter_map(|list| list.get(index)).collect();
        zipped.push(Item::Array(run.array(row)?));
    }
    Ok(Item::Array(run.array(zipped)?))
}

fn sort<'a>(run: &Evaluator<'a>, arguments: &[Item<'a>]) -> Result<Item<'a>> {
    let Some(Item::Array(list)) = arguments.first() else {
        return Ok(Item::Undefined);
    };
    if list.len() <= 1 {
        return Ok(Item::Array(list.clone()));
    }
    run.purse.work(list.len())?;
    let items: Vec<Item<'a>> = list.iter().collect();
    let sorted = match arguments.get(1) {
        Some(Item::Function(by)) => merge_sort(items, &mut |a, b| {
            let swap = run.apply(by, vec![a.clone(), b.clone()], &Item::Undefined)?;
            Ok(operator::truth(&swap))
        })?,
        _ => {
            let numbers = items.iter().all(|item| matches!(item, Item::Number(_)));
            let texts = items.iter().all(|item| matches!(item, Item::Text(_)));
            if !numbers && !texts {
                return Err(Error::new(
                    "D3070",
                    "The single argument form of the sort function can only be applied to an array of strings or an array of numbers. Use the second argument to specify a comparison function",
                ));
            }
            merge_sort(items, &mut |a, b| {
                run.purse.work(1)?;
                Ok(match (a, b) {
                    (Item::Text(a), Item::Text(b)) => {
                        operator::compare_texts(a.as_str(), b.as_str()).is_gt()
                    }
                    (a, b) => number_of(Some(a)) > number_of(Some(b)),
                })
            })?
        }
    };
    Ok(Item::Array(run.array(sorted)?))
}

fn boolean<'a>(_: &Evaluator<'a>, arguments: &[Item<'a>]) -> Result<Item<'a>> {
    Ok(match arguments.first() {
        None | Some(Item::Undefined) => Item::Undefined,
        Some(value) => Item::Bool(operator::truth(value)),
    })
}

fn not<'a>(_: &Evaluator<'a>, arguments: &[Item<'a>]) -> Result<Item<'a>> {
    Ok(match arguments.first() {
        None | Some(Item::Undefined) => Item::Undefined,
        Some(value) => Item::Bool(!operator::truth(value)),
    })
}

fn exists<'a>(_: &Evaluator<'a>, arguments: &[Item<'a>]) -> Result<Item<'a>> {
    Ok(Item::Bool(
        arguments.first().is_some_and(|value| !value.is_undefined()),
    ))
}
