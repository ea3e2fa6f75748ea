//! What somebody says of a task reaches its run.

use std::sync::Arc;

use actix::Context;
use common::resources::Task;

use super::Workflows;
use crate::objects::Change;
use crate::workflows::run::Said;
use crate::workflows::tasks;

impl Workflows {
    pub(super) fn task_seen(&mut self, change: Change<Task>, ctx: &mut Context<Self>) {
        match change {
            Change::Restarted(tasks) => {
                self.tasks.clear();
                self.tools.task_queue.clear();
                tasks
                    .into_iter()
                    .for_each(|task| self.task_applied(task, ctx));
            }
            Change::Applied(task) => self.task_applied(task, ctx),
            Change::Deleted(task) => {
                self.tools.task_queue.remove(&task);
                let uid = &task.spec.run_uid;
                if let Some(tasks) = self.tasks.get_mut(uid) {
                    tasks.remove(&task.metadata.name);
                    if tasks.is_empty() {
                        self.tasks.remove(uid);
                    }
                }
            }
        }
    }

    fn task_applied(&mut self, task: Task, ctx: &mut Context<Self>) {
        self.tools.task_queue.set(&task);
        let task = Arc::new(task);
        let uid = &task.spec.run_uid;
        let tasks = self.tasks.entry(uid.clone()).or_default();
        let before = tasks.insert(task.metadata.name.clone(), Arc::clone(&task));
        let news = !tasks::commands(before.as_deref(), &task).is_empty();
        if news && let Some(key) = self.parked.remove(uid) {
            self.go_on_again(vec![(key, uid.clone())], ctx);
            return;
        }
        let children = self.children.as_ref();
        if let Some(child) = children.and_then(|children| children.get(uid)) {
            child.do_send(Said(task));
        }
    }
}
