//! What processes wrote to their logs since some moment, because a stack's logs hold what all tests before have done to it.

use std::path::PathBuf;

use crate::Stack;

/// Where some logs ended at a moment.
#[derive(Debug)]
pub struct Logs(Vec<Log>);

#[derive(Debug)]
struct Log {
    process: String,
    file: PathBuf,
    size: usize,
}

impl Logs {
    /// Those of these processes, as they are now.
    #[must_use]
    pub fn now(stack: &Stack, processes: &[impl AsRef<str>]) -> Self {
        let log = |process: &str| {
            let file = stack.log(process);
            // One that has not come to write anything has no log.
            let size = std::fs::read(&file).map_or(0, |log| log.len());
            Log { process: process.to_owned(), file, size }
        };
        Self(processes.iter().map(|process| log(process.as_ref())).collect())
    }

    /// Those of every api.
    #[must_use]
    pub fn of_apis(stack: &Stack) -> Self {
        let apis: Vec<_> = (1..=stack.apis.len()).map(|number| format!("api-{number}")).collect();
        Self::now(stack, &apis)
    }

    /// The lines since then that have a text in them, each after the name of its process.
    pub fn lines_with(&self, text: &str) -> anyhow::Result<Vec<String>> {
        let mut found = Vec::new();
        for Log { process, file, size } in &self.0 {
            let log = std::fs::read(file)?;
            // One that is shorter than it was has been begun anew.
            let new = String::from_utf8_lossy(log.get(*size..).unwrap_or(&log)).into_owned();
            let lines = new.lines().filter(|line| line.contains(text));
            found.extend(lines.map(|line| format!("{process}: {line}")));
        }
        Ok(found)
    }
}
