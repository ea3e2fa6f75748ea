//! The agent of one machine.
//!
//! - [`agent`]: puts the rooms together and ends them in order.
//! - [`settings`]: what an operator can choose.
//! - [`layout`]: where things stand in the data directory.
//! - [`link`]: the session with the master: joining, certificates, messages.
//! - [`pods`]: the life of each pod: a pure state machine and an actor around it.
//! - [`runtime`]: what starts pods: child processes or containers.
//! - [`pool`]: generic pods that wait for their function.
//! - [`premises`]: what a pod has on the node, and the end of it.
//! - [`server`]: what is said to the Python server inside a pod.
//! - [`layers`]: functions' layers, by digest.
//! - [`bases`]: the function bases of this node's engine, for the master to lay functions over.
//! - [`builds`]: from a function's source to its layer.
//! - [`proxy`]: the data plane: calls and logs.
//! - [`registry`]: the cluster's images, for this machine's container engine.
//! - [`supervisor`]: the process that watches over one pod's processes.

pub mod agent;
mod backoff;
pub mod bases;
pub mod builds;
pub mod chain;
pub mod cli;
pub mod clock;
pub mod func_base;
pub mod layers;
pub mod layout;
pub mod link;
pub mod machine;
pub mod pods;
pub mod pool;
pub mod premises;
pub mod proxy;
pub mod registry;
pub mod runtime;
pub mod server;
pub mod settings;
pub mod supervisor;
