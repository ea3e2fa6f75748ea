//! What people apply: files read, checked and made into objects, before anything is sent.

mod code;
mod entry;
mod input;
mod language;
mod object;
mod pack;
mod places;
mod problem;
mod python;
mod schema;
mod seeds;
mod suggestion;
mod yaml;

pub use code::Upload;
pub use input::{Input, gather};
pub use object::{Object, Purpose, Strictness, read_all};
pub use places::{Place, Places};
pub use problem::{Problem, Problems};
pub use suggestion::{did_you_mean, nearest};
