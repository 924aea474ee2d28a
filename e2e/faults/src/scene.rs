//! A stack that one test has for itself: whole when the test begins, held to account when it ends.

use std::collections::BTreeMap;
use std::fmt;
use std::path::PathBuf;
use std::sync::PoisonError;
use std::time::{Duration, Instant};

use anyhow::{Context as _, ensure};
use tokio::sync::{Mutex, MutexGuard};

use crate::record::{Number, RESULTS, Record};
use crate::toxic::Control;
use crate::{Load, Shape, Stack, Town, Watch, seed};

/// In full length: `AJET_FAULT_LONG` is set.
const LONG: &str = "AJET_FAULT_LONG";
/// How much longer than promised something may take on a machine that is not there to measure.
const SLACK: u32 = 4;
/// How long a stack may take to be whole again after the test before.
const PATIENCE: Duration = Duration::from_secs(30);

/// The surrounding stack, for one test at a time.
#[derive(Debug)]
pub struct Scene {
    /// The row of the matrix: `F12`.
    pub id: &'static str,
    /// What the test draws its chances from.
    pub seed: u64,
    /// Whether this is a run in full length.
    pub long: bool,
    /// The stack.
    pub stack: Stack,
    /// Its edges and processes.
    pub control: Control,
    begun: Instant,
    numbers: Vec<Number>,
    passed: bool,
    _alone: MutexGuard<'static, ()>,
}

impl Scene {
    /// Waits for its turn, then for a stack that is whole.
    pub async fn set(id: &'static str) -> anyhow::Result<Self> {
        static ALONE: Mutex<()> = Mutex::const_new(());
        let alone = ALONE.lock().await;
        let (stack, control) = (Stack::surrounding()?, Control::surrounding()?);
        let seed = seed()?;
        println!("{id}, seed {seed}");
        let scene = Self {
            id,
            seed,
            long: std::env::var_os(LONG).is_some(),
            stack,
            control,
            begun: Instant::now(),
            numbers: Vec::new(),
            passed: false,
            _alone: alone,
        };
        scene.heal().await?;
        Ok(scene)
    }

    /// `short`, or in full length `long`.
    #[must_use]
    pub fn length<T>(&self, short: T, long: T) -> T {
        if self.long { long } else { short }
    }

    /// Makes everything well, whatever a test has done to it, and waits until every service is ready.
    pub async fn heal(&self) -> anyhow::Result<()> {
        self.control.restore("all").await?;
        for process in self.control.processes().await? {
            if process.state == "frozen" {
                self.control.thaw(&process.name).await?;
            }
        }
        // One that was frozen may be altered besides.
        for process in self.control.processes().await? {
            if process.state == "altered" {
                self.control.stop(&process.name).await?;
            }
            if process.state != "running" {
                self.control.start(&process.name, &[]).await?;
            }
        }
        self.stack.ready(PATIENCE).await
    }

    /// Ends a process and starts it again with these variables besides its own; waits until all is ready.
    pub async fn restart(&self, process: &str, variables: &[(&str, &str)]) -> anyhow::Result<()> {
        self.control.stop(process).await?;
        self.control.start(process, variables).await?;
        self.stack.ready(PATIENCE).await
    }

    /// A town of this test's own: new people, new channels, in the one community of the stack.
    pub async fn town(&self, writers: usize, readers: usize) -> anyhow::Result<Town> {
        // A row of the matrix may have several tests.
        static TOWNS: std::sync::Mutex<BTreeMap<&str, usize>> =
            std::sync::Mutex::new(BTreeMap::new());
        let number = {
            let mut towns = TOWNS.lock().unwrap_or_else(PoisonError::into_inner);
            let count = towns.entry(self.id).or_default();
            *count += 1;
            *count
        };
        let name = if number == 1 { self.id.to_owned() } else { format!("{}-{number}", self.id) };
        Town::found(&self.stack, &name, writers, readers).await
    }

    /// Opens streams and pages for the readers of `town`, and lets its writers write.
    pub async fn load(&self, town: &Town, shape: Shape) -> anyhow::Result<Load> {
        Load::begin(&self.stack, town, shape, self.seed).await
    }

