//! Editing and deleting messages, with everything that follows from it.

use sqlx::PgConnection;

use super::authz::Access;
use super::messages::{self, Located};
use super::posting::{self, PostError, in_channel};
use super::{Cause, attachments, channels, mentions, notifications, outbox};
use crate::actions::{Actor, DenyReason};
use crate::events::{Envelope, Event, MessageDeleted};
use crate::id::{MessageId, UserId};
use crate::message::Message;
use crate::names::MessageBody;

/// Gives a message a new text and tells the channel; who is called for the first time is notified. Rights have been decided before.
/// None, with nothing written, if the message has that text already or is deleted.
pub async fn edit(
    conn: &mut PgConnection,
    actor: &Actor,
    cause: &Cause,
    access: &Access,
    id: MessageId,
    body: &MessageBody,
) -> Result<Option<Message>, PostError> {
    let called = posting::call(conn, actor, access, body.as_str(), None).await?;
    // The channel's lock before the message's, as everywhere.
    let seq = channels::next_open_seq(conn, access.channel.id)
        .await?
        .ok_or(PostError::Denied(DenyReason::Archived))?;
    if !messages::edit(conn, id, body.as_str(), cause.at).await? {
        return Ok(None);
    }
    mentions::replace(conn, id, access.channel.id, &called.mentions).await?;
    let message = messages::find(conn, None, id).await?.ok_or(sqlx::Error::RowNotFound)?;
    let mut events =
        vec![(in_channel(cause, access, seq, Event::MessageEdited(message.clone())), None)];
    events.extend(posting::notify(conn, cause, access, &message, &called).await?);
    push(conn, &events).await?;
    Ok(Some(message))
}

/// Makes a message a tombstone and tells the channel; takes its notifications and files back and counts it out of its thread. Rights
/// have been decided before. Returns the keys of its files in the store; none, with nothing written, if it is a tombstone already.
pub async fn delete(
    conn: &mut PgConnection,
    cause: &Cause,
    access: &Access,
    id: MessageId,
    located: &Located,
) -> Result<Option<Vec<String>>, sqlx::Error> {
    let seq = channels::next_seq(conn, access.channel.id).await?;
    if !messages::delete(conn, id, cause.at).await? {
        return Ok(None);
    }
    let files = attachments::delete_of_message(conn, id).await?;
    let deleted = MessageDeleted {
        message_id: id,
        parent_id: located.parent_id,
        message_seq: located.seq,
        author_id: located.user_id,
        deleted_at: cause.at,
    };
    let mut events = vec![(in_channel(cause, access, seq, Event::MessageDeleted(deleted)), None)];
    if let Some(root) = located.parent_id {
        let seq = channels::next_seq(conn, access.channel.id).await?;
        let summary = posting::reply_went(conn, root, access.channel.community_id).await?;
        events.push((in_channel(cause, access, seq, Event::ThreadUpdated(summary)), None));
    }
    let withdrawn = notifications::withdraw(conn, cause, id).await?;
    events.extend(withdrawn.into_iter().map(|(reader, envelope)| (envelope, Some(reader))));
    push(conn, &events).await?;
    Ok(Some(files))
}

async fn push(
    conn: &mut PgConnection,
    events: &[(Envelope, Option<UserId>)],
) -> Result<(), sqlx::Error> {
    let events: Vec<(&Envelope, Option<UserId>)> =
        events.iter().map(|(envelope, reader)| (envelope, *reader)).collect();
    outbox::insert(conn, &events).await
}
