//! Variables that an expression binds.

use std::cell::{Cell, RefCell};
use std::rc::Rc;

use super::super::value::{Item, Object};

/// The variables of a block, a call or a step; those around it are seen through it.
pub(crate) struct Frame<'a> {
    // Frames have few variables: a list is faster than a map.
    bound: RefCell<Vec<(Rc<str>, Item<'a>)>>,
    outer: Option<Rc<Frame<'a>>>,
    held: Cell<bool>,
}

impl<'a> Frame<'a> {
    pub(super) fn root() -> Frame<'a> {
        Frame {
            bound: RefCell::default(),
            outer: None,
            held: Cell::new(false),
        }
    }

    pub(super) fn inside(outer: &Rc<Frame<'a>>) -> Rc<Frame<'a>> {
        Rc::new(Frame {
            outer: Some(Rc::clone(outer)),
            ..Frame::root()
        })
    }

    /// A frame with what a step has bound.
    pub(super) fn of_tuple(outer: &Rc<Frame<'a>>, tuple: &Object<'a>) -> Rc<Frame<'a>> {
        let frame = Frame::inside(outer);
        for (name, value) in tuple.entries() {
            frame.bind(name.as_str(), value);
        }
        frame
    }

    pub(super) fn bind(&self, name: &str, value: Item<'a>) {
        let mut bound = self.bound.borrow_mut();
        match bound.iter_mut().find(|(known, _)| &**known == name) {
            Some((_, slot)) => *slot = value,
            None => bound.push((name.into(), value)),
        }
    }

    pub(super) fn find(&self, name: &str) -> Option<Item<'a>> {
        let mut at = Some(self);
        while let Some(frame) = at {
            if let Some((_, value)) = frame
                .bound
                .borrow()
                .iter()
                .find(|(known, _)| &**known == name)
            {
                return Some(value.clone());
            }
            at = frame.outer.as_deref();
        }
        None
    }

    pub(super) fn outer(&self) -> Option<&Rc<Frame<'a>>> {
        self.outer.as_ref()
    }

    /// Marks it; true if it was marked before.
    pub(super) fn mark_held(&self) -> bool {
        self.held.replace(true)
    }

    pub(super) fn clear(&self) {
        // What is dropped may hold this frame: not while it is borrowed.
        let bound = self.bound.take();
        drop(bound);
    }
}
