//! One module for each group of commands; each command is a function from its arguments to what it prints.

mod account;
mod api;
mod care;
mod channel;
mod community;
mod config;
mod login;
mod message;
mod named;
mod notifications;
mod order;
mod profile;
mod read;
mod search;
mod send;
mod slash;
mod tail;
mod token;
mod tui;
mod unseen;
mod webhook;

pub(crate) use login::open_browser;

use crate::args::{Cli, Command, Tui};
use crate::context::Context;
use crate::error::CliResult;
use crate::output::{Screen, print};
use crate::record::{Record, Schema};

const VERSION: Schema = Schema {
    fields: &[("version", "of this program"), ("target", "system and processor it runs on")],
    plain: &["version", "target"],
    extras: &[],
};

/// Runs the command.
pub(crate) async fn run(cli: Cli) -> CliResult {
    let Some(command) = cli.command else {
        if tui::has_terminal() {
            return tui::open(Context::new(cli.global)?, &Tui::default()).await;
        }
        return print(&<Cli as clap::CommandFactory>::command().render_help().to_string());
    };
    if matches!(command, Command::Version) {
        let output = Screen::new(&cli.global).output(&cli.global, &VERSION)?;
        let target = format!("{}-{}", std::env::consts::OS, std::env::consts::ARCH);
        let record =
            Record::default().with("version", env!("CARGO_PKG_VERSION")).with("target", target);
        return output.one(&record, || format!("ajet-chat {}\n", env!("CARGO_PKG_VERSION")));
    }
    let context = Context::new(cli.global)?;
    match command {
        Command::Send(args) => send::send(&context, &args).await,
        Command::Reply(args) => send::reply(&context, &args).await,
        Command::React(args) => message::react(&context, &args).await,
        Command::Edit(args) => message::edit(&context, &args).await,
        Command::Delete(args) => message::delete(&context, &args).await,
        Command::Read(args) => read::read(&context, &args).await,
        Command::Tail(args) => tail::tail(&context, &args).await,
        Command::Search(args) => search::search(&context, &args).await,
        Command::Community(verb) => community::run(context, verb).await,
        Command::Channel(verb) => channel::run(&context, verb).await,
        Command::Notifications(verb) => notifications::run(&context, verb).await,
        Command::Webhook(verb) => webhook::run(&context, verb).await,
        Command::Token(verb) => token::run(&context, verb).await,
        Command::Slash(args) => slash::slash(&context, &args).await,
        Command::Api(args) => api::call(&context, &args).await,
        Command::Login(args) => login::login(context, &args).await,
        Command::Logout(args) => login::logout(&context, &args).await,
        Command::Profile(verb) => profile::run(context, verb),
        Command::Whoami => account::whoami(&context).await,
        Command::Status => account::status(&context).await,
        Command::Config(verb) => config::run(context, verb),
        Command::Tui(args) => tui::open(context, &args).await,
        Command::Version => Ok(()),
    }
}
