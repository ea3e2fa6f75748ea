//! The programs themselves, against a server that only pretends.

mod apply;
mod execute;
mod fake;
mod reading;
mod trust;
