//! What people see.

pub mod age;
pub mod document;
pub mod jsonpath;
pub mod progress;
pub mod table;
