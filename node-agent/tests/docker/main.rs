//! Pods as containers, on a real engine: `TROUPE_TEST_DOCKER_HOST` names its socket and
//! `TROUPE_TEST_BASE_IMAGE` the function base, a tar. Without them there is nothing to test; with
//! `CI=true` that is a failure. They need root.

#![allow(clippy::unwrap_used, reason = "tests: helpers too may panic")]

mod builds;
mod custom;
mod engine;
#[allow(clippy::duplicate_mod, reason = "see below")]
mod escapes;
#[path = "escapes.rs"]
#[allow(
    clippy::duplicate_mod,
    reason = "all that holds for one way to a pod holds for the other"
)]
mod escapes_from_warm_pods;
mod faults;
mod foreign;
#[path = "../harness/mod.rs"]
mod harness;
mod images;
mod life;
mod node;
mod outside;
mod warm;
mod way;
