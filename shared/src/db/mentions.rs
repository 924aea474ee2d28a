//! Whom a message calls, and who is to be told about it.

use sea_query::Query;
use sqlx::PgConnection;
use uuid::Uuid;

use super::authz::Access;
use super::iden::Mentions;
use crate::channel::{ChannelKind, Visibility};
use crate::events::NotificationKind;
use crate::id::{ChannelId, MessageId, UserId};
use crate::markdown;
use crate::message::{Mention, MentionKind};

/// Somebody who may be told about a message: called by name or with everybody, or part of its thread.
#[derive(Clone, Copy, Debug, PartialEq, Eq, sqlx::FromRow)]
#[expect(clippy::struct_excessive_bools, reason = "one fact each, as the row has them")]
pub(crate) struct Recipient {
    pub(crate) id: UserId,
    /// The message names them.
    named: bool,
    /// They are in the channel.
    joined: bool,
    /// Their heartbeat is fresh.
    online: bool,
    /// They wrote the root, replied or follow, and did not leave the thread.
    in_thread: bool,
    /// They want to hear nothing of this channel.
    muted: bool,
}

/// People whom a message may concern. Nobody is in it who may not read the channel: who cannot see it is not resolved at all.
const RECIPIENTS: &str = "\
    WITH root AS (SELECT user_id, thread_participants FROM messages WHERE id = $3), \
    concerned AS ( \
        SELECT id FROM users WHERE username = ANY($2) \
        UNION SELECT user_id FROM channel_members WHERE channel_id = $1 AND $4 \
        UNION SELECT user_id FROM root \
        UNION SELECT unnest(thread_participants) FROM root \
        UNION SELECT user_id FROM thread_followers WHERE message_id = $3 AND following \
    ) \
    SELECT users.id, users.username = ANY($2) AS named, seat.user_id IS NOT NULL AS joined, \
        coalesce(users.last_seen_at > now() - $7, false) AS online, \
        $3 IS NOT NULL AND coalesce(thread_followers.following, \
            users.id = root.user_id OR users.id = ANY(root.thread_participants), false) AS in_thread, \
        coalesce(seat.notify_level = 'nothing', false) AS muted \
    FROM concerned JOIN users ON users.id = concerned.id LEFT JOIN root ON true \
        LEFT JOIN channel_members AS seat ON seat.channel_id = $1 AND seat.user_id = users.id \
        LEFT JOIN community_members AS member ON member.community_id = $5 AND member.user_id = users.id \
        LEFT JOIN thread_followers ON thread_followers.message_id = $3 AND thread_followers.user_id = users.id \
    WHERE users.suspended_at IS NULL AND users.kind <> 'system' \
        AND CASE WHEN $5 IS NULL THEN seat.user_id IS NOT NULL \
                 ELSE member.user_id IS NOT NULL AND ($6 OR seat.user_id IS NOT NULL) END \
    ORDER BY users.username";

/// What a message's text says, looked up.
#[derive(Clone, Debug, Default)]
pub(crate) struct Called {
    /// Whom it calls, for the message itself.
    pub(crate) mentions: Vec<Mention>,
    /// Who is in the channel, if everybody was asked for.
    pub(crate) everybody: usize,
    recipients: Vec<Recipient>,
}

/// Looks up whom a message concerns; asks nothing if it calls nobody and is neither a reply nor a direct message.
pub(crate) async fn resolve(
    conn: &mut PgConnection,
    access: &Access,
    found: &markdown::Mentions,
    parent_id: Option<MessageId>,
) -> Result<Called, sqlx::Error> {
    let direct = is_direct(access);
    let everybody = direct || found.channel || found.here;
    if found.users.is_empty() && !everybody && parent_id.is_none() {
        return Ok(Called::default());
    }
    let recipients: Vec<Recipient> = sqlx::query_as(RECIPIENTS)
        .bind(access.channel.id.uuid())
        .bind(&found.users)
        .bind(parent_id.map(MessageId::uuid))
        .bind(everybody)
        .bind(access.channel.community_id.map(crate::id::CommunityId::uuid))
        .bind(access.channel.visibility == Visibility::Public)
        .bind(crate::limits::OFFLINE_AFTER)
        .fetch_all(conn)
        .await?;
    let users = recipients.iter().filter(|recipient| recipient.named).map(|recipient| recipient.id);
    let mut mentions: Vec<Mention> =
        users.map(|id| Mention { kind: MentionKind::User, id: Some(id) }).collect();
    if found.channel {
        mentions.push(Mention { kind: MentionKind::Channel, id: None });
    }
    if found.here {
        mentions.push(Mention { kind: MentionKind::Here, id: None });
    }
    let everybody =
        if everybody { recipients.iter().filter(|recipient| recipient.joined).count() } else { 0 };
    Ok(Called { mentions, everybody, recipients })
}

impl Called {
    /// Who is told, and as what: everybody once, the strongest reason first, never the author.
    pub(crate) fn notified(
        &self,
        access: &Access,
        author: UserId,
    ) -> Vec<(UserId, NotificationKind)> {
        let direct = is_direct(access);
        let calls = |kind| self.mentions.iter().any(|mention| mention.kind == kind);
        let (channel, here) = (calls(MentionKind::Channel), calls(MentionKind::Here));
        let reason = |person: &Recipient| {
            if direct && person.joined {
                Some(NotificationKind::Dm)
            } else if person.named || person.joined && (channel || here && person.online) {
                Some(NotificationKind::Mention)
            } else {
                person.in_thread.then_some(NotificationKind::ThreadReply)
            }
        };
        let people = self.recipients.iter().filter(|person| person.id != author && !person.muted);
        people.filter_map(|person| Some((person.id, reason(person)?))).collect()
    }
}

fn is_direct(access: &Access) -> bool {
    matches!(access.channel.kind, ChannelKind::Dm | ChannelKind::GroupDm)
}

/// Writes whom a message calls; those written before stay.
pub(crate) async fn insert(
    conn: &mut PgConnection,
    message_id: MessageId,
    channel_id: ChannelId,
    mentions: &[Mention],
) -> Result<(), sqlx::Error> {
    if mentions.is_empty() {
        return Ok(());
    }
    let mut statement = Query::insert();
    statement.into_table(Mentions::Table).columns([
        Mentions::Id,
        Mentions::MessageId,
        Mentions::TargetType,
        Mentions::TargetId,
    ]);
    for mention in mentions {
        statement.values_panic([
            Uuid::now_v7().into(),
            message_id.into(),
            mention.kind.as_str().into(),
            mention.id.map_or(channel_id.uuid(), UserId::uuid).into(),
        ]);
    }
    super::execute(conn, &statement).await.map(drop)
}

/// Replaces whom an edited message calls.
pub(crate) async fn replace(
    conn: &mut PgConnection,
    message_id: MessageId,
    channel_id: ChannelId,
    mentions: &[Mention],
) -> Result<(), sqlx::Error> {
    sqlx::query("DELETE FROM mentions WHERE message_id = $1")
        .bind(message_id.uuid())
        .execute(&mut *conn)
        .await?;
    insert(conn, message_id, channel_id, mentions).await
}
