//! The protobuf bodies that `kubectl create namespace|secret|configmap` sends, the options that come
//! with a deletion, and no others. Field numbers are those of Kubernetes' published `.proto` files.

use base64::Engine as _;
use base64::prelude::BASE64_STANDARD;
use serde_json::{Map, Value, json};

const MAGIC: &[u8] = b"k8s\0";
/// Most fields in one message.
const MAX_FIELDS: usize = 10_000;

#[derive(Debug, thiserror::Error, PartialEq, Eq)]
pub(super) enum ProtobufError {
    #[error("the body does not begin as Kubernetes' protobuf does")]
    Magic,
    #[error("the message ends too early or is damaged")]
    Damaged,
    #[error("a text is not UTF-8")]
    Text,
    #[error("{0} is accepted as JSON only")]
    Kind(String),
}

type Result<T> = std::result::Result<T, ProtobufError>;

enum Field<'a> {
    Number(u64),
    Bytes(&'a [u8]),
}

fn varint(input: &mut &[u8]) -> Result<u64> {
    let mut value = 0_u64;
    for shift in (0..64).step_by(7) {
        let (byte, rest) = input.split_first().ok_or(ProtobufError::Damaged)?;
        *input = rest;
        value |= u64::from(byte & 0x7f) << shift;
        if byte & 0x80 == 0 {
            return Ok(value);
        }
    }
    Err(ProtobufError::Damaged)
}

fn take<'a>(input: &mut &'a [u8], count: u64) -> Result<&'a [u8]> {
    let count = usize::try_from(count).map_err(|_| ProtobufError::Damaged)?;
    let (taken, rest) = input
        .split_at_checked(count)
        .ok_or(ProtobufError::Damaged)?;
    *input = rest;
    Ok(taken)
}

/// The fields of a message, by number.
fn fields(mut input: &[u8]) -> Result<Vec<(u64, Field<'_>)>> {
    let mut fields = Vec::new();
    while !input.is_empty() {
        let tag = varint(&mut input)?;
        let field = match tag & 7 {
            0 => Field::Number(varint(&mut input)?),
            1 => Field::Bytes(take(&mut input, 8)?),
            2 => {
                let length = varint(&mut input)?;
                Field::Bytes(take(&mut input, length)?)
            }
            5 => Field::Bytes(take(&mut input, 4)?),
            _ => return Err(ProtobufError::Damaged),
        };
        if fields.len() == MAX_FIELDS {
            return Err(ProtobufError::Damaged);
        }
        fields.push((tag >> 3, field));
    }
    Ok(fields)
}

fn text(bytes: &[u8]) -> Result<String> {
    String::from_utf8(bytes.to_vec()).map_err(|_| ProtobufError::Text)
}

/// A map's entry: key 1, value 2.
fn entry(bytes: &[u8]) -> Result<(String, &[u8])> {
    let (mut key, mut value): (&[u8], &[u8]) = (&[], &[]);
    for (number, field) in fields(bytes)? {
        match (number, field) {
            (1, Field::Bytes(bytes)) => key = bytes,
            (2, Field::Bytes(bytes)) => value = bytes,
            _ => {}
        }
    }
    Ok((text(key)?, value))
}

fn put(object: &mut Map<String, Value>, map: &str, key: String, value: String) {
    let map = object
        .entry(map)
        .or_insert_with(|| Value::Object(Map::new()));
    if let Value::Object(map) = map {
        map.insert(key, Value::String(value));
    }
}

fn metadata(bytes: &[u8]) -> Result<Value> {
    let mut meta = Map::new();
    let mut finalizers = Vec::new();
    for (number, field) in fields(bytes)? {
        let Field::Bytes(bytes) = field else { continue };
        let name = match number {
            1 => "name",
            2 => "generateName",
            3 => "namespace",
            5 => "uid",
            6 => "resourceVersion",
            11 | 12 => {
                let (key, value) = entry(bytes)?;
                let map = if number == 11 {
                    "labels"
                } else {
                    "annotations"
                };
                put(&mut meta, map, key, text(value)?);
                continue;
            }
            14 => {
                finalizers.push(Value::String(text(bytes)?));
                continue;
            }
            _ => continue,
        };
        let value = text(bytes)?;
        if !value.is_empty() {
            meta.insert(name.to_owned(), Value::String(value));
        }
    }
    if !finalizers.is_empty() {
        meta.insert("finalizers".to_owned(), Value::Array(finalizers));
    }
    Ok(Value::Object(meta))
}

