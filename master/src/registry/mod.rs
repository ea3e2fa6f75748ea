//! The cluster's registry, spoken to with the OCI distribution protocol.
//!
//! [`Registry`] pushes, reads and deletes what is in one repository of a registry. Which registry that
//! is, [`open`] decides by the settings: none, one that the master runs itself (a [`Container`] or a
//! [`Child`]), or an external one with credentials and a CA of its own. Only the master speaks to it: nodes read through
//! the master, so that credentials never leave it.

mod auth;
mod challenge;
mod child;
mod client;
mod container;
mod error;
mod home;
mod open;
mod process;

pub use auth::Credentials;
pub use child::Child;
pub use client::{Content, Item, Registry};
pub use container::{Container, Image};
pub use error::RegistryError;
pub use home::OwnRegistry;
pub use open::{Opened, open};
pub use process::{TETHER, become_tethered};
