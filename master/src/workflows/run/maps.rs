//! The distributed Maps of a run.

use std::sync::Arc;

use actix::{AsyncContext, Context, WrapFuture};
use asl::run::{Child, ChildResult, MapRunId, Reading, Writing};
use asl::{Command, Program};

use super::{Do, WorkflowRunActor};
use crate::workflows::maps::{self, Items};

/// Maps of a run of which the items are kept at once.
const MOST_READ: usize = 4;

/// A child that runs.
pub(super) struct ChildFlight {
    pub(super) work: tokio::task::AbortHandle,
    express: bool,
}

impl WorkflowRunActor {
    /// Gives a page of items out; the first time they are read.
    pub(super) fn read_items(
        &self,
        map: MapRunId,
        reading: Reading,
        from: u64,
        count: u64,
        ctx: &mut Context<Self>,
    ) {
        let slot: Arc<tokio::sync::OnceCell<Items>> = {
            let mut items = self.items.lock();
            // Those of Maps that failed stay until they make room; what is needed once more is read once more.
            while items.len() >= MOST_READ && !items.contains_key(&map) {
                items.pop_first();
            }
            Arc::clone(items.entry(map).or_default())
        };
        let kept = Arc::clone(&self.items);
        let (tools, addr) = (Arc::clone(&self.tools), ctx.address());
        let namespace = self.run.metadata.namespace.clone();
        let read = async move {
            let items = slot
                .get_or_try_init(|| maps::read(&tools, &namespace, &reading))
                .await;
            let command = match items {
                Ok(items) => {
                    let (items, more) = maps::page(items, from, count);
                    if !more {
                        kept.lock().remove(&map);
                    }
                    Command::ItemsRead {
                        map,
                        from,
                        items,
                        more,
                    }
                }
                Err(cause) => Command::ItemsFailed { map, cause },
            };
            addr.do_send(Do(command));
        };
        ctx.spawn(read.into_actor(self));
    }

    pub(super) fn start_child(&mut self, child: Child, ctx: &mut Context<Self>) {
        let Some(program) = self.processor(&child.state) else {
            let why = format!("the Map {:?} has no processor", child.state);
            if let Some(command) = asl::Effect::StartChild(child).refused(&why) {
                ctx.notify(Do(command));
            }
            return;
        };
        let (map, index, express) = (child.map, child.index, child.express);
        let (tools, run, addr) = (
            Arc::clone(&self.tools),
            Arc::clone(&self.run),
            ctx.address(),
        );
        let work = async move {
            let outcome = maps::run(&tools, &run, &program, &child).await;
            addr.do_send(Do(Command::ChildEnded {
                map,
                index,
                outcome,
            }));
        };
        let work = tokio::spawn(work).abort_handle();
        let flight = ChildFlight { work, express };
        if let Some(old) = self.children.insert((map, index), flight) {
            old.work.abort();
        }
    }

    /// The program of a Map's children, made once.
    fn processor(&mut self, state: &str) -> Option<Arc<Program>> {
        if let Some(known) = self.processors.get(state) {
            return Some(Arc::clone(known));
        }
        let program = Arc::new(self.program.as_ref()?.processor(state)?);
        self.processors
            .insert(state.to_owned(), Arc::clone(&program));
        Some(program)
    }

    pub(super) fn stop_child(&mut self, map: MapRunId, index: u32) {
        let Some(flight) = self.children.remove(&(map, index)) else {
            return;
        };
        flight.work.abort();
        let (tools, run) = (Arc::clone(&self.tools), Arc::clone(&self.run));
        tokio::spawn(async move { maps::stop(&tools.objects, &run, map, index).await });
    }

    /// A child's outcome is in the journal: of an EXPRESS one nothing else is kept.
    pub(super) fn settle_child(&mut self, map: MapRunId, index: u32) {
        let flight = self.children.remove(&(map, index));
        if flight.is_some_and(|flight| flight.express) {
            let (tools, run) = (Arc::clone(&self.tools), Arc::clone(&self.run));
            tokio::spawn(async move { maps::forget(&tools.objects, &run, map, index).await });
        }
    }

    pub(super) fn write_results(
        &self,
        map: MapRunId,
        map_arn: String,
        writing: Writing,
        results: Vec<ChildResult>,
        ctx: &mut Context<Self>,
    ) {
        self.items.lock().remove(&map);
        let (tools, addr) = (Arc::clone(&self.tools), ctx.address());
        let write = async move {
            let written = maps::write(&tools.buckets, &map_arn, &writing, &results).await;
            addr.do_send(Do(match written {
                Ok(output) => Command::ResultsWritten { map, output },
                Err(cause) => Command::ResultsFailed { map, cause },
            }));
        };
        ctx.spawn(write.into_actor(self));
    }
}
