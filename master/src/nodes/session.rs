//! One agent's WebSocket: greeting, frames both ways, silence.

use std::time::Duration;

use actix::Recipient;
use actix_ws::{AggregatedMessage, AggregatedMessageStream, CloseCode, CloseReason};
use common::link::{Frame, FrameError, Hello, MAX_UNACKED, PodReport, SILENCE, ToAgent, ToMaster};
use futures_util::StreamExt as _;
use tokio::sync::mpsc;
use tokio::time::Instant;

use super::registry::{Connect, Connected, Disconnected, FromAgent};
use super::{Nodes, Refused};
use crate::supervisor::{AskError, Mailbox};

/// Messages that wait for the agent to read them.
const OUTBOX: usize = 1024;
/// How long an agent may take to greet, and a room to answer.
const DEADLINE: Duration = Duration::from_secs(10);
/// How often this side says something, so that the agent can tell silence from calm.
const PING_EVERY: Duration = Duration::from_secs(5);

/// A session ended, and why.
#[derive(Debug, thiserror::Error)]
pub enum SessionError {
    /// The other side closed.
    #[error("the agent closed the link")]
    Closed,
    /// Nothing was heard.
    #[error("nothing heard from the agent for {} s", SILENCE.as_secs())]
    Silent,
    /// The agent does not acknowledge.
    #[error("the agent left {MAX_UNACKED} frames unacknowledged")]
    Unacknowledged,
    /// A frame makes no sense.
    #[error("understand the agent")]
    Frame(#[from] FrameError),
    /// The greeting is not the one that belongs here.
    #[error("greet the agent: {0}")]
    Greeting(String),
    /// The room of the nodes does not take it.
    #[error("take the session")]
    Room(#[from] AskError),
    /// The room of the nodes refuses it.
    #[error("take the session")]
    Refused(#[from] Refused),
    /// The master let the session go.
    #[error("the master ended the session")]
    LetGo,
    /// WebSocket trouble.
    #[error("speak WebSocket with the agent: {0}")]
    Protocol(String),
}

/// One side's counters.
struct Counters {
    sent: u64,
    acknowledged: u64,
    received: u64,
    /// When the agent was last heard of. It stands here since a wait for its next message begins anew whenever this
    /// side says something.
    heard: Instant,
}

/// Runs a session until it ends. `node` is the name in the agent's certificate.
pub async fn run(
    node: String,
    mut socket: actix_ws::Session,
    mut stream: AggregatedMessageStream,
    nodes: Mailbox<Nodes>,
) {
    let mut counters = Counters {
        sent: 0,
        acknowledged: 0,
        received: 0,
        heard: Instant::now(),
    };
    let error = match greet(&node, &mut stream, &mut counters).await {
        Ok((hello, inventory)) => {
            serve(
                &node,
                hello,
                inventory,
                &mut socket,
                &mut stream,
                &nodes,
                &mut counters,
            )
            .await
        }
        Err(error) => error,
    };
    tracing::info!(node, reason = %error, "agent's session ended");
    let reason: String = error.to_string().chars().take(100).collect();
    let reason = CloseReason {
        code: CloseCode::Normal,
        description: Some(reason),
    };
    // The connection may be gone already.
    let _ = socket.close(Some(reason)).await;
}

async fn greet(
    node: &str,
    stream: &mut AggregatedMessageStream,
    counters: &mut Counters,
) -> Result<(Box<Hello>, Vec<PodReport>), SessionError> {
    let ToMaster::Hello(hello) = next(stream, counters).await? else {
        return Err(SessionError::Greeting(
            "the first frame is not Hello".to_owned(),
        ));
    };
    if hello.node != node {
        let message = format!(
            "certificate of node {node:?}, greeting of node {:?}",
            hello.node
        );
        return Err(SessionError::Greeting(message));
    }
    let ToMaster::Inventory(inventory) = next(stream, counters).await? else {
        return Err(SessionError::Greeting(
            "the second frame is not Inventory".to_owned(),
        ));
    };
    Ok((hello, inventory))
}

async fn serve(
    node: &str,
    hello: Box<Hello>,
    inventory: Vec<PodReport>,
    socket: &mut actix_ws::Session,
    stream: &mut AggregatedMessageStream,
    nodes: &Mailbox<Nodes>,
    counters: &mut Counters,
) -> SessionError {
    let (outbox, inbox) = mpsc::channel(OUTBOX);
    let connect = Connect {
        hello,
        inventory,
        outbox,
    };
    let connected = match nodes.ask(connect, DEADLINE).await {
        Ok(Ok(connected)) => connected,
        Ok(Err(refused)) => return refused.into(),
        Err(error) => return error.into(),
    };
    tracing::info!(node, session = connected.session, "agent connected");
    let error = pump(&connected, inbox, socket, stream, counters)
        .await
        .err();
    let silent = match error {
        Some(SessionError::Silent) => SILENCE,
        _ => Duration::ZERO,
    };
    nodes.tell(Disconnected {
        node: node.to_owned(),
        session: connected.session,
        silent,
    });
    error.unwrap_or(SessionError::LetGo)
}

async fn pump(
    connected: &Connected,
    mut inbox: mpsc::Receiver<ToAgent>,
    socket: &mut actix_ws::Session,
    stream: &mut AggregatedMessageStream,
    counters: &mut Counters,
) -> Result<(), SessionError> {
    send(
        socket,
        counters,
        ToAgent::Welcome(connected.welcome.clone()),
    )
    .await?;
    let mut ping = tokio::time::interval(PING_EVERY);
    loop {
        tokio::select! {
            body = next(stream, counters) => {
                let body = body?;
                deliver(&connected.recipient, connected.session, body).await?;
            }
            message = inbox.recv() => match message {
                Some(message) => send(socket, counters, message).await?,
                None => return Ok(()),
            },
            _ = ping.tick() => send(socket, counters, ToAgent::Ack).await?,
        }
    }
}

async fn deliver(
    recipient: &Recipient<FromAgent>,
    session: u64,
    body: ToMaster,
) -> Result<(), SessionError> {
    // An actor that fell takes its session with it: the agent dials again and tells all it knows.
    match tokio::time::timeout(DEADLINE, recipient.send(FromAgent { session, body })).await {
        Ok(Ok(())) => Ok(()),
        Ok(Err(_)) | Err(_) => Err(SessionError::LetGo),
    }
}

/// The next message that says something.
async fn next(
    stream: &mut AggregatedMessageStream,
    counters: &mut Counters,
) -> Result<ToMaster, SessionError> {
    loop {
        let message = tokio::time::timeout_at(counters.heard + SILENCE, stream.next()).await;
        counters.heard = Instant::now();
        let text = match message {
            Err(_) => return Err(SessionError::Silent),
            Ok(None | Some(Ok(AggregatedMessage::Close(_)))) => return Err(SessionError::Closed),
            Ok(Some(Err(error))) => return Err(SessionError::Protocol(error.to_string())),
            Ok(Some(Ok(AggregatedMessage::Text(text)))) => text,
            Ok(Some(Ok(_))) => continue,
        };
        let frame = Frame::<ToMaster>::decode(&text)?;
        counters.acknowledged = frame.ack;
        if !matches!(frame.body, ToMaster::Ack) {
            counters.received = frame.seq;
            return Ok(frame.body);
        }
    }
}

async fn send(
    socket: &mut actix_ws::Session,
    counters: &mut Counters,
    body: ToAgent,
) -> Result<(), SessionError> {
    if !matches!(body, ToAgent::Ack) {
        counters.sent += 1;
    }
    if counters.sent.saturating_sub(counters.acknowledged) > MAX_UNACKED {
        return Err(SessionError::Unacknowledged);
    }
    let text = Frame::new(counters.sent, counters.received, body).encode()?;
    let sent = tokio::time::timeout(DEADLINE, socket.text(text)).await;
    match sent {
        Ok(Ok(())) => Ok(()),
        Ok(Err(_)) => Err(SessionError::Closed),
        Err(_) => Err(SessionError::Silent),
    }
}
