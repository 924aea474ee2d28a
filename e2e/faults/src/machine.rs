//! What the kernel knows of a process, and how a test holds one short. Every limit is lifted when it is dropped.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context as _, ensure};

/// Where cgroups of version 1 bound memory.
const MEMORY_GROUPS: &str = "/sys/fs/cgroup/memory";

/// How many files a process has open.
pub fn open_files(pid: i32) -> anyhow::Result<usize> {
    let folder = format!("/proc/{pid}/fd");
    Ok(fs::read_dir(&folder).context(folder)?.count())
}

/// How much memory of a process is resident, bytes.
pub fn resident_bytes(pid: i32) -> anyhow::Result<u64> {
    let file = format!("/proc/{pid}/status");
    let text = fs::read_to_string(&file).with_context(|| file.clone())?;
    let line = text.lines().find_map(|line| line.strip_prefix("VmRSS:"));
    let kib: u64 = line.and_then(|line| line.split_whitespace().next()).context(file)?.parse()?;
    Ok(kib * 1024)
}

/// A bound on how many files a process may have open.
#[derive(Debug)]
pub struct FileLimit {
    pid: i32,
    before: String,
}

impl FileLimit {
    /// Lets a process open `most` files and no more; what it has open stays open.
    pub fn of(pid: i32, most: u32) -> anyhow::Result<Self> {
        let before = prlimit(pid, &["--nofile", "--noheadings", "--raw", "--output", "SOFT"])?;
        let limit = Self { pid, before: before.trim().to_owned() };
        prlimit(pid, &[&format!("--nofile={most}:")])?;
        Ok(limit)
    }
}

impl Drop for FileLimit {
    fn drop(&mut self) {
        // A process that is gone needs no limit.
        drop(prlimit(self.pid, &[&format!("--nofile={}:", self.before)]));
    }
}

fn prlimit(pid: i32, arguments: &[&str]) -> anyhow::Result<String> {
    run(Command::new("prlimit").arg("--pid").arg(pid.to_string()).args(arguments))
}

/// A bound on the memory of a process.
#[derive(Debug)]
pub struct MemoryLimit {
    group: PathBuf,
}

impl MemoryLimit {
    /// Lets a process have so many bytes more than it has; the kernel kills it when it needs more. One that takes its place is free.
    pub fn beyond(pid: i32, more: u64) -> anyhow::Result<Self> {
        let group = Path::new(MEMORY_GROUPS).join(format!("ajet-faults-{pid}"));
        fs::create_dir(&group).with_context(|| {
            format!(
                "this test bounds memory by a cgroup (version 1) and needs to be root for it: {}",
                group.display()
            )
        })?;
        let limit = Self { group };
        // What it has already does not count in its new group.
        fs::write(limit.group.join("memory.limit_in_bytes"), more.to_string())?;
        fs::write(limit.group.join("cgroup.procs"), pid.to_string())?;
        Ok(limit)
    }

    /// How often the kernel has killed a process of this group for its memory.
    pub fn kills(&self) -> anyhow::Result<u64> {
        let text = fs::read_to_string(self.group.join("memory.oom_control"))?;
        let kills = text.lines().find_map(|line| line.strip_prefix("oom_kill "));
        Ok(kills.context("this kernel does not count kills")?.trim().parse()?)
    }
}

impl Drop for MemoryLimit {
    fn drop(&mut self) {
        let members = fs::read_to_string(self.group.join("cgroup.procs")).unwrap_or_default();
        for pid in members.lines() {
            drop(fs::write(Path::new(MEMORY_GROUPS).join("cgroup.procs"), pid));
        }
        drop(fs::remove_dir(&self.group));
    }
}

/// Runs a command to its end and gives what it printed.
pub(crate) fn run(command: &mut Command) -> anyhow::Result<String> {
    let line = format!("{command:?}").replace('"', "");
    let output = command.output().with_context(|| line.clone())?;
    let said = String::from_utf8_lossy(&output.stderr);
    ensure!(output.status.success(), "{line}: {} {}", output.status, said.trim());
    Ok(String::from_utf8(output.stdout)?)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_limit_holds_until_it_is_dropped() {
        let mut child = Command::new("sleep").arg("60").spawn().unwrap();
        let pid = i32::try_from(child.id()).unwrap();
        let limits = || fs::read_to_string(format!("/proc/{pid}/limits")).unwrap();
        let before = limits();
        let limit = FileLimit::of(pid, 99).unwrap();
        assert!(
            limits()
                .lines()
                .any(|line| line.starts_with("Max open files") && line.contains(" 99 "))
        );
        drop(limit);
        assert_eq!(limits(), before);
        assert!(open_files(pid).unwrap() >= 3 && resident_bytes(pid).unwrap() > 0);
        child.kill().unwrap();
        child.wait().unwrap();
    }
}
