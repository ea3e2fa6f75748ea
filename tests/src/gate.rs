use std::net::{TcpListener, TcpStream};
use std::sync::{Arc, Mutex, PoisonError};

use crate::eventually;

/// Holds code that runs elsewhere until a test lets it go. It is a port on loopback: what runs may share no
/// directory with the test.
pub struct Gate {
    port: u16,
    state: Arc<Mutex<State>>,
}

#[derive(Default)]
struct State {
    is_open: bool,
    waiting: Vec<TcpStream>,
}

impl Gate {
    /// A closed one.
    ///
    /// # Panics
    /// When no port is free.
    #[must_use]
    pub fn closed() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let port = listener.local_addr().unwrap().port();
        let state = Arc::new(Mutex::new(State::default()));
        let shared = Arc::clone(&state);
        std::thread::spawn(move || {
            for stream in listener.incoming().flatten() {
                let mut state = shared.lock().unwrap_or_else(PoisonError::into_inner);
                if !state.is_open {
                    state.waiting.push(stream);
                }
            }
        });
        Self { port, state }
    }

    /// Python that waits at it.
    #[must_use]
    pub fn wait(&self) -> String {
        let port = self.port;
        format!("import socket; socket.create_connection(('127.0.0.1', {port})).recv(1)\n")
    }

    /// Waits until somebody waits at it.
    ///
    /// # Panics
    /// When nobody ever does.
    pub fn reached(&self) {
        self.reached_by(1);
    }

    /// Waits until so many wait at it.
    ///
    /// # Panics
    /// When they never do.
    pub fn reached_by(&self, count: usize) {
        eventually(&format!("the gate is reached by {count}"), || {
            let state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
            match state.waiting.len() {
                waiting if waiting < count => Err(waiting),
                _ => Ok(()),
            }
        });
    }

    /// Lets all go, also who comes later.
    pub fn open(&self) {
        let mut state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        state.is_open = true;
        state.waiting.clear();
    }
}
