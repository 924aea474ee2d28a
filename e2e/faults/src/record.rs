//! What a fault test leaves behind when it has passed: one line of JSON for whoever runs many of them.

use std::fs::OpenOptions;
use std::io::Write as _;
use std::path::Path;

use anyhow::Context as _;
use serde::{Deserialize, Serialize};

/// Names the file that records are added to.
pub const RESULTS: &str = "AJET_FAULT_RESULTS";

/// A fault test that has passed.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Record {
    /// The row of the matrix: `F12`.
    pub id: String,
    /// What chance was drawn from.
    pub seed: u64,
    /// In full length.
    pub long: bool,
    /// Milliseconds it took.
    pub took_ms: u64,
    /// What was measured.
    pub numbers: Vec<Number>,
}

/// Something measured.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Number {
    /// Of what.
    pub what: String,
    /// With its unit.
    pub value: String,
    /// What it had to be, as it was held to; empty when it was only looked at.
    pub limit: String,
}

impl Record {
    /// Adds it to a file, as one line.
    pub fn append(&self, file: &Path) -> anyhow::Result<()> {
        let mut line = serde_json::to_string(self)?;
        line.push('\n');
        let mut file = OpenOptions::new()
            .create(true)
            .append(true)
            .open(file)
            .with_context(|| format!("{RESULTS}: {}", file.display()))?;
        Ok(file.write_all(line.as_bytes())?)
    }

    /// Those of a file, in their order.
    pub fn read(file: &Path) -> anyhow::Result<Vec<Self>> {
        let text = std::fs::read_to_string(file)?;
        text.lines().map(|line| Ok(serde_json::from_str(line)?)).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn records_are_read_as_they_were_written() {
        let file = std::env::temp_dir().join(format!("ajet-record-{}", std::process::id()));
        let number =
            Number { what: "recovery".into(), value: "0.9 s".into(), limit: "≤ 1.5 s".into() };
        let mut record =
            Record { id: "F2".into(), seed: 7, long: false, took_ms: 1_200, numbers: vec![number] };
        record.append(&file).unwrap();
        record.seed = 8;
        record.append(&file).unwrap();
        let read = Record::read(&file).unwrap();
        std::fs::remove_file(&file).unwrap();
        assert_eq!(read.iter().map(|record| record.seed).collect::<Vec<_>>(), [7, 8]);
        assert_eq!(read[1], record);
    }
}
