//! `ajet-nets [PART…]`: the end-to-end tier inside of its stack, in this order: the nets, the browsers, and at the end the sweep over
//! everything they left behind. A witness listens all the time. Started by `cargo xtask test e2e`.

use std::ffi::OsString;
use std::path::Path;
use std::process::ExitCode;

use ajet_nets::stack::Stack;
use ajet_nets::sweep::PARTIAL;
use ajet_nets::witness::Witness;
use anyhow::Context as _;
use tokio::process::Command;

#[tokio::main]
async fn main() -> anyhow::Result<ExitCode> {
    let stack = Stack::surrounding()?;
    let parts: Vec<OsString> = std::env::args_os().skip(1).collect();
    let witness = Witness::start(&stack).await.context("the witness")?;
    // All of them, also when one fails: whoever reads the report wants to know everything.
    let mut good = true;
    for mut step in [Some(tests("nets", &parts)), browsers(&parts)?].into_iter().flatten() {
        good &= succeeded(&mut step).await?;
    }
    if let Err(error) = witness.stop(&stack).await {
        eprintln!("the witness: {error:#}");
        good = false;
    }
    let mut sweeps = tests("sweeps", &[]);
    if !parts.is_empty() {
        sweeps.env(PARTIAL, "1");
    }
    good &= succeeded(&mut sweeps).await?;
    Ok(if good { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

/// Test programs of this crate. For the whole workspace, so that cargo builds nothing anew.
fn tests(name: &str, parts: &[OsString]) -> Command {
    let cargo = std::env::var_os("AJET_CARGO").unwrap_or_else(|| "cargo".into());
    let mut command = Command::new(cargo);
    command.args(["test", "--workspace", "--test", name, "--no-fail-fast", "--"]).args(parts);
    command
}

/// The browser tests; parts of names of spec files choose among them. Parts that no spec has choose among the nets alone.
fn browsers(parts: &[OsString]) -> anyhow::Result<Option<Command>> {
    let e2e = Path::new(env!("CARGO_MANIFEST_DIR")).parent().context("e2e")?;
    let specs = std::fs::read_dir(e2e.join("specs"))?.flatten().map(|entry| entry.file_name());
    let chosen = |name: OsString| {
        let name = name.to_string_lossy().into_owned();
        parts.is_empty() || parts.iter().any(|part| name.contains(part.to_string_lossy().as_ref()))
    };
    if !specs.into_iter().any(chosen) {
        return Ok(None);
    }
    let npm = std::env::var_os("AJET_NPM").unwrap_or_else(|| "npm".into());
    let mut command = Command::new(npm);
    command.args(["test", "--"]).args(parts).current_dir(e2e);
    Ok(Some(command))
}

async fn succeeded(command: &mut Command) -> anyhow::Result<bool> {
    let running = command.kill_on_drop(true).status();
    Ok(running.await.with_context(|| format!("{command:?}"))?.success())
}
