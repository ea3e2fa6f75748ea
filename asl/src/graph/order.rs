//! Places in rows: neighbours stand near each other, so that lines cross seldom.

use super::model::Graph;
use super::rank::Ranks;

/// Bends that a picture has at most; transitions beyond that are drawn straight.
const MOST_BENDS: usize = 20_000;

/// What stands at a place.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) enum What {
    Node(usize),
    /// A line passes here.
    Bend,
    /// The label of that edge stands here, on its line.
    Label(usize),
}

/// A place in a row.
#[derive(Debug, Clone, Copy)]
pub(super) struct Slot {
    pub(super) what: What,
    pub(super) width: f64,
    pub(super) height: f64,
}

/// Rows of slots, and how they hang together.
pub(super) struct Rows {
    pub(super) slots: Vec<Slot>,
    pub(super) rows: Vec<Vec<usize>>,
    /// Neighbours in the row above and in the row below.
    pub(super) above: Vec<Vec<usize>>,
    pub(super) below: Vec<Vec<usize>>,
    /// For each edge its slots from the upper node to the lower one; empty for a state that leads to itself.
    pub(super) chains: Vec<Vec<usize>>,
}

/// Builds the rows; `size` says how large a slot is.
pub(super) fn order(graph: &Graph, ranks: &Ranks, size: impl Fn(What) -> (f64, f64)) -> Rows {
    let mut rows = Rows {
        slots: Vec::new(),
        rows: Vec::new(),
        above: Vec::new(),
        below: Vec::new(),
        chains: Vec::new(),
    };
    let row_of = |node: usize| ranks.rank.get(node).copied().unwrap_or(0);
    for node in reading_order(graph) {
        rows.add(row_of(node), What::Node(node), &size);
    }
    let slot_of: Vec<usize> = {
        let mut slots = vec![0; graph.nodes.len()];
        for (index, slot) in rows.slots.iter().enumerate() {
            if let What::Node(node) = slot.what
                && let Some(place) = slots.get_mut(node)
            {
                *place = index;
            }
        }
        slots
    };
    let mut bends = 0;
    for (index, edge) in graph.edges.iter().enumerate() {
        let back = ranks.reversed.get(index).copied().unwrap_or(false);
        let (upper, lower) = if back {
            (edge.to, edge.from)
        } else {
            (edge.from, edge.to)
        };
        let (first, last) = (row_of(upper), row_of(lower));
        let mut chain = Vec::new();
        if upper != lower {
            let slot = |node: usize| slot_of.get(node).copied().unwrap_or(0);
            chain.push(slot(upper));
            // The label stands near the state that it explains.
            let label_row = if back { last - 1 } else { first + 1 };
            for row in first + 1..last {
                let label = edge.label.is_some() && row == label_row;
                if !label && bends >= MOST_BENDS {
                    continue;
                }
                bends += 1;
                chain.push(rows.add(
                    row,
                    if label {
                        What::Label(index)
                    } else {
                        What::Bend
                    },
                    &size,
                ));
            }
            chain.push(slot(lower));
            for pair in chain.windows(2) {
                if let [upper, lower] = pair {
                    rows.below
                        .get_mut(*upper)
                        .into_iter()
                        .for_each(|list| list.push(*lower));
                    rows.above
                        .get_mut(*lower)
                        .into_iter()
                        .for_each(|list| list.push(*upper));
                }
            }
        }
        rows.chains.push(chain);
    }
    rows.untangle();
    rows
}

/// Nodes as one reads the machine: from the first on, the first way first.
fn reading_order(graph: &Graph) -> Vec<usize> {
    let mut outgoing: Vec<Vec<usize>> = vec![Vec::new(); graph.nodes.len()];
    for edge in &graph.edges {
        outgoing
            .get_mut(edge.from)
            .into_iter()
            .for_each(|list| list.push(edge.to));
    }
    let (mut order, mut seen) = (Vec::new(), vec![false; graph.nodes.len()]);
    let mut open: Vec<usize> = (0..graph.nodes.len()).rev().collect();
    open.push(graph.first);
    while let Some(node) = open.pop() {
        if let Some(mark) = seen.get_mut(node)
            && !std::mem::replace(mark, true)
        {
            order.push(node);
            open.extend(outgoing.get(node).into_iter().flatten().rev());
        }
    }
    order
}