    /// Opens them, and lets nobody write yet.
    pub async fn watch(&self, town: &Town, browsers: usize) -> anyhow::Result<Watch> {
        Watch::begin(&self.stack, town, browsers, self.seed).await
    }

    /// Notes something measured.
    pub fn number(&mut self, what: &str, value: impl fmt::Display) {
        self.note(what, value.to_string(), String::new());
    }

    /// Notes a time, and holds it to its limit; to four times of it outside of `cargo xtask faults`, because a machine that runs tests
    /// may do other things besides.
    pub fn within(&mut self, what: &str, took: Duration, limit: Duration) -> anyhow::Result<()> {
        self.note(what, seconds(took), format!("≤ {}", seconds(limit)));
        let held_to = if self.is_measured() { limit } else { limit * SLACK };
        ensure!(took <= held_to, "{}: {what}: {took:?}, at most {held_to:?}", self.id);
        Ok(())
    }

    /// Whether this is a run of `cargo xtask faults`, which is there to measure.
    #[must_use]
    pub fn is_measured(&self) -> bool {
        std::env::var_os(RESULTS).is_some()
    }

    /// Notes a count, and holds it to what it must be.
    pub fn exactly<T: Copy + PartialEq + fmt::Display>(
        &mut self,
        what: &str,
        value: T,
        wanted: T,
    ) -> anyhow::Result<()> {
        self.note(what, value.to_string(), wanted.to_string());
        ensure!(value == wanted, "{}: {what}: {value}, not {wanted}", self.id);
        Ok(())
    }

    /// Notes a measure in any unit, and holds it to its limit.
    pub fn at_most(
        &mut self,
        what: &str,
        value: f64,
        limit: f64,
        unit: &str,
    ) -> anyhow::Result<()> {
        self.note(what, format!("{value:.2} {unit}"), format!("≤ {limit} {unit}"));
        ensure!(value <= limit, "{}: {what}: {value} {unit}, at most {limit}", self.id);
        Ok(())
    }

    /// Notes a measure that must not be smaller, with the same patience as [`Self::within`].
    pub fn at_least(
        &mut self,
        what: &str,
        value: f64,
        limit: f64,
        unit: &str,
    ) -> anyhow::Result<()> {
        self.note(what, format!("{value:.0} {unit}"), format!("≥ {limit} {unit}"));
        let held_to = if self.is_measured() { limit } else { limit / f64::from(SLACK) };
        ensure!(value >= held_to, "{}: {what}: {value} {unit}, at least {held_to}", self.id);
        Ok(())
    }

    fn note(&mut self, what: &str, value: String, limit: String) {
        println!("  {}: {what}: {value} {limit}", self.id);
        self.numbers.push(Number { what: what.to_owned(), value, limit });
    }

    /// Ends a test in which all went as it should: Postgres, outbox and stream must agree. Leaves the record.
    pub async fn passed(mut self) -> anyhow::Result<()> {
        self.stack.verify().await?;
        self.passed = true;
        let record = Record {
            id: self.id.to_owned(),
            seed: self.seed,
            long: self.long,
            took_ms: u64::try_from(self.begun.elapsed().as_millis())?,
            numbers: std::mem::take(&mut self.numbers),
        };
        match std::env::var_os(RESULTS) {
            Some(file) => record.append(&PathBuf::from(file)),
            None => Ok(()),
        }
    }
}

impl Drop for Scene {
    /// What led to a failure is in the logs of a stack that is about to vanish.
    fn drop(&mut self) {
        if self.passed {
            return;
        }
        let folder = std::env::temp_dir().join(format!("ajet-faults-{}-{}", self.id, self.seed));
        match self.stack.keep_logs(&folder).context("the logs are lost") {
            Ok(()) => eprintln!("{}: the logs are in {}", self.id, folder.display()),
            Err(error) => eprintln!("{}: {error:#}", self.id),
        }
    }
}

fn seconds(time: Duration) -> String {
    match time.as_secs_f64() {
        short if short < 1.0 => format!("{} ms", time.as_millis()),
        long => format!("{long:.1} s"),
    }
}
