use std::net::IpAddr;
use std::sync::Arc;
use std::time::Duration;

use common::link::{Frame, FrameError, HEARTBEAT, SILENCE, ToAgent, ToMaster};
use futures_util::{SinkExt as _, StreamExt as _};
use tokio::time::Instant;
use tokio_tungstenite::tungstenite::{self, Message};

use super::credentials::Credentials;
use super::dial::Masters;
use super::join::{self, JoinError};
use super::open::{LinkSocket, OpenError, open};
use super::redial::{Next, Redial};
use super::session::{Session, SessionError};
use super::standing::Standing;
use crate::bases::Bases;
use crate::builds::Builds;
use crate::chain::chain;
use crate::clock::{Chance, Clock};
use crate::layers::Ahead;
use crate::machine::Machine;
use crate::pods::Pods;

/// Pod reports taken at once, so that commands are heard in between.
const BATCH: usize = 64;
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
    pub standing: Arc<Standing>,
}

/// Why a session ended.
#[derive(Debug, thiserror::Error)]
enum LinkError {
    #[error(transparent)]
    Open(#[from] OpenError),
    #[error("link")]
    Socket(#[source] Box<tungstenite::Error>),
    #[error("the master closed the link: {0}")]
    Closed(String),
    #[error("this node introduces itself anew")]
    Anew,
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
    let mut redial = Redial::new(room.chance.clone(), room.clock.now());
    let mut last_said = String::new();
    loop {
        let mut welcomed = false;
        let result = Conversation::open(&room).await;
        let error = match result {
            Ok(mut conversation) => {
                let error = conversation.hold().await;
                welcomed = conversation.welcomed;
                error
            }
            Err(error) => error,
        };
        room.standing.set_linked(false);
        if matches!(error, LinkError::Anew) {
            tracing::info!("the link begins anew: {error}");
            continue;
        }
        let refused = match &error {
            LinkError::Open(refused) => Some(refused),
            _ => None,
        };
        let wait = match redial.next(&room.masters, refused, welcomed, room.clock.now()) {
            Next::Follow(wait) => {
                tracing::info!("the link goes on: {error}");
                tokio::time::sleep(wait).await;
                continue;
            }
            Next::Again(wait) => wait,
        };
        let error = match error {
            LinkError::Open(OpenError::NotAMember) => join_anew(&room).await,
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
    socket: LinkSocket,
    session: Session,
    heard: Instant,
    /// Of the master at the other end, once it has said so.
    epoch: Option<u64>,
    welcomed: bool,
    /// The master was told that the agent ends.
    said_farewell: bool,
}

impl<'a> Conversation<'a> {
    async fn open(room: &'a LinkRoom) -> Result<Self, LinkError> {
        let socket = open(&room.masters, room.credentials.client()).await?;
        let local = socket.get_ref().get_ref().0.local_addr();
        let heard = room.clock.now();
        let session = Session::default();
        let mut conversation = Self {
            room,
            socket,
            session,
            heard,
            epoch: None,
            welcomed: false,
            said_farewell: false,
        };
        let local = local.map(|address| address.ip()).ok();
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
            let silence = self.heard + self.room.masters.patience();
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
        if let ToAgent::Welcome(welcome) = &message {
            self.epoch = Some(welcome.epoch);
        }
        // A later one may have called pods here since this one was followed.
        if let Some(found) = self.epoch
            && !room.standing.follow(found)
        {
            let known = room.standing.epoch();
            return Err(LinkError::OldEpoch { found, known });
        }
        match message {
            ToAgent::Welcome(welcome) => {
                let epoch = welcome.epoch;
                self.welcomed = true;
                room.standing.set_linked(true);
                if welcome.registry {
                    room.bases.want();
                }
                let version = welcome.version;
                tracing::info!(version, epoch, "linked to the master");
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
