//! Lists: ArrayPartition, ArrayRange, ArrayGetItem, ArrayUnique.

use std::collections::HashSet;

use serde_json::Value;

/// The longest list that ArrayRange makes.
const LONGEST: i128 = 1000;

pub(super) fn partition(list: &[Value], size: i64) -> Result<Value, String> {
    match usize::try_from(size) {
        Ok(size) if size > 0 => Ok(list
            .chunks(size)
            .map(|chunk| Value::Array(chunk.to_vec()))
            .collect()),
        _ => Err(format!(
            "the chunk size must be a positive integer, but was {size}"
        )),
    }
}

pub(super) fn range(first: i64, last: i64, step: i64) -> Result<Value, String> {
    if step == 0 {
        return Err("the step must not be 0".to_owned());
    }
    let (first, last, step) = (i128::from(first), i128::from(last), i128::from(step));
    let length = (last - first) / step + 1;
    if (last - first).signum() * step.signum() < 0 {
        return Ok(Value::Array(Vec::new()));
    }
    if length > LONGEST {
        return Err(format!("the range has {length} items, more than {LONGEST}"));
    }
    Ok((0..length)
        .filter_map(|i| i64::try_from(first + i * step).ok())
        .map(Value::from)
        .collect())
}

pub(super) fn item(list: &[Value], index: i64) -> Result<Value, String> {
    let found = usize::try_from(index).ok().and_then(|i| list.get(i));
    found.cloned().ok_or_else(|| {
        format!(
            "the index {index} is outside the array of {} items",
            list.len()
        )
    })
}

/// The items without repetitions, in the order of their first appearance.
pub(super) fn unique(list: &[Value]) -> Value {
    let mut seen = HashSet::new();
    list.iter()
        .filter(|item| seen.insert(item.to_string()))
        .cloned()
        .collect()
}
