//! What the machine is like while something is measured: a figure says little without it.

use std::io::Write as _;
use std::path::Path;
use std::time::{Duration, Instant};

use anyhow::Context as _;

use super::table::median;

/// Writes that are measured.
const WRITES: usize = 200;

/// Load, cores, and what the disk takes to keep a small write.
pub(super) async fn state() -> anyhow::Result<String> {
    let folder = std::env::var("AJET_RUN_DIR").context("AJET_RUN_DIR")?;
    let sync = tokio::task::spawn_blocking(move || fdatasync(Path::new(&folder))).await??;
    let load = std::fs::read_to_string("/proc/loadavg").unwrap_or_default();
    let load = load.split(' ').next().unwrap_or("?").to_owned();
    let cores = std::thread::available_parallelism().map_or(1, std::num::NonZero::get);
    let mut sorted = sync.clone();
    sorted.sort_unstable();
    let worst = sorted.get(WRITES * 99 / 100).copied().unwrap_or_default();
    Ok(format!(
        "load {load}, {cores} cores, fdatasync {:.2} ms (p99 {:.2} ms)",
        median(sync).as_secs_f64() * 1_000.0,
        worst.as_secs_f64() * 1_000.0
    ))
}

/// How long small writes take to be durable.
pub(crate) fn fdatasync(folder: &Path) -> anyhow::Result<Vec<Duration>> {
    let mut file = tempfile::tempfile_in(folder)?;
    (0..WRITES)
        .map(|_| {
            let started = Instant::now();
            file.write_all(&[0; 512])?;
            file.sync_data()?;
            Ok(started.elapsed())
        })
        .collect()
}
