//! The cluster's images, served to this machine's container engine on loopback, which engines trust
//! without settings. Read-only, and only what is being pulled for a pod right now; everything comes
//! from the master over mutual TLS.
//!
//! [`grants`] decides what may be read, [`path`] what a request is about, [`server`] answers.

mod grants;
mod path;
mod server;

pub use grants::{Grant, Grants};
pub use server::{Registry, bind, serve};
