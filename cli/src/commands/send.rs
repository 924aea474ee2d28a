//! `send` and `reply`.

use ajet_shared::id::{ClientMessageId, MessageId};
use ajet_shared::message::PostMessage;
use uuid::Uuid;

use crate::args::{Reply, Send};
use crate::context::Context;
use crate::error::{CliError, CliResult, Exit};
use crate::lookup::Place;
use crate::messages::{MESSAGE, record};
use crate::naming::short;
use crate::text;

pub(super) async fn send(context: &Context, args: &Send) -> CliResult {
    // Everything that can be wrong on this side is found before anything is asked of the server.
    let output = context.output(&MESSAGE)?;
    let server = context.server()?;
    crate::naming::ChannelRef::parse(&args.channel, server)?;
    let text = text::obtain(args.text.as_deref(), "", context.global.no_input)?;
    let body = text::body(&text, args.code.as_deref())?;
    let place = context.channel_to_write(&args.channel).await?;
    let parent = match &args.thread {
        Some(message) => Some(context.message_id(message).await?),
        None => None,
    };
    post(context, &output, &place, body, parent, args.id).await
}

pub(super) async fn reply(context: &Context, args: &Reply) -> CliResult {
    let output = context.output(&MESSAGE)?;
    crate::naming::MessageRef::parse(&args.message, context.server()?)?;
    let text = text::obtain(args.text.as_deref(), "", context.global.no_input)?;
    let body = text::body(&text, args.code.as_deref())?;
    let message = context.message(&args.message).await?;
    let place = context.place_of(message.channel_id).await?;
    // Threads have one level: an answer to a reply goes to the same root.
    let root = message.parent_id.unwrap_or(message.id);
    post(context, &output, &place, body, Some(root), args.id).await
}

async fn post(
    context: &Context,
    output: &crate::output::Output,
    place: &Place,
    body_md: ajet_shared::names::MessageBody,
    parent_id: Option<MessageId>,
    id: Option<Uuid>,
) -> CliResult {
    let client_msg_id = id.map_or_else(ClientMessageId::new, ClientMessageId::from);
    let message = PostMessage { body_md, client_msg_id, parent_id, attachment_ids: Vec::new() };
    let client = context.client().await?;
    let posted = context
        .call(client.post_message(place.id(), &message))
        .await
        .map_err(|error| explain(error, place, client_msg_id))?;
    context.recent()?.sent(posted.id);
    let record = record(context, &posted, place);
    if context.screen.terminal || output.is_human() {
        let what = if parent_id.is_some() { "Replied in" } else { "Sent to" };
        context.screen.done(&format!("{what} {}  {}", place.label(), short(posted.id)));
    }
    if output.is_human() {
        return Ok(());
    }
    if context.global.json.is_none() && context.global.format.is_none() {
        return crate::output::print(&format!("{}\n", posted.id));
    }
    output.one(&record, String::new)
}

fn explain(error: CliError, place: &Place, id: ClientMessageId) -> CliError {
    match error.exit {
        Exit::Forbidden if !place.view.joined => {
            error.hint(format!("Join it first: ajet-chat channel join {}", place.name))
        }
        // The answer may have been lost after the message was stored.
        Exit::Unreachable => error.hint(format!(
            "The message may or may not be there. Sending it again with --id {id} cannot double it."
        )),
        _ => error,
    }
}
