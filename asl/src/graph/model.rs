//! Nodes and edges of a machine.

use std::collections::HashMap;

use crate::data::payload_template::Template;
use crate::program::Machine;
use crate::resource::Resource;
use crate::states::choice::condition::{Against, Condition};
use crate::states::choice::operator::Operator;
use crate::states::{Body, State, StateType};

/// What a node is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Kind {
    Start,
    End,
    State(StateType),
}

/// A node.
#[derive(Debug)]
pub(super) struct Node {
    pub(super) kind: Kind,
    /// The state's name.
    pub(super) name: String,
    /// What stands under it: the resource, the time waited.
    pub(super) detail: Option<String>,
    /// The machines inside.
    pub(super) inner: Vec<Graph>,
}

/// What a transition is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Way {
    Next,
    Choice,
    Catch,
}

/// A transition.
#[derive(Debug)]
pub(super) struct Edge {
    pub(super) from: usize,
    pub(super) to: usize,
    pub(super) way: Way,
    pub(super) label: Option<String>,
}

/// A machine as a graph.
#[derive(Debug, Default)]
pub(super) struct Graph {
    pub(super) nodes: Vec<Node>,
    pub(super) edges: Vec<Edge>,
    /// The node that it begins with.
    pub(super) first: usize,
}

impl Graph {
    /// The graph of a machine; the outermost one has a start and an end.
    pub(super) fn of(machine: &Machine, outermost: bool) -> Graph {
        let mut graph = Graph::default();
        let mut places = HashMap::new();
        if outermost {
            graph.add(Kind::Start, "Start", None, Vec::new());
        }
        for (name, state) in &machine.states {
            let inner = state
                .machines()
                .iter()
                .map(|machine| Graph::of(machine, false))
                .collect();
            let place = graph.add(Kind::State(state.kind()), name, detail(state), inner);
            places.insert(name.as_str(), place);
        }
        graph.first = places.get(machine.start_at.as_str()).copied().unwrap_or(0);
        let end = outermost.then(|| graph.add(Kind::End, "End", None, Vec::new()));
        if outermost {
            let first = std::mem::take(&mut graph.first);
            graph.edge(0, first, Way::Next, None);
        }
        for (name, state) in &machine.states {
            let Some(from) = places.get(name.as_str()).copied() else {
                continue;
            };
            for (next, way, label) in ways(state) {
                if let Some(to) = next.map_or(end, |next| places.get(next).copied()) {
                    graph.edge(from, to, way, label);
                }
            }
        }
        graph
    }

    fn add(&mut self, kind: Kind, name: &str, detail: Option<String>, inner: Vec<Graph>) -> usize {
        self.nodes.push(Node {
            kind,
            name: name.to_owned(),
            detail,
            inner,
        });
        self.nodes.len() - 1
    }

    /// Adds a transition; several to the same state are one with several labels.
    fn edge(&mut self, from: usize, to: usize, way: Way, label: Option<String>) {
        let same = self
            .edges
            .iter_mut()
            .find(|e| (e.from, e.to, e.way) == (from, to, way));
        match (same, label) {
            (Some(edge), Some(label)) => match &mut edge.label {
                Some(known) => {
                    known.push_str(" | ");
                    known.push_str(&label);
                }
                None => edge.label = Some(label),
            },
            (Some(_), None) => {}
            (None, label) => self.edges.push(Edge {
                from,
                to,
                way,
                label,
            }),
        }
    }
}

