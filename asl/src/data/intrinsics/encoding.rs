//! Base64Encode, Base64Decode, Hash, JsonMerge.

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use serde_json::Value;
use sha2::Digest;

/// The longest text that is encoded or hashed.
const LONGEST: usize = 10_000;

fn bounded(text: &str) -> Result<&str, String> {
    match text.chars().count() {
        0..=LONGEST => Ok(text),
        length => Err(format!(
            "the text has {length} characters, more than {LONGEST}"
        )),
    }
}

pub(super) fn encode(text: &str) -> Result<Value, String> {
    Ok(Value::String(STANDARD.encode(bounded(text)?)))
}

pub(super) fn decode(text: &str) -> Result<Value, String> {
    let bytes = STANDARD
        .decode(bounded(text)?)
        .map_err(|e| format!("this is not Base64: {e}"))?;
    Ok(Value::String(String::from_utf8_lossy(&bytes).into_owned()))
}

/// The hash of a string, or of the JSON text of anything else, in hexadecimal.
pub(super) fn hash(value: &Value, algorithm: &str) -> Result<Value, String> {
    let text = match value {
        Value::String(text) => text.clone(),
        Value::Null => return Err("argument 1 must not be null".to_owned()),
        other => other.to_string(),
    };
    let bytes = bounded(&text)?.as_bytes();
    let hex = |digest: &[u8]| {
        digest
            .iter()
            .map(|b| format!("{b:02x}"))
            .collect::<String>()
    };
    Ok(Value::String(match algorithm {
        "MD5" => hex(&md5::Md5::digest(bytes)),
        "SHA-1" => hex(&sha1::Sha1::digest(bytes)),
        "SHA-256" => hex(&sha2::Sha256::digest(bytes)),
        "SHA-384" => hex(&sha2::Sha384::digest(bytes)),
        "SHA-512" => hex(&sha2::Sha512::digest(bytes)),
        other => {
            return Err(format!(
                "'{other}' is no hash algorithm: MD5, SHA-1, SHA-256, SHA-384 and SHA-512 are"
            ));
        }
    }))
}

/// The fields of both; those of the second win. Deep merging is not defined.
pub(super) fn merge(a: &Value, b: &Value, deep: &Value) -> Result<Value, String> {
    if deep != &Value::Bool(false) {
        return Err(
            "only shallow merging is supported: the third argument must be false".to_owned(),
        );
    }
    let (Value::Object(a), Value::Object(b)) = (a, b) else {
        return Err("the first two arguments must be objects".to_owned());
    };
    let mut merged = a.clone();
    merged.extend(b.iter().map(|(k, v)| (k.clone(), v.clone())));
    Ok(Value::Object(merged))
}
