//! Shapes of load: calls per second, second by second.

/// The same all the time.
pub(super) fn steady(rate: f64, seconds: usize) -> Vec<f64> {
    vec![rate; seconds]
}

/// Nothing, then much for some seconds, then nothing.
pub(super) fn spike(rate: f64, from: usize, length: usize, seconds: usize) -> Vec<f64> {
    let on = |second| (from..from + length).contains(&second);
    (0..seconds)
        .map(|second| if on(second) { rate } else { 0.0 })
        .collect()
}

/// Swings between nothing and twice `mean`.
pub(super) fn sine(mean: f64, period: f64, seconds: usize) -> Vec<f64> {
    let turn = |second: usize| second as f64 / period * std::f64::consts::TAU;
    (0..seconds)
        .map(|second| mean * (1.0 + turn(second).sin()))
        .collect()
}

/// On for `on` seconds and off for `off`, again and again.
pub(super) fn on_off(rate: f64, on: usize, off: usize, seconds: usize) -> Vec<f64> {
    (0..seconds)
        .map(|second| if second % (on + off) < on { rate } else { 0.0 })
        .collect()
}

/// Half an hour of a machine that builds and tests software: the processes it started, second by second (from
/// `/proc/stat`). Bursts of hundreds, lulls, and everything between.
pub(super) fn recorded() -> Vec<f64> {
    let numbers = include_str!("recorded.txt").split_whitespace();
    numbers.map(|number| number.parse().unwrap()).collect()
}
