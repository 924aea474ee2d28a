//! `cargo xtask lint`: what a reviewer should not have to say.

use std::process::ExitCode;

use anyhow::Context as _;
use tokio::process::Command;

use crate::paths;
use crate::ui::Step;

/// Runs all checks and fails if one does; the first failure does not hide the others.
pub(crate) async fn run() -> anyhow::Result<ExitCode> {
    let checks: [(&'static str, &[&str]); 3] = [
        ("format", &["fmt", "--all", "--check"]),
        ("clippy", &["clippy", "--workspace", "--all-targets", "--", "-D", "warnings"]),
        ("docs", &["doc", "--workspace", "--no-deps"]),
    ];
    let mut failed = Vec::new();
    for (name, arguments) in checks {
        let step = Step::announced(name, format_args!("cargo {}", arguments.join(" ")));
        let mut cargo = Command::new(paths::cargo());
        cargo
            .args(arguments)
            .env("RUSTDOCFLAGS", "-D warnings")
            .current_dir(paths::root())
            .kill_on_drop(true);
        if cargo.status().await.context("cargo does not start")?.success() {
            step.done("clean");
        } else {
            step.done("NOT clean");
            failed.push(name);
        }
    }
    if failed.is_empty() {
        return Ok(ExitCode::SUCCESS);
    }
    crate::ui::error(&anyhow::anyhow!("not clean: {}", failed.join(", ")));
    Ok(ExitCode::FAILURE)
}
