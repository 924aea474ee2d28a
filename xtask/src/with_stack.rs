//! `cargo xtask with-stack`: a command with a stack of its own.

use std::ffi::{OsStr, OsString};
use std::io::IsTerminal as _;
use std::os::unix::process::{CommandExt as _, ExitStatusExt as _};
use std::path::{Path, PathBuf};
use std::process::{ExitCode, ExitStatus};
use std::time::Duration;

use anyhow::{Context as _, bail};
use nix::sys::signal::Signal;

use crate::cli::WithStackOptions;
use crate::info::Info;
use crate::services::Place;
use crate::signals::{Signals, exit_status};
use crate::stack::{Options, PortChoice, Stack, temporary_folder};
use crate::ui::{self, Step};
use crate::{child, dev, paths, postgres, process};

/// Starts the stack, runs the command, stops the stack, and answers with the command's status.
pub(crate) async fn run(options: &WithStackOptions) -> anyhow::Result<ExitCode> {
    let mut signals = Signals::listen()?;
    let bin_dir = programs(options).await?;
    let folder = temporary_folder(&std::env::temp_dir())?;
    dev::log_to(&folder.path().join("ajet.log"))?;
    let stack_options = Options {
        data: folder.path().join("data"),
        run_dir: folder.path().to_owned(),
        ports: PortChoice::Free,
        place: if options.separate { Place::Processes(bin_dir.clone()) } else { Place::Here },
        replicas: options.replicas,
        toxic: options.toxic,
        limits: options.limits,
        seed: options.seed,
    };
    let mut stack = Stack::default();
    let outcome = tokio::select! {
        started = stack.start(&stack_options) => match started {
            Ok(info) => supervise(&options.command, &info, &bin_dir, &mut stack, &mut signals).await,
            Err(error) => {
                let log = process::tail(&folder.path().join("ajet.log"));
                if !log.trim().is_empty() {
                    ui::note(format_args!("the stack does not start; its log ends:\n{log}"));
                }
                Err(error)
            }
        },
        signal = signals.next() => Ok(ExitCode::from(exit_status(signal))),
    };
    stack.stop().await;
    // Wherever its user could reach it.
    let removed = postgres::remove(&stack_options.data.join("postgres"));
    if let Err(error) = removed.and_then(|()| Ok(folder.close()?)) {
        ui::note(format_args!("the stack's folder cannot be removed: {error:#}"));
    }
    outcome
}

/// The folder with the programs of our services, built where this run needs them. A release stack is run by a release
/// xtask, so that services inside the process are release builds too.
async fn programs(options: &WithStackOptions) -> anyhow::Result<PathBuf> {
    let own = paths::bin_dir()?;
    if options.no_build {
        return Ok(own);
    }
    let profile = if options.release { "release" } else { "debug" };
    let wanted = own.parent().context("the target folder")?.join(profile);
    let is_own = own == wanted;
    if options.separate || !is_own {
        let step =
            Step::announced("build", format_args!("cargo build --workspace --bins ({profile})"));
        let mut cargo = tokio::process::Command::new(paths::cargo());
        cargo.args(["build", "--workspace", "--bins"]).current_dir(paths::root());
        if options.release {
            cargo.arg("--release");
        }
        if !cargo.kill_on_drop(true).status().await?.success() {
            bail!("the services do not build");
        }
        step.done("built");
    }
    if !is_own {
        let arguments: Vec<OsString> = std::env::args_os().skip(1).collect();
        let error = std::process::Command::new(wanted.join("xtask")).args(arguments).exec();
        return Err(error).context("the release build of xtask does not start");
    }
    Ok(own)
}

async fn supervise(
    command: &[OsString],
    info: &Info,
    bin_dir: &Path,
    stack: &mut Stack,
    signals: &mut Signals,
) -> anyhow::Result<ExitCode> {
    let (program, arguments) = command.split_first().context("no command")?;
    let mut running = child::async_command(Path::new(program), Signal::SIGTERM, None);
    running.args(arguments).envs(info.environment()).env("AJET_BIN_DIR", bin_dir);
    // Stays in our process group: it owns the terminal together with us.
    let mut running = running.spawn().with_context(|| display(program))?;
    loop {
        tokio::select! {
            status = running.wait() => return Ok(exit_code(status?)),
            error = stack.failed() => {
                ui::error(&error.context("the command goes on without it"));
                return wait(&mut running, signals).await;
            }
            signal = signals.next() => pass_on(&mut running, signal).await,
        }
    }
}

async fn wait(
    running: &mut tokio::process::Child,
    signals: &mut Signals,
) -> anyhow::Result<ExitCode> {
    loop {
        tokio::select! {
            status = running.wait() => return Ok(exit_code(status?)),
            signal = signals.next() => pass_on(running, signal).await,
        }
    }
}

/// Ctrl-C at a terminal has reached the command by itself, and what it means is the command's affair. Every other
/// signal came to us alone.
async fn pass_on(running: &mut tokio::process::Child, signal: Signal) {
    if signal == Signal::SIGINT && std::io::stdin().is_terminal() {
        return;
    }
    process::end(running, signal, Duration::from_secs(10)).await;
}

fn exit_code(status: ExitStatus) -> ExitCode {
    let code = status.code().or_else(|| status.signal().map(|signal| 128 + signal));
    ExitCode::from(code.and_then(|code| u8::try_from(code).ok()).unwrap_or(1))
}

fn display(program: &OsStr) -> String {
    format!("{} cannot be run", program.display())
}
