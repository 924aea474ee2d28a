//! One run of one fault.

use std::fs::{self, File};
use std::path::{Path, PathBuf};
use std::process::{ExitStatus, Stdio};
use std::time::{Duration, Instant};

use ajet_faults::{Home, Number, RESULTS, Record};
use anyhow::Context as _;
use nix::sys::signal::Signal;
use tokio::process::Command;

use super::plan::Task;
use super::programs::Programs;
use super::said::Said;
use crate::{child, install, paths, process};

/// How long a run may take, in short and in full length: far longer than any should.
const LIMIT: (Duration, Duration) = (Duration::from_mins(15), Duration::from_hours(3));

/// What came of a run.
#[derive(Clone, Debug)]
pub(super) struct Outcome {
    pub(super) task: Task,
    pub(super) took: Duration,
    /// Why it counts as failed, if it does.
    pub(super) failure: Option<String>,
    /// Everything it said.
    pub(super) log: PathBuf,
    /// What it measured.
    pub(super) numbers: Vec<Number>,
}

/// Runs a fault on a stack of its own. What it says goes to a file in `folder`.
pub(super) async fn run(task: Task, programs: &Programs, folder: &Path) -> anyhow::Result<Outcome> {
    let name = format!("{}-{}", task.fault.id(), task.seed);
    let (log, results) = (folder.join(format!("{name}.log")), folder.join(format!("{name}.jsonl")));
    // Those of a run before; they need not be there.
    drop(fs::remove_file(&results));
    let output = File::create(&log).with_context(|| log.display().to_string())?;
    let mut command = command(&task, programs).await?;
    command
        .env("AJET_FAULT_SEED", task.seed.to_string())
        .env(RESULTS, &results)
        .env_remove("AJET_FAULT_LONG")
        .stdin(Stdio::null())
        .stdout(output.try_clone()?)
        .stderr(output);
    if task.long {
        command.env("AJET_FAULT_LONG", "1");
    }
    let begun = Instant::now();
    let child = command.spawn().with_context(|| format!("{name} does not start"))?;
    let limit = if task.long { LIMIT.1 } else { LIMIT.0 };
    let status = process::wait_at_most(child, limit).await?;
    let took = begun.elapsed();
    // A test may print anything.
    let text = fs::read(&log).map(|bytes| String::from_utf8_lossy(&bytes).into_owned());
    let said = Said::of(task.fault.home, &text.unwrap_or_default());
    let records = if results.exists() { Record::read(&results)? } else { Vec::new() };
    let failure = failure(task.fault.home, status, limit, &said, records.len());
    let numbers = records.into_iter().flat_map(|record| record.numbers).collect();
    Ok(Outcome { task, took, failure, log, numbers })
}

/// The command that runs the tests of a fault.
async fn command(task: &Task, programs: &Programs) -> anyhow::Result<Command> {
    let prefix = task.fault.prefix();
    let program = |name: &str| child::async_command(&programs.path(name), Signal::SIGTERM, None);
    Ok(match task.fault.home {
        Home::Faults => {
            let mut with_stack = program("xtask");
            with_stack
                .args([
                    "with-stack",
                    "--separate",
                    "--replicas",
                    "2",
                    "--toxic",
                    "--no-build",
                    "--",
                ])
                .arg(programs.path("faults"))
                .args([&prefix, "--test-threads", "1", "--nocapture"])
                .current_dir(paths::root());
            with_stack
        }
        Home::Wire => {
            let mut wire = program("wire");
            wire.args([&prefix, "--nocapture"]).current_dir(&programs.wire_folder);
            wire
        }
        Home::Browser => {
            let chromium = install::browser_tests().await?;
            let npm = paths::find_program("npm").context("npm is not to be found")?;
            let mut with_stack = program("xtask");
            with_stack
                .args(["with-stack", "--seed", "demo", "--no-build", "--"])
                .arg(npm)
                .args(["--prefix", "e2e", "test", "--", prefix.trim_end_matches('_')])
                .env("AJET_CHROMIUM", chromium)
                .current_dir(paths::root());
            with_stack
        }
    })
}

/// Why a run counts as failed. That nothing complained is not enough: a test must have run, and each must have left its record.
fn failure(
    home: Home,
    status: Option<ExitStatus>,
    limit: Duration,
    said: &Said,
    records: usize,
) -> Option<String> {
    let Said { passed, failed, reasons, last } = said;
    let because = reasons.iter().flat_map(|reason| ["; ", reason]).collect::<String>();
    match status {
        None => Some(format!("not done after {} min", limit.as_secs() / 60)),
        Some(_) if *failed > 0 => Some(format!("{failed} failed, {passed} passed{because}")),
        Some(status) if !status.success() => Some(format!("{status}; {last}")),
        Some(_) if *passed == 0 => Some("there is no such test".to_owned()),
        Some(_) if home == Home::Faults && u64::try_from(records) != Ok(*passed) => {
            Some(format!("{passed} passed, but {records} left a record"))
        }
        Some(_) => None,
    }
}

#[cfg(test)]
mod tests {
    use std::os::unix::process::ExitStatusExt as _;

    use super::*;

    #[test]
    fn only_a_test_that_ran_and_left_its_record_has_passed() {
        let judge = |home, status: Option<i32>, log: &str, records| {
            let status = status.map(|code| ExitStatus::from_raw(code << 8));
            failure(home, status, LIMIT.0, &Said::of(home, log), records)
        };
        let (one, none) =
            ("test result: ok. 1 passed; 0 failed;", "test result: ok. 0 passed; 0 failed;");
        assert_eq!(judge(Home::Faults, Some(0), one, 1), None);
        assert_eq!(judge(Home::Wire, Some(0), one, 0), None);
        assert_eq!(judge(Home::Browser, Some(0), "  3 passed (4.2s)", 0), None);
        for (home, status, log, records, why) in [
            (Home::Faults, Some(0), one, 0, "1 passed, but 0 left a record"),
            (Home::Faults, Some(0), none, 0, "there is no such test"),
            (
                Home::Faults,
                Some(101),
                "test result: FAILED. 1 passed; 1 failed;",
                1,
                "1 failed, 1 passed",
            ),
            (
                Home::Faults,
                Some(1),
                "the stack does not start",
                0,
                "exit status: 1; the stack does not start",
            ),
            (Home::Faults, None, one, 1, "not done after 15 min"),
            (Home::Browser, Some(1), "  1 failed\n  2 passed (4.2s)", 0, "1 failed, 2 passed"),
        ] {
            assert_eq!(judge(home, status, log, records).as_deref(), Some(why));
        }
    }
}
