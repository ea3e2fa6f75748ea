//! The tree of an expression.

use std::sync::Arc;

use super::super::regex::Pattern;
use super::signature::Signature;

/// A whole expression.
#[derive(Debug)]
pub(crate) struct Tree {
    pub(crate) root: Node,
    /// For each `%` the name under which the value it stands for is bound.
    pub(crate) labels: Vec<String>,
}

/// A part of an expression.
#[derive(Debug)]
pub(crate) struct Node {
    pub(crate) kind: Kind,
    /// Where it begins, in characters from 0.
    pub(crate) at: usize,
    /// `[…]` behind it, and `#$i` behind those.
    pub(crate) stages: Vec<Stage>,
    /// Whether its stages are a path's matter: applied to each result of the step, settled one by one.
    pub(crate) staged: bool,
    /// `{…}` behind it.
    pub(crate) group: Option<Vec<(Node, Node)>>,
    /// `[]` behind it.
    pub(crate) keep_array: bool,
    /// `[…]` at the start or end of a path.
    pub(crate) whole: bool,
    /// `@$x`
    pub(crate) focus: Option<Arc<str>>,
    /// `#$i`
    pub(crate) index: Option<Arc<str>>,
    /// The `%` that stands for what this step works on.
    pub(crate) ancestor: Option<usize>,
    /// Whether bindings go on from here.
    pub(crate) tuple: bool,
    /// `%`s inside that are still to be resolved; empty once shaped.
    pub(crate) seeking: Vec<usize>,
}

/// What is done with the result of a step.
#[derive(Debug)]
pub(crate) enum Stage {
    Filter(Node),
    Index(Arc<str>),
}

/// One term of an order-by.
#[derive(Debug)]
pub(crate) struct Term {
    pub(crate) descending: bool,
    pub(crate) by: Node,
}

/// What a part is.
#[derive(Debug)]
pub(crate) enum Kind {
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
pub(crate) struct Lambda {
    pub(crate) parameters: Vec<Arc<str>>,
    pub(crate) signature: Option<Signature>,
    pub(crate) body: Node,
}

/// `|pattern|update, delete|`
#[derive(Debug)]
pub(crate) struct Transform {
    pub(crate) pattern: Node,
    pub(crate) update: Node,
    pub(crate) delete: Option<Node>,
}

/// An operator between two values.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Operator {
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
    pub(crate) fn as_str(self) -> &'static str {
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
    pub(crate) fn new(kind: Kind, at: usize) -> Node {
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
