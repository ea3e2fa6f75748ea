//! From the parser's tree to the one that is evaluated: paths are lists of steps, predicates belong to their steps, and each `%` knows
//! which step it looks back to.

use std::sync::Arc;

use super::super::error::Error;
use super::ast::{Kind, Lambda, Node, Stage, Term, Transform, Tree};

pub(super) fn shape(raw: Node) -> Result<Tree, Error> {
    let mut shaper = Shaper { slots: Vec::new() };
    let root = shaper.node(raw)?;
    if !root.seeking.is_empty() {
        return Err(no_parent(root.at));
    }
    let labels = shaper.slots.iter().map(|slot| format!("!{}", slot.label));
    Ok(Tree {
        labels: labels.collect(),
        root,
    })
}

fn no_parent(at: usize) -> Error {
    Error::at(
        "S0217",
        at,
        "The object representing the 'parent' cannot be derived from this expression",
    )
}

/// A `%`: the label under which its value will be bound, and how many steps back that still is.
struct Slot {
    label: usize,
    level: u32,
}

struct Shaper {
    slots: Vec<Slot>,
}

impl Shaper {
    fn node(&mut self, node: Node) -> Result<Node, Error> {
        stacker::maybe_grow(64 << 10, 1 << 20, || self.shape(node))
    }

    fn boxed(&mut self, node: Node) -> Result<Box<Node>, Error> {
        self.node(node).map(Box::new)
    }

    fn all(&mut self, nodes: Vec<Node>, seeking: &mut Vec<usize>) -> Result<Vec<Node>, Error> {
        let mut shaped = Vec::with_capacity(nodes.len());
        for node in nodes {
            let node = self.node(node)?;
            seeking.extend(&node.seeking);
            shaped.push(node);
        }
        Ok(shaped)
    }

    fn pairs(
        &mut self,
        pairs: Vec<(Node, Node)>,
        seeking: &mut Vec<usize>,
    ) -> Result<Vec<(Node, Node)>, Error> {
        let mut shaped = Vec::with_capacity(pairs.len());
        for (name, value) in pairs {
            let (name, value) = (self.node(name)?, self.node(value)?);
            seeking.extend(name.seeking.iter().chain(&value.seeking));
            shaped.push((name, value));
        }
        Ok(shaped)
    }

