//! AWS Signature Version 4, as the SDKs sign requests: who knows the secret access key made it, and made it
//! for this request and not long ago. Rules: AWS, "Signature Version 4 signing process".

use std::fmt::Write as _;

use actix_web::HttpRequest;
use common::digest::Digest;
use jiff::Timestamp;
use jiff::civil::DateTime;
use jiff::tz::TimeZone;
use ring::hmac;

const ALGORITHM: &str = "AWS4-HMAC-SHA256";
/// How far the clocks may be apart, in seconds.
const SKEW: i64 = 900;

/// The parts of an `Authorization` header of this kind.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Credential {
    /// The access key's id.
    pub(super) key: String,
    /// `DATE/REGION/SERVICE/aws4_request`.
    scope: String,
    signed_headers: String,
    signature: String,
}

impl Credential {
    /// Reads a header; `None` when it is of another kind.
    pub(super) fn read(header: &str) -> Option<Self> {
        let parts = header.strip_prefix(ALGORITHM)?;
        let part = |name: &str| {
            let mut parts = parts.split(',').map(str::trim);
            parts.find_map(|part| part.strip_prefix(name)?.strip_prefix('='))
        };
        let (key, scope) = part("Credential")?.split_once('/')?;
        Some(Self {
            key: key.to_owned(),
            scope: scope.to_owned(),
            signed_headers: part("SignedHeaders")?.to_owned(),
            signature: part("Signature")?.to_owned(),
        })
    }
}

/// Checks a request's signature.
///
/// # Errors
/// For people: what does not fit.
pub(super) fn verify(
    request: &HttpRequest,
    body: &[u8],
    credential: &Credential,
    secret: &str,
    now: Timestamp,
) -> Result<(), String> {
    let header = |name: &str| {
        let values = request.headers().get_all(name);
        let values: Vec<_> = values.filter_map(|value| value.to_str().ok()).collect();
        (!values.is_empty()).then(|| values.join(",").trim().to_owned())
    };
    let time = header("x-amz-date").ok_or("header X-Amz-Date is missing")?;
    let signed_at = DateTime::strptime("%Y%m%dT%H%M%SZ", &time)
        .and_then(|at| at.to_zoned(TimeZone::UTC))
        .map_err(|_| format!("header X-Amz-Date: found {time:?}"))?;
    if (signed_at.timestamp().as_second() - now.as_second()).abs() > SKEW {
        return Err(format!(
            "signed at {time}, which is more than {SKEW} s from the server's time; set the clock"
        ));
    }
    for name in ["host", "x-amz-date", "x-amz-target"] {
        if !credential
            .signed_headers
            .split(';')
            .any(|signed| signed == name)
        {
            return Err(format!("header {name} is not signed"));
        }
    }
    let mut canonical = format!("POST\n/\n{}\n", request.query_string());
    for name in credential.signed_headers.split(';') {
        let value = header(name).ok_or_else(|| format!("signed header {name} is missing"))?;
        let value: Vec<_> = value.split_whitespace().collect();
        let _ = writeln!(canonical, "{name}:{}", value.join(" "));
    }
    let payload = Digest::of(body).hex();
    let _ = write!(canonical, "\n{}\n{payload}", credential.signed_headers);
    let canonical = Digest::of(canonical.as_bytes()).hex();
    let to_sign = format!("{ALGORITHM}\n{time}\n{}\n{canonical}", credential.scope);

    let mut key = format!("AWS4{secret}").into_bytes();
    for part in credential.scope.split('/') {
        let mac = hmac::Key::new(hmac::HMAC_SHA256, &key);
        key = hmac::sign(&mac, part.as_bytes()).as_ref().to_vec();
    }
    let signature = unhex(&credential.signature).ok_or("the signature is not hexadecimal")?;
    let mac = hmac::Key::new(hmac::HMAC_SHA256, &key);
    // Compares in constant time.
    hmac::verify(&mac, to_sign.as_bytes(), &signature)
        .map_err(|_| "the signature does not fit the request and the secret access key".to_owned())
}

fn unhex(text: &str) -> Option<Vec<u8>> {
    if !text.len().is_multiple_of(2) || !text.is_ascii() {
        return None;
    }
    let byte = |at: usize| u8::from_str_radix(text.get(at..at + 2)?, 16).ok();
    (0..text.len()).step_by(2).map(byte).collect()
}

#[cfg(test)]
mod tests {
    use actix_web::test::TestRequest;

    use super::*;

    const SECRET: &str = "wJalrXUtnFEMI/K7MDENG+bPxRfiCYEXAMPLEKEY";
    const BODY: &[u8] = b"{\"name\":\"m\"}";

    /// Signed by botocore 1.43 for access key AKIDEXAMPLE at 2026-01-02T03:04:05Z.
    const SIGNATURE: &str = "e2f02c8c37e24c61e41c9e7dd3095dbd0d1072227c7a96167b5c5efbed5eb288";

    fn judged(signature: &str, secret: &str, body: &[u8], now: &str) -> Result<(), String> {
        let header = format!(
            "AWS4-HMAC-SHA256 Credential=AKIDEXAMPLE/20260102/us-east-1/states/aws4_request, \
             SignedHeaders=content-type;host;x-amz-date;x-amz-target, Signature={signature}"
        );
        let request = TestRequest::post()
            .insert_header(("content-type", "application/x-amz-json-1.0"))
            .insert_header(("host", "127.0.0.1:6443"))
            .insert_header(("x-amz-date", "20260102T030405Z"))
            .insert_header(("x-amz-target", "AWSStepFunctions.ListStateMachines"))
            .to_http_request();
        let credential = Credential::read(&header).unwrap();
        assert_eq!(credential.key, "AKIDEXAMPLE");
        verify(&request, body, &credential, secret, now.parse().unwrap())
    }

    #[test]
    fn a_signature_of_an_sdk_is_good_for_its_request_and_time() {
        let now = "2026-01-02T03:05:00Z";
        assert_eq!(judged(SIGNATURE, SECRET, BODY, now), Ok(()));
        assert!(judged(SIGNATURE, "other", BODY, now).is_err());
        assert!(judged(SIGNATURE, SECRET, b"{}", now).is_err());
        assert!(judged(SIGNATURE, SECRET, BODY, "2026-01-02T04:00:00Z").is_err());
        assert!(judged("zz", SECRET, BODY, now).is_err());
        assert_eq!(Credential::read("Bearer abc"), None);
    }
}
