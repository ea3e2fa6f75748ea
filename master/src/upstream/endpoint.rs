use std::ops::RangeInclusive;
use std::path::Path;
use std::sync::Arc;

use bytes::Bytes;
use common::pod_protocol::RESERVED_PREFIX;
use http_body_util::Full;
use lane::{Answered, Pace};

use super::arriving::Arriving;
use super::call::{Answer, UpstreamError};
use super::connect::{ConnectError, Reach, open};
use super::connection::Connection;
use super::node::NodeLink;
use super::pool::Pool;

/// Set by an agent that found no pod behind the uid: no byte reached user code.
const POD_GONE: &str = "PodGone";
/// Set by an agent that does not hand on an answer, for the size of its head.
const HEAD_TOO_LARGE: &str = "AnswerHeadTooLarge";
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
    pool: Arc<Pool>,
    pace: Pace,
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
            pool: Arc::default(),
            pace: Pace::default(),
        }
    }

    /// Sends a request (origin-form path, the pod's view of it); the answer's body comes later. Dropping the
    /// future, or the answer, cancels the call: the pod learns it by the end of the connection or of its share of one,
    /// on a lane as soon as nobody else waits there.
    ///
    /// # Errors
    /// [`UpstreamError::NotSent`] when the pod has not begun the call and never will.
    pub async fn open(&self, request: http::Request<Bytes>) -> Result<Arriving, UpstreamError> {
        match &self.reach {
            Reach::Local { directory, owners } => self.open_here(directory, owners, request).await,
            Reach::Node(node) => self.open_there(node, request).await,
        }
    }

    /// Sends a request and reads the whole answer.
    ///
    /// # Errors
    /// As [`Self::open`], and when the answer is larger than the platform holds.
    pub async fn call(&self, request: http::Request<Bytes>) -> Result<Answer, UpstreamError> {
        self.open(request).await?.whole().await
    }

    /// Whether the pod's node can be asked for anything.
    pub async fn is_node_heard_of(&self) -> bool {
        match &self.reach {
            Reach::Local { .. } => true,
            Reach::Node(node) => node.is_heard_of().await,
        }
    }

    async fn open_here(
        &self,
        directory: &Path,
        owners: &[RangeInclusive<u32>],
        request: http::Request<Bytes>,
    ) -> Result<Arriving, UpstreamError> {
        let control = request.uri().path().starts_with(RESERVED_PREFIX);
        let lane = self.pool.lane();
        let called = lane.call(&self.pace, directory, owners, &request);
        match called.await {
            Some(Answered::Whole(head, body)) => return Ok(Arriving::read(head, body)),
            Some(Answered::Long(head, body)) => return Ok(Arriving::on_lane(head, body)),
            Some(Answered::Broken(why)) => return Err(UpstreamError::Broken(why.into())),
            None => {}
        }
        let arriving = self.open_alone(directory, owners, request).await?;
        if !control {
            self.pace.note(&arriving.headers);
        }
        Ok(arriving)
    }

    /// Sends a request on a connection on which there is no other.
    async fn open_alone(
        &self,
        directory: &Path,
        owners: &[RangeInclusive<u32>],
        request: http::Request<Bytes>,
    ) -> Result<Arriving, UpstreamError> {
        let mut request = request.map(Full::new);
        loop {
            let (mut connection, kept) = match self.pool.take() {
                Some(connection) => (connection, true),
                None => (connect(directory, owners).await?, false),
            };
            if !connection.is_ready().await && kept {
                continue;
            }
            match connection.send(request).await {
                Ok(response) => {
                    let home = Some((Arc::clone(&self.pool), connection));
                    return Ok(Arriving::new(response, home));
                }
                Err(mut error) => match error.take_message() {
                    // An idle connection that the pod had closed: the request was not sent.
                    Some(unsent) if kept => request = unsent,
                    Some(_) => return Err(ConnectError::Http(error.into_error()).into()),
                    None => return Err(UpstreamError::Broken(error.into_error().into())),
                },
            }
        }
    }

    async fn open_there(
        &self,
        node: &NodeLink,
        request: http::Request<Bytes>,
    ) -> Result<Arriving, UpstreamError> {
        let path = request.uri().path_and_query();
        let path = path.map_or("/", |path| path.as_str());
        let path = format!("/pods/{}/call{path}", self.uid);
        let answer = Arriving::new(node.send(&path, request.map(Full::new)).await?, None);
        match answer.headers.get(PROXY_ERROR) {
            Some(word) if word == POD_GONE => Err(ConnectError::Gone.into()),
            Some(word) if word == HEAD_TOO_LARGE => Err(UpstreamError::HeadTooLarge),
            Some(word) => Err(UpstreamError::Broken(
                String::from_utf8_lossy(word.as_bytes()).into(),
            )),
            None => Ok(answer),
        }
    }
}

async fn connect(
    directory: &Path,
    owners: &[RangeInclusive<u32>],
) -> Result<Connection, ConnectError> {
    Ok(Connection::begin(open(directory, owners).await?).await?)
}
