//! `cargo xtask dev`: the stack to work with.

use std::fs::{self, File, TryLockError};
use std::path::Path;
use std::process::ExitCode;
use std::sync::Mutex;
use std::time::Instant;

use anyhow::{Context as _, bail};
use tracing_subscriber::EnvFilter;

use crate::cli::{DevOptions, Limits, Seed};
use crate::info::Info;
use crate::services::Place;
use crate::signals::Signals;
use crate::stack::{Options, PortChoice, Stack};
use crate::{demo, paths, postgres, ui};

/// Runs until Ctrl-C.
pub(crate) async fn run(options: &DevOptions) -> anyhow::Result<ExitCode> {
    let begun = Instant::now();
    let mut signals = Signals::listen()?;
    let data = paths::dev();
    fs::create_dir_all(&data).with_context(|| format!("{} cannot be made", data.display()))?;
    // Held while we run, and given back by the kernel however we end.
    let _lock = lock(&data)?;
    if options.fresh {
        for folder in ["postgres", "nats", "s3"] {
            postgres::remove(&data.join(folder))?;
        }
    }
    let log = data.join("ajet.log");
    log_to(&log)?;
    let stack_options = Options {
        run_dir: data.clone(),
        data,
        ports: PortChoice::Standard,
        place: Place::Here,
        replicas: 1,
        toxic: false,
        limits: Limits::Default,
        seed: Some(Seed::Demo),
    };
    let mut stack = Stack::default();
    let outcome = tokio::select! {
        started = stack.start(&stack_options) => started.map(Some),
        _ = signals.next() => Ok(None),
    };
    let outcome = match outcome {
        Ok(Some(info)) => {
            greet(&info, begun, &log);
            tokio::select! {
                error = stack.failed() => Err(error),
                _ = signals.next() => Ok(()),
            }
        }
        Ok(None) => Ok(()),
        Err(error) => {
            Err(error.context(format!("the stack does not start; its log is {}", log.display())))
        }
    };
    ui::note("stopping; once more Ctrl-C does not wait");
    tokio::select! {
        () = stack.stop() => {}
        // Everything that we have started ends with us.
        _ = signals.next() => {}
    }
    // It describes a stack that is gone.
    drop(fs::remove_file(paths::dev_stack()));
    outcome.map(|()| ExitCode::SUCCESS)
}

fn lock(data: &Path) -> anyhow::Result<File> {
    let file = File::create(data.join("lock"))?;
    match file.try_lock() {
        Ok(()) => Ok(file),
        Err(TryLockError::Error(error)) => Err(error).context("locking .dev"),
        Err(TryLockError::WouldBlock) => match Info::read(&paths::dev_stack()) {
            Ok(info) => bail!(
                "it is running already at {} (process {}); stop that one first",
                info.url,
                info.pid
            ),
            Err(_) => bail!("another `cargo xtask dev` is starting or stopping here"),
        },
    }
}

/// Sends the logs of what runs inside this process to a file.
pub(crate) fn log_to(file: &Path) -> anyhow::Result<()> {
    let log =
        File::create(file).with_context(|| format!("{} cannot be written", file.display()))?;
    let filter = EnvFilter::try_from_env("AJET_LOG").unwrap_or_else(|_| {
        EnvFilter::new("info,async_nats=warn,refinery_core=warn,s3s=warn,s3s_fs=warn")
    });
    let subscriber = tracing_subscriber::fmt()
        .with_env_filter(filter)
        .with_ansi(false)
        .with_writer(Mutex::new(log));
    // Only tests of ours could have set another one.
    drop(subscriber.try_init());
    Ok(())
}

fn greet(info: &Info, begun: Instant, log: &Path) {
    println!("\nready  {}\n", info.url);
    let people: Vec<_> = demo::PEOPLE.iter().map(|person| person.login).collect();
    ui::note(format_args!("started in {}", ui::seconds(begun.elapsed())));
    ui::note(format_args!(
        "sign in as {} (owner: {}) at the development provider",
        people.join(", "),
        people[0]
    ));
    ui::note(format_args!("a token for the terminal: cargo xtask login {}", people[1]));
    ui::note(format_args!("log: {}   data: {}", log.display(), info.run_dir.display()));
    ui::note("Ctrl-C stops everything");
}
