use bytes::Bytes;
use http_body_util::{BodyExt, Full, LengthLimitError, Limited};

use super::call::{Answer, UpstreamError};
use super::connect::{self, Reach};
use super::pool::Pool;

/// Largest answer a function may give, in bytes.
const MAX_ANSWER_BYTES: usize = 64 << 20;
/// Set by an agent that found no pod behind the uid: no byte reached user code.
const POD_GONE: &str = "PodGone";
/// The header in which an agent says why it could not forward.
const PROXY_ERROR: &str = "x-troupe-proxy-error";

/// A pod that takes calls.
pub struct Endpoint {
    /// The pod's uid.
    pub uid: String,
    /// The pod's name.
    pub pod: String,
    /// The node it runs on.
    pub node: String,
    reach: Reach,
    pool: Pool,
}

impl Endpoint {
    /// A pod that is reached this way.
    #[must_use]
    pub fn new(uid: String, pod: String, node: String, reach: Reach) -> Self {
        Self {
            uid,
            pod,
            node,
            reach,
            pool: Pool::default(),
        }
    }

    /// Sends a request (origin-form path, the pod's view of it) and reads the whole answer. Dropping
    /// the future closes the connection, which tells the pod to cancel the call.
    ///
    /// # Errors
    /// [`UpstreamError::NotSent`] when no byte of it reached the pod.
    pub async fn call(&self, request: http::Request<Full<Bytes>>) -> Result<Answer, UpstreamError> {
        let mut request = self.address(request);
        loop {
            let (mut connection, kept) = match self.pool.take() {
                Some(connection) => (connection, true),
                None => (connect::connect(&self.reach).await?, false),
            };
            if connection.ready().await.is_err() && kept {
                continue;
            }
            let response = match connection.try_send_request(request).await {
                Ok(response) => response,
                Err(mut error) => match error.take_message() {
                    // An idle connection that the pod had closed: the request was not sent.
                    Some(unsent) if kept => {
                        request = unsent;
                        continue;
                    }
                    Some(_) => return Err(connect::ConnectError::Http(error.into_error()).into()),
                    None => return Err(UpstreamError::Broken(error.into_error().into())),
                },
            };
            let (head, body) = response.into_parts();
            let body = Limited::new(body, MAX_ANSWER_BYTES)
                .collect()
                .await
                .map_err(|error| {
                    if error.is::<LengthLimitError>() {
                        UpstreamError::TooLarge(MAX_ANSWER_BYTES)
                    } else {
                        UpstreamError::Broken(error)
                    }
                })?;
            self.pool.keep(connection);
            let answer = Answer {
                status: head.status,
                headers: head.headers,
                body: body.to_bytes(),
            };
            // On a local socket the header would be the function's own word.
            let proxied = matches!(self.reach, Reach::Node(_));
            return match answer.header(PROXY_ERROR).filter(|_| proxied) {
                Some(POD_GONE) => Err(connect::ConnectError::Gone.into()),
                Some(other) => Err(UpstreamError::Broken(other.to_owned().into())),
                None => Ok(answer),
            };
        }
    }

    /// Turns the pod's view of the request into what the next hop wants.
    fn address(&self, mut request: http::Request<Full<Bytes>>) -> http::Request<Full<Bytes>> {
        if let Reach::Node(_) = self.reach {
            let path = request
                .uri()
                .path_and_query()
                .map_or("/", |path| path.as_str());
            // A uid and a valid path make a valid path; the old one stands if they ever do not.
            if let Ok(uri) = format!("/pods/{}/call{path}", self.uid).parse() {
                *request.uri_mut() = uri;
            }
        }
        request
    }
}
