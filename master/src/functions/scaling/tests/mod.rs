//! The rule by examples and properties, and simulated against shapes of load.

mod rule;
mod shapes;
mod simulation;
