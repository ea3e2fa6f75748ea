//! What is asked: the path's object, the verb, the options, the body and the form of the answer.

mod accept;
mod body;
mod options;
mod protobuf;
mod target;

pub(super) use accept::{Form, form};
pub(super) use body::{parse, read};
pub(super) use options::{FieldValidation, Options};
pub(super) use target::{Target, Verb, verb};
