use std::net::IpAddr;
use std::sync::Arc;
use std::time::Duration;

use common::link::{
    Frame, FrameError, HEARTBEAT, LINK_PATH, MAX_FRAME_BYTES, SILENCE, ToAgent, ToMaster,
};
use futures_util::{SinkExt as _, StreamExt as _};
use tokio::net::TcpStream;
use tokio::time::Instant;
use tokio_rustls::client::TlsStream;
use tokio_tungstenite::WebSocketStream;
use tokio_tungstenite::tungstenite::protocol::WebSocketConfig;
use tokio_tungstenite::tungstenite::{self, ClientRequestBuilder, Message};

use super::credentials::Credentials;
use super::dial::{DialError, Masters};
use super::join::{self, JoinError};
use super::session::{Session, SessionError};
use super::standing::Standing;
use crate::backoff::Backoff;
use crate::bases::Bases;
use crate::builds::Builds;
use crate::chain::chain;
use crate::clock::{Chance, Clock};
use crate::layers::Ahead;
use crate::machine::Machine;
use crate::pods::Pods;

/// Pod reports taken at once, so that commands are heard in between.
const BATCH: usize = 64;
const UPGRADE: Duration = Duration::from_secs(10);
const UNAUTHORIZED: u16 = 401;
const REDIRECT: u16 = 307;
/// Most times in a row that one master sends on to another before the agent waits.
const MOST_REDIRECTS: u32 = 3;
/// The new leader's agents come within this time, not all at once.
const SPREAD_MS: u32 = 200;
/// While another master is likely to take the lead, waits are no longer than `SHORT`.
const TAKEOVER: Duration = Duration::from_secs(60);
const SHORT: Duration = Duration::from_secs(1);
/// After so long without a frame one of several masters counts as gone: it says something every five seconds, and
/// another one leads by then.
const SILENCE_OF_ONE: Duration = Duration::from_secs(8);

/// What the link works with.
pub struct LinkRoom {
    /// Whom to dial.
    pub masters: Arc<Masters>,
    /// As whom.
    pub credentials: Arc<Credentials>,
    /// What commands are about.
    pub pods: Pods,
    /// What commands are about.
    pub builds: Builds,
    /// The node's name.
    pub node: String,
    /// For joining anew, should the cluster have forgotten this node. Empty: none.
    pub token: String,
    /// Layers that are fetched before they are wanted.
    pub ahead: Ahead,
    /// What to say of this node.
    pub machine: Machine,
    /// The same.
    pub bases: Arc<Bases>,
    /// The time.
    pub clock: Arc<dyn Clock>,
    /// For waits.
    pub chance: Chance,
    /// Whether the node stays.
    pub standing: Standing,
}

