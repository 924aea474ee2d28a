//! Editing and deleting messages, with everything that follows from it.

use std::collections::BTreeSet;

use sqlx::PgConnection;

use super::authz::Access;
use super::messages::{self, Located};
use super::posting::{self, PostError, in_channel};
use super::{Cause, attachments, channels, mentions, notifications, outbox};
use crate::actions::{Actor, DenyReason};
use crate::events::{Envelope, Event, MessageDeleted};
use crate::id::{MessageId, UserId};
use crate::markdown;
use crate::message::Message;
use crate::names::MessageBody;
use crate::rate::Rate;

/// Events of one statement, which takes 65,535 values.
const EVENTS_AT_ONCE: usize = 1_000;

/// Gives a message a new text and tells the channel; who is called for the first time is notified. Rights have been decided before.
/// None, with nothing written, if the message has that text already or is deleted.
pub async fn edit(
    conn: &mut PgConnection,
    actor: &Actor,
    cause: &Cause,
    access: &Access,
    id: MessageId,
    body: &MessageBody,
    mention_limit: Option<Rate>,
) -> Result<Option<Message>, PostError> {
    let called =
        posting::call(conn, actor, access, &markdown::mentions(body.as_str()), None).await?;
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
    events.extend(posting::notify(conn, cause, access, &message, &called, mention_limit).await?);
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
    // The channel's lock before the message's, as everywhere.
    channels::hold(conn, access.channel.id).await?;
    let purged = bury(conn, cause, access, vec![(id, *located)]).await?;
    Ok((purged.deleted == 1).then_some(purged.files))
}

/// What a purge did.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Purged {
    /// Messages that are tombstones now.
    pub deleted: u32,
    /// Keys of their files in the store.
    pub files: Vec<String>,
}

/// Makes the newest messages of a channel tombstones, each as [`delete`] does. Rights have been decided before.
pub async fn purge(
    conn: &mut PgConnection,
    cause: &Cause,
    access: &Access,
    count: u32,
) -> Result<Purged, sqlx::Error> {
    // Everything that writes to the channel waits from here on: what is listed is what goes.
    channels::hold(conn, access.channel.id).await?;
    let newest = messages::newest(conn, access.channel.id, count).await?;
    bury(conn, cause, access, newest).await
}

/// Makes messages tombstones, with the channel held. Replies go first, so that the summary of each thread is worked out once and
/// before its root goes; all notifications are taken back at the end.
async fn bury(
    conn: &mut PgConnection,
    cause: &Cause,
    access: &Access,
    messages: Vec<(MessageId, Located)>,
) -> Result<Purged, sqlx::Error> {
    let (replies, tops): (Vec<_>, Vec<_>) =
        messages.into_iter().partition(|(_, located)| located.parent_id.is_some());
    let (mut purged, mut gone) = (Purged::default(), Vec::new());
    let mut roots = BTreeSet::new();
    for (id, located) in replies {
        if entomb(conn, cause, access, id, &located, &mut purged).await? {
            gone.push(id);
            roots.extend(located.parent_id);
        }
    }
    for root in roots {
        let seq = channels::next_seq(conn, access.channel.id).await?;
        let summary = posting::reply_went(conn, root, access.channel.community_id).await?;
        let event = in_channel(cause, access, seq, Event::ThreadUpdated(summary));
        outbox::push(conn, &event).await?;
    }
    for (id, located) in tops {
        if entomb(conn, cause, access, id, &located, &mut purged).await? {
            gone.push(id);
        }
    }
    let withdrawn = notifications::withdraw(conn, cause, &gone).await?;
    let withdrawn: Vec<_> =
        withdrawn.into_iter().map(|(reader, envelope)| (envelope, Some(reader))).collect();
    for some in withdrawn.chunks(EVENTS_AT_ONCE) {
        push(conn, some).await?;
    }
    Ok(purged)
}

/// Makes one message a tombstone and tells the channel. False, with nothing written, if it is one already.
async fn entomb(
    conn: &mut PgConnection,
    cause: &Cause,
    access: &Access,
    id: MessageId,
    located: &Located,
    purged: &mut Purged,
) -> Result<bool, sqlx::Error> {
    if !messages::delete(conn, id, cause.at).await? {
        return Ok(false);
    }
    purged.deleted += 1;
    purged.files.extend(attachments::delete_of_message(conn, id).await?);
    let deleted = MessageDeleted {
        message_id: id,
        parent_id: located.parent_id,
        message_seq: located.seq,
        author_id: located.user_id,
        deleted_at: cause.at,
    };
    let seq = channels::next_seq(conn, access.channel.id).await?;
    let event = in_channel(cause, access, seq, Event::MessageDeleted(deleted));
    outbox::push(conn, &event).await?;
    Ok(true)
}

async fn push(
    conn: &mut PgConnection,
    events: &[(Envelope, Option<UserId>)],
) -> Result<(), sqlx::Error> {
    let events: Vec<(&Envelope, Option<UserId>)> =
        events.iter().map(|(envelope, reader)| (envelope, *reader)).collect();
    outbox::insert(conn, &events).await
}
