//! The programs under test: built once, and kept as copies of our own, so that nobody's next build changes what a long run restarts.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Stdio;

use anyhow::{Context as _, bail};
use nix::sys::signal::Signal;
use serde::Deserialize;
use tokio::io::AsyncReadExt as _;

use crate::process::{self, Abandoned};
use crate::ui::Step;
use crate::{child, paths};

/// Everything that is run, until dropped.
#[derive(Debug)]
pub(super) struct Programs {
    folder: tempfile::TempDir,
    /// Where the contract tests of the wire believe to be.
    pub(super) wire_folder: PathBuf,
}

/// What cargo says of a program it has built.
#[derive(Deserialize)]
struct Built {
    target: Target,
    executable: Option<PathBuf>,
    manifest_path: PathBuf,
}

#[derive(Deserialize)]
struct Target {
    name: String,
}

impl Programs {
    /// Builds the services and the tests by a profile of cargo, and copies them to a folder inside `parent`.
    pub(super) async fn build(parent: &Path, profile: &str) -> anyhow::Result<Self> {
        let step =
            Step::announced("build", format_args!("the services and the fault tests ({profile})"));
        let services = build(&["build", "--profile", profile, "--workspace", "--bins"]).await?;
        let tests = ["--workspace", "--test", "faults", "--test", "wire", "--no-run"];
        let tests = build(&[&["test", "--profile", profile], &tests[..]].concat()).await?;
        let folder = tempfile::Builder::new().prefix("programs-").tempdir_in(parent)?;
        let mut wire_folder = None;
        for Built { target, executable, manifest_path } in services.into_iter().chain(tests) {
            let Some(executable) = executable else { continue };
            fs::copy(&executable, folder.path().join(&target.name))
                .with_context(|| executable.display().to_string())?;
            if target.name == "wire" {
                wire_folder = manifest_path.parent().map(Path::to_owned);
            }
        }
        let wire_folder = wire_folder.context("cargo built no test `wire`")?;
        step.done("built");
        Ok(Self { folder, wire_folder })
    }

    /// One of them.
    pub(super) fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }
}

/// Runs cargo; gives what it built. What it has to say to people it says itself.
async fn build(arguments: &[&str]) -> anyhow::Result<Vec<Built>> {
    let mut cargo = child::async_command(&paths::cargo(), Signal::SIGTERM, None);
    cargo
        .args(arguments)
        .args(["--message-format", "json-render-diagnostics"])
        .current_dir(paths::root())
        .stdin(Stdio::null())
        .stdout(Stdio::piped());
    let mut cargo = cargo.spawn()?;
    let mut stdout = cargo.stdout.take().context("cargo has no output")?;
    let mut text = String::new();
    let (status, read) =
        tokio::join!(process::wait(cargo, Abandoned::End), stdout.read_to_string(&mut text));
    read?;
    if !status?.success() {
        bail!("`cargo {}` failed", arguments.join(" "));
    }
    Ok(built(&text))
}

/// The programs among cargo's messages.
fn built(messages: &str) -> Vec<Built> {
    let programs = messages.lines().filter_map(|line| serde_json::from_str::<Built>(line).ok());
    programs.filter(|built| built.executable.is_some()).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn programs_are_told_from_libraries_and_other_messages() {
        let messages = r#"{"reason":"compiler-artifact","package_id":"a","manifest_path":"/a/Cargo.toml","target":{"kind":["test"],"name":"wire"},"executable":"/t/wire-1"}
{"reason":"compiler-artifact","package_id":"b","manifest_path":"/b/Cargo.toml","target":{"kind":["lib"],"name":"b"},"executable":null}
{"reason":"build-script-executed","package_id":"c"}
{"reason":"build-finished","success":true}
not JSON"#;
        let built = built(messages);
        assert_eq!(built.len(), 1);
        assert_eq!(built[0].target.name, "wire");
        assert_eq!(built[0].executable.as_deref(), Some(Path::new("/t/wire-1")));
    }
}
