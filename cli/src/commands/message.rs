//! `react`, `edit` and `delete`.

use std::io::{BufRead, IsTerminal, Write};

use ajet_shared::message::EditMessage;

use crate::args::{Delete, Edit, React};
use crate::context::Context;
use crate::error::{CliError, CliResult, Exit};
use crate::messages::{MESSAGE, record};
use crate::naming::short;
use crate::record::{Record, Schema};
use crate::{emoji, text};

const REACTION: Schema = Schema {
    fields: &[
        ("message_id", "the message"),
        ("emoji", "the character"),
        ("mine", "whether you give it now"),
        ("id", "the message, for --format ids"),
    ],
    plain: &["message_id", "emoji", "mine"],
    extras: &[],
};

const DELETED: Schema =
    Schema { fields: &[("id", "the deleted message")], plain: &["id"], extras: &[] };

pub(super) async fn react(context: &Context, args: &React) -> CliResult {
    let output = context.output(&REACTION)?;
    let emoji: Vec<String> =
        args.emoji.iter().map(|emoji| emoji::parse(emoji)).collect::<CliResult<_>>()?;
    let id = context.message_id(&args.message).await?;
    let client = context.client().await?;
    let mut records = Vec::new();
    for emoji in emoji {
        if args.remove {
            context.call(client.remove_reaction(id, &emoji)).await?;
        } else {
            context.call(client.add_reaction(id, &emoji)).await?;
        }
        let verb = if args.remove { "Took back" } else { "Reacted with" };
        context.screen.done(&format!("{verb} {emoji}  {}", short(id)));
        let id = id.to_string();
        records.push(
            Record::default()
                .with("message_id", id.clone())
                .with("emoji", emoji)
                .with("mine", !args.remove)
                .with("id", id),
        );
    }
    output.list(&records, String::new)
}

pub(super) async fn edit(context: &Context, args: &Edit) -> CliResult {
    let output = context.output(&MESSAGE)?;
    let message = context.message(&args.message).await?;
    let written = text::obtain(args.text.as_deref(), &message.body_md, context.global.no_input)?;
    let body_md = text::body(&written, None)?;
    let client = context.client().await?;
    let edited = context.call(client.edit_message(message.id, &EditMessage { body_md })).await?;
    let place = context.place_of(edited.channel_id).await?;
    context.screen.done(&format!("Edited in {}  {}", place.label(), short(edited.id)));
    if output.is_human() {
        Ok(())
    } else {
        output.one(&record(context, &edited, &place), String::new)
    }
}

pub(super) async fn delete(context: &Context, args: &Delete) -> CliResult {
    let output = context.output(&DELETED)?;
    let mut messages = Vec::new();
    for named in &args.messages {
        messages.push(context.message(named).await?);
    }
    if !args.yes {
        let first = ajet_shared::markdown::plain(&messages[0].body_md, 60);
        let question = match messages.len() {
            1 => format!("Delete \"{first}\"?"),
            count => format!("Delete {count} messages, the first of them \"{first}\"?"),
        };
        confirm(context, &question)?;
    }
    let client = context.client().await?;
    let mut records = Vec::new();
    for message in &messages {
        context.call(client.delete_message(message.id)).await?;
        context.screen.done(&format!("Deleted {}", short(message.id)));
        records.push(Record::default().with("id", message.id.to_string()));
    }
    if output.is_human() { Ok(()) } else { output.list(&records, String::new) }
}

/// Asks on a terminal; without one the answer must be given by `--yes`.
pub(super) fn confirm(context: &Context, question: &str) -> CliResult {
    if context.global.no_input
        || !std::io::stdin().is_terminal()
        || !std::io::stderr().is_terminal()
    {
        return Err(CliError::usage("This cannot be undone. Nothing was changed.")
            .hint("Say that you mean it: --yes"));
    }
    eprint!("? {} [y/N] ", ajet_shared::terminal::terminal_line(question));
    let _ = std::io::stderr().flush();
    let mut answer = String::new();
    let _ = std::io::stdin().lock().read_line(&mut answer);
    if matches!(answer.trim().to_lowercase().as_str(), "y" | "yes") {
        return Ok(());
    }
    Err(CliError::new(Exit::Declined, "declined", "Nothing was changed."))
}
