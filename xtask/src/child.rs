//! How children are started so that none outlives us.
//!
//! Every process of a stack is started through this program itself (`xtask __child …`): it gives up root where asked,
//! asks the kernel for a signal when its parent dies, and then *becomes* the real program. So even `kill -9` of xtask
//! leaves nothing behind. (A `pre_exec` hook would do the same, but needs `unsafe`, which this workspace forbids.)

use std::ffi::OsString;
use std::os::unix::process::CommandExt as _;
use std::path::{Path, PathBuf};
use std::process::{Command, ExitCode};

use anyhow::{Context as _, bail};
use nix::sys::prctl::set_pdeathsig;
use nix::sys::signal::Signal;
use nix::unistd::{Gid, Uid, getpid, getppid, setgid, setgroups, setuid};

/// The hidden first argument.
pub(crate) const SUBCOMMAND: &str = "__child";

/// Whom a program runs as, when not as ourselves.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct RunAs {
    /// User id.
    pub(crate) uid: u32,
    /// Group id.
    pub(crate) gid: u32,
}

/// A command for `program` that ends with `on_parent_death` when we do.
pub(crate) fn command(program: &Path, on_parent_death: Signal, run_as: Option<RunAs>) -> Command {
    // The link, not its target: it stays valid when cargo replaces the file while we run.
    let mut command = Command::new("/proc/self/exe");
    command.arg(SUBCOMMAND).arg(getpid().to_string()).arg(on_parent_death.as_str());
    match run_as {
        Some(RunAs { uid, gid }) => command.arg(format!("{uid}:{gid}")),
        None => command.arg("-"),
    };
    command.arg(program);
    command
}

/// The same for an asynchronous command.
pub(crate) fn async_command(
    program: &Path,
    on_parent_death: Signal,
    run_as: Option<RunAs>,
) -> tokio::process::Command {
    command(program, on_parent_death, run_as).into()
}

/// The child's side: `<parent pid> <signal> <uid:gid or -> <program> <arguments…>`. Returns only on failure.
pub(crate) fn run(arguments: Vec<OsString>) -> ExitCode {
    match become_program(arguments) {
        Ok(never) => match never {},
        Err(error) => {
            crate::ui::error(&error);
            // What a shell answers for a program that cannot be run.
            ExitCode::from(127)
        }
    }
}

fn become_program(arguments: Vec<OsString>) -> anyhow::Result<std::convert::Infallible> {
    let mut arguments = arguments.into_iter();
    let mut word = || arguments.next().and_then(|word| word.into_string().ok());
    let (Some(parent), Some(signal), Some(run_as)) = (word(), word(), word()) else {
        bail!("`xtask {SUBCOMMAND}` is for xtask's own use");
    };
    let parent: i32 = parent.parse().context("the parent's process id")?;
    let signal: Signal = signal.parse().context("the signal")?;
    if let Some((uid, gid)) = run_as.split_once(':') {
        let gid = Gid::from_raw(gid.parse().context("the group id")?);
        setgroups(&[gid]).context("dropping groups")?;
        setgid(gid).context("changing the group")?;
        setuid(Uid::from_raw(uid.parse().context("the user id")?)).context("changing the user")?;
    }
    // After the change of user, which would clear it.
    set_pdeathsig(signal).context("asking for a signal at the parent's death")?;
    if getppid().as_raw() != parent {
        bail!("the parent is gone already");
    }
    let program = PathBuf::from(arguments.next().context("no program")?);
    let error = Command::new(&program).args(arguments).exec();
    Err(error).with_context(|| format!("{} cannot be run", program.display()))
}
