//! One file or folder per command.

pub mod apply;
pub mod completion;
pub mod delete;
pub mod describe;
pub mod error;
pub mod execute;
pub mod get;
pub mod logs;
pub mod nodes;
pub mod redrive;
pub mod scale;
pub mod stop;
mod target;
pub mod task;
pub mod update;
pub mod version;
