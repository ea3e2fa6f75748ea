use bytes::{Buf as _, BytesMut};
use common::pod_protocol as pod;
use http::StatusCode;
use http::header::{
    CONNECTION, CONTENT_LENGTH, HeaderMap, HeaderName, HeaderValue, TRANSFER_ENCODING,
};

/// Most header lines of an answer.
const MOST_HEADERS: usize = 128;
/// Longest head of an answer, in bytes.
const LONGEST: usize = pod::LARGEST_ANSWER_HEAD;

/// The head of a pod's answer.
#[derive(Debug)]
pub struct Head {
    /// Status.
    pub status: StatusCode,
    /// Headers, the platform's own among them.
    pub headers: HeaderMap,
    /// Bytes of the body.
    pub length: u64,
    /// Whether no answer follows it on the connection.
    pub(crate) closes: bool,
}

/// What came in is not an answer of func-base.
#[derive(Debug, thiserror::Error)]
pub(crate) enum Malformed {
    #[error("read the head of the pod's answer")]
    Syntax(#[from] httparse::Error),
    #[error("read the head of the pod's answer: a header's value")]
    Value(#[from] http::header::InvalidHeaderValue),
    #[error("read the head of the pod's answer: a header's name")]
    Name(#[from] http::header::InvalidHeaderName),
    #[error("the pod's answer does not say its length as a lane wants it")]
    Length,
    #[error("the head of the pod's answer is longer than {LONGEST} bytes")]
    TooLong,
    #[error("the pod answers what nobody asked")]
    Unasked,
    #[error("the pod sends an interim answer, which nobody asked for")]
    Interim,
}

impl Head {
    /// Takes a head from the bytes that came, when it has come whole.
    pub(crate) fn read(incoming: &mut BytesMut) -> Result<Option<Self>, Malformed> {
        let mut lines = [httparse::EMPTY_HEADER; MOST_HEADERS];
        let mut parsed = httparse::Response::new(&mut lines);
        let httparse::Status::Complete(size) = parsed.parse(incoming)? else {
            let too_long = incoming.len() > LONGEST;
            return if too_long {
                Err(Malformed::TooLong)
            } else {
                Ok(None)
            };
        };
        let mut headers = HeaderMap::with_capacity(parsed.headers.len());
        for line in &*parsed.headers {
            let value = HeaderValue::from_bytes(line.value)?;
            headers.append(HeaderName::from_bytes(line.name.as_bytes())?, value);
        }
        let status = parsed.code.and_then(|code| StatusCode::from_u16(code).ok());
        let head = Self::new(status.ok_or(httparse::Error::Status)?, headers)?;
        incoming.advance(size);
        Ok(Some(head))
    }

    /// Whether the pod refused the call because its turn came too late.
    pub(crate) fn is_late(&self) -> bool {
        let outcome = self.headers.get(pod::OUTCOME);
        outcome.is_some_and(|word| word == pod::OUTCOME_LATE)
    }

    fn new(status: StatusCode, headers: HeaderMap) -> Result<Self, Malformed> {
        if status.is_informational() {
            return Err(Malformed::Interim);
        }
        let bodiless = matches!(status, StatusCode::NO_CONTENT | StatusCode::NOT_MODIFIED);
        let mut said = headers.get_all(CONTENT_LENGTH).iter();
        let length = match (said.next(), said.next()) {
            _ if headers.contains_key(TRANSFER_ENCODING) => None,
            _ if bodiless => Some(0),
            (Some(length), None) => length.to_str().ok().and_then(|text| text.parse().ok()),
            _ => None,
        };
        let length = length.ok_or(Malformed::Length)?;
        let connection = headers.get(CONNECTION).map(HeaderValue::as_bytes);
        let closes = connection.is_some_and(|word| word.eq_ignore_ascii_case(b"close"));
        Ok(Self {
            status,
            headers,
            length,
            closes,
        })
    }
}
