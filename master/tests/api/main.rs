//! The API over real TLS: with an HTTP client, and with the real kubectl.

#![allow(clippy::unwrap_used, clippy::expect_used)]

mod house;
mod http;
mod kubectl;
mod shapes;
mod watches;
