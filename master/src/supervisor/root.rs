use std::sync::Arc;
use std::time::Duration;

use actix::{Actor, AsyncContext, Context, Handler, Message};
use tokio::sync::mpsc;
use tokio_util::sync::CancellationToken;

use super::{ChildDown, Guard, RestartPolicy, Restarts, Verdict};
use crate::clock::Clock;

/// Starts a room's actor; called again after each panic.
type StartRoom = Box<dyn FnMut(Guard)>;

/// The rooms of the house with the way to start each.
#[derive(Default)]
pub struct Rooms(Vec<(&'static str, StartRoom)>);

impl Rooms {
    /// Adds a room. Rooms start in the order they were added.
    #[must_use]
    pub fn with(mut self, name: &'static str, start: impl FnMut(Guard) + 'static) -> Self {
        self.0.push((name, Box::new(start)));
        self
    }
}

/// A room fell too often: the master shall end.
#[derive(Debug, thiserror::Error, PartialEq, Eq)]
#[error("keep {room} alive: it panicked more than {} times within {} s", .most, .window.as_secs())]
pub struct Fatal {
    /// The room.
    pub room: String,
    /// Restarts that were allowed.
    pub most: usize,
    /// Within this span.
    pub window: Duration,
}

/// The root of the tree.
pub struct Root {
    rooms: Vec<Room>,
    clock: Arc<dyn Clock>,
    fatal: mpsc::Sender<Fatal>,
}

struct Room {
    name: &'static str,
    start: StartRoom,
    generation: u64,
    restarts: Restarts,
}

impl Root {
    /// A root that reports its own failure to `fatal`.
    #[must_use]
    pub fn new(rooms: Rooms, clock: Arc<dyn Clock>, fatal: mpsc::Sender<Fatal>) -> Self {
        let room = |(name, start)| Room {
            name,
            start,
            generation: 0,
            restarts: Restarts::default(),
        };
        Self {
            rooms: rooms.0.into_iter().map(room).collect(),
            clock,
            fatal,
        }
    }

    fn start_room(&mut self, index: usize, ctx: &mut Context<Self>) {
        let parent = ctx.address().recipient();
        let room = &mut self.rooms[index];
        room.generation += 1;
        let leash = CancellationToken::new();
        (room.start)(Guard::new(
            room.name.to_owned(),
            room.generation,
            parent,
            leash,
        ));
    }
}

impl Actor for Root {
    type Context = Context<Self>;

    fn started(&mut self, ctx: &mut Self::Context) {
        for index in 0..self.rooms.len() {
            self.start_room(index, ctx);
        }
    }
}

impl Handler<ChildDown> for Root {
    type Result = ();

    fn handle(&mut self, down: ChildDown, ctx: &mut Self::Context) {
        let Some(index) = self.rooms.iter().position(|room| room.name == down.id) else {
            return;
        };
        if self.rooms[index].generation != down.generation {
            return;
        }
        let policy = RestartPolicy::ROOM;
        let room = &mut self.rooms[index];
        match room
            .restarts
            .judge(&policy, self.clock.now(), rand::random())
        {
            Verdict::RestartAfter(delay) => {
                tracing::error!(room = room.name, ?delay, "room fell; starting it again");
                ctx.notify_later(StartRoomAgain(index), delay);
            }
            Verdict::Escalate => {
                let fatal = Fatal {
                    room: room.name.to_owned(),
                    most: policy.most,
                    window: policy.window,
                };
                // A full channel already holds the reason to end.
                let _ = self.fatal.try_send(fatal);
            }
        }
    }
}

#[derive(Message)]
#[rtype(result = "()")]
struct StartRoomAgain(usize);

impl Handler<StartRoomAgain> for Root {
    type Result = ();

    fn handle(&mut self, StartRoomAgain(index): StartRoomAgain, ctx: &mut Self::Context) {
        self.start_room(index, ctx);
    }
}
