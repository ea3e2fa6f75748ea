//! Records of a journal as text, with large documents apart. Pure.

use std::collections::HashMap;

use asl::{Payload, Record};
use common::digest::Digest;
use serde::{Deserialize, Serialize};
use serde_json::Value;

/// Bytes of records in one batch: a larger decision becomes more of them.
const BATCH_BYTES: usize = 1 << 20;
/// A document whose text is longer than this stands apart. States that hand it on name it again.
const APART: usize = 16 << 10;

/// The first records of a decision as they are stored.
pub(super) struct Batch {
    pub(super) text: Vec<u8>,
    /// How many records these are: at least one.
    pub(super) count: usize,
    /// The documents that the text names.
    pub(super) documents: HashMap<Digest, Vec<u8>>,
}

/// Where a document belongs: the record, the place among the record's documents.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
struct Place(usize, usize, Digest);

/// Records as they were stored.
#[derive(Debug, Deserialize)]
pub(super) struct Stored {
    /// With `null` in place of the documents that stand apart.
    pub(super) records: Vec<Record>,
    apart: Vec<Place>,
}

/// Records as one text: a list, or an object with the places of the documents that stand apart.
pub(super) fn encode(records: &[Record]) -> Result<Batch, serde_json::Error> {
    let mut text = vec![b'['];
    let mut documents = Documents::default();
    let mut count = 0;
    for record in records {
        if text.len() > BATCH_BYTES {
            break;
        }
        if count > 0 {
            text.push(b',');
        }
        serde_json::to_writer(&mut text, &documents.take(count, record)?)?;
        count += 1;
    }
    text.push(b']');
    if !documents.places.is_empty() {
        let places = serde_json::to_vec(&documents.places)?;
        text = [b"{\"apart\":", &*places, b",\"records\":", &*text, b"}"].concat();
    }
    Ok(Batch {
        text,
        count,
        documents: documents.texts,
    })
}

/// Reads what [`encode`] wrote.
pub(super) fn decode(text: &[u8]) -> Result<Stored, serde_json::Error> {
    if text.first() == Some(&b'{') {
        return serde_json::from_slice(text);
    }
    Ok(Stored {
        records: serde_json::from_slice(text)?,
        apart: Vec::new(),
    })
}

impl Stored {
    /// The documents that stand apart.
    pub(super) fn documents(&self) -> Vec<Digest> {
        self.apart
            .iter()
            .map(|Place(_, _, digest)| *digest)
            .collect()
    }

    /// Puts the documents where they belong.
    pub(super) fn complete(&mut self, documents: &HashMap<Digest, Payload>) {
        for Place(record, place, digest) in &self.apart {
            let record = self.records.get_mut(*record);
            let mut payloads = record.map(Record::payloads_mut).unwrap_or_default();
            if let (Some(payload), Some(document)) =
                (payloads.get_mut(*place), documents.get(digest))
            {
                **payload = Payload::clone(document);
            }
        }
    }
}

#[derive(Default)]
struct Documents {
    places: Vec<Place>,
    texts: HashMap<Digest, Vec<u8>>,
    /// What was taken out already; kept so that its address stays its own.
    seen: HashMap<*const Value, (Digest, Payload)>,
}

impl Documents {
    /// The record without its large documents.
    fn take(&mut self, number: usize, record: &Record) -> Result<Record, serde_json::Error> {
        let mut record = record.clone();
        for (place, payload) in record.payloads_mut().into_iter().enumerate() {
            let address = std::sync::Arc::as_ptr(payload);
            let digest = match self.seen.get(&address) {
                Some((digest, _)) => *digest,
                None if at_most(payload) <= APART => continue,
                None => {
                    let text = serde_json::to_vec(&**payload)?;
                    if text.len() <= APART {
                        continue;
                    }
                    let digest = Digest::of(&text);
                    self.texts.insert(digest, text);
                    self.seen.insert(address, (digest, Payload::clone(payload)));
                    digest
                }
            };
            self.places.push(Place(number, place, digest));
            *payload = Payload::default();
        }
        Ok(record)
    }
}

/// Bytes that a document's text has at most, if not exactly: told without writing it.
fn at_most(value: &Value) -> usize {
    // An escaped byte takes six; around a text and behind it stand a few signs.
    let text = |text: &str| 6 * text.len() + 4;
    match value {
        Value::Null | Value::Bool(_) => 6,
        Value::Number(number) => number.as_str().len() + 2,
        Value::String(string) => text(string),
        Value::Array(list) => 4 + list.iter().map(at_most).sum::<usize>(),
        Value::Object(map) => {
            let fields = map.iter().map(|(name, value)| text(name) + at_most(value));
            4 + fields.sum::<usize>()
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use serde_json::Value;

    use super::at_most;

    fn document() -> impl Strategy<Value = Value> {
        let leaf = prop_oneof![
            Just(Value::Null),
            any::<bool>().prop_map(Value::from),
            any::<i64>().prop_map(Value::from),
            any::<f64>().prop_map(Value::from),
            any::<String>().prop_map(Value::from),
            "[\\x00-\\x1f\"]{0,9}".prop_map(Value::from),
        ];
        leaf.prop_recursive(4, 64, 8, |inner| {
            let fields = prop::collection::btree_map(any::<String>(), inner.clone(), 0..8);
            prop_oneof![
                prop::collection::vec(inner, 0..8).prop_map(Value::from),
                fields.prop_map(Value::from_iter),
            ]
        })
    }

    proptest! {
        #[test]
        fn no_text_is_longer_than_was_told(value in document()) {
            prop_assert!(value.to_string().len() <= at_most(&value));
        }
    }
}
