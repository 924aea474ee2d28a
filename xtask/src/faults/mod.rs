//! `cargo xtask faults`: every row of the fault matrix, each on a stack of its own.
//!
//! The matrix is [`ajet_faults::MATRIX`]. [`plan`] says what runs beside what, [`programs`] keeps what is tested as it was built, [`one`]
//! is one run and [`said`] what its log comes to, [`numbers`] brings together what was measured, and [`report`] writes `docs/reliability.md`.

mod kept;
mod machine;
mod numbers;
mod one;
mod plan;
mod programs;
mod report;
mod said;

use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::sync::{Mutex, PoisonError};
use std::time::Instant;

use ajet_faults::Home;
use anyhow::Context as _;
use futures::future::join_all;

use self::kept::Kept;
use self::machine::Facts;
use self::numbers::{Measured, gather};
use self::one::Outcome;
use self::plan::{Stage, Task};
use self::programs::Programs;
use crate::cli::FaultOptions;
use crate::signals::{Signals, exit_status};
use crate::{install, paths, process, ui};

/// Where runs leave what they say, below the checkout.
const FOLDER: &str = "target/faults";

/// The profile that a short run builds by, and one in full length, which measures and so has to be as fast as what people run.
const PROFILES: (&str, &str) = ("dev", "checked");

/// What came of the runs so far.
type Outcomes = Mutex<Vec<Outcome>>;

