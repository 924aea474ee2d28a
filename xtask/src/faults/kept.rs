//! The last whole run in full length, kept beside its logs: a row that is run again by itself takes its old place in the report, and the
//! report says so.

use std::fs;
use std::path::{Path, PathBuf};
use std::time::Duration;

use ajet_faults::{MATRIX, Number};
use anyhow::Context as _;
use serde::{Deserialize, Serialize};

use super::machine::Facts;
use super::one::Outcome;
use super::plan::Task;

const FILE: &str = "long.json";

/// A whole run, and what was run again since.
#[derive(Debug, Serialize, Deserialize)]
pub(super) struct Kept {
    /// Of the whole run.
    pub(super) facts: Facts,
    /// Rows that were run again, with the commit they ran on, in the order of the matrix.
    pub(super) again: Vec<(u8, String)>,
    runs: Vec<Run>,
}

#[derive(Debug, Serialize, Deserialize)]
struct Run {
    number: u8,
    seed: u64,
    took_ms: u64,
    failure: Option<String>,
    log: PathBuf,
    numbers: Vec<Number>,
}

impl Kept {
    /// A run that was whole.
    pub(super) fn new(facts: Facts, outcomes: &[Outcome]) -> Self {
        Self { facts, again: Vec::new(), runs: outcomes.iter().map(Run::of).collect() }
    }

    /// The one in `folder`; none if there has been none.
    pub(super) fn read(folder: &Path) -> anyhow::Result<Option<Self>> {
        let file = folder.join(FILE);
        if !file.exists() {
            return Ok(None);
        }
        let kept = serde_json::from_slice(&fs::read(&file)?);
        kept.map(Some).with_context(|| format!("{} is damaged: remove it", file.display()))
    }

    /// Leaves it in `folder`.
    pub(super) fn write(&self, folder: &Path) -> anyhow::Result<()> {
        Ok(fs::write(folder.join(FILE), serde_json::to_vec_pretty(self)?)?)
    }

    /// Puts the runs of some rows in the place of those that were there, all seeds of a row at once.
    pub(super) fn replace(&mut self, outcomes: &[Outcome], commit: &str) {
        let numbers: Vec<u8> = outcomes.iter().map(|outcome| outcome.task.fault.number).collect();
        self.runs.retain(|run| !numbers.contains(&run.number));
        self.runs.extend(outcomes.iter().map(Run::of));
        self.runs.sort_by_key(|run| (run.number, run.seed));
        self.again.retain(|(number, _)| !numbers.contains(number));
        self.again.extend(numbers.iter().map(|number| (*number, commit.to_owned())));
        self.again.sort();
        self.again.dedup();
    }

    /// All runs, in the order of the matrix.
    pub(super) fn outcomes(&self) -> Vec<Outcome> {
        self.runs.iter().filter_map(Run::outcome).collect()
    }
}

impl Run {
    fn of(outcome: &Outcome) -> Self {
        Self {
            number: outcome.task.fault.number,
            seed: outcome.task.seed,
            took_ms: u64::try_from(outcome.took.as_millis()).unwrap_or(u64::MAX),
            failure: outcome.failure.clone(),
            log: outcome.log.clone(),
            numbers: outcome.numbers.clone(),
        }
    }

    /// None for a row that the matrix does not have any more.
    fn outcome(&self) -> Option<Outcome> {
        let fault = *MATRIX.iter().find(|fault| fault.number == self.number)?;
        Some(Outcome {
            task: Task { fault, seed: self.seed, long: true },
            took: Duration::from_millis(self.took_ms),
            failure: self.failure.clone(),
            log: self.log.clone(),
            numbers: self.numbers.clone(),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn outcome(number: usize, seed: u64, failure: Option<&str>) -> Outcome {
        Outcome {
            task: Task { fault: MATRIX[number - 1], seed, long: true },
            took: Duration::from_secs(7),
            failure: failure.map(str::to_owned),
            log: PathBuf::from("F1.log"),
            numbers: Vec::new(),
        }
    }

    #[test]
    fn a_row_that_is_run_again_takes_its_old_place() {
        let folder = tempfile::tempdir().unwrap();
        assert!(Kept::read(folder.path()).unwrap().is_none());
        let facts = Facts {
            date: "20 November 2026".into(),
            machine: "2 cores".into(),
            commit: "one".into(),
            seeds: vec![7, 8],
            took: "48 min".into(),
        };
        let outcomes = [outcome(1, 7, None), outcome(1, 8, Some("lost")), outcome(12, 7, None)];
        Kept::new(facts, &outcomes).write(folder.path()).unwrap();
        let mut kept = Kept::read(folder.path()).unwrap().unwrap();
        kept.replace(&[outcome(1, 8, None), outcome(1, 9, None)], "two");
        kept.replace(&[outcome(1, 7, None), outcome(1, 8, None)], "three");
        kept.write(folder.path()).unwrap();
        let kept = Kept::read(folder.path()).unwrap().unwrap();
        let runs: Vec<_> = kept
            .outcomes()
            .iter()
            .map(|run| (run.task.fault.number, run.task.seed, run.failure.is_none()))
            .collect();
        assert_eq!(runs, [(1, 7, true), (1, 8, true), (12, 7, true)]);
        assert_eq!(kept.again, [(1, "three".to_owned())]);
    }
}
