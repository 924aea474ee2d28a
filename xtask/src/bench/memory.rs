//! Memory of each process, idle and with streams open.

use std::collections::BTreeMap;

use anyhow::Context as _;
use tokio::sync::mpsc;

use super::room::Room;
use super::table;

/// Streams that are open.
const STREAMS: usize = 100;

pub(super) async fn run() -> anyhow::Result<()> {
    let room = Room::open(0).await?;
    let idle = proportional()?;
    let (sender, _receiver) = mpsc::unbounded_channel();
    for _ in 0..STREAMS {
        room.follow(&room.tokens[0], sender.clone()).await?;
    }
    let busy = proportional()?;
    table::figure("PSS in MB", &format!("{:>9} {:>22}", "idle", format!("{STREAMS} streams open")));
    let (mut idle_sum, mut busy_sum) = (0, 0);
    for (name, idle) in idle {
        let busy = busy.get(&name).copied().unwrap_or_default();
        idle_sum += idle;
        busy_sum += busy;
        table::figure(&name, &format!("{:>9.1} {:>22.1}", megabytes(idle), megabytes(busy)));
    }
    let sums = format!("{:>9.1} {:>22.1}", megabytes(idle_sum), megabytes(busy_sum));
    table::figure("together", &sums);
    Ok(())
}

#[expect(clippy::cast_precision_loss, reason = "a figure for people")]
pub(super) fn megabytes(kib: u64) -> f64 {
    kib as f64 / 1024.0
}

/// KiB by process name; a server with children (Postgres) counts them by their proportional share.
pub(super) fn proportional() -> anyhow::Result<BTreeMap<String, u64>> {
    let size = |(name, pid): (String, u32)| {
        let children = children(pid).into_iter().filter_map(|child| proportional_kib(child).ok());
        let children: u64 = children.sum();
        Ok((name, proportional_kib(pid)? + children))
    };
    processes()?.into_iter().map(size).collect()
}

/// The processes of the stack, from their pid files.
pub(super) fn processes() -> anyhow::Result<BTreeMap<String, u32>> {
    let folder = std::env::var("AJET_RUN_DIR")?;
    let mut processes = BTreeMap::new();
    for entry in std::fs::read_dir(&folder)? {
        let path = entry?.path();
        if path.extension().is_none_or(|extension| extension != "pid") {
            continue;
        }
        let name = path.file_stem().unwrap_or_default().to_string_lossy().into_owned();
        let pid = std::fs::read_to_string(&path)?.trim().parse();
        processes.insert(name, pid.with_context(|| path.display().to_string())?);
    }
    Ok(processes)
}

fn proportional_kib(pid: u32) -> anyhow::Result<u64> {
    let rollup = std::fs::read_to_string(format!("/proc/{pid}/smaps_rollup"))
        .with_context(|| format!("process {pid}"))?;
    let line = rollup.lines().find(|line| line.starts_with("Pss:")).context("no Pss")?;
    Ok(line.split_whitespace().nth(1).context("no Pss")?.parse()?)
}

fn children(pid: u32) -> Vec<u32> {
    std::fs::read_to_string(format!("/proc/{pid}/task/{pid}/children"))
        .unwrap_or_default()
        .split_whitespace()
        .filter_map(|child| child.parse().ok())
        .collect()
}