    fn shape(&mut self, node: Node) -> Result<Node, Error> {
        let (at, keep_array) = (node.at, node.keep_array);
        let mut seeking = Vec::new();
        let kind = match node.kind {
            Kind::Dot(left, right) => return self.dot(*left, *right, at, keep_array),
            Kind::Predicate(left, condition) => return self.predicate(*left, *condition),
            Kind::Ordered(left, terms) => return self.ordered(*left, terms, at),
            Kind::Grouped(left, pairs) => {
                let mut left = self.node(*left)?;
                if left.group.is_some() {
                    return Err(Error::at(
                        "S0210",
                        at,
                        "Each step can only have one grouping expression",
                    ));
                }
                left.group = Some(self.pairs(pairs, &mut seeking)?);
                return Ok(left);
            }
            Kind::Focus(left, name) => return self.focus(*left, name, at, keep_array),
            Kind::Index(left, name) => return self.index(*left, name),
            Kind::Name(name) => {
                let mut step = Node::new(Kind::Name(name), at);
                step.keep_array = keep_array;
                Kind::Path {
                    steps: vec![step],
                    keep_singleton: keep_array,
                }
            }
            Kind::Parent(_) => {
                let slot = self.slots.len();
                self.slots.push(Slot {
                    label: slot,
                    level: 1,
                });
                seeking.push(slot);
                Kind::Parent(slot)
            }
            Kind::Negate(inner) => {
                let inner = self.node(*inner)?;
                seeking.extend(&inner.seeking);
                match inner.kind {
                    Kind::Number(value) => Kind::Number(-value),
                    _ => Kind::Negate(Box::new(inner)),
                }
            }
            Kind::Binary(operator, left, right) => {
                let (left, right) = (self.node(*left)?, self.node(*right)?);
                seeking.extend(left.seeking.iter().chain(&right.seeking));
                Kind::Binary(operator, Box::new(left), Box::new(right))
            }
            Kind::Apply(left, right) => {
                let (left, right) = (self.node(*left)?, self.node(*right)?);
                let keep = left.keep_array || right.keep_array || keep_array;
                let mut apply = Node::new(Kind::Apply(Box::new(left), Box::new(right)), at);
                apply.keep_array = keep;
                return Ok(apply);
            }
            Kind::Bind(name, value) => {
                let value = self.node(*value)?;
                seeking.extend(&value.seeking);
                Kind::Bind(name, Box::new(value))
            }
            Kind::Condition(test, then, otherwise) => {
                let (test, then) = (self.node(*test)?, self.node(*then)?);
                seeking.extend(test.seeking.iter().chain(&then.seeking));
                let otherwise = otherwise.map(|node| self.boxed(*node)).transpose()?;
                seeking.extend(otherwise.iter().flat_map(|node| &node.seeking));
                Kind::Condition(Box::new(test), Box::new(then), otherwise)
            }
            Kind::Array(items) => Kind::Array(self.all(items, &mut seeking)?),
            Kind::Object(pairs) => Kind::Object(self.pairs(pairs, &mut seeking)?),
            Kind::Block(parts) => {
                let parts = self.all(parts, &mut seeking)?;
                let whole = parts.iter().any(|part| part.whole || starts_whole(part));
                let mut block = Node::new(Kind::Block(parts), at);
                (block.whole, block.keep_array, block.seeking) = (whole, keep_array, seeking);
                return Ok(block);
            }
            Kind::Lambda(lambda) => {
                // The parser has just made it: nobody else holds it.
                let Lambda {
                    parameters,
                    signature,
                    body,
                } = Arc::into_inner(lambda).ok_or_else(|| no_parent(at))?;
                let body = self.node(body)?;
                Kind::Lambda(Arc::new(Lambda {
                    parameters,
                    signature,
                    body,
                }))
            }
            Kind::Transform(transform) => {
                let Transform {
                    pattern,
                    update,
                    delete,
                } = Arc::into_inner(transform).ok_or_else(|| no_parent(at))?;
                Kind::Transform(Arc::new(Transform {
                    pattern: self.node(pattern)?,
                    update: self.node(update)?,
                    delete: delete.map(|node| self.node(node)).transpose()?,
                }))
            }
            Kind::Call {
                procedure,
                arguments,
            } => Kind::Call {
                procedure: self.boxed(*procedure)?,
                arguments: self.all(arguments, &mut seeking)?,
            },
            Kind::Partial {
                procedure,
                arguments,
            } => Kind::Partial {
                procedure: self.boxed(*procedure)?,
                arguments: self.all(arguments, &mut seeking)?,
            },
            leaf => leaf,
        };
        let mut shaped = Node::new(kind, at);
        (shaped.keep_array, shaped.seeking) = (keep_array, seeking);
        Ok(shaped)
    }

