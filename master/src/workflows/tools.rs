use std::sync::Arc;
use std::time::Duration;

use asl::Limits;

use super::maps::Buckets;
use super::metrics::RunCounts;
use super::retention::Retention;
use super::task_queue::TaskQueue;
use super::tasks::Allowed;
use super::wait::RunWaiters;
use crate::arn::Realm;
use crate::calls::Calls;
use crate::clock::Clock;
use crate::objects::Objects;
use crate::store::Tenure;

/// What runs need.
pub struct WorkflowsTools {
    /// Counts runs.
    pub counts: RunCounts,
    /// The API's objects.
    pub objects: Objects,
    /// Time.
    pub clock: Arc<dyn Clock>,
    /// Until when this master may do what tasks do outside.
    pub tenure: Tenure,
    /// Makes the calls of tasks.
    pub calls: Calls,
    /// Those who wait for the end of runs.
    pub waiters: RunWaiters,
    /// How long a run waits for a function that does not exist.
    pub wait_for_function: Duration,
    /// How long ended runs are kept.
    pub retention: Retention,
    /// What one run may use.
    pub limits: Limits,
    /// What ARNs name.
    pub realm: Realm,
    /// Endpoints that runs may send requests to.
    pub allowed: Allowed,
    /// Files that runs may read and write.
    pub buckets: Buckets,
    /// Tasks that wait for workers.
    pub task_queue: TaskQueue,
}
