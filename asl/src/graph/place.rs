//! Coordinates.

use super::look;
use super::model::{Graph, Kind, Node};
use super::order::{Rows, What, order};
use super::rank::rank;
use super::straight::straighten;
use crate::graph::outcome::Outcomes;

/// Space between neighbours in a row, and around what is inside a box.
pub(super) const GAP: f64 = 28.0;
const PADDING: f64 = 18.0;
/// The height of a box's own name.
pub(super) const HEADER: f64 = 44.0;

/// A box.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Area {
    pub(super) x: f64,
    pub(super) y: f64,
    pub(super) width: f64,
    pub(super) height: f64,
}

impl Area {
    pub(super) fn middle(self) -> f64 {
        self.x + self.width / 2.0
    }
}

/// The way of a line, in the direction of its arrow, and where its label stands.
#[derive(Debug)]
pub(super) struct Route {
    pub(super) points: Vec<(f64, f64)>,
    pub(super) label: Option<(f64, f64)>,
}

/// A graph with coordinates.
#[derive(Debug)]
pub(super) struct Layout {
    pub(super) width: f64,
    pub(super) height: f64,
    pub(super) nodes: Vec<Area>,
    pub(super) routes: Vec<Route>,
    /// For each node the graphs inside it, with their place in it.
    pub(super) inner: Vec<Vec<(f64, f64, Layout)>>,
}

/// What stands in a node: its name, and a smaller line.
pub(super) fn lines(node: &Node, outcomes: &Outcomes) -> (String, String) {
    let mut words = Vec::new();
    if let Kind::State(kind) = node.kind {
        words.push(kind.to_string());
    }
    words.extend(node.detail.clone());
    let mut line = words.join(" · ");
    if let Some(outcome) = outcomes.state(&node.name) {
        let said = outcome.words();
        if !said.is_empty() {
            line = format!("{line} · {said}");
        }
    }
    (cut(&node.name, 44), cut(&line, 60))
}

fn cut(text: &str, most: usize) -> String {
    if text.chars().count() <= most {
        return text.to_owned();
    }
    text.chars().take(most - 1).chain(['…']).collect()
}

pub(super) fn layout(graph: &Graph, outcomes: &Outcomes) -> Layout {
    let inner: Vec<Vec<(f64, f64, Layout)>> = graph
        .nodes
        .iter()
        .map(|node| {
            let mut x = PADDING;
            let mut placed = Vec::new();
            for part in &node.inner {
                let part = layout(part, outcomes);
                let width = part.width;
                placed.push((x, HEADER, part));
                x += width + GAP;
            }
            placed
        })
        .collect();
    let node_size = |index: usize| match graph.nodes.get(index) {
        Some(node) if matches!(node.kind, Kind::Start | Kind::End) => (52.0, 28.0),
        Some(node) => {
            let (name, line) = lines(node, outcomes);
            // Names are bold.
            let text = (look::width(&name, 13.0) * 1.1).max(look::width(&line, 10.5)) + 44.0;
            let parts = inner.get(index).map(Vec::as_slice).unwrap_or_default();
            match parts.last() {
                None => (text.max(120.0), 46.0),
                Some((x, _, part)) => {
                    let height = parts.iter().map(|(_, _, p)| p.height).fold(0.0, f64::max);
                    (
                        text.max(x + part.width + PADDING),
                        HEADER + height + PADDING,
                    )
                }
            }
        }
        None => (0.0, 0.0),
    };
    let labelled = graph.edges.iter().any(|edge| edge.label.is_some());
    let ranks = rank(graph, if labelled { 2 } else { 1 });
    let size = |what: What| match what {
        What::Node(node) => node_size(node),
        What::Bend => (6.0, 0.0),
        What::Label(edge) => {
            let label = graph
                .edges
                .get(edge)
                .and_then(|e| e.label.as_deref())
                .unwrap_or_default();
            (look::width(&cut(label, 60), 11.0) + 10.0, 18.0)
        }
    };
    let rows = order(graph, &ranks, size);
    let centres = straighten(graph, &rows);
    let tops = tops(&rows, if labelled { 20.0 } else { 40.0 });
    finish(graph, &rows, &ranks.reversed, &centres, &tops, inner)
}

/// The upper edge and the height of each row.
fn tops(rows: &Rows, gap: f64) -> Vec<(f64, f64)> {
    let mut y = 0.0;
    rows.rows
        .iter()
        .map(|row| {
            let height = row
                .iter()
                .filter_map(|s| rows.slots.get(*s))
                .map(|s| s.height)
                .fold(0.0, f64::max);
            let top = y;
            y += height + gap;
            (top, height)
        })
        .collect()
}

