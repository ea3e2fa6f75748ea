//! A definition, or a run of one, drawn as an SVG picture.
//!
//! - `model`: states and transitions as nodes and edges; Parallel and Map hold graphs of their own
//! - `outcome`: what a run did in each state, from its [steps](crate::steps)
//! - `rank`: which row a node is in; `order`: its order in the row; `straight`: where in the row; `place`: coordinates
//! - `draw`: boxes and lines; `paper`: SVG itself; `look`: colours and measures of text
//!
//! The layout is the layered one: rows from the start to the end, a place kept in each row for lines that pass it and for the labels that
//! stand on them, crossings taken out by looking at neighbours, and straight lines by solving each row exactly. It needs no clock and no
//! randomness: the same definition gives the same picture.

mod draw;
mod look;
mod model;
mod order;
mod outcome;
mod paper;
mod place;
mod rank;
mod straight;

use crate::program::Program;
use crate::run::StepView;

/// The picture of a definition.
pub fn of_definition(program: &Program) -> String {
    draw::picture(
        &model::Graph::of(program.machine(), true),
        &outcome::Outcomes::none(),
    )
}

/// The picture of a run: states coloured by how they ended, with retries and durations.
pub fn of_run(program: &Program, steps: &[StepView]) -> String {
    let outcomes = outcome::Outcomes::of(steps);
    draw::picture(&model::Graph::of(program.machine(), true), &outcomes)
}

#[cfg(test)]
mod tests;
