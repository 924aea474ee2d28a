//! `cargo xtask`: the development stack, the test tiers and the other chores of this repository.
//!
//! Everything a person or a machine does with this checkout starts here, so that both do the same. What belongs
//! together is in one file: [`stack`] starts and stops a whole stack out of [`postgres`], [`nats`], [`s3`],
//! [`oauth_provider`] and the [`services`]; [`process`] takes their processes up and down, [`supervisor`] keeps them
//! alive between; [`toxic`] lets fault tests come between them, [`faults`] runs these one after the other; [`install`] fetches what a
//! fresh machine lacks.

mod assets;
mod bench;
mod child;
mod cli;
mod demo;
mod dev;
mod family;
mod faults;
mod info;
mod install;
mod lint;
mod login;
mod nats;
mod oauth_provider;
mod paths;
mod plan;
mod ports;
mod postgres;
mod process;
mod s3;
mod secrets;
mod seed;
mod services;
mod signals;
mod stack;
mod supervisor;
mod tests;
mod toxic;
mod ui;
mod with_stack;

use std::process::ExitCode;

use clap::Parser as _;

use cli::{Cli, Command};

fn main() -> ExitCode {
    // The wrapper of our own children comes first: it must be quick, and it needs no runtime.
    let mut arguments = std::env::args_os().skip(1);
    if arguments.next().is_some_and(|first| first == child::SUBCOMMAND) {
        return child::run(arguments.collect());
    }
    let cli = Cli::parse();
    let runtime = match tokio::runtime::Builder::new_multi_thread().enable_all().build() {
        Ok(runtime) => runtime,
        Err(error) => {
            ui::error(&anyhow::Error::new(error).context("the runtime does not start"));
            return ExitCode::FAILURE;
        }
    };
    let outcome = runtime.block_on(dispatch(cli.command));
    // Nothing worth waiting for is left; a stuck task must not keep a finished command alive.
    runtime.shutdown_background();
    outcome.unwrap_or_else(|error| {
        ui::error(&error);
        ExitCode::FAILURE
    })
}

async fn dispatch(command: Command) -> anyhow::Result<ExitCode> {
    match command {
        Command::Dev(options) => dev::run(&options).await,
        Command::WithStack(options) => with_stack::run(&options).await,
        Command::Login(options) => login::run(&options).await,
        Command::Test(options) => tests::run(&options).await,
        Command::Faults(options) => faults::run(&options).await,
        Command::Bench(options) => bench::run(&options).await,
        Command::Lint => lint::run().await,
        Command::Assets => assets::run().await,
    }
}
