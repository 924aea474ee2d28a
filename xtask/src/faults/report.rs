//! `docs/reliability.md`: what is promised, how it is proved, and what a run in full length came to.

use std::collections::BTreeSet;
use std::fmt::Write as _;

use ajet_faults::{Fault, MATRIX, Number};

use super::kept::Kept;
use super::machine::Facts;
use super::numbers::{Measured, gather, size};
use super::one::Outcome;

const INTRODUCTION: &str = include_str!("introduction.md");

/// What F1 calls what it found, as the checker of `ajet_faults` does, and how people say it.
const FOUND: [(&str, &str); 4] = [
    ("lost", "lost"),
    ("doubled", "doubled"),
    ("disordered", "out of order"),
    ("resyncs", "resyncs"),
];
/// How F1 calls the recovery from a kind of kill: `recovery of api, worst`.
const RECOVERY: (&str, &str) = ("recovery of ", ", worst");
/// The longest that the matrix allows after a kill of that kind, where it names one, and where.
const ALLOWED: [(&str, &str); 4] = [
    ("api", "1.5 s (F2)"),
    ("nats", "3 s (F6)"),
    ("postgres", "6 s (F11)"),
    ("web-sm", "6 s (F5)"),
];

/// The whole page.
pub(super) fn render(kept: &Kept) -> String {
    let outcomes = kept.outcomes();
    let mut page = INTRODUCTION.to_owned();
    // Writing to a text cannot fail.
    let _ = write!(page, "\n{}{}\n{}", the_run(&kept.facts), again(kept), results(&outcomes));
    if let Some(kills) = kills(&outcomes) {
        let _ = write!(page, "\n{kills}");
    }
    page
}

fn the_run(facts: &Facts) -> String {
    let seeds: Vec<String> = facts.seeds.iter().map(u64::to_string).collect();
    let again: Vec<String> = seeds.iter().map(|seed| format!("--seed {seed}")).collect();
    format!(
        "## The run\n\n\
         {}, commit {}, {}. Release builds with failpoints and clocks that can be wrong, rate limits relaxed, everything else as it is in production; readers, writers and all services \
         share the machine. It took {}. Seeds {}: `cargo xtask faults --long {}` draws the same again.\n",
        facts.date,
        facts.commit,
        facts.machine,
        facts.took,
        seeds.join(", "),
        again.join(" ")
    )
}

/// What was run again by itself, where something was.
fn again(kept: &Kept) -> String {
    let rows = kept.again.iter().map(|(number, commit)| format!("F{number} (commit {commit})"));
    let rows: Vec<String> = rows.collect();
    if rows.is_empty() {
        return String::new();
    }
    format!(
        "\nThese were run again by themselves afterwards, and stand here as they came out then: {}.\n",
        rows.join(", ")
    )
}

fn results(outcomes: &[Outcome]) -> String {
    let faults: Vec<&[Outcome]> =
        outcomes.chunk_by(|a, b| a.task.fault.number == b.task.fault.number).collect();
    let failed: Vec<String> =
        faults.iter().filter(|runs| !holds(runs)).map(|runs| fault(runs).id()).collect();
    let mut text = "## What came of it\n\n".to_owned();
    let _ = match failed.len() {
        0 => writeln!(text, "All {} hold.", faults.len()),
        some => writeln!(
            text,
            "**{some} of {} do not hold: {}.** The others do.",
            faults.len(),
            failed.join(", ")
        ),
    };
    text.push_str(&not_run(&faults));
    text.push_str(
        "\nWhere runs differ, the worst value comes first and all of them stand in brackets, with the limit that they were held to.\n\n\
         | | what is done | what is promised | measured | |\n|---|---|---|---|---|\n",
    );
    for runs in faults {
        text.push_str(&row(runs));
    }
    text
}

/// The rows that did not come to their end, where there are some.
fn not_run(faults: &[&[Outcome]]) -> String {
    let missing = MATRIX.iter().filter(|row| faults.iter().all(|runs| fault(runs) != **row));
    let missing: Vec<String> = missing.map(Fault::id).collect();
    if missing.is_empty() {
        return String::new();
    }
    format!("\n**Not run to the end: {}.**\n", missing.join(", "))
}

