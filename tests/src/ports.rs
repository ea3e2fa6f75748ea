//! Addresses for programs that tests start.

use std::collections::BTreeSet;
use std::hash::{BuildHasher as _, RandomState};
use std::net::TcpListener;

/// Ports that people's own programs rarely have.
const FIRST: u16 = 10_000;
/// First of those that the system gives to outgoing connections, unless it says otherwise.
const USUAL_END: u16 = 32_768;
const TRIES: u32 = 10_000;

/// Addresses on loopback that are free, all different.
///
/// They are none that the system gives to outgoing connections: those take such a port while a program that was killed is
/// started again, be it the connection by which its own client looks for it.
///
/// # Panics
/// When there are none.
#[must_use]
pub fn free_addresses<const N: usize>() -> [String; N] {
    let span = outgoing_begin().saturating_sub(FIRST).max(1);
    let chance = RandomState::new();
    let mut held = Vec::new();
    let mut found = BTreeSet::new();
    for turn in 0..TRIES {
        let port = FIRST + u16::try_from(chance.hash_one(turn) % u64::from(span)).unwrap();
        // All are held until all are known: another test may look for some.
        if let Ok(listener) = TcpListener::bind(("127.0.0.1", port)) {
            found.insert(listener.local_addr().unwrap().to_string());
            held.push(listener);
        }
        if found.len() == N {
            break;
        }
    }
    let found: Vec<_> = found.into_iter().collect();
    found.try_into().expect("free ports")
}

/// One such address.
///
/// # Panics
/// When there is none.
#[must_use]
pub fn free_address() -> String {
    let [address] = free_addresses();
    address
}

fn outgoing_begin() -> u16 {
    let range = std::fs::read_to_string("/proc/sys/net/ipv4/ip_local_port_range");
    let begin = range
        .ok()
        .and_then(|text| text.split_whitespace().next()?.parse().ok());
    begin.filter(|begin| *begin > FIRST).unwrap_or(USUAL_END)
}
