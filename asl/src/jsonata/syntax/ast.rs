//! The tree of an expression.

use std::sync::Arc;

use super::super::regex::Pattern;
use super::signature::Signature;

/// A whole expression.
#[derive(Debug)]
pub(in crate::jsonata) struct Tree {
    pub(in crate::jsonata) root: Node,
    /// For each `%` the name under which the value it stands for is bound.
    pub(in crate::jsonata) labels: Vec<String>,
}

/// A part of an expression.
#[derive(Debug)]
pub(in crate::jsonata) struct Node {
    pub(in crate::jsonata) kind: Kind,
    /// Where it begins, in characters from 0.
    pub(in crate::jsonata) at: usize,
    /// `[…]` behind it, and `#$i` behind those.
    pub(in crate::jsonata) stages: Vec<Stage>,
    /// Whether its stages are a path's matter: applied to each result of the step, settled one by one.
    pub(in crate::jsonata) staged: bool,
    /// `{…}` behind it.
    pub(in crate::jsonata) group: Option<Vec<(Node, Node)>>,
    /// `[]` behind it.
    pub(in crate::jsonata) keep_array: bool,
    /// `[…]` at the start or end of a path.
    pub(in crate::jsonata) whole: bool,
    /// `@$x`
    pub(in crate::jsonata) focus: Option<Arc<str>>,
    /// `#$i`
    pub(in crate::jsonata) index: Option<Arc<str>>,
    /// The `%` that stands for what this step works on.
    pub(in crate::jsonata) ancestor: Option<usize>,
    /// Whether bindings go on from here.
    pub(in crate::jsonata) tuple: bool,
    /// `%`s inside that are still to be resolved; empty once shaped.
    pub(in crate::jsonata) seeking: Vec<usize>,
}

/// What is done with the result of a step.
#[derive(Debug)]
pub(in crate::jsonata) enum Stage {
    Filter(Node),
    Index(Arc<str>),
}

/// One term of an order-by.
#[derive(Debug)]
pub(in crate::jsonata) struct Term {
    pub(in crate::jsonata) descending: bool,
    pub(in crate::jsonata) by: Node,
}

/// What a part is.
#[derive(Debug)]
pub(in crate::jsonata) enum Kind {
    Text(Arc<str>),
    Number(f64),
    Bool(bool),
    Null,
    Regex(Arc<Pattern>),
    Name(Arc<str>),
    Variable(Arc<str>),
    Wildcard,
    Descendants,
    /// `%`, by its number.
    Parent(usize),
    Placeholder,
    Path {
        steps: Vec<Node>,
        keep_singleton: bool,
    },
    Sort(Vec<Term>),
    Binary(Operator, Box<Node>, Box<Node>),
    Negate(Box<Node>),
    Array(Vec<Node>),
    Object(Vec<(Node, Node)>),
    Bind(Arc<str>, Box<Node>),
    Apply(Box<Node>, Box<Node>),
    Condition(Box<Node>, Box<Node>, Option<Box<Node>>),
    Block(Vec<Node>),
    Lambda(Arc<Lambda>),
    Call {
        procedure: Box<Node>,
        arguments: Vec<Node>,
    },
    /// A call with `?` among its arguments.
    Partial {
        procedure: Box<Node>,
        arguments: Vec<Node>,
    },
    Transform(Arc<Transform>),
    // What only the parser knows; `shape` replaces them.
    Dot(Box<Node>, Box<Node>),
    Predicate(Box<Node>, Box<Node>),
    Grouped(Box<Node>, Vec<(Node, Node)>),
    Ordered(Box<Node>, Vec<Term>),
    Focus(Box<Node>, Arc<str>),
    Index(Box<Node>, Arc<str>),
}

/// `function($x) {…}`
#[derive(Debug)]
pub(in crate::jsonata) struct Lambda {
    pub(in crate::jsonata) parameters: Vec<Arc<str>>,
    pub(in crate::jsonata) signature: Option<Signature>,
    pub(in crate::jsonata) body: Node,
}

/// `|pattern|update, delete|`
#[derive(Debug)]
pub(in crate::jsonata) struct Transform {
    pub(in crate::jsonata) pattern: Node,
    pub(in crate::jsonata) update: Node,
    pub(in crate::jsonata) delete: Option<Node>,
}

/// An operator between two values.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in crate::jsonata) enum Operator {
    Add,
    Subtract,
    Multiply,
    Divide,
    Remainder,
    Equal,
    NotEqual,
    Less,
    Greater,
    LessEqual,
    GreaterEqual,
    Concat,
    And,
    Or,
    In,
    Range,
    /// `?:`
    Default,
    /// `??`
    Coalesce,
}

impl Operator {
    pub(in crate::jsonata) fn as_str(self) -> &'static str {
        match self {
            Operator::Add => "+",
            Operator::Subtract => "-",
            Operator::Multiply => "*",
            Operator::Divide => "/",
            Operator::Remainder => "%",
            Operator::Equal => "=",
            Operator::NotEqual => "!=",
            Operator::Less => "<",
            Operator::Greater => ">",
            Operator::LessEqual => "<=",
            Operator::GreaterEqual => ">=",
            Operator::Concat => "&",
            Operator::And => "and",
            Operator::Or => "or",
            Operator::In => "in",
            Operator::Range => "..",
            Operator::Default => "?:",
            Operator::Coalesce => "??",
        }
    }

    pub(super) fn of(text: &str) -> Option<Operator> {
        use Operator as O;
        const ALL: [Operator; 18] = [
            O::Add,
            O::Subtract,
            O::Multiply,
            O::Divide,
            O::Remainder,
            O::Equal,
            O::NotEqual,
            O::Less,
            O::Greater,
            O::LessEqual,
            O::GreaterEqual,
            O::Concat,
            O::And,
            O::Or,
            O::In,
            O::Range,
            O::Default,
            O::Coalesce,
        ];
        ALL.into_iter().find(|operator| operator.as_str() == text)
    }
}

impl Node {
    pub(in crate::jsonata) fn new(kind: Kind, at: usize) -> Node {
        Node {
            kind,
            at,
            stages: Vec::new(),
            staged: false,
            group: None,
            keep_array: false,
            whole: false,
            focus: None,
            index: None,
            ancestor: None,
            tuple: false,
            seeking: Vec::new(),
        }
    }
}
