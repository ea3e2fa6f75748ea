//! Rows: every transition leads downwards, except those that close a loop.

use super::model::Graph;

/// Which row each node is in, and which edges lead upwards.
pub(super) struct Ranks {
    pub(super) rank: Vec<usize>,
    pub(super) reversed: Vec<bool>,
}

/// Gives each node the lowest row that all its predecessors allow; `span` rows lie between neighbours.
pub(super) fn rank(graph: &Graph, span: usize) -> Ranks {
    let count = graph.nodes.len();
    let mut outgoing: Vec<Vec<usize>> = vec![Vec::new(); count];
    for (index, edge) in graph.edges.iter().enumerate() {
        if let Some(list) = outgoing.get_mut(edge.from) {
            list.push(index);
        }
    }
    let reversed = loops(graph, &outgoing);
    // Rows in the order in which all predecessors are known.
    let ends = |index: usize| {
        let edge = graph.edges.get(index)?;
        let back = reversed.get(index).copied().unwrap_or(false);
        (edge.from != edge.to).then_some(if back {
            (edge.to, edge.from)
        } else {
            (edge.from, edge.to)
        })
    };
    let mut waiting = vec![0_usize; count];
    let mut below: Vec<Vec<usize>> = vec![Vec::new(); count];
    for (upper, lower) in (0..graph.edges.len()).filter_map(ends) {
        if let (Some(list), Some(waits)) = (below.get_mut(upper), waiting.get_mut(lower)) {
            list.push(lower);
            *waits += 1;
        }
    }
    let mut rank = vec![0_usize; count];
    let mut open: Vec<usize> = (0..count)
        .filter(|node| waiting.get(*node) == Some(&0))
        .collect();
    while let Some(node) = open.pop() {
        let next = rank.get(node).copied().unwrap_or(0) + span;
        for lower in below.get(node).into_iter().flatten() {
            if let (Some(row), Some(waits)) = (rank.get_mut(*lower), waiting.get_mut(*lower)) {
                *row = (*row).max(next);
                *waits -= 1;
                if *waits == 0 {
                    open.push(*lower);
                }
            }
        }
    }
    Ranks { rank, reversed }
}

/// The edges that lead back to a node on the way to them.
fn loops(graph: &Graph, outgoing: &[Vec<usize>]) -> Vec<bool> {
    #[derive(Clone, Copy, PartialEq)]
    enum Seen {
        No,
        OnTheWay,
        Done,
    }
    let mut reversed = vec![false; graph.edges.len()];
    let mut seen = vec![Seen::No; graph.nodes.len()];
    let roots = std::iter::once(graph.first).chain(0..graph.nodes.len());
    for root in roots {
        if seen.get(root) != Some(&Seen::No) {
            continue;
        }
        // Without recursion: a chain of states may be long.
        let mut way = vec![(root, 0_usize)];
        if let Some(mark) = seen.get_mut(root) {
            *mark = Seen::OnTheWay;
        }
        while let Some((node, position)) = way.pop() {
            let Some(index) = outgoing
                .get(node)
                .and_then(|list| list.get(position))
                .copied()
            else {
                if let Some(mark) = seen.get_mut(node) {
                    *mark = Seen::Done;
                }
                continue;
            };
            way.push((node, position + 1));
            let Some(to) = graph.edges.get(index).map(|edge| edge.to) else {
                continue;
            };
            match seen.get(to).copied() {
                Some(Seen::OnTheWay) => {
                    if let Some(mark) = reversed.get_mut(index) {
                        *mark = true;
                    }
                }
                Some(Seen::No) => {
                    if let Some(mark) = seen.get_mut(to) {
                        *mark = Seen::OnTheWay;
                    }
                    way.push((to, 0));
                }
                _ => {}
            }
        }
    }
    reversed
}
