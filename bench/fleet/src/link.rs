use std::convert::Infallible;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use common::link::{Frame, FrameError, HEARTBEAT, SILENCE, ToAgent, ToMaster};
use common::resources::timestamp;
use futures_util::{SinkExt as _, StreamExt as _};
use node_agent::clock::Chance;
use node_agent::layout::{Layout, LayoutError, Lock};
use node_agent::link::{
    Credentials, JoinError, LinkSocket, Masters, Next, OpenError, Redial, Session, SessionError,
    ensure_joined, open,
};
use node_agent::settings::{Settings, SettingsError};
use tokio::net::TcpListener;
use tokio::sync::Semaphore;
use tokio::time::Instant;
use tokio_tungstenite::tungstenite::{self, Message};
use tokio_util::time::DelayQueue;

use crate::node::Node;
use crate::proxy;

/// Joining is tried so often before the fleet gives up, so long apart.
const JOIN_TRIES: u32 = 20;
const JOIN_WAIT: Duration = Duration::from_millis(500);

/// One node of the fleet, and what it needs to live.
pub(crate) struct Place {
    pub(crate) node: Arc<Node>,
    pub(crate) directory: PathBuf,
    pub(crate) settings: Settings,
    pub(crate) token: String,
    pub(crate) chance: Chance,
    /// Lets some join at once.
    pub(crate) door: Arc<Semaphore>,
}

/// A node cannot live.
#[derive(Debug, thiserror::Error)]
pub(crate) enum FleetError {
    #[error(transparent)]
    Settings(#[from] SettingsError),
    #[error(transparent)]
    Layout(#[from] LayoutError),
    #[error(transparent)]
    Join(#[from] JoinError),
    #[error("open a data plane: {0}")]
    Listen(#[from] std::io::Error),
    #[error("a node fell: {0}")]
    Fell(tokio::task::JoinError),
}

/// Why a link ended. Nobody reads it: a node dials again whatever it was.
#[derive(Debug, thiserror::Error)]
enum LinkError {
    #[error(transparent)]
    Open(#[from] OpenError),
    #[error("link: {0}")]
    Socket(Box<tungstenite::Error>),
    #[error("the master closed the link, or is not heard of")]
    Gone,
    #[error(transparent)]
    Frame(#[from] FrameError),
    #[error(transparent)]
    Session(#[from] SessionError),
}

/// Joins, and holds a link for as long as it is polled.
pub(crate) async fn live(place: Place) -> Result<Infallible, FleetError> {
    let (layout, _lock): (Layout, Lock) = Layout::open(&place.directory)?;
    let masters = Masters::new(&place.settings)?;
    let credentials = Arc::new(join(&place, &layout, &masters).await?);
    let listener = TcpListener::bind("127.0.0.1:0").await?;
    let data_addr = listener.local_addr()?.to_string();
    let serving = proxy::serve(Arc::clone(&credentials), listener, Arc::clone(&place.node));
    let linking = keep_linked(&place, &masters, &credentials, &data_addr);
    Ok(tokio::join!(serving, linking).1)
}

async fn join(
    place: &Place,
    layout: &Layout,
    masters: &Masters,
) -> Result<Credentials, FleetError> {
    let _turn = place.door.acquire().await;
    for _ in 1..JOIN_TRIES {
        match ensure_joined(layout, masters, &place.node.name, &place.token).await {
            Err(error) if error.is_transient() => tokio::time::sleep(JOIN_WAIT).await,
            result => return Ok(result?),
        }
    }
    Ok(ensure_joined(layout, masters, &place.node.name, &place.token).await?)
}

async fn keep_linked(
    place: &Place,
    masters: &Masters,
    credentials: &Credentials,
    data_addr: &str,
) -> Infallible {
    let node = &place.node;
    let mut redial = Redial::new(place.chance.clone(), Instant::now());
    loop {
        let Err(error) = hold(node, masters, credentials, data_addr).await;
        let welcomed = node.is_linked();
        node.set_linked(false);
        let refused = match &error {
            LinkError::Open(refused) => Some(refused),
            _ => None,
        };
        let (Next::Follow(wait) | Next::Again(wait)) =
            redial.next(masters, refused, welcomed, Instant::now());
        tokio::time::sleep(wait).await;
    }
}

/// One link, from its opening to its end.
async fn hold(
    node: &Node,
    masters: &Masters,
    credentials: &Credentials,
    data_addr: &str,
) -> Result<Infallible, LinkError> {
    let mut link = Link {
        socket: open(masters, credentials.client()).await?,
        session: Session::default(),
    };
    let hello = node.hello(data_addr.to_owned());
    link.say(ToMaster::Hello(Box::new(hello))).await?;
    let (inventory, begun) = {
        let pods = node.pods();
        (pods.inventory(), pods.starting())
    };
    link.say(ToMaster::Inventory(inventory)).await?;
    let mut starting = DelayQueue::new();
    for uid in begun {
        starting.insert(uid, node.machine.start);
    }
    let mut heartbeat = tokio::time::interval(HEARTBEAT);
    heartbeat.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
    let mut heard = Instant::now();
    loop {
        tokio::select! {
            message = link.socket.next() => {
                heard = Instant::now();
                let message = message.ok_or(LinkError::Gone)?;
                let message = message.map_err(|error| LinkError::Socket(Box::new(error)))?;
                for uid in link.take(message, node).await? {
                    starting.insert(uid, node.machine.start);
                }
            }
            Some(started) = starting.next(), if !starting.is_empty() => {
                let now = timestamp(jiff::Timestamp::now());
                let report = node.pods().started(started.get_ref(), now);
                if let Some(report) = report {
                    link.say(report).await?;
                }
            }
            _ = heartbeat.tick() => link.say(ToMaster::Usage(node.usage())).await?,
            () = tokio::time::sleep_until(heard + masters.patience()) => return Err(LinkError::Gone),
        }
    }
}

struct Link {
    socket: LinkSocket,
    session: Session,
}

impl Link {
    /// Takes one message in, and answers it; the pods that start by it.
    async fn take(&mut self, message: Message, node: &Node) -> Result<Vec<String>, LinkError> {
        let text = match message {
            Message::Text(text) => text,
            Message::Close(_) => return Err(LinkError::Gone),
            // Pings are answered beneath us.
            _ => return Ok(Vec::new()),
        };
        let frame = Frame::<ToAgent>::decode(&text)?;
        self.session.receive(&frame)?;
        if matches!(frame.body, ToAgent::Welcome(_)) {
            node.set_linked(true);
        }
        let outcome = node.pods().take(frame.body);
        for body in outcome.say {
            self.say(body).await?;
        }
        if let Some(frame) = self.session.acknowledge() {
            self.send(&frame).await?;
        }
        Ok(outcome.start)
    }

    async fn say(&mut self, body: ToMaster) -> Result<(), LinkError> {
        let frame = self.session.send(body)?;
        self.send(&frame).await
    }

    async fn send(&mut self, frame: &Frame<ToMaster>) -> Result<(), LinkError> {
        let message = Message::text(frame.encode()?);
        let sent = tokio::time::timeout(SILENCE, self.socket.send(message)).await;
        sent.map_err(|_| LinkError::Gone)?
            .map_err(|error| LinkError::Socket(Box::new(error)))
    }
}
