//! Parallel: several machines at once, each with the same input.

use super::Transition;
use super::io::{Has, InputOutput};
use crate::program::Machine;
use crate::program::fields::Fields;
use crate::program::parse;
use crate::retry::{self, Catcher, Retrier};

/// A Parallel state.
#[derive(Debug, Clone, PartialEq)]
pub struct Parallel {
    /// Its data fields.
    pub io: InputOutput,
    /// The machines.
    pub branches: Vec<Machine>,
    /// `Retry`
    pub retry: Vec<Retrier>,
    /// `Catch`
    pub catch: Vec<Catcher>,
    /// Where it leads.
    pub transition: Transition,
}

impl Parallel {
    pub(super) fn parse(fields: &mut Fields<'_>) -> Option<Parallel> {
        let io = InputOutput::parse(fields, Has::Arguments);
        let transition = Transition::parse(fields);
        let retry = retry::retriers(fields);
        let catch = retry::catchers(fields);
        fields.required("Branches")?;
        let list = fields.list("Branches")?;
        if list.is_empty() {
            fields.wrong("Branches", "'Branches' must have at least one branch");
        }
        let (place, speaks) = (fields.place.key("Branches"), fields.speaks);
        let mut branches = Vec::with_capacity(list.len());
        for (index, value) in list.iter().enumerate() {
            let Some(mut branch) =
                Fields::of("a branch", value, place.index(index), fields.problems)
            else {
                continue;
            };
            branch.speaks = speaks;
            branch.text("Comment");
            branches.extend(parse::machine(&mut branch));
            branch.finish();
        }
        (branches.len() == list.len()).then_some(Parallel {
            io,
            branches,
            retry,
            catch,
            transition,
        })
    }
}