fn finish(
    graph: &Graph,
    rows: &Rows,
    reversed: &[bool],
    centres: &[f64],
    tops: &[(f64, f64)],
    inner: Vec<Vec<(f64, f64, Layout)>>,
) -> Layout {
    let mut areas = vec![Area::default(); rows.slots.len()];
    let mut nodes = vec![Area::default(); graph.nodes.len()];
    for (row, (top, height)) in rows.rows.iter().zip(tops) {
        for slot in row {
            let (Some(s), Some(centre)) = (rows.slots.get(*slot), centres.get(*slot)) else {
                continue;
            };
            let area = Area {
                x: centre - s.width / 2.0,
                // States stand at the top of their row, labels in its middle; lines pass through all of it.
                y: match s.what {
                    What::Node(_) | What::Bend => *top,
                    What::Label(_) => top + (height - s.height) / 2.0,
                },
                width: s.width,
                height: if s.what == What::Bend {
                    *height
                } else {
                    s.height
                },
            };
            if let Some(entry) = areas.get_mut(*slot) {
                *entry = area;
            }
            if let What::Node(node) = s.what
                && let Some(entry) = nodes.get_mut(node)
            {
                *entry = area;
            }
        }
    }
    let area = |slot: usize| areas.get(slot).copied().unwrap_or_default();
    let mut routes = Vec::with_capacity(graph.edges.len());
    for (index, chain) in rows.chains.iter().enumerate() {
        let Some(edge) = graph.edges.get(index) else {
            continue;
        };
        let (Some(first), Some(last)) = (chain.first(), chain.last()) else {
            let around = nodes.get(edge.from).copied().unwrap_or_default();
            routes.push(itself(around));
            continue;
        };
        let mut label = None;
        let mut points = vec![(
            port(rows, &areas, *first, chain.get(1).copied(), true),
            area(*first).y + area(*first).height,
        )];
        for slot in chain
            .get(1..chain.len().saturating_sub(1))
            .unwrap_or_default()
        {
            let place = area(*slot);
            match rows.slots.get(*slot).map(|s| s.what) {
                Some(What::Label(_)) => {
                    let centre = (place.middle(), place.y + place.height / 2.0);
                    label = Some(centre);
                    points.push(centre);
                }
                // Past tall boxes it goes straight; a low row it crosses as the way leads.
                _ if place.height > 24.0 => {
                    points.push((place.middle(), place.y));
                    points.push((place.middle(), place.y + place.height));
                }
                _ => points.push((place.middle(), place.y + place.height / 2.0)),
            }
        }
        let before = chain
            .len()
            .checked_sub(2)
            .and_then(|i| chain.get(i))
            .copied();
        points.push((port(rows, &areas, *last, before, false), area(*last).y));
        if reversed.get(index).copied().unwrap_or(false) {
            points.reverse();
        }
        routes.push(Route { points, label });
    }
    let right = areas.iter().map(|a| a.x + a.width).fold(0.0, f64::max);
    let loops = graph.edges.iter().any(|edge| edge.from == edge.to);
    let height = tops.last().map_or(0.0, |(top, height)| top + height);
    Layout {
        width: right + if loops { 40.0 } else { 0.0 },
        height,
        nodes,
        routes,
        inner,
    }
}

/// Where a line leaves or enters a node: lines side by side keep apart, in the order of where they lead.
fn port(rows: &Rows, areas: &[Area], node: usize, other: Option<usize>, below: bool) -> f64 {
    let area = areas.get(node).copied().unwrap_or_default();
    let near = if below {
        rows.below.get(node)
    } else {
        rows.above.get(node)
    };
    let mut near: Vec<usize> = near.into_iter().flatten().copied().collect();
    near.sort_by(|a, b| {
        let x = |slot: &usize| areas.get(*slot).copied().unwrap_or_default().middle();
        x(a).total_cmp(&x(b))
    });
    let place = near
        .iter()
        .position(|slot| Some(*slot) == other)
        .unwrap_or(0);
    let step = (area.width * 0.6 / near.len().max(1) as f64).min(34.0);
    area.middle() + (place as f64 - (near.len().saturating_sub(1)) as f64 / 2.0) * step
}

/// A state that leads to itself: around its right side.
fn itself(area: Area) -> Route {
    let (right, top, bottom) = (
        area.x + area.width,
        area.y + area.height * 0.25,
        area.y + area.height * 0.75,
    );
    let far = right + 30.0;
    Route {
        points: vec![(right, bottom), (far, bottom), (far, top), (right, top)],
        label: Some((far + 4.0, (top + bottom) / 2.0)),
    }
}
