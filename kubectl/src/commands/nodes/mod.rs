//! What people do with nodes: closed to new pods, emptied, marked.

mod chosen;
pub mod cordon;
pub mod drain;
mod mark;
pub mod taint;
