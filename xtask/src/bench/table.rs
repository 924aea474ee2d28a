//! The table that is printed: rows under headings, on standard output as they come.

use std::time::Duration;

use crate::cli::BenchName;

/// What is measured, and what the machine is like.
pub(super) fn heading(name: BenchName, machine: &str) {
    println!("\n{:<44} {:>9} {:>9} {:>9}   {machine}", name.as_str(), "min", "median", "p99");
}

/// Times of one thing, done again and again.
pub(super) fn times(what: &str, times: Vec<Duration>) {
    times_and(what, times, "");
}

/// The same with a word on it.
pub(super) fn times_and(what: &str, mut times: Vec<Duration>, word: &str) {
    times.sort_unstable();
    let at = |percent| milliseconds(at(&times, percent));
    let (min, median, p99) = (at(0), at(50), at(99));
    println!("{what:<44} {min:>9} {median:>9} {p99:>9}   {word}");
}

/// A figure that is no time.
pub(super) fn figure(what: &str, figure: &str) {
    println!("{what:<44} {figure}");
}

/// The value below which `percent` of sorted times lie.
fn at(sorted: &[Duration], percent: usize) -> Duration {
    sorted.get(sorted.len().saturating_sub(1) * percent / 100).copied().unwrap_or_default()
}

/// The middle of some times.
pub(super) fn median(mut times: Vec<Duration>) -> Duration {
    times.sort_unstable();
    at(&times, 50)
}

/// `1.24 ms`.
fn milliseconds(time: Duration) -> String {
    format!("{:.2} ms", time.as_secs_f64() * 1_000.0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_middle_and_the_end_of_some_times() {
        let times: Vec<Duration> = (1..=100).map(Duration::from_millis).collect();
        assert_eq!(at(&times, 0).as_millis(), 1);
        assert_eq!(at(&times, 50).as_millis(), 50);
        assert_eq!(at(&times, 99).as_millis(), 99);
        assert_eq!(at(&[], 50), Duration::ZERO);
        assert_eq!(milliseconds(median(times)), "50.00 ms");
    }
}