/// A line of the table.
fn row(runs: &[Outcome]) -> String {
    let fault = fault(runs);
    let measured = gather(runs.iter().flat_map(|run| &run.numbers));
    let measured: Vec<String> = measured
        .iter()
        // They have a table of their own.
        .filter(|measured| kind_of_kill(&measured.what).is_none())
        .map(Measured::sentence)
        .collect();
    let failures = runs.iter().filter_map(|run| {
        Some(format!("**fails** with seed {}: {}", run.task.seed, run.failure.as_ref()?))
    });
    let mut verdict = failures.collect::<Vec<_>>().join("; ");
    if verdict.is_empty() {
        "holds".clone_into(&mut verdict);
    }
    let cells =
        [fault.id(), runs[0].task.what(), fault.promise.to_owned(), measured.join(", "), verdict];
    format!("| {} |\n", cells.map(|cell| cell.replace('|', "\\|")).join(" | "))
}

/// What F1 found with each seed, and how long each kind of process took to be missed no more. A run that failed has noted nothing.
fn kills(outcomes: &[Outcome]) -> Option<String> {
    let all: Vec<&Outcome> =
        outcomes.iter().filter(|outcome| outcome.task.fault.number == 1).collect();
    let runs: Vec<&Outcome> = all.iter().copied().filter(|run| !run.numbers.is_empty()).collect();
    let kinds: BTreeSet<&str> =
        runs.iter().flat_map(|run| &run.numbers).filter_map(|n| kind_of_kill(&n.what)).collect();
    if kinds.is_empty() {
        return None;
    }
    let found = FOUND.map(|(name, said)| format!("{} {said}", sum(&runs, name)));
    let mut text = format!(
        "## Kills\n\nF1, {} of {} runs together: {} kills during {} messages: {}.\n\n",
        runs.len(),
        all.len(),
        sum(&runs, "kills"),
        sum(&runs, "messages"),
        found.join(", ")
    );
    text.push_str(
        "From a kill to the moment when every reader has seen a message that somebody began to post only after it, in seconds. A kill may \
         come upon one that has not been recovered from; then both count.\n\n",
    );
    let seeds: Vec<String> = runs.iter().map(|run| format!("seed {}", run.task.seed)).collect();
    let _ = writeln!(text, "| killed | worst | {} | allowed alone |", seeds.join(" | "));
    let _ = writeln!(text, "|---|---|{}---|", "---|".repeat(seeds.len()));
    for kind in kinds {
        let name = format!("{}{kind}{}", RECOVERY.0, RECOVERY.1);
        let values: Vec<&Number> =
            runs.iter().flat_map(|run| &run.numbers).filter(|number| number.what == name).collect();
        let gathered = gather(values);
        let worst = gathered.first().map_or("", Measured::worst);
        let each = runs.iter().map(|run| value(run, &name).unwrap_or("–"));
        let each = each.collect::<Vec<_>>().join(" | ");
        let allowed = ALLOWED.iter().find(|(name, _)| *name == kind).map_or("", |(_, time)| time);
        let _ = writeln!(text, "| {kind} | {worst} | {each} | {allowed} |");
    }
    Some(text)
}

fn fault(runs: &[Outcome]) -> Fault {
    runs[0].task.fault
}

fn holds(runs: &[Outcome]) -> bool {
    runs.iter().all(|run| run.failure.is_none())
}

/// `api` of `recovery of api, worst`.
fn kind_of_kill(what: &str) -> Option<&str> {
    what.strip_prefix(RECOVERY.0)?.strip_suffix(RECOVERY.1)
}

fn value<'a>(run: &'a Outcome, what: &str) -> Option<&'a str> {
    run.numbers.iter().find(|number| number.what == what).map(|number| number.value.as_str())
}

/// Counts of all runs together; unknown when one of them has not counted.
fn sum(runs: &[&Outcome], what: &str) -> String {
    let counts: Option<Vec<f64>> = runs.iter().map(|run| value(run, what).map(size)).collect();
    counts
        .map_or_else(|| "?".to_owned(), |counts| counts.iter().fold(0.0, |a, b| a + b).to_string())
}

#[cfg(test)]
mod tests {
    use std::path::PathBuf;
    use std::time::Duration;

    use ajet_faults::Findings;

    use super::*;
    use crate::faults::plan::Task;

    fn number(what: &str, value: &str, limit: &str) -> Number {
        Number { what: what.to_owned(), value: value.to_owned(), limit: limit.to_owned() }
    }

    fn outcome(number: usize, seed: u64, failure: Option<&str>, numbers: Vec<Number>) -> Outcome {
        Outcome {
            task: Task { fault: MATRIX[number - 1], seed, long: true },
            took: Duration::from_mins(1),
            failure: failure.map(str::to_owned),
            log: PathBuf::new(),
            numbers,
        }
    }

