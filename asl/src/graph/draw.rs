//! Boxes and lines.

use std::fmt::Write as _;

use super::look::{self, of_kind, of_outcome};
use super::model::{Edge, Graph, Kind, Node, Way};
use super::outcome::Outcomes;
use super::paper::{Ink, Paper, number};
use super::place::{Area, HEADER, Layout, Route, layout, lines};
use crate::run::StepStatus;
use crate::states::StateType;

/// White around the picture.
const MARGIN: f64 = 24.0;

const NAME: Ink = Ink {
    size: 13.0,
    colour: "#1d2733",
    bold: true,
};
const DETAIL: Ink = Ink {
    size: 10.5,
    colour: "#5b6875",
    bold: false,
};
const LABEL: Ink = Ink {
    size: 11.0,
    colour: "#44505c",
    bold: false,
};

pub(super) fn picture(graph: &Graph, outcomes: &Outcomes) -> String {
    let placed = layout(graph, outcomes);
    let mut paper = Paper::new(placed.width + 2.0 * MARGIN, placed.height + 2.0 * MARGIN);
    machine(&mut paper, graph, &placed, (MARGIN, MARGIN), outcomes);
    paper.done()
}

fn machine(paper: &mut Paper, graph: &Graph, placed: &Layout, at: (f64, f64), outcomes: &Outcomes) {
    for (edge, route) in graph.edges.iter().zip(&placed.routes) {
        line(paper, edge, route, at);
    }
    for (index, (node, area)) in graph.nodes.iter().zip(&placed.nodes).enumerate() {
        let area = Area {
            x: area.x + at.0,
            y: area.y + at.1,
            ..*area
        };
        let inside = placed
            .inner
            .get(index)
            .map(Vec::as_slice)
            .unwrap_or_default();
        state(paper, node, area, !inside.is_empty(), outcomes);
        let used = inside.last().map_or(0.0, |(x, _, part)| x + part.width);
        let first = inside.first().map_or(0.0, |(x, _, _)| *x);
        // What is inside stands in the middle of a box that its name makes wider.
        let shift = ((area.width - used - first) / 2.0).max(0.0);
        for (part, (x, y, layout)) in node.inner.iter().zip(inside) {
            machine(
                paper,
                part,
                layout,
                (area.x + x + shift, area.y + y),
                outcomes,
            );
        }
    }
}

