//! What a run was made on.

use std::time::Duration;

use anyhow::Context as _;
use serde::{Deserialize, Serialize};
use time::OffsetDateTime;
use time::macros::format_description;

use crate::bench::machine::fdatasync;
use crate::{paths, ui};

/// Everything about a run but its results.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(super) struct Facts {
    /// `20 November 2026`.
    pub(super) date: String,
    /// `2 cores (…), 7.8 GiB of memory, Linux 6.1.0, fdatasync 0.10 ms`.
    pub(super) machine: String,
    /// Abbreviated, with a word where the checkout differed from it.
    pub(super) commit: String,
    /// In their order.
    pub(super) seeds: Vec<u64>,
    /// `48 min 10 s`.
    pub(super) took: String,
}

/// Looks around.
pub(super) async fn facts(seeds: &[u64], took: Duration) -> anyhow::Result<Facts> {
    let today = format_description!("[day padding:none] [month repr:long] [year]");
    Ok(Facts {
        date: OffsetDateTime::now_utc().format(today)?,
        machine: machine().await?,
        commit: commit().await?,
        seeds: seeds.to_vec(),
        took: ui::seconds(took),
    })
}

async fn machine() -> anyhow::Result<String> {
    let read = |file: &str| std::fs::read_to_string(file).unwrap_or_default();
    let cores = std::thread::available_parallelism().map_or(1, std::num::NonZero::get);
    let (cpu, memory) = (read("/proc/cpuinfo"), read("/proc/meminfo"));
    let cpu = field(&cpu, "model name").unwrap_or("of an unknown kind");
    let memory = field(&memory, "MemTotal").and_then(gibibytes).unwrap_or_default();
    let kernel = read("/proc/sys/kernel/osrelease");
    let sync = tokio::task::spawn_blocking(|| fdatasync(&std::env::temp_dir())).await??;
    Ok(format!(
        "{cores} cores ({cpu}), {memory:.1} GiB of memory, Linux {}, median of a 512-byte `fdatasync` {:.2} ms",
        kernel.trim(),
        median(sync).as_secs_f64() * 1_000.0
    ))
}

/// The value of the first line `name : value`.
fn field<'a>(text: &'a str, name: &str) -> Option<&'a str> {
    let mut lines = text.lines().filter_map(|line| line.split_once(':'));
    lines.find(|(key, _)| key.trim() == name).map(|(_, value)| value.trim())
}

/// `8152340 kB`.
fn gibibytes(text: &str) -> Option<f64> {
    let kibibytes: f64 = text.strip_suffix("kB")?.trim().parse().ok()?;
    Some(kibibytes / 1024.0 / 1024.0)
}

fn median(mut times: Vec<Duration>) -> Duration {
    times.sort_unstable();
    times.get(times.len() / 2).copied().unwrap_or_default()
}

/// The commit that is checked out, and whether the files are those of it.
async fn commit() -> anyhow::Result<String> {
    let git = async |arguments: &[&str]| -> anyhow::Result<String> {
        let mut git = tokio::process::Command::new("git");
        git.args(arguments).current_dir(paths::root()).kill_on_drop(true);
        let output = git.output().await.context("git")?;
        Ok(String::from_utf8_lossy(&output.stdout).trim().to_owned())
    };
    let commit = git(&["rev-parse", "--short=10", "HEAD"]).await?;
    let changes = git(&["status", "--porcelain", "--untracked-files=no"]).await?;
    Ok(match (commit.as_str(), changes.as_str()) {
        ("", _) => "unknown".to_owned(),
        (commit, "") => commit.to_owned(),
        (commit, _) => format!("{commit} with changes"),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_kernel_is_understood() {
        let text = "processor\t: 0\nmodel name\t: Something Fast\nmodel name\t: Something Else\n";
        assert_eq!(field(text, "model name"), Some("Something Fast"));
        assert_eq!(field(text, "model"), None);
        assert_eq!(gibibytes("8388608 kB"), Some(8.0));
        assert_eq!(gibibytes("many"), None);
    }

    #[tokio::test]
    async fn facts_are_found_on_any_machine() {
        let facts = facts(&[7, 8], Duration::from_secs(61)).await.unwrap();
        assert!(!facts.commit.is_empty() && !facts.date.is_empty());
        assert!(facts.machine.contains(" cores (") && facts.machine.contains("fdatasync"));
        assert_eq!((facts.seeds, facts.took.as_str()), (vec![7, 8], "1 min 01 s"));
    }
}
