//! The `ajet-chat` command: one binary that does one thing and ends (design/cli.md).

mod args;
mod cards;
mod commands;
mod context;
mod emoji;
mod error;
mod lookup;
mod messages;
mod naming;
mod nearest;
mod output;
mod paint;
mod recent;
mod record;
mod rows;
mod settings;
mod template;
mod text;
mod tui;
mod zone;

use std::io::IsTerminal;
use std::path::PathBuf;
use std::process::ExitCode;

use clap::Parser;
use clap::error::ErrorKind;

use crate::args::{Cli, ColorWhen};
use crate::error::{CliError, Exit, sentence};
use crate::paint::Paint;

fn main() -> ExitCode {
    std::panic::set_hook(Box::new(report_bug));
    let cli = match Cli::try_parse() {
        Ok(cli) => cli,
        Err(error) => return refuse(&error),
    };
    let (json, paint) = (cli.global.json.is_some(), paint(cli.global.color));
    let runtime = match tokio::runtime::Builder::new_current_thread().enable_all().build() {
        Ok(runtime) => runtime,
        Err(error) => {
            return exit(&CliError::failed(format!("Cannot start: {error}.")), json, paint);
        }
    };
    let outcome = runtime.block_on(commands::run(cli));
    // What still runs in the background (a name being looked up) is not waited for.
    runtime.shutdown_background();
    match outcome {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => exit(&error, json, paint),
    }
}

fn exit(error: &CliError, json: bool, paint: Paint) -> ExitCode {
    error.report(json, paint);
    ExitCode::from(error.exit as u8)
}

fn paint(when: ColorWhen) -> Paint {
    output::talk_paint(when)
}

/// Help goes to standard output; a mistake gets our form of error and advice.
fn refuse(error: &clap::Error) -> ExitCode {
    if matches!(error.kind(), ErrorKind::DisplayHelp | ErrorKind::DisplayVersion) {
        let text = if std::io::stdout().is_terminal() {
            error.render().ansi().to_string()
        } else {
            error.render().to_string()
        };
        return output::print(&text)
            .map_or_else(|error| ExitCode::from(error.exit as u8), |()| ExitCode::SUCCESS);
    }
    let text = error.render().to_string();
    if error.kind() == ErrorKind::DisplayHelpOnMissingArgumentOrSubcommand {
        eprint!("{text}");
        return ExitCode::from(Exit::Usage as u8);
    }
    let mut lines = text
        .lines()
        .map(str::trim)
        .filter(|line| !line.is_empty() && !line.starts_with("For more information"));
    let first = lines.next().unwrap_or("wrong use").trim_start_matches("error: ");
    let mut mistake = CliError::usage(sentence(first));
    for line in lines {
        mistake = mistake.hint(line.trim_start_matches("tip: "));
    }
    let json = std::env::args().any(|arg| arg == "--json" || arg.starts_with("--json="));
    exit(&mistake, json, paint(ColorWhen::Auto))
}

/// A panic is a bug of ours: one line for people, the details in a file. They hold no text of the user.
fn report_bug(panic: &std::panic::PanicHookInfo<'_>) {
    let place = panic.location().map(ToString::to_string).unwrap_or_default();
    let state = settings::env("XDG_STATE_HOME")
        .map(PathBuf::from)
        .or_else(|| Some(PathBuf::from(settings::env("HOME")?).join(".local/state")));
    let file = state.map(|state| {
        state
            .join("ajet-chat")
            .join(format!("crash-{}.txt", time::OffsetDateTime::now_utc().unix_timestamp()))
    });
    let details = format!(
        "ajet-chat {} stopped at {place}\n\n{}\n",
        env!("CARGO_PKG_VERSION"),
        std::backtrace::Backtrace::force_capture()
    );
    match file {
        Some(file) if settings::write_private(&file, &details).is_ok() => {
            eprintln!("✗ ajet-chat stopped because of a bug. Details: {}", file.display());
        }
        _ => eprintln!("✗ ajet-chat stopped because of a bug at {place}."),
    }
}