fn state(paper: &mut Paper, node: &Node, area: Area, holds: bool, outcomes: &Outcomes) {
    let middle = (area.middle(), area.y + area.height / 2.0);
    if matches!(node.kind, Kind::Start | Kind::End) {
        paper.open("terminal", &node.name);
        let size = (area.width, area.height);
        paper.rect(
            (area.x, area.y),
            size,
            area.height / 2.0,
            r##"fill="#f3f5f7" stroke="#9aa5b1" stroke-width="1.2""##,
        );
        paper.text(
            middle,
            &node.name,
            Ink {
                size: 11.5,
                ..LABEL
            },
        );
        paper.close();
        return;
    }
    let outcome = outcomes.state(&node.name);
    let colours = of_outcome(outcome.map(|o| o.status));
    let faded = outcomes.run && outcome.is_none();
    let (name, detail) = lines(node, outcomes);
    paper.open("state", &format!("{}\n{detail}", node.name));
    let dash = match outcome.map(|o| o.status) {
        Some(StepStatus::Aborted) => r#" stroke-dasharray="5 3""#,
        _ => "",
    };
    let fade = if faded { r#" opacity="0.55""# } else { "" };
    let striped = !matches!(
        node.kind,
        Kind::State(StateType::Choice | StateType::Succeed | StateType::Fail)
    );
    let width = if outcome.is_some() { 1.8 } else { 1.3 };
    let style = format!(
        r#"fill="{}" stroke="{}" stroke-width="{width}"{dash}{fade}"#,
        if holds {
            if outcome.is_some() {
                colours.fill
            } else {
                "#fafbfc"
            }
        } else {
            colours.fill
        },
        colours.line
    );
    match node.kind {
        Kind::State(StateType::Choice) => paper.path(&hexagon(area), &style),
        Kind::State(StateType::Succeed | StateType::Fail) => {
            paper.rect(
                (area.x, area.y),
                (area.width, area.height),
                area.height / 2.0,
                &style,
            );
        }
        _ => {
            paper.rect((area.x, area.y), (area.width, area.height), 7.0, &style);
            let stripe = format!(r#"fill="{}"{fade}"#, of_kind(node.kind));
            let height = if holds {
                HEADER - 16.0
            } else {
                area.height - 14.0
            };
            paper.rect((area.x + 6.0, area.y + 7.0), (4.0, height), 2.0, &stripe);
        }
    }
    let top = if holds {
        area.y + HEADER / 2.0 - 1.0
    } else {
        middle.1
    };
    let ink = |ink: Ink| {
        if faded {
            Ink {
                colour: "#8a95a1",
                ..ink
            }
        } else {
            ink
        }
    };
    // Beside the stripe the middle is a bit further right.
    let x = middle.0 + if striped { 4.0 } else { 0.0 };
    paper.text((x, top - 8.0), &name, ink(NAME));
    paper.text((x, top + 10.0), &detail, ink(DETAIL));
    paper.close();
}

/// A box with pointed sides.
fn hexagon(area: Area) -> String {
    let (x, y, w, h) = (area.x, area.y, area.width, area.height);
    let point = 14.0;
    let corners = [
        (x + point, y),
        (x + w - point, y),
        (x + w, y + h / 2.0),
        (x + w - point, y + h),
        (x + point, y + h),
        (x, y + h / 2.0),
    ];
    let mut data = String::new();
    for (index, (x, y)) in corners.into_iter().enumerate() {
        // Writing to a string cannot fail.
        let _ = write!(
            data,
            "{}{} {} ",
            if index == 0 { 'M' } else { 'L' },
            number(x),
            number(y)
        );
    }
    data + "z"
}

fn corners(points: &[(f64, f64)]) -> String {
    let steps = points.iter().enumerate().map(|(index, (x, y))| {
        let letter = if index == 0 { 'M' } else { 'L' };
        format!("{letter}{} {}", number(*x), number(*y))
    });
    steps.collect::<Vec<_>>().join(" ")
}

/// A smooth line through the points: upright at both ends, and in between in the direction of the way.
fn curve(points: &[(f64, f64)]) -> String {
    let at = |index: usize| points.get(index).copied().unwrap_or_default();
    let slope = |index: usize| {
        if index == 0 || index + 1 >= points.len() {
            return 0.0;
        }
        let (before, own, after) = (at(index - 1), at(index), at(index + 1));
        // Through a row the line is straight.
        if (before.0 - own.0).abs() < 0.5 || (after.0 - own.0).abs() < 0.5 {
            return 0.0;
        }
        let height = after.1 - before.1;
        if height.abs() < 0.5 {
            0.0
        } else {
            (after.0 - before.0) / height
        }
    };
    let (x, y) = at(0);
    let mut data = format!("M{} {}", number(x), number(y));
    for index in 1..points.len() {
        let (from, to) = (at(index - 1), at(index));
        if (from.0 - to.0).abs() < 0.5 {
            let _ = write!(data, " L{} {}", number(to.0), number(to.1));
            continue;
        }
        let third = (to.1 - from.1) / 3.0;
        // Ends bend more, so that arrows arrive upright.
        let (reach, arrive) = (
            if index == 1 { 1.5 } else { 1.0 },
            if index + 1 == points.len() { 1.5 } else { 1.0 },
        );
        let (one, two) = (slope(index - 1), slope(index));
        let _ = write!(
            data,
            " C{} {} {} {} {} {}",
            number(from.0 + one * third * reach),
            number(from.1 + third * reach),
            number(to.0 - two * third * arrive),
            number(to.1 - third * arrive),
            number(to.0),
            number(to.1)
        );
    }
    data
}

fn line(paper: &mut Paper, edge: &Edge, route: &Route, at: (f64, f64)) {
    let points: Vec<(f64, f64)> = route
        .points
        .iter()
        .map(|(x, y)| (x + at.0, y + at.1))
        .collect();
    let data = if edge.from == edge.to {
        corners(&points)
    } else {
        curve(&points)
    };
    let dash = if edge.way == Way::Catch {
        r#" stroke-dasharray="6 4""#
    } else {
        ""
    };
    let colour = if edge.way == Way::Catch {
        "#b4632a"
    } else {
        "#66727f"
    };
    let style =
        format!(r#"fill="none" stroke="{colour}" stroke-width="1.4"{dash} marker-end="url(#tip)""#);
    paper.path(&data, &style);
    if let (Some(label), Some((x, y))) = (&edge.label, route.label) {
        let text: String = if label.chars().count() > 60 {
            label.chars().take(59).chain(['…']).collect()
        } else {
            label.clone()
        };
        let width = look::width(&text, LABEL.size) + 8.0;
        let (x, y) = (x + at.0, y + at.1);
        paper.rect(
            (x - width / 2.0, y - 8.5),
            (width, 17.0),
            4.0,
            r##"fill="#ffffff" fill-opacity="0.92""##,
        );
        paper.text((x, y), &text, LABEL);
    }
    paper.line_break();
}
