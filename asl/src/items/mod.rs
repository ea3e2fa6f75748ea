//! What item readers read and result writers write, as text: the shell carries bytes to and fro and need not know their form.
//!
//! - `read`: JSON, JSON lines and CSV become items; a listing of files does, too
//! - `write`: the ends of children become files

mod read;
mod write;

pub use read::{FileEntry, ReadError, listing, read};
pub use write::{ResultFile, files};
