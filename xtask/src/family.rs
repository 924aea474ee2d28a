//! A process and its descendants.
//!
//! Stopping Postgres means stopping each of its processes: every one of them leads a group of its own.

use std::fs;

use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;

/// Stops a process and its descendants until [`thaw`].
pub(crate) fn freeze(pid: i32) {
    // It first: then there will be no new ones.
    signal(pid, Signal::SIGSTOP);
    for pid in descendants(pid) {
        signal(pid, Signal::SIGSTOP);
    }
}

/// Lets a process and its descendants go on.
pub(crate) fn thaw(pid: i32) {
    for pid in descendants(pid) {
        signal(pid, Signal::SIGCONT);
    }
    signal(pid, Signal::SIGCONT);
}

fn signal(pid: i32, signal: Signal) {
    // The only possible failure is that it has just ended.
    let _ = kill(Pid::from_raw(pid), signal);
}

/// The children of a process, their children, and so on.
pub(crate) fn descendants(pid: i32) -> Vec<i32> {
    let processes: Vec<(i32, i32)> = fs::read_dir("/proc")
        .into_iter()
        .flatten()
        .flatten()
        .filter_map(|entry| {
            let pid = entry.file_name().to_str()?.parse().ok()?;
            Some((pid, parent(&fs::read_to_string(entry.path().join("stat")).ok()?)?))
        })
        .collect();
    let mut found = vec![pid];
    let mut next = 0;
    while let Some(parent) = found.get(next).copied() {
        found.extend(processes.iter().filter(|(_, of)| *of == parent).map(|(pid, _)| *pid));
        next += 1;
    }
    found.remove(0);
    found
}

/// The parent in a line of `/proc/<pid>/stat`: the second word after the name, which may hold anything, also brackets.
fn parent(stat: &str) -> Option<i32> {
    let (_, rest) = stat.rsplit_once(')')?;
    rest.split_whitespace().nth(1)?.parse().ok()
}

#[cfg(test)]
mod tests {
    use std::process::Command;
    use std::time::{Duration, Instant};

    use super::*;

    #[test]
    fn the_parent_is_found_behind_any_name() {
        assert_eq!(parent("12 (sh) S 7 12 12 0"), Some(7));
        assert_eq!(parent("12 (a) R 3 (b) S 7 12 12 0"), Some(7));
        assert_eq!(parent("nonsense"), None);
    }

    #[test]
    fn grandchildren_are_stopped_too() {
        let state = |pid: i32| {
            let stat = fs::read_to_string(format!("/proc/{pid}/stat")).unwrap_or_default();
            stat.rsplit_once(") ").and_then(|(_, rest)| rest.chars().next())
        };
        let until = |met: &dyn Fn() -> bool| {
            let begun = Instant::now();
            while !met() {
                assert!(begun.elapsed() < Duration::from_secs(10), "it does not happen");
                std::thread::sleep(Duration::from_millis(2));
            }
        };
        let script = "sh -c 'sleep 60; true' & wait";
        let mut child = Command::new("sh").args(["-c", script]).spawn().unwrap();
        let pid = i32::try_from(child.id()).unwrap();
        until(&|| descendants(pid).len() == 2);
        let family: Vec<i32> = descendants(pid).into_iter().chain([pid]).collect();
        freeze(pid);
        until(&|| family.iter().all(|pid| state(*pid) == Some('T')));
        thaw(pid);
        until(&|| family.iter().all(|pid| state(*pid) == Some('S')));
        for pid in family {
            signal(pid, Signal::SIGKILL);
        }
        child.wait().unwrap();
    }
}
