//! Reactions: one per person and emoji (requirements D5).

use sea_query::{Expr, ExprTrait, Query};
use sqlx::PgConnection;

use super::authz::Access;
use super::iden::Reactions;
use super::{Cause, channels, messages, outbox};
use crate::events::{Event, ReactionChanged};
use crate::id::{MessageId, UserId};
use crate::limits::REACTIONS_PER_MESSAGE_MAX;
use crate::message::ReactionCount;
use crate::names::Emoji;

/// What somebody does with a reaction.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Change {
    /// Gives it.
    Add,
    /// Takes it back.
    Remove,
}

/// What became of it. Only [`Changed::Done`] is to be committed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Changed {
    /// It is so now: all reactions of the message as the reader sees them.
    Done(Vec<ReactionCount>),
    /// It was so already.
    Already(Vec<ReactionCount>),
    /// The message is deleted.
    Gone,
    /// The channel is archived.
    Archived,
    /// The message has as many different emoji as it may.
    Full,
}

/// Gives or takes back a reaction and tells the channel; nothing is told when nothing changes. Rights have been decided before.
pub async fn change(
    conn: &mut PgConnection,
    cause: &Cause,
    access: &Access,
    message_id: MessageId,
    user_id: UserId,
    emoji: &Emoji,
    change: Change,
) -> Result<Changed, sqlx::Error> {
    let is = |reaction: &ReactionCount| reaction.emoji == emoji.as_str();
    let is_so = |reactions: &[ReactionCount]| {
        reactions.iter().any(|reaction| is(reaction) && reaction.reacted_by_me == Some(true))
            == (change == Change::Add)
    };
    match messages::reactions(conn, user_id, message_id).await? {
        None => return Ok(Changed::Gone),
        Some(reactions) if is_so(&reactions) => return Ok(Changed::Already(reactions)),
        Some(_) => {}
    }
    // Takes the channel's lock: from here on this is the only change in the channel, so what was read before is read again.
    let Some(seq) = channels::next_open_seq(conn, access.channel.id).await? else {
        return Ok(Changed::Archived);
    };
    let Some(before) = messages::reactions(conn, user_id, message_id).await? else {
        return Ok(Changed::Gone);
    };
    if is_so(&before) {
        return Ok(Changed::Already(before));
    }
    let full = i64::try_from(before.len()).unwrap_or(i64::MAX) >= REACTIONS_PER_MESSAGE_MAX;
    if change == Change::Add && full && !before.iter().any(is) {
        return Ok(Changed::Full);
    }
    match change {
        Change::Add => insert(conn, cause, message_id, user_id, emoji).await?,
        Change::Remove => delete(conn, message_id, user_id, emoji).await?,
    }
    let mine = messages::reactions(conn, user_id, message_id).await?.unwrap_or_default();
    let shared =
        |reaction: &ReactionCount| ReactionCount { reacted_by_me: None, ..reaction.clone() };
    let changed = ReactionChanged {
        message_id,
        user_id,
        emoji: emoji.to_string(),
        count: mine.iter().find(|reaction| is(reaction)).map_or(0, |reaction| reaction.count),
        reactions: mine.iter().map(shared).collect(),
    };
    let event = match change {
        Change::Add => Event::ReactionAdded(changed),
        Change::Remove => Event::ReactionRemoved(changed),
    };
    let envelope = channels::envelope(cause, event).in_channel(
        access.channel.community_id,
        access.channel.id,
        seq,
    );
    outbox::push(conn, &envelope).await?;
    Ok(Changed::Done(mine))
}

async fn insert(
    conn: &mut PgConnection,
    cause: &Cause,
    message_id: MessageId,
    user_id: UserId,
    emoji: &Emoji,
) -> Result<(), sqlx::Error> {
    let statement = Query::insert()
        .into_table(Reactions::Table)
        .columns([Reactions::MessageId, Reactions::UserId, Reactions::Emoji, Reactions::CreatedAt])
        .values_panic([message_id.into(), user_id.into(), emoji.as_str().into(), cause.at.into()])
        .to_owned();
    super::execute(conn, &statement).await.map(drop)
}

async fn delete(
    conn: &mut PgConnection,
    message_id: MessageId,
    user_id: UserId,
    emoji: &Emoji,
) -> Result<(), sqlx::Error> {
    let statement = Query::delete()
        .from_table(Reactions::Table)
        .and_where(Expr::col(Reactions::MessageId).eq(message_id))
        .and_where(Expr::col(Reactions::UserId).eq(user_id))
        .and_where(Expr::col(Reactions::Emoji).eq(emoji.as_str()))
        .to_owned();
    super::execute(conn, &statement).await.map(drop)
}
