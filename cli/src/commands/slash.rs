//! `slash`: the same line as in the message box, and the same answer.

use ajet_shared::channel::ChannelView;
use ajet_shared::command::{AnswerKind, CommandAnswer, CommandInfo, RunCommand};
use ajet_shared::id::ClientMessageId;
use ajet_shared::terminal::terminal_line;

use crate::args::Slash;
use crate::context::Context;
use crate::error::{CliError, CliResult};
use crate::lookup::{Place, in_community};
use crate::naming::short;
use crate::output::{Cell, Column, table};
use crate::paint::Paint;
use crate::record::{Record, Schema};
use crate::rows::rows;

const ANSWER: Schema = Schema {
    fields: &[
        ("kind", "ephemeral, posted or redirect"),
        ("body_md", "what it says, Markdown; empty when there is nothing to say"),
        ("message", "the message that was written, for posted"),
        ("channel_id", "the channel to open, for redirect"),
        ("secret", "the text holds a secret that is not shown again"),
    ],
    plain: &["body_md"],
    extras: &[],
};

const COMMAND: Schema = Schema {
    fields: &[
        ("name", "the command without its slash"),
        ("usage", "how it is written"),
        ("summary", "what it does"),
        ("group", "the heading it stands under"),
        ("role", "the lowest role that may use it; null for everybody"),
        ("arguments", "its arguments, in order"),
    ],
    plain: &["usage", "summary"],
    extras: &[],
};

pub(super) async fn slash(context: &Context, args: &Slash) -> CliResult {
    if args.list { list(context, args).await } else { run(context, args).await }
}

/// Where the line is run: where it was said, or in the only channel there is.
async fn place(context: &Context, args: &Slash) -> CliResult<Place> {
    if let Some(channel) = &args.channel {
        return context.channel(channel).await;
    }
    let community = context.community().await?;
    let joined: Vec<&ChannelView> = community.channels.iter().filter(|view| view.joined).collect();
    match joined.as_slice() {
        [only] => Ok(in_community((*only).clone(), &community.community)),
        // What may be listed hardly differs between channels; what is run does.
        [first, ..] if args.list => Ok(in_community((*first).clone(), &community.community)),
        [] => {
            Err(CliError::not_found("You are in no channel here.")
                .hint("ajet-chat channel list --all"))
        }
        [first, ..] => {
            let name = first.channel.name.as_deref().unwrap_or_default();
            Err(CliError::usage("A command is run in a channel. Say in which.")
                .hint(format!("--in {name}")))
        }
    }
}

async fn run(context: &Context, args: &Slash) -> CliResult {
    let output = context.output(&ANSWER)?;
    let line = args.line.join(" ");
    let text = if line.starts_with('/') { line } else { format!("/{line}") };
    let place = place(context, args).await?;
    let client_msg_id = args.id.map_or_else(ClientMessageId::new, ClientMessageId::from);
    let command = RunCommand {
        channel_id: place.id(),
        text,
        client_msg_id: Some(client_msg_id),
        parent_id: None,
    };
    let client = context.client().await?;
    let answer = context.call(client.run_command(&command)).await?;
    output.one(&record(&answer)?, || tell(context, &place, &answer))
}

fn record(answer: &CommandAnswer) -> CliResult<Record> {
    let value = serde_json::to_value(answer)
        .map_err(|error| CliError::failed(format!("The answer cannot be shown: {error}.")))?;
    let field = |name: &str| value.get(name).cloned().unwrap_or_default();
    Ok(Record::default()
        .with("kind", field("kind"))
        .with("body_md", answer.body_md.clone())
        .with("message", field("message"))
        .with("channel_id", field("channel_id"))
        .with("secret", answer.secret))
}

/// The answer for people: what was done is talk, what was asked for is data.
fn tell(context: &Context, place: &Place, answer: &CommandAnswer) -> String {
    let screen = context.screen;
    match (answer.kind, &answer.message) {
        (AnswerKind::Posted, Some(message)) if answer.body_md.is_empty() => {
            screen.done(&format!("Sent to {}  {}", place.label(), short(message.id)));
            return String::new();
        }
        (AnswerKind::Posted | AnswerKind::Redirect, _) => {
            screen.done(&answer.body_md);
            return String::new();
        }
        (AnswerKind::Ephemeral, _) => {}
    }
    if answer.secret {
        screen.warn("Copy it now. It holds a secret and is not shown again.");
    }
    // A secret is one word that must not be cut where the screen ends.
    let room = if answer.secret { usize::MAX / 2 } else { screen.width() };
    let rows = rows(screen.paint, &answer.body_md, room, false);
    rows.into_iter().map(|(row, _)| row + "\n").collect()
}

async fn list(context: &Context, args: &Slash) -> CliResult {
    let output = context.output(&COMMAND)?;
    let place = place(context, args).await?;
    let client = context.client().await?;
    let commands = context.call(client.commands(place.id())).await?.items;
    let records: Vec<Record> = commands.iter().map(listed).collect();
    output.list(&records, || {
        let head = [Column { title: "COMMAND", right: false }, Column { title: "", right: false }];
        let rows: Vec<Vec<Cell>> = commands
            .iter()
            .map(|command| {
                vec![
                    Cell::looking(terminal_line(&command.usage), Paint::bold),
                    Cell::new(terminal_line(&command.summary)),
                ]
            })
            .collect();
        table(context.screen.paint, &head, &rows)
    })
}

fn listed(command: &CommandInfo) -> Record {
    let value = serde_json::to_value(command).unwrap_or_default();
    let field = |name: &str| value.get(name).cloned().unwrap_or_default();
    Record::default()
        .with("name", command.name.clone())
        .with("usage", command.usage.clone())
        .with("summary", command.summary.clone())
        .with("group", field("group"))
        .with("role", field("role"))
        .with("arguments", field("arguments"))
}