/// Runs what was asked for, says what came of it, and of what ran in full length writes the report.
pub(crate) async fn run(options: &FaultOptions) -> anyhow::Result<ExitCode> {
    let begun = Instant::now();
    let mut signals = Signals::listen()?;
    let seeds = plan::seeds(&options.seeds, options.long);
    let stages = plan::stages(&options.only, &seeds, options.long);
    let outcomes = Outcomes::default();
    let profile = if options.long { PROFILES.1 } else { PROFILES.0 };
    let interrupted = tokio::select! {
        ended = all(&stages, profile, &outcomes) => {
            ended?;
            None
        }
        signal = signals.next() => Some(signal),
    };
    if interrupted.is_some() {
        process::settled().await;
    }
    let mut outcomes = outcomes.into_inner().unwrap_or_else(PoisonError::into_inner);
    outcomes.sort_by_key(|outcome| (outcome.task.fault.number, outcome.task.seed));
    let wanted: Vec<Task> = stages.iter().flatten().flatten().copied().collect();
    println!("\n{}", totals(&outcomes, wanted.len(), begun));
    let whole = whole(&outcomes, &wanted);
    if options.long && !whole.is_empty() {
        let facts = machine::facts(&seeds, begun.elapsed()).await?;
        let is_all = options.only.is_empty() && whole.len() == wanted.len();
        write_report(is_all, options, facts, &whole)?;
    }
    if let Some(signal) = interrupted {
        return Ok(ExitCode::from(exit_status(signal)));
    }
    let is_good = outcomes.iter().all(|outcome| outcome.failure.is_none());
    Ok(if is_good { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

/// The outcomes of rows that came to their end with every seed: half of a row is not put in the place of a whole one.
fn whole(outcomes: &[Outcome], wanted: &[Task]) -> Vec<Outcome> {
    let has_run = |task: &Task| outcomes.iter().any(|outcome| outcome.task == *task);
    let is_whole = |outcome: &&Outcome| {
        let mut row = wanted.iter().filter(|task| task.fault == outcome.task.fault);
        row.all(has_run)
    };
    outcomes.iter().filter(is_whole).cloned().collect()
}

/// A run of everything takes the place of the one before. Some rows, also those of a run that was interrupted, take their places in it;
/// where there is none, only an interrupted run of everything is written down.
fn write_report(
    is_all: bool,
    options: &FaultOptions,
    facts: Facts,
    whole: &[Outcome],
) -> anyhow::Result<()> {
    let folder = paths::root().join(FOLDER);
    let before = if is_all { None } else { Kept::read(&folder)? };
    let kept = match before {
        Some(mut kept) => {
            kept.replace(whole, &facts.commit);
            kept
        }
        None if options.only.is_empty() => Kept::new(facts, whole),
        None => return Ok(()),
    };
    kept.write(&folder)?;
    std::fs::write(paths::root().join("docs/reliability.md"), report::render(&kept))?;
    println!("docs/reliability.md is written");
    Ok(())
}

/// Builds, then runs the stages one after the other, in each the lanes beside each other.
async fn all(stages: &[Stage], profile: &str, outcomes: &Outcomes) -> anyhow::Result<()> {
    install::postgres().await?;
    install::nats().await?;
    if stages.iter().flatten().flatten().any(|task| task.fault.home == Home::Browser) {
        install::browser_tests().await?;
    }
    let folder = paths::root().join(FOLDER);
    std::fs::create_dir_all(&folder).with_context(|| folder.display().to_string())?;
    let programs = Programs::build(&folder, profile).await?;
    for lanes in stages {
        join_all(lanes.iter().map(|tasks| lane(tasks, &programs, &folder, outcomes))).await;
    }
    Ok(())
}

/// Runs faults one after the other. One that cannot be run has failed, and the others are run all the same.
async fn lane(tasks: &[Task], programs: &Programs, folder: &Path, outcomes: &Outcomes) {
    for task in tasks {
        ui::note(format_args!("{:<4} {:<6} {}", task.fault.id(), task.seed, task.what()));
        let begun = Instant::now();
        let outcome = one::run(*task, programs, folder).await.unwrap_or_else(|error| Outcome {
            task: *task,
            took: begun.elapsed(),
            failure: Some(format!("cannot be run: {error:#}")),
            log: PathBuf::new(),
            numbers: Vec::new(),
        });
        ui::note(line(&outcome));
        outcomes.lock().unwrap_or_else(PoisonError::into_inner).push(outcome);
    }
}

/// `F12  7      ok 41.2 s: slowest answer 4.1 s (≤ 6 s), lost 0`.
fn line(outcome: &Outcome) -> String {
    let Outcome { task, took, failure, log, numbers } = outcome;
    let (id, took) = (task.fault.id(), ui::seconds(*took));
    if let Some(why) = failure {
        let log = within(log);
        return format!("{id:<4} {:<6} FAILED {took}: {why}; all it said is in {log}", task.seed);
    }
    let numbers: Vec<String> = gather(numbers).iter().map(Measured::sentence).collect();
    let colon = if numbers.is_empty() { "" } else { ": " };
    format!("{id:<4} {:<6} ok {took}{colon}{}", task.seed, numbers.join(", "))
}

/// What failed and how to run it again, and how many did and did not.
fn totals(outcomes: &[Outcome], wanted: usize, begun: Instant) -> String {
    let mut lines: Vec<String> = Vec::new();
    for outcome in outcomes {
        let Some(why) = &outcome.failure else { continue };
        let (id, again) = (outcome.task.fault.id(), outcome.task.again());
        lines.push(format!("FAILED {id}: {why}; {}; again: {again}", within(&outcome.log)));
    }
    let failed = lines.len();
    if outcomes.len() < wanted {
        lines.push(format!("{} did not come to their end", wanted - outcomes.len()));
    }
    lines.push(format!("in all {}", ui::seconds(begun.elapsed())));
    lines.push(format!("{} passed, {failed} failed", outcomes.len() - failed));
    lines.join("\n")
}

/// A file as seen from the checkout.
fn within(file: &Path) -> std::path::Display<'_> {
    file.strip_prefix(paths::root()).unwrap_or(file).display()
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use ajet_faults::{MATRIX, Number};

    use super::*;

    fn outcome(number: usize, failure: Option<&str>) -> Outcome {
        Outcome {
            task: Task { fault: MATRIX[number - 1], seed: 7, long: true },
            took: Duration::from_millis(41_240),
            failure: failure.map(str::to_owned),
            log: paths::root().join(FOLDER).join("F12-7.log"),
            numbers: vec![Number {
                what: "slowest".into(),
                value: "4.1 s".into(),
                limit: "≤ 6 s".into(),
            }],
        }
    }

    #[test]
    fn every_end_is_a_line() {
        assert_eq!(line(&outcome(12, None)), "F12  7      ok 41.2 s: slowest 4.1 s (≤ 6 s)");
        assert_eq!(
            line(&outcome(12, Some("1 failed, 0 passed"))),
            "F12  7      FAILED 41.2 s: 1 failed, 0 passed; all it said is in target/faults/F12-7.log"
        );
    }

    #[test]
    fn half_of_a_row_is_left_out() {
        let outcomes = [outcome(1, None), outcome(12, Some("lost"))];
        let task = |number: usize, seed| Task { seed, ..outcome(number, None).task };
        let wanted = [task(1, 7), task(1, 8), task(2, 7), task(12, 7)];
        let whole: Vec<u8> =
            whole(&outcomes, &wanted).iter().map(|outcome| outcome.task.fault.number).collect();
        assert_eq!(whole, [12]);
    }

    #[test]
    fn the_totals_name_what_failed_and_what_was_not_run() {
        let outcomes = [outcome(1, None), outcome(12, Some("exit status: 1"))];
        let totals = totals(&outcomes, 4, Instant::now());
        let lines: Vec<&str> = totals.lines().collect();
        assert_eq!(
            lines[0],
            "FAILED F12: exit status: 1; target/faults/F12-7.log; again: cargo xtask faults --only F12 --seed 7 --long"
        );
        assert_eq!((lines[1], lines[3]), ("2 did not come to their end", "1 passed, 1 failed"));
    }
}
