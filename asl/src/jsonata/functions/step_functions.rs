//! What Step Functions adds to JSONata.

use serde_json::Value;
use sha2::Digest as _;

use super::super::error::Error;
use super::super::eval::Evaluator;
use super::super::number::show;
use super::super::value::{Fields, Item};
use super::{Result, Row, number_of, text_of};
use crate::entropy::Entropy;

pub(super) const FUNCTIONS: &[Row] = &[
    ("partition", "<an:a<a>>", partition),
    ("range", "<nnn:a<n>>", range),
    ("hash", "<ss:s>", hash),
    ("random", "<n?:n>", random),
    ("uuid", "<:s>", uuid),
    ("parse", "<s:x>", parse),
];

fn partition<'a>(run: &Evaluator<'a>, arguments: &[Item<'a>]) -> Result<Item<'a>> {
    let (Some(Item::Array(list)), Some(size)) = (arguments.first(), number_of(arguments.get(1)))
    else {
        return Ok(Item::Undefined);
    };
    if size < 1.0 || size.fract() != 0.0 {
        return Err(Error::new(
            "D3137",
            format!(
                "The size of the parts of $partition must be a positive integer but is {}",
                show(size)
            ),
        ));
    }
    run.purse.work(list.len())?;
    let items: Vec<Item<'a>> = list.iter().collect();
    let mut parts = Vec::new();
    for part in items.chunks(size.min(1e9) as usize) {
        parts.push(Item::Array(run.array(part.to_vec())?));
    }
    Ok(Item::Array(run.array(parts)?))
}

fn range<'a>(run: &Evaluator<'a>, arguments: &[Item<'a>]) -> Result<Item<'a>> {
    let at = |index: usize| number_of(arguments.get(index));
    let (Some(first), Some(last), Some(step)) = (at(0), at(1), at(2)) else {
        return Ok(Item::Undefined);
    };
    if step == 0.0 {
        return Err(Error::new("D3137", "The step of $range must not be 0"));
    }
    let count = ((last - first) / step).floor() + 1.0;
    let count = if count >= 1.0 { count } else { 0.0 };
    run.purse
        .hold((count.min(1e12) as usize).saturating_mul(size_of::<Item<'a>>()))?;
    let items = (0..count as usize)
        .map(|index| Item::float(first + index as f64 * step))
        .collect();
    // A lone number stands for itself, as AWS has it.
    Ok(Item::Array(run.sequence(items)?))
}

fn hash<'a>(run: &Evaluator<'a>, arguments: &[Item<'a>]) -> Result<Item<'a>> {
    let (Some(text), Some(algorithm)) = (text_of(arguments.first()), text_of(arguments.get(1)))
    else {
        return Ok(Item::Undefined);
    };
    run.purse.work(text.len() / 16 + 1)?;
    let hex = |bytes: &[u8]| bytes.iter().map(|b| format!("{b:02x}")).collect::<String>();
    run.text(match algorithm {
        "MD5" => hex(&md5::Md5::digest(text)),
        "SHA-1" => hex(&sha1::Sha1::digest(text)),
        "SHA-256" => hex(&sha2::Sha256::digest(text)),
        "SHA-384" => hex(&sha2::Sha384::digest(text)),
        "SHA-512" => hex(&sha2::Sha512::digest(text)),
        other => {
            return Err(Error::new(
                "D3137",
                format!("$hash knows MD5, SHA-1, SHA-256, SHA-384 and SHA-512, not \"{other}\""),
            ));
        }
    })
}

fn random<'a>(run: &Evaluator<'a>, arguments: &[Item<'a>]) -> Result<Item<'a>> {
    Ok(Item::float(match number_of(arguments.first()) {
        Some(seed) => Entropy::of_number(seed.to_bits()).unit(),
        None => run.world.entropy.unit(),
    }))
}

fn uuid<'a>(run: &Evaluator<'a>, _: &[Item<'a>]) -> Result<Item<'a>> {
    run.text(run.world.entropy.uuid())
}

fn parse<'a>(run: &Evaluator<'a>, arguments: &[Item<'a>]) -> Result<Item<'a>> {
    let Some(text) = text_of(arguments.first()) else {
        return Ok(Item::Undefined);
    };
    run.purse.hold(text.len().saturating_mul(4))?;
    let value: Value = serde_json::from_str(text)
        .map_err(|error| Error::new("D3137", format!("$parse: this is not JSON: {error}")))?;
    owned(run, &value)
}

/// A value that is not part of the data, copied.
fn owned<'a>(run: &Evaluator<'a>, value: &Value) -> Result<Item<'a>> {
    run.purse.work(1)?;
    Ok(match value {
        Value::Null => Item::Null,
        Value::Bool(value) => Item::Bool(*value),
        Value::Number(number) => Item::float(number.as_f64().unwrap_or(f64::NAN)),
        Value::String(text) => Item::text(text.as_str()),
        Value::Array(list) => {
            let items = list
                .iter()
                .map(|value| owned(run, value))
                .collect::<Result<_>>()?;
            Item::Array(run.array(items)?)
        }
        Value::Object(map) => {
            let mut fields = Fields::new();
            for (name, value) in map {
                fields.insert(name.as_str().into(), owned(run, value)?);
            }
            run.object(fields)?
        }
    })
}
