//! Troupe's command line.
//!
//! - [`cli`]: the words people type
//! - [`commands`]: what is done about each
//! - [`manifest`]: the files people apply
//! - [`client`]: the way to the server
//! - [`print`]: what people see

pub mod cli;
pub mod client;
pub mod commands;
pub mod manifest;
pub mod print;

pub use cli::{run, run_plugin};