    fn dot(&mut self, left: Node, right: Node, at: usize, keep_array: bool) -> Result<Node, Error> {
        let left = self.node(left)?;
        let (mut path, mut steps) = into_path(left, at);
        let right = self.node(right)?;
        match right {
            Node {
                kind:
                    Kind::Path {
                        steps: more,
                        keep_singleton,
                    },
                stages,
                group,
                seeking,
                ..
            } if stages.is_empty() && group.is_none() => {
                steps.extend(more);
                path.seeking.extend(seeking);
                if keep_singleton {
                    path.keep_array = true;
                }
            }
            mut step => {
                step.staged = true;
                steps.push(step);
            }
        }
        for step in &mut steps {
            match &step.kind {
                Kind::Number(_) | Kind::Bool(_) | Kind::Null => {
                    let value = match &step.kind {
                        Kind::Number(value) => value.to_string(),
                        Kind::Bool(value) => value.to_string(),
                        _ => "null".to_owned(),
                    };
                    let message = format!(
                        "The literal value {value} cannot be used as a step within a path expression"
                    );
                    return Err(Error::at("S0213", step.at, message));
                }
                Kind::Text(text) => step.kind = Kind::Name(Arc::clone(text)),
                _ => {}
            }
        }
        let keep_singleton =
            path.keep_array || keep_array || steps.iter().any(|step| step.keep_array);
        path.keep_array = false;
        let last = steps.len().saturating_sub(1);
        for (index, step) in steps.iter_mut().enumerate() {
            if (index == 0 || index == last) && matches!(step.kind, Kind::Array(_)) {
                step.whole = true;
            }
        }
        path.kind = Kind::Path {
            steps,
            keep_singleton,
        };
        self.look_back(&mut path)?;
        Ok(path)
    }

    fn predicate(&mut self, left: Node, condition: Node) -> Result<Node, Error> {
        let at = condition.at;
        let mut left = self.node(left)?;
        let condition = self.node(condition)?;
        let in_path = matches!(left.kind, Kind::Path { .. });
        let step = last_step(&mut left).ok_or_else(|| no_parent(at))?;
        step.staged |= in_path;
        if step.group.is_some() {
            return Err(Error::at(
                "S0209",
                condition.at,
                "A predicate cannot follow a grouping expression in a step",
            ));
        }
        let mut open = Vec::new();
        for slot in &condition.seeking {
            if self.level(*slot) == 1 {
                self.seek(step, *slot)?;
            } else {
                self.closer(*slot);
            }
            if self.level(*slot) > 0 {
                open.push(*slot);
            }
        }
        step.seeking.extend(open);
        step.stages.push(Stage::Filter(condition));
        Ok(left)
    }

    fn ordered(&mut self, left: Node, terms: Vec<Term>, at: usize) -> Result<Node, Error> {
        let left = self.node(left)?;
        let (mut path, mut steps) = into_path(left, at);
        let keep_singleton = std::mem::take(&mut path.keep_array);
        let mut shaped = Vec::with_capacity(terms.len());
        let mut sort = Node::new(Kind::Null, at);
        for Term { descending, by } in terms {
            let by = self.node(by)?;
            sort.seeking.extend(&by.seeking);
            shaped.push(Term { descending, by });
        }
        sort.kind = Kind::Sort(shaped);
        steps.push(sort);
        path.kind = Kind::Path {
            steps,
            keep_singleton,
        };
        self.look_back(&mut path)?;
        Ok(path)
    }

    fn focus(
        &mut self,
        left: Node,
        name: Arc<str>,
        at: usize,
        keep_array: bool,
    ) -> Result<Node, Error> {
        let mut node = self.node(left)?;
        let step = last_step(&mut node).ok_or_else(|| no_parent(at))?;
        if !step.stages.is_empty() {
            return Err(Error::at(
                "S0215",
                at,
                "A context variable binding must precede any predicates on a step",
            ));
        }
        if matches!(step.kind, Kind::Sort(_)) {
            return Err(Error::at(
                "S0216",
                at,
                "A context variable binding must precede the 'order-by' clause on a step",
            ));
        }
        step.keep_array |= keep_array;
        step.focus = Some(name);
        step.tuple = true;
        Ok(node)
    }

    fn index(&mut self, left: Node, name: Arc<str>) -> Result<Node, Error> {
        let node = self.node(left)?;
        let at = node.at;
        let (mut path, steps) = into_path(node, at);
        let keep_singleton = std::mem::take(&mut path.keep_array);
        path.kind = Kind::Path {
            steps,
            keep_singleton,
        };
        let step = last_step(&mut path).ok_or_else(|| no_parent(at))?;
        step.staged = true;
        if step.stages.is_empty() {
            step.index = Some(name);
        } else {
            step.stages.push(Stage::Index(name));
        }
        step.tuple = true;
        Ok(path)
    }

