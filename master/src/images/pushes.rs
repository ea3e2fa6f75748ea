//! Images under way to the registry: one attempt after the other until it has them.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::Duration;

use actix::{AsyncContext, Context, Handler, Message, WrapFuture};
use common::resources::{Base, Function};

use super::actor::Images;
use super::need::verdict;
use super::publish::{Published, possible, publish, show};
use crate::key::ObjectKey;

/// Pause before the next attempt: it doubles up to the longest, and is between half and all of that.
const FIRST: Duration = Duration::from_secs(1);
const LONGEST: Duration = Duration::from_secs(60);

/// An image that is to be in the registry.
pub(super) struct Push {
    functions: BTreeSet<ObjectKey>,
    base: Base,
    tries: u32,
}

/// Try to push a build's image.
#[derive(Message)]
#[rtype(result = "()")]
pub(super) struct TryPush(String);

/// What came of a try.
#[derive(Message)]
#[rtype(result = "()")]
struct Tried {
    build: String,
    functions: BTreeSet<ObjectKey>,
    published: Published,
}

impl Images {
    /// Whether a built function lacks an image, or one for another architecture.
    pub(super) fn lacks_image(&self, function: &Function, build: &str) -> bool {
        if !self.tools.images.keeps_images()
            || verdict(function, build).is_none_or(|b| !b.is_true())
        {
            return false;
        }
        let shown = &function.status.image_architectures;
        let possible = possible(&self.tools, function.spec.base.unwrap_or_default());
        let waits = function
            .status
            .conditions
            .iter()
            .any(|c| c.r#type == "Pushed");
        !waits || possible.iter().any(|arch| !shown.contains(arch))
    }

    /// Sees to it that a function's image gets into the registry.
    pub(super) fn push(&mut self, function: &Function, build: &str, ctx: &mut Context<Self>) {
        let fresh = !self.pushes.contains_key(build);
        let push = self.pushes.entry(build.to_owned()).or_insert_with(|| Push {
            functions: BTreeSet::new(),
            base: function.spec.base.unwrap_or_default(),
            tries: 0,
        });
        push.functions.insert(ObjectKey::of(function));
        if fresh {
            ctx.notify(TryPush(build.to_owned()));
        }
    }

    /// A function is gone, or wants another build.
    pub(super) fn leave_pushes(&mut self, function: &ObjectKey, build: Option<&str>) {
        for (other, push) in &mut self.pushes {
            if Some(other.as_str()) != build {
                push.functions.remove(function);
            }
        }
    }
}

impl Handler<TryPush> for Images {
    type Result = ();

    fn handle(&mut self, TryPush(build): TryPush, ctx: &mut Self::Context) {
        let Some(push) = self.pushes.get(&build) else {
            return;
        };
        if push.functions.is_empty() {
            self.pushes.remove(&build);
            return;
        }
        let (functions, base) = (push.functions.clone(), push.base);
        let (tools, addr) = (Arc::clone(&self.tools), ctx.address());
        let attempt = async move {
            let published = {
                let _turn = tools.push_turns.acquire().await;
                publish(&tools, &build, base).await
            };
            for function in &functions {
                show(&tools, function, &build, &published).await;
            }
            addr.do_send(Tried {
                build,
                functions,
                published,
            });
        };
        ctx.spawn(attempt.into_actor(self));
    }
}

impl Handler<Tried> for Images {
    type Result = ();

    fn handle(&mut self, tried: Tried, ctx: &mut Self::Context) {
        let Tried {
            build,
            functions,
            published,
        } = tried;
        let Some(push) = self.pushes.get_mut(&build) else {
            return;
        };
        let newcomers = push.functions.difference(&functions).next().is_some();
        let pause = match published {
            Published::Done(_) if newcomers => Duration::ZERO,
            Published::Done(_) => {
                self.pushes.remove(&build);
                return;
            }
            Published::Waits(_) | Published::Failed(_) => {
                push.tries = push.tries.saturating_add(1);
                let longest = FIRST.saturating_mul(1 << push.tries.min(6)).min(LONGEST);
                longest.mul_f64(0.5 + 0.5 * rand::random::<f64>())
            }
        };
        ctx.notify_later(TryPush(build), pause);
    }
}
