//! Base64 and URLs.

use base64::Engine as _;
use base64::alphabet;
use base64::engine::general_purpose::{GeneralPurpose, NO_PAD, STANDARD};

use super::super::error::Error;
use super::super::eval::Evaluator;
use super::super::value::Item;
use super::{Result, Row, text_of};

pub(super) const FUNCTIONS: &[Row] = &[
    ("base64encode", "<s-:s>", base64_encode),
    ("base64decode", "<s-:s>", base64_decode),
    ("encodeUrlComponent", "<s-:s>", encode_component),
    ("encodeUrl", "<s-:s>", encode_url),
    ("decodeUrlComponent", "<s-:s>", decode_component),
    ("decodeUrl", "<s-:s>", decode_url),
];

const LENIENT: GeneralPurpose = GeneralPurpose::new(
    &alphabet::STANDARD,
    NO_PAD.with_decode_allow_trailing_bits(true),
);

/// What a URL may hold beside letters and digits, as JavaScript has it.
const UNRESERVED: &[u8] = b"-_.!~*'()";
const RESERVED: &[u8] = b";/?:@&=+$,#";

fn base64_encode<'a>(run: &Evaluator<'a>, arguments: &[Item<'a>]) -> Result<Item<'a>> {
    text_of(arguments.first()).map_or(Ok(Item::Undefined), |text| run.text(STANDARD.encode(text)))
}

fn base64_decode<'a>(run: &Evaluator<'a>, arguments: &[Item<'a>]) -> Result<Item<'a>> {
    let Some(text) = text_of(arguments.first()) else {
        return Ok(Item::Undefined);
    };
    // What is not base64 is left out, as in the reference.
    let text = text.split_once('=').map_or(text, |(before, _)| before);
    let mut letters: Vec<u8> = text
        .bytes()
        .filter(|b| b.is_ascii_alphanumeric() || b"+/".contains(b))
        .collect();
    if letters.len() % 4 == 1 {
        letters.pop();
    }
    let bytes = LENIENT.decode(letters).unwrap_or_default();
    run.text(String::from_utf8_lossy(&bytes).into_owned())
}

fn encode_component<'a>(run: &Evaluator<'a>, arguments: &[Item<'a>]) -> Result<Item<'a>> {
    encode(run, arguments, &[])
}

fn encode_url<'a>(run: &Evaluator<'a>, arguments: &[Item<'a>]) -> Result<Item<'a>> {
    encode(run, arguments, RESERVED)
}

fn encode<'a>(run: &Evaluator<'a>, arguments: &[Item<'a>], kept: &[u8]) -> Result<Item<'a>> {
    let Some(text) = text_of(arguments.first()) else {
        return Ok(Item::Undefined);
    };
    run.purse.hold(text.len() * 3)?;
    let mut out = String::with_capacity(text.len());
    for byte in text.bytes() {
        if byte.is_ascii_alphanumeric() || UNRESERVED.contains(&byte) || kept.contains(&byte) {
            out.push(char::from(byte));
        } else {
            out.push_str(&format!("%{byte:02X}"));
        }
    }
    Ok(Item::text(out))
}

fn decode_component<'a>(run: &Evaluator<'a>, arguments: &[Item<'a>]) -> Result<Item<'a>> {
    decode(run, arguments, "decodeUrlComponent", &[])
}

fn decode_url<'a>(run: &Evaluator<'a>, arguments: &[Item<'a>]) -> Result<Item<'a>> {
    decode(run, arguments, "decodeUrl", RESERVED)
}

/// Escapes of the `kept` characters stay as they are.
fn decode<'a>(
    run: &Evaluator<'a>,
    arguments: &[Item<'a>],
    name: &str,
    kept: &[u8],
) -> Result<Item<'a>> {
    let Some(text) = text_of(arguments.first()) else {
        return Ok(Item::Undefined);
    };
    let malformed = || {
        Error::new(
            "D3140",
            format!("Malformed URL passed to ${name}(): \"{text}\""),
        )
    };
    let mut bytes = Vec::with_capacity(text.len());
    let mut rest = text;
    while let Some((before, after)) = rest.split_once('%') {
        bytes.extend_from_slice(before.as_bytes());
        let digits = after
            .get(..2)
            .filter(|d| d.bytes().all(|b| b.is_ascii_hexdigit()));
        let byte = digits
            .and_then(|d| u8::from_str_radix(d, 16).ok())
            .ok_or_else(malformed)?;
        if kept.contains(&byte) {
            bytes.push(b'%');
            bytes.extend_from_slice(after.get(..2).unwrap_or_default().as_bytes());
        } else {
            bytes.push(byte);
        }
        rest = after.get(2..).unwrap_or_default();
    }
    bytes.extend_from_slice(rest.as_bytes());
    run.text(String::from_utf8(bytes).map_err(|_| malformed())?)
}