/// Why a session ended.
#[derive(Debug, thiserror::Error)]
enum LinkError {
    #[error(transparent)]
    Dial(#[from] DialError),
    #[error("open link")]
    Open(#[source] Box<tungstenite::Error>),
    #[error("link")]
    Socket(#[source] Box<tungstenite::Error>),
    #[error("the master closed the link: {0}")]
    Closed(String),
    #[error("this node introduces itself anew")]
    Anew,
    #[error("the master at {0} leads")]
    Elsewhere(String),
    #[error("the cluster does not know this node (any more)")]
    NotAMember,
    #[error("the cluster does not know this node (any more); it may have been deleted")]
    Outside(#[source] JoinError),
    #[error("nothing heard from the master for too long")]
    Silence,
    #[error(transparent)]
    Frame(#[from] FrameError),
    #[error(transparent)]
    Session(#[from] SessionError),
    #[error("the master's epoch is {found}, {known} was seen already: it is an old one")]
    OldEpoch { found: u64, known: u64 },
}

/// Keeps a session with a master going, for as long as it is polled. Runs where actors can be
/// started.
pub async fn run(room: Arc<LinkRoom>) {
    let mut backoff = Backoff::new(room.chance.clone());
    let mut epoch = 0;
    let mut last_said = String::new();
    let mut redirects = 0;
    let mut linked = room.clock.now();
    loop {
        let mut welcomed = false;
        let result = Conversation::open(&room, epoch).await;
        let error = match result {
            Ok(mut conversation) => {
                let error = conversation.hold().await;
                welcomed = conversation.welcomed;
                epoch = conversation.epoch;
                error
            }
            Err(error) => error,
        };
        room.standing.set_linked(false);
        if matches!(error, LinkError::Anew) {
            tracing::info!("the link begins anew: {error}");
            continue;
        }
        if let LinkError::Elsewhere(url) = &error
            && redirects < MOST_REDIRECTS
            && room.masters.follow(url)
        {
            redirects += 1;
            tracing::info!("the link goes on: {error}");
            let spread = Duration::from_millis(room.chance.below(SPREAD_MS).into());
            tokio::time::sleep(spread).await;
            continue;
        }
        redirects = 0;
        if welcomed {
            backoff.reset();
            linked = room.clock.now();
        } else if !matches!(error, LinkError::Dial(_) | LinkError::NotAMember) {
            // A dial that failed has turned already: with two masters, twice is the same one again.
            room.masters.turn();
        }
        let takeover = room.masters.are_several() && room.clock.now() - linked < TAKEOVER;
        let wait = backoff.fail_within(if takeover { SHORT } else { Duration::MAX });
        let error = match error {
            LinkError::NotAMember => join_anew(&room).await,
            error => error,
        };
        let text = chain(&error);
        // The same trouble is told once.
        if text != last_said || welcomed {
            tracing::warn!(
                error = text,
                "link to the master is down; pods run on, trying again"
            );
        }
        last_said = text;
        tokio::time::sleep(wait).await;
    }
}

/// A certificate for the token, when the old one is not taken any more.
async fn join_anew(room: &LinkRoom) -> LinkError {
    let (credentials, masters) = (&room.credentials, &room.masters);
    match join::join_anew(credentials, masters, &room.node, &room.token).await {
        Ok(()) => LinkError::Anew,
        Err(error) => LinkError::Outside(error),
    }
}

struct Conversation<'a> {
    room: &'a LinkRoom,
    socket: WebSocketStream<TlsStream<TcpStream>>,
    session: Session,
    heard: Instant,
    epoch: u64,
    welcomed: bool,
    /// The master was told that the agent ends.
    said_farewell: bool,
}

impl<'a> Conversation<'a> {
    async fn open(room: &'a LinkRoom, epoch: u64) -> Result<Self, LinkError> {
        let (host, port) = room.masters.current();
        let host = if host.contains(':') {
            format!("[{host}]")
        } else {
            host
        };
        let uri = format!("wss://{host}:{port}{LINK_PATH}");
        let stream = room.masters.dial(room.credentials.client()).await?;
        let local = stream
            .get_ref()
            .0
            .local_addr()
            .map(|address| address.ip())
            .ok();
        let failed = |error| LinkError::Open(Box::new(error));
        let uri = uri
            .parse()
            .map_err(|error: http::uri::InvalidUri| failed(error.into()))?;
        let config = WebSocketConfig::default()
            .max_message_size(Some(MAX_FRAME_BYTES))
            .max_frame_size(Some(MAX_FRAME_BYTES));
        let upgrade = tokio_tungstenite::client_async_with_config(
            ClientRequestBuilder::new(uri),
            stream,
            Some(config),
        );
        let (socket, _) = tokio::time::timeout(UPGRADE, upgrade)
            .await
            .map_err(|_| LinkError::Silence)?
            .map_err(|error| match error {
                tungstenite::Error::Http(answer) if answer.status() == UNAUTHORIZED => {
                    LinkError::NotAMember
                }
                tungstenite::Error::Http(answer) if answer.status() == REDIRECT => {
                    let target = answer.headers().get(http::header::LOCATION);
                    let target = target.and_then(|target| target.to_str().ok());
                    let target = target.unwrap_or_default().trim_end_matches(LINK_PATH);
                    LinkError::Elsewhere(target.to_owned())
                }
                error => failed(error),
            })?;
        let heard = room.clock.now();
        let session = Session::default();
        let mut conversation = Self {
            room,
            socket,
            session,
            heard,
            epoch,
            welcomed: false,
            said_farewell: false,
        };
        conversation.introduce(local).await?;
        Ok(conversation)
    }

    /// The first two frames, and the ends of builds that the master may not know.
    async fn introduce(&mut self, local: Option<IpAddr>) -> Result<(), LinkError> {
        let mut hello = self.room.machine.hello(local);
        hello.bases = self.room.bases.known();
        self.say(ToMaster::Hello(Box::new(hello))).await?;
        self.say(ToMaster::Inventory(self.room.pods.inventory()))
            .await?;
        self.room.builds.tell_again();
        Ok(())
    }

    async fn hold(&mut self) -> LinkError {
        match self.converse().await {
            Ok(never) => match never {},
            Err(error) => error,
        }
    }

    async fn converse(&mut self) -> Result<std::convert::Infallible, LinkError> {
        let mut heartbeat = tokio::time::interval(HEARTBEAT);
        heartbeat.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
        loop {
            let patience = if self.room.masters.are_several() {
                SILENCE_OF_ONE
            } else {
                SILENCE
            };
            let silence = self.heard + patience;
            tokio::select! {
                message = self.socket.next() => {
                    let message = message.ok_or_else(|| LinkError::Closed("end".into()))?;
                    self.take(message.map_err(|error| LinkError::Socket(Box::new(error)))?).await?;
                }
                reports = self.room.pods.take_changes(BATCH) => {
                    for report in reports {
                        self.say(ToMaster::Pod(Box::new(report))).await?;
                    }
                }
                reports = self.room.builds.take_reports() => {
                    for report in reports {
                        self.say(ToMaster::Build(Box::new(report))).await?;
                    }
                }
                _ = heartbeat.tick() => {
                    let usage = self.room.machine.usage(self.room.pods.count());
                    self.say(ToMaster::Usage(usage)).await?;
                }
                () = self.room.standing.leaving(), if self.welcomed && !self.said_farewell => {
                    self.said_farewell = true;
                    self.say(ToMaster::Leaving).await?;
                }
                () = self.room.bases.changed() => return Err(LinkError::Anew),
                () = tokio::time::sleep_until(silence) => return Err(LinkError::Silence),
            }
        }
    }

    async fn take(&mut self, message: Message) -> Result<(), LinkError> {
        self.heard = self.room.clock.now();
        let text = match message {
            Message::Text(text) => text,
            Message::Close(frame) => {
                let reason = frame
                    .map(|frame| frame.reason.to_string())
                    .unwrap_or_default();
                return Err(LinkError::Closed(reason));
            }
            // Pings are answered beneath us.
            _ => return Ok(()),
        };
        let frame = Frame::<ToAgent>::decode(&text)?;
        for id in self.session.receive(&frame)? {
            self.room.builds.told(&id);
        }
        self.handle(frame.body)?;
        if let Some(frame) = self.session.acknowledge() {
            self.send(frame).await?;
        }
        Ok(())
    }

    fn handle(&mut self, message: ToAgent) -> Result<(), LinkError> {
        let room = self.room;
        match message {
            ToAgent::Welcome(welcome) => {
                if welcome.epoch < self.epoch {
                    let (found, known) = (welcome.epoch, self.epoch);
                    return Err(LinkError::OldEpoch { found, known });
                }
                self.epoch = welcome.epoch;
                self.welcomed = true;
                room.standing.set_linked(true);
                if welcome.registry {
                    room.bases.want();
                }
                let version = welcome.version;
                tracing::info!(version, epoch = self.epoch, "linked to the master");
            }
            ToAgent::Desired(pods) => room.pods.desired(pods),
            ToAgent::EnsurePod(pod) => room.pods.ensure(*pod),
            ToAgent::RemovePod { uid, grace_seconds } => {
                let grace = Duration::from_secs(u64::from(grace_seconds));
                room.pods.remove(&uid, Some(grace));
            }
            ToAgent::KeepLayers(layers) => room.ahead.want(layers),
            ToAgent::Build(order) => room.builds.order(*order),
            ToAgent::CancelBuild { id } => room.builds.cancel(&id),
            ToAgent::Ack => {}
        }
        Ok(())
    }

    async fn say(&mut self, body: ToMaster) -> Result<(), LinkError> {
        let frame = self.session.send(body)?;
        self.send(frame).await
    }

    async fn send(&mut self, frame: Frame<ToMaster>) -> Result<(), LinkError> {
        let message = Message::text(frame.encode()?);
        let sent = tokio::time::timeout(SILENCE, self.socket.send(message)).await;
        sent.map_err(|_| LinkError::Silence)?
            .map_err(|error| LinkError::Socket(Box::new(error)))
    }
}