    /// As F1 notes it.
    fn killed(recovery: &str) -> Vec<Number> {
        let found = Findings::default();
        let found = found.kinds().map(|(kind, found)| number(kind, &found.len().to_string(), "0"));
        let mut numbers = Vec::from(found);
        numbers.extend([
            number("messages", "10000", "10000"),
            number("kills", "50", "50"),
            number("recovery of api, worst", recovery, ""),
        ]);
        numbers
    }

    fn facts() -> Facts {
        Facts {
            date: "20 November 2026".into(),
            machine: "2 cores (Fast), 8.0 GiB of memory, Linux 6.1".into(),
            commit: "0123456789".into(),
            seeds: vec![7, 8],
            took: "48 min 10 s".into(),
        }
    }

    #[test]
    fn a_run_in_which_all_hold() {
        let outcomes = [
            outcome(1, 7, None, killed("0.9 s")),
            outcome(1, 8, None, killed("1.2 s")),
            outcome(12, 7, None, vec![number("slowest answer", "4.1 s", "≤ 6 s")]),
            outcome(36, 7, None, Vec::new()),
        ];
        let not_run = not_run(&outcomes.chunks(1).collect::<Vec<_>>());
        assert!(not_run.starts_with("\n**Not run to the end: F2, F3,") && !not_run.contains("F12"));
        let page = render(&Kept::new(facts(), &outcomes)).replace(&not_run, "");
        let after = page.strip_prefix(INTRODUCTION).unwrap();
        let expected = "
## The run

20 November 2026, commit 0123456789, 2 cores (Fast), 8.0 GiB of memory, Linux 6.1. Release builds with failpoints and clocks that can be wrong, rate limits relaxed, everything else as it is in production; readers, writers and all services share the machine. It took 48 min 10 s. Seeds 7, 8: `cargo xtask faults --long --seed 7 --seed 8` draws the same again.

## What came of it

All 3 hold.

Where runs differ, the worst value comes first and all of them stand in brackets, with the limit that they were held to.

| | what is done | what is promised | measured | |
|---|---|---|---|---|
| F1 | 50 random kill -9 of any process during 10,000 messages | nothing lost, doubled or out of order; no resync | lost 0, doubled 0, disordered 0, resyncs 0, disagreements 0, unexpected 0, messages 10000, kills 50 | holds |
| F12 | Postgres stands still for 20 s | 503 by time-outs, no request longer than 6 s, open streams stay; nothing lost | slowest answer 4.1 s (≤ 6 s) | holds |
| F36 | events of an older and of a newer version | both are read |  | holds |

## Kills

F1, 2 of 2 runs together: 100 kills during 20000 messages: 0 lost, 0 doubled, 0 out of order, 0 resyncs.

From a kill to the moment when every reader has seen a message that somebody began to post only after it, in seconds. A kill may come upon one that has not been recovered from; then both count.

| killed | worst | seed 7 | seed 8 | allowed alone |
|---|---|---|---|---|
| api | 1.2 s | 0.9 s | 1.2 s | 1.5 s (F2) |
";
        assert_eq!(after, expected);
    }

    #[test]
    fn a_failure_is_named_at_the_head_and_in_its_row() {
        let outcomes = [
            outcome(1, 7, None, Vec::new()),
            outcome(1, 8, Some("1 failed, 0 passed"), Vec::new()),
            outcome(2, 7, None, Vec::new()),
        ];
        let page = render(&Kept::new(facts(), &outcomes));
        assert!(page.contains("**1 of 2 do not hold: F1.** The others do."), "{page}");
        assert!(page.contains("| **fails** with seed 8: 1 failed, 0 passed |"), "{page}");
        assert!(!page.contains("## Kills"), "there is nothing to say about them");
    }

    #[test]
    fn what_was_not_counted_is_not_called_none() {
        let numbers =
            vec![number("kills", "50", "50"), number("recovery of api, worst", "0.9 s", "")];
        let outcomes =
            [outcome(1, 7, None, numbers), outcome(1, 8, Some("exit status: 1"), Vec::new())];
        let page = render(&Kept::new(facts(), &outcomes));
        assert!(
            page.contains("1 of 2 runs together: 50 kills during ? messages: ? lost, ? doubled"),
            "{page}"
        );
    }
}
