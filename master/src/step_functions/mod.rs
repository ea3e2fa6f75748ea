//! The API of AWS Step Functions: boto3, the aws command line and every SDK work with an endpoint URL.
//!
//! One path, one verb: the action stands in `X-Amz-Target`, the body is JSON. State machines, executions and
//! activities are the cluster's own StateMachine, WorkflowRun and Activity objects, so that whatever is made
//! here is seen by kubectl and the other way round. The namespace is that of the credentials
//! ([`door`]).
//!
//! - [`machines`], [`executions`], [`history`], [`map_runs`], [`tags`], [`activities`], [`tokens`], [`test_state`]: the actions, by what they are about
//! - `door`: who may come in, and to which namespace; `keys`: access keys; `signature`: AWS Signature Version 4
//! - `page`: `maxResults` and `nextToken`; `shapes`: what several actions show

mod activities;
mod door;
mod error;
mod executions;
mod history;
mod http;
mod keys;
mod machines;
mod map_runs;
mod page;
mod shapes;
mod signature;
mod tags;
mod test_state;
mod tokens;

pub use door::Door;
pub use http::{StepFunctions, configure};
pub use keys::AccessKeys;
