//! Where the slots of a row stand, so that lines are straight: above all those that a run usually takes.

use super::model::{Graph, Way};
use super::order::{Rows, What};
use super::place::GAP;

/// How much a line pulls at its ends. Errors do not bend the way that things usually go.
const USUAL: f64 = 1.0;
const ERROR: f64 = 0.15;
/// A long line passes by; in itself it is as straight as can be.
const PASSING: f64 = 0.5;
const LONG: f64 = 4.0;

/// The neighbours of each slot in the next row, with how much they pull.
type Pulls = Vec<Vec<(usize, f64)>>;

/// The middles of the slots: each under and over its neighbours, as far as the others in its row allow.
pub(super) fn straighten(graph: &Graph, rows: &Rows) -> Vec<f64> {
    let (above, below) = pulls(graph, rows);
    let mut centres = side_by_side(rows);
    const TURNS: usize = 32;
    for turn in 0..TURNS {
        let last = turn + 2 >= TURNS;
        let down = turn % 2 == 0;
        let count = rows.rows.len();
        for step in 0..count {
            let index = if down { step } else { count - 1 - step };
            let Some(row) = rows.rows.get(index) else {
                continue;
            };
            let wanted: Vec<(f64, f64)> = row
                .iter()
                .map(|slot| {
                    let above = above.get(*slot).into_iter().flatten();
                    let below = below.get(*slot).into_iter().flatten();
                    let near: Vec<&(usize, f64)> = match (last, down) {
                        (true, _) => above.chain(below).collect(),
                        (false, true) => above.collect(),
                        (false, false) => below.collect(),
                    };
                    let near = near
                        .into_iter()
                        .filter_map(|(slot, pull)| Some((*centres.get(*slot)?, *pull)));
                    let bend = rows.slots.get(*slot).is_some_and(|s| s.what == What::Bend);
                    match median(near.collect()) {
                        Some(place) => (place, if bend { LONG } else { USUAL }),
                        None => (centres.get(*slot).copied().unwrap_or(0.0), 0.1),
                    }
                })
                .collect();
            let settled = settle(rows, row, &wanted);
            for (slot, centre) in row.iter().zip(settled) {
                if let Some(entry) = centres.get_mut(*slot) {
                    *entry = centre;
                }
            }
        }
    }
    let edges = rows.slots.iter().zip(&centres);
    let left = edges
        .map(|(slot, centre)| centre - slot.width / 2.0)
        .fold(f64::INFINITY, f64::min);
    let left = if left.is_finite() { left } else { 0.0 };
    centres.iter_mut().for_each(|centre| *centre -= left);
    centres
}

fn side_by_side(rows: &Rows) -> Vec<f64> {
    let mut centres = vec![0.0; rows.slots.len()];
    for row in &rows.rows {
        let mut x = 0.0;
        for slot in row {
            let width = rows.slots.get(*slot).map_or(0.0, |s| s.width);
            if let Some(centre) = centres.get_mut(*slot) {
                *centre = x + width / 2.0;
            }
            x += width + GAP;
        }
    }
    centres
}

fn pulls(graph: &Graph, rows: &Rows) -> (Pulls, Pulls) {
    let mut above = vec![Vec::new(); rows.slots.len()];
    let mut below = vec![Vec::new(); rows.slots.len()];
    let bend = |slot: &usize| rows.slots.get(*slot).is_some_and(|s| s.what == What::Bend);
    for (edge, chain) in graph.edges.iter().zip(&rows.chains) {
        for (upper, lower) in chain.iter().zip(chain.iter().skip(1)) {
            let pull = match (bend(upper), bend(lower)) {
                (true, true) => LONG,
                _ if edge.way == Way::Catch => ERROR,
                (false, false) => USUAL,
                _ => PASSING,
            };
            if let Some(list) = above.get_mut(*lower) {
                list.push((*upper, pull));
            }
            if let Some(list) = below.get_mut(*upper) {
                list.push((*lower, pull));
            }
        }
    }
    (above, below)
}

/// The place that as much pulls to the left of as to the right of: one of the places, or the middle between two. (A mean
/// would stand a little beside each of them.)
fn median(mut places: Vec<(f64, f64)>) -> Option<f64> {
    places.sort_by(|a, b| a.0.total_cmp(&b.0));
    let half: f64 = places.iter().map(|(_, pull)| pull).sum::<f64>() / 2.0;
    let mut sum = 0.0;
    let mut all = places.iter().peekable();
    while let Some((place, pull)) = all.next() {
        sum += pull;
        if (sum - half).abs() < 1e-9
            && let Some((next, _)) = all.peek()
        {
            return Some((place + next) / 2.0);
        }
        if sum >= half {
            return Some(*place);
        }
    }
    None
}

/// The places nearest to the wanted ones at which nothing overlaps: exact, by pooling those that get into each other's way.
fn settle(rows: &Rows, row: &[usize], wanted: &[(f64, f64)]) -> Vec<f64> {
    let width = |slot: usize| rows.slots.get(slot).map_or(0.0, |s| s.width);
    let mut offset = 0.0;
    let mut offsets = Vec::with_capacity(row.len());
    for (index, slot) in row.iter().enumerate() {
        if let Some(before) = index.checked_sub(1).and_then(|i| row.get(i)) {
            offset += (width(*before) + width(*slot)) / 2.0 + GAP;
        }
        offsets.push(offset);
    }
    // Pools: mean, weight, how many.
    let mut pools: Vec<(f64, f64, usize)> = Vec::new();
    for ((wanted, weight), offset) in wanted.iter().zip(&offsets) {
        let mut pool = (wanted - offset, *weight, 1);
        while let Some(before) = pools.pop_if(|before| before.0 >= pool.0) {
            let weight = before.1 + pool.1;
            pool = (
                (before.0 * before.1 + pool.0 * pool.1) / weight,
                weight,
                before.2 + pool.2,
            );
        }
        pools.push(pool);
    }
    let means = pools
        .iter()
        .flat_map(|(mean, _, count)| std::iter::repeat_n(*mean, *count));
    means
        .zip(&offsets)
        .map(|(mean, offset)| mean + offset)
        .collect()
}

#[cfg(test)]
mod tests {
    use super::median;

    #[test]
    fn the_median_is_one_of_the_places_or_between_two() {
        assert_eq!(median(vec![(4.0, 1.0), (0.0, 0.15)]), Some(4.0));
        assert_eq!(median(vec![(4.0, 1.0), (0.0, 1.0)]), Some(2.0));
        assert_eq!(median(vec![(4.0, 1.0), (0.0, 1.0), (9.0, 1.0)]), Some(4.0));
        assert_eq!(median(vec![]), None);
    }
}
