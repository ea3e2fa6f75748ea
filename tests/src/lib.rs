//! What end-to-end tests are made of: a cluster of the real programs in a directory of its own, the
//! command lines and HTTP clients that people use, and waiting that never guesses a time.
//!
//! A test starts a [`Cluster`], does what a person would do, and looks at what that person would see.
//! It waits with [`eventually`], which fails with the last thing it saw. When a test fails, the
//! cluster's directory is kept and the ends of its logs are printed; when it passes, dropping the
//! cluster checks that nothing was left behind.

mod api;
mod certificates;
mod cluster;
mod command;
mod engine;
mod etcd;
mod fleet;
mod function;
mod gate;
mod http;
mod master;
mod node;
mod options;
mod ports;
mod process;
mod processes;
mod programs;
mod s3;
mod wait;

pub use api::{Api, Identity};
pub use cluster::Cluster;
pub use command::{Kubectl, Said};
pub use engine::Engine;
pub use etcd::Etcd;
pub use fleet::Fleet;
pub use function::{Source, params, waits_for};
pub use gate::Gate;
pub use http::{Http, Reply, runtime};
pub use master::Master;
pub use node::Node;
pub use options::{Options, agent_variable, master_variable};
pub use ports::{free_address, free_addresses};
pub use process::Process;
pub use processes::{mentioning, sockets_below};
pub use programs::{program, real_kubectl, repository};
pub use s3::S3;
pub use wait::eventually;