fn delete_options(bytes: &[u8]) -> Result<Value> {
    let mut options = json!({ "kind": "DeleteOptions" });
    for (number, field) in fields(bytes)? {
        match (number, field) {
            (1, Field::Number(seconds)) => options["gracePeriodSeconds"] = json!(seconds),
            (2, Field::Bytes(bytes)) => {
                for (number, field) in fields(bytes)? {
                    match (number, field) {
                        (1, Field::Bytes(uid)) => {
                            options["preconditions"]["uid"] = json!(text(uid)?)
                        }
                        (2, Field::Bytes(version)) => {
                            options["preconditions"]["resourceVersion"] = json!(text(version)?);
                        }
                        _ => {}
                    }
                }
            }
            (4, Field::Bytes(policy)) => options["propagationPolicy"] = json!(text(policy)?),
            (5, Field::Bytes(dry_run)) => options["dryRun"] = json!([text(dry_run)?]),
            _ => {}
        }
    }
    Ok(options)
}

/// The object in a body.
pub(super) fn decode(body: &[u8]) -> Result<Value> {
    let body = body.strip_prefix(MAGIC).ok_or(ProtobufError::Magic)?;
    let (mut version, mut kind, mut raw) = (String::new(), String::new(), &[][..]);
    for (number, field) in fields(body)? {
        match (number, field) {
            (1, Field::Bytes(type_meta)) => {
                for (number, field) in fields(type_meta)? {
                    match (number, field) {
                        (1, Field::Bytes(bytes)) => version = text(bytes)?,
                        (2, Field::Bytes(bytes)) => kind = text(bytes)?,
                        _ => {}
                    }
                }
            }
            (2, Field::Bytes(bytes)) => raw = bytes,
            _ => {}
        }
    }
    if kind == "DeleteOptions" {
        return delete_options(raw);
    }
    if version != "v1" || !matches!(kind.as_str(), "Namespace" | "Secret" | "ConfigMap") {
        return Err(ProtobufError::Kind(format!("{version} {kind}")));
    }
    let mut object = Map::new();
    object.insert("apiVersion".to_owned(), json!(version));
    object.insert("kind".to_owned(), json!(kind));
    for (number, field) in fields(raw)? {
        match (kind.as_str(), number, field) {
            (_, 1, Field::Bytes(bytes)) => {
                object.insert("metadata".to_owned(), metadata(bytes)?);
            }
            ("Secret", 2, Field::Bytes(bytes)) | ("ConfigMap", 3, Field::Bytes(bytes)) => {
                let (key, value) = entry(bytes)?;
                let map = if kind == "Secret" {
                    "data"
                } else {
                    "binaryData"
                };
                put(&mut object, map, key, BASE64_STANDARD.encode(value));
            }
            ("Secret", 3, Field::Bytes(bytes)) => {
                object.insert("type".to_owned(), json!(text(bytes)?));
            }
            ("Secret", 4, Field::Bytes(bytes)) | ("ConfigMap", 2, Field::Bytes(bytes)) => {
                let (key, value) = entry(bytes)?;
                let map = if kind == "Secret" {
                    "stringData"
                } else {
                    "data"
                };
                put(&mut object, map, key, text(value)?);
            }
            ("Secret", 5, Field::Number(n)) | ("ConfigMap", 4, Field::Number(n)) => {
                object.insert("immutable".to_owned(), json!(n != 0));
            }
            _ => {}
        }
    }
    Ok(Value::Object(object))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn field(number: u8, bytes: &[u8]) -> Vec<u8> {
        let mut out = vec![number << 3 | 2, u8::try_from(bytes.len()).unwrap()];
        out.extend_from_slice(bytes);
        out
    }

    fn unknown(kind: &str, raw: &[u8]) -> Vec<u8> {
        let type_meta = [field(1, b"v1"), field(2, kind.as_bytes())].concat();
        [MAGIC.to_vec(), field(1, &type_meta), field(2, raw)].concat()
    }

    #[test]
    fn a_secret_is_read() {
        let label = [field(1, b"a"), field(2, b"b")].concat();
        let meta = [field(1, b"s"), field(3, b"default"), field(11, &label)].concat();
        let data = [field(1, b"k"), field(2, &[0xff, 0])].concat();
        let raw = [field(1, &meta), field(2, &data), field(3, b"Opaque")].concat();
        let want = json!({
            "apiVersion": "v1", "kind": "Secret",
            "metadata": { "name": "s", "namespace": "default", "labels": { "a": "b" } },
            "data": { "k": "/wA=" }, "type": "Opaque",
        });
        assert_eq!(decode(&unknown("Secret", &raw)).unwrap(), want);
    }

    #[test]
    fn other_kinds_are_refused_by_name() {
        let error = decode(&unknown("Pod", b"")).unwrap_err();
        assert_eq!(error, ProtobufError::Kind("v1 Pod".to_owned()));
    }

    proptest! {
        #[test]
        fn no_body_panics(body in prop::collection::vec(any::<u8>(), 0..200), kind in 0..3_usize) {
            let kind = ["Namespace", "Secret", "ConfigMap"][kind];
            let _ = decode(&body);
            if body.len() < 120 {
                let _ = decode(&unknown(kind, &body));
            }
        }
    }
}