impl Rows {
    fn add(&mut self, row: usize, what: What, size: &impl Fn(What) -> (f64, f64)) -> usize {
        let (width, height) = size(what);
        self.slots.push(Slot {
            what,
            width,
            height,
        });
        self.above.push(Vec::new());
        self.below.push(Vec::new());
        while self.rows.len() <= row {
            self.rows.push(Vec::new());
        }
        let index = self.slots.len() - 1;
        self.rows
            .get_mut(row)
            .into_iter()
            .for_each(|list| list.push(index));
        index
    }

    /// Sorts rows by where their neighbours stand, down and up in turn; the order with the fewest crossings stays.
    fn untangle(&mut self) {
        let mut best = (self.crossings(), self.rows.clone());
        for turn in 0..12 {
            if best.0 == 0 {
                break;
            }
            let down = turn % 2 == 0;
            let count = self.rows.len();
            for step in 1..count {
                self.sort_row(if down { step } else { count - 1 - step }, down);
            }
            let crossings = self.crossings();
            if crossings < best.0 {
                best = (crossings, self.rows.clone());
            }
        }
        self.rows = best.1;
    }

    fn places(&self) -> Vec<usize> {
        let mut places = vec![0; self.slots.len()];
        for row in &self.rows {
            for (place, slot) in row.iter().enumerate() {
                if let Some(entry) = places.get_mut(*slot) {
                    *entry = place;
                }
            }
        }
        places
    }

    fn sort_row(&mut self, row: usize, down: bool) {
        let neighbours = if down { &self.above } else { &self.below };
        let Some(list) = self.rows.get(row) else {
            return;
        };
        let beside = if down {
            row.checked_sub(1)
        } else {
            Some(row + 1)
        };
        let mut place = std::collections::HashMap::new();
        for (index, slot) in beside
            .and_then(|row| self.rows.get(row))
            .into_iter()
            .flatten()
            .enumerate()
        {
            place.insert(*slot, index as f64);
        }
        let mut keyed: Vec<(f64, usize)> = Vec::with_capacity(list.len());
        for (index, slot) in list.iter().enumerate() {
            let found: Vec<f64> = neighbours
                .get(*slot)
                .into_iter()
                .flatten()
                .filter_map(|n| place.get(n).copied())
                .collect();
            let key = if found.is_empty() {
                index as f64
            } else {
                found.iter().sum::<f64>() / found.len() as f64
            };
            keyed.push((key, *slot));
        }
        keyed.sort_by(|a, b| a.0.total_cmp(&b.0));
        let sorted = keyed.into_iter().map(|(_, slot)| slot).collect();
        if let Some(list) = self.rows.get_mut(row) {
            *list = sorted;
        }
    }

    /// How many lines cross between neighbouring rows.
    fn crossings(&self) -> usize {
        let places = self.places();
        let place = |slot: usize| places.get(slot).copied().unwrap_or(0);
        let mut total = 0;
        for row in &self.rows {
            let mut ends = Vec::new();
            for slot in row {
                let mut lower: Vec<usize> = self
                    .below
                    .get(*slot)
                    .into_iter()
                    .flatten()
                    .map(|s| place(*s))
                    .collect();
                lower.sort_unstable();
                ends.extend(lower);
            }
            total += inversions(&ends);
        }
        total
    }
}

/// Pairs that stand the wrong way round.
fn inversions(list: &[usize]) -> usize {
    let size = list.iter().max().map_or(0, |most| most + 2);
    let mut tree = vec![0_usize; size];
    let (mut total, mut seen) = (0, 0);
    for value in list {
        let mut at = value + 1;
        let mut before = 0;
        while at > 0 {
            before += tree.get(at).copied().unwrap_or(0);
            at &= at - 1;
        }
        total += seen - before;
        seen += 1;
        let mut at = value + 1;
        while at < size {
            tree.get_mut(at).into_iter().for_each(|count| *count += 1);
            at += at & at.wrapping_neg();
        }
    }
    total
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn crossings_are_counted() {
        assert_eq!(inversions(&[0, 1, 2]), 0);
        assert_eq!(inversions(&[2, 1, 0]), 3);
        assert_eq!(inversions(&[1, 1, 0]), 2);
    }
}
