//! What a run said: how many tests passed and failed, and why.

use ajet_faults::Home;

use crate::tests::{cargo_counts, either_counts};

/// Lines of one reason that are of interest.
const LINES_MAX: usize = 8;
/// Letters of it.
const LETTERS_MAX: usize = 400;

/// The gist of a log.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Said {
    pub(super) passed: u64,
    pub(super) failed: u64,
    /// What the tests that failed gave as their reasons, each on one line.
    pub(super) reasons: Vec<String>,
    /// The last line that says anything.
    pub(super) last: String,
}

impl Said {
    /// Reads a log of tests that are at home there.
    pub(super) fn of(home: Home, log: &str) -> Self {
        let count = if home == Home::Browser { either_counts } else { cargo_counts };
        let mut said = Self::default();
        let mut lines = log.lines();
        while let Some(line) = lines.next() {
            let (passed, failed) = count(line);
            said.passed += passed;
            said.failed += failed;
            said.reasons.extend(reason(line, lines.clone()));
            if !line.trim().is_empty() {
                line.trim().clone_into(&mut said.last);
            }
        }
        said
    }
}

/// `Error: …` of a test that ended with one, or what a panic says on the lines after the one that names it.
fn reason<'a>(line: &'a str, following: impl Iterator<Item = &'a str>) -> Option<String> {
    let first = if line.starts_with("thread '") && line.contains("panicked at ") {
        None
    } else {
        Some(line.strip_prefix("Error: ")?)
    };
    let ends = |line: &&str| {
        ["Stack backtrace:", "stack backtrace:", "note: ", "test ", "FAILED", "failures:"]
            .iter()
            .any(|end| line.starts_with(end))
    };
    let rest = following.take_while(|line| !ends(line)).map(str::trim);
    let lines = first.into_iter().chain(rest).filter(|line| !line.is_empty()).take(LINES_MAX);
    let text = lines.collect::<Vec<_>>().join(" ");
    let mut shown: String = text.chars().take(LETTERS_MAX).collect();
    if shown.len() < text.len() {
        shown.push('…');
    }
    Some(shown)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn errors_and_panics_are_found_and_backtraces_are_not() {
        let log = "running 2 tests
test cursors::f28_a ... F28, seed 7
  F28: resyncs: 1 1
Error: too old (1.0), page

Caused by:
    0: the list
    1: it did not come within 10s

Stack backtrace:
   0: anyhow::error::<impl anyhow::Error>::msg
FAILED
test cursors::f28_b ...
thread 'cursors::f28_b' (123) panicked at e2e/faults/tests/faults/cursors.rs:60:20:
nobody came
note: run with `RUST_BACKTRACE=1` environment variable to display a backtrace
FAILED
test result: FAILED. 3 passed; 2 failed; 0 ignored; 0 measured; 57 filtered out";
        assert_eq!(
            Said::of(Home::Faults, log),
            Said {
                passed: 3,
                failed: 2,
                reasons: vec![
                    "too old (1.0), page Caused by: 0: the list 1: it did not come within 10s"
                        .into(),
                    "nobody came".into(),
                ],
                last: "test result: FAILED. 3 passed; 2 failed; 0 ignored; 0 measured; 57 filtered out".into(),
            }
        );
        let endless = format!("Error: {}", "ö".repeat(1_000));
        assert_eq!(Said::of(Home::Wire, &endless).reasons[0].chars().count(), LETTERS_MAX + 1);
    }

    #[test]
    fn the_browsers_totals_are_understood_where_the_browsers_stories_are() {
        let log = "  1 failed\n  2 passed (4.2s)";
        assert_eq!(Said::of(Home::Browser, log).passed, 2);
        assert_eq!(Said::of(Home::Faults, log).passed, 0);
    }
}