    fn level(&self, slot: usize) -> u32 {
        self.slots.get(slot).map_or(0, |slot| slot.level)
    }

    fn closer(&mut self, slot: usize) {
        if let Some(slot) = self.slots.get_mut(slot) {
            slot.level = slot.level.saturating_sub(1);
        }
    }

    /// Goes one step back: marks the step if it is the one that a `%` stands for.
    fn seek(&mut self, node: &mut Node, slot: usize) -> Result<(), Error> {
        match &mut node.kind {
            Kind::Name(_) | Kind::Wildcard => {
                self.closer(slot);
                if self.level(slot) == 0 {
                    if let Some(other) = node.ancestor {
                        let label = self.slots.get(other).map_or(other, |slot| slot.label);
                        if let Some(slot) = self.slots.get_mut(slot) {
                            slot.label = label;
                        }
                    }
                    node.ancestor = Some(slot);
                    node.tuple = true;
                }
            }
            Kind::Parent(_) => {
                if let Some(slot) = self.slots.get_mut(slot) {
                    slot.level += 1;
                }
            }
            Kind::Block(parts) => {
                node.tuple = true;
                if let Some(last) = parts.last_mut() {
                    self.seek(last, slot)?;
                }
            }
            Kind::Path { steps, .. } => {
                node.tuple = true;
                for step in steps.iter_mut().rev() {
                    self.seek(step, slot)?;
                    if self.level(slot) == 0 {
                        break;
                    }
                }
            }
            _ => return Err(no_parent(node.at)),
        }
        Ok(())
    }

    /// Finds the steps that the `%`s of a path's last step stand for; those beyond its start are sought outside.
    fn look_back(&mut self, path: &mut Node) -> Result<(), Error> {
        let Kind::Path { steps, .. } = &mut path.kind else {
            return Ok(());
        };
        let Some((last, before)) = steps.split_last_mut() else {
            return Ok(());
        };
        for slot in std::mem::take(&mut last.seeking) {
            let mut index = before.len();
            while self.level(slot) > 0 {
                if index == 0 {
                    path.seeking.push(slot);
                    break;
                }
                index -= 1;
                // Steps that bind a focus do not go on: they count as one.
                while index > 0
                    && before.get(index).is_some_and(|step| step.focus.is_some())
                    && before
                        .get(index - 1)
                        .is_some_and(|step| step.focus.is_some())
                {
                    index -= 1;
                }
                if let Some(step) = before.get_mut(index) {
                    self.seek(step, slot)?;
                }
            }
        }
        Ok(())
    }
}

/// Whether a path begins with `[…]`.
fn starts_whole(node: &Node) -> bool {
    matches!(&node.kind, Kind::Path { steps, .. } if steps.first().is_some_and(|step| step.whole))
}

/// The path that a node is or becomes, without its steps; `keep_array` says whether it keeps singletons.
fn into_path(node: Node, at: usize) -> (Node, Vec<Node>) {
    match node {
        Node {
            kind: Kind::Path {
                steps,
                keep_singleton,
            },
            at,
            group,
            seeking,
            tuple,
            ..
        } => {
            let mut path = Node::new(Kind::Null, at);
            path.group = group;
            (path.keep_array, path.seeking, path.tuple) = (keep_singleton, seeking, tuple);
            (path, steps)
        }
        step => {
            let mut path = Node::new(Kind::Null, at);
            path.keep_array = step.keep_array;
            if matches!(step.kind, Kind::Parent(_)) {
                path.seeking.clone_from(&step.seeking);
            }
            (path, vec![step])
        }
    }
}

/// The last step of a path; anything else is its own.
fn last_step(node: &mut Node) -> Option<&mut Node> {
    if matches!(node.kind, Kind::Path { .. }) {
        match &mut node.kind {
            Kind::Path { steps, .. } => steps.last_mut(),
            _ => None,
        }
    } else {
        Some(node)
    }
}