/// Where a state leads; none is the end.
fn ways(state: &State) -> Vec<(Option<&str>, Way, Option<String>)> {
    let mut ways = Vec::new();
    match &state.body {
        Body::Choice(choice) => {
            for rule in &choice.rules {
                ways.push((
                    Some(rule.next.as_str()),
                    Way::Choice,
                    Some(shorten(&condition(&rule.condition))),
                ));
            }
            if let Some(default) = &choice.default {
                ways.push((
                    Some(default.as_str()),
                    Way::Choice,
                    Some("otherwise".to_owned()),
                ));
            }
        }
        Body::Task(task) => ways.push((task.transition.next(), Way::Next, None)),
        Body::Pass(pass) => ways.push((pass.transition.next(), Way::Next, None)),
        Body::Wait(wait) => ways.push((wait.transition.next(), Way::Next, None)),
        Body::Parallel(parallel) => ways.push((parallel.transition.next(), Way::Next, None)),
        Body::Map(map) => ways.push((map.transition.next(), Way::Next, None)),
        Body::Succeed(_) | Body::Fail(_) => ways.push((None, Way::Next, None)),
    }
    for catcher in state.catch() {
        let errors = match catcher.error_equals.as_slice() {
            [all] if all == "States.ALL" => "any error".to_owned(),
            errors => errors.join(", "),
        };
        ways.push((
            Some(catcher.next.as_str()),
            Way::Catch,
            Some(shorten(&errors)),
        ));
    }
    ways
}

/// What a person reads under a state's name.
fn detail(state: &State) -> Option<String> {
    use crate::states::wait::Until;
    let text = match &state.body {
        Body::Task(task) => match &task.resource {
            Resource::Function { function, .. } => function.to_string(),
            Resource::Activity { name, .. } => format!("activity {name}"),
            other => other
                .integration()
                .map(|(service, action)| format!("{service}:{action}"))?,
        },
        Body::Wait(wait) => match &wait.until {
            Until::Seconds(seconds) => format!("{seconds} s"),
            Until::Timestamp(at) => format!("until {at}"),
            Until::SecondsPath(path) | Until::TimestampPath(path) => path.text().to_owned(),
            Until::SecondsQuery(query) | Until::TimestampQuery(query) => {
                query.expression.text().to_owned()
            }
        },
        Body::Fail(fail) => match &fail.error {
            Some(crate::states::fail::Text::Fixed(error)) => error.clone(),
            _ => return None,
        },
        Body::Map(map) => match (&map.distributed, &map.items) {
            (Some(_), _) => "distributed".to_owned(),
            (None, crate::states::map::Items::Path(path)) => format!("for each of {path}"),
            (None, crate::states::map::Items::Query(Template::Query(query))) => {
                format!("for each of {}", query.expression.text())
            }
            _ => "for each".to_owned(),
        },
        _ => return None,
    };
    Some(shorten(&text))
}

/// A condition in few words.
fn condition(condition: &Condition) -> String {
    let all = |parts: &[Condition], word: &str| {
        let parts: Vec<String> = parts.iter().map(self::condition).collect();
        parts.join(word)
    };
    match condition {
        Condition::And(parts) => all(parts, " and "),
        Condition::Or(parts) => all(parts, " or "),
        Condition::Not(part) => format!("not {}", self::condition(part)),
        Condition::Query(query) => query.expression.text().to_owned(),
        Condition::Fixed(holds) => holds.to_string(),
        Condition::Test {
            variable,
            operator,
            against,
        } => {
            let against = match against {
                Against::Value(value) => value.to_string(),
                Against::Path(path) => path.to_string(),
            };
            let variable = variable.to_string();
            let variable = variable.strip_prefix("$.").unwrap_or(&variable);
            match operator {
                Operator::IsPresent => format!("{variable} is {}there", no(&against)),
                other => match other.sign() {
                    Some(sign) => format!("{variable} {sign} {against}"),
                    None => format!("{variable} is {}{}", no(&against), other.noun()),
                },
            }
        }
    }
}

fn no(against: &str) -> &'static str {
    if against == "false" { "not " } else { "" }
}

/// At most so many characters.
fn shorten(text: &str) -> String {
    const MOST: usize = 34;
    let text = text.split_whitespace().collect::<Vec<_>>().join(" ");
    if text.chars().count() <= MOST {
        return text;
    }
    text.chars().take(MOST - 1).chain(['…']).collect()
}
