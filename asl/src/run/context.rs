//! What the expressions of a strand's state see.

use std::sync::LazyLock;

use indexmap::IndexMap;
use serde_json::Value;

use super::Run;
use super::decide::Maker;
use super::id::StrandId;
use super::strand::Phase;
use crate::data::context::Scope;
use crate::data::context_object::{ContextObject, ExecutionPart, ItemPart, StatePart};
use crate::history::Payload;
use crate::states::StateType;

static NO_VARIABLES: LazyLock<IndexMap<String, Payload>> = LazyLock::new(IndexMap::new);

impl Maker<'_> {
    /// What expressions of a strand's state see. `token` is that of the task that is being scheduled.
    pub(super) fn scope<'s>(&'s self, id: StrandId, token: Option<&'s str>) -> Scope<'s> {
        let item = iteration(self.run, id);
        self.scope_of(id, token, item)
    }

    /// The same for the item of an iteration that is about to begin; it sees the Map state as its state.
    pub(super) fn item_scope<'s>(&'s self, map: StrandId, item: ItemPart<'s>) -> Scope<'s> {
        self.scope_of(map, None, Some(item))
    }

    fn scope_of<'s>(
        &'s self,
        id: StrandId,
        token: Option<&'s str>,
        item: Option<ItemPart<'s>>,
    ) -> Scope<'s> {
        let strand = self.run.strands.get(&id);
        let visit = strand.and_then(|s| s.visit.as_ref());
        let context = ContextObject {
            execution: self.run.started.as_ref().map(|started| ExecutionPart {
                id: &started.context.id,
                input: &started.input,
                name: &started.context.name,
                role: started.context.role.as_deref().unwrap_or_default(),
                start_time: started.context.start_time,
                redrives: started.redrives,
                redrive_time: started.redrive_time,
            }),
            machine: self.run.started.as_ref().map(|started| {
                let context = &started.context;
                (
                    context.state_machine_id.as_str(),
                    context.state_machine_name.as_str(),
                )
            }),
            state: visit.map(|visit| {
                let retried = matches!(
                    visit.kind,
                    StateType::Task | StateType::Parallel | StateType::Map
                );
                StatePart {
                    name: &visit.state,
                    entered: visit.entered_at,
                    retries: retried.then_some(visit.retries),
                }
            }),
            token,
            item,
            given: None,
        };
        let variables = strand.map_or(&*NO_VARIABLES, |s| &*s.variables);
        let scope = Scope::new(context, variables, &self.entropy, self.now)
            .with_budget(self.run.limits.query);
        match visit {
            Some(visit) => scope.with_input(&visit.input),
            None => scope,
        }
    }
}

/// The innermost iteration around a strand.
fn iteration(run: &Run, id: StrandId) -> Option<ItemPart<'_>> {
    let mut at = id;
    loop {
        let (parent, index) = run.strands.get(&at)?.parent?;
        let outer = run.strands.get(&parent)?;
        let is_map = outer.visit.as_ref().map(|v| v.kind) == Some(StateType::Map);
        if is_map && matches!(outer.phase, Phase::Fan(_)) {
            return Some(ItemPart {
                index: u64::from(index),
                value: None,
                key: None,
                source: None,
            });
        }
        at = parent;
    }
}

/// The part of the context object for an item.
pub(super) fn item_part(index: u32, value: &Value) -> ItemPart<'_> {
    ItemPart {
        index: u64::from(index),
        value: Some(value),
        key: None,
        source: None,
    }
}
