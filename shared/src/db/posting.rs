//! The write path of a message (delivery-and-security.md section 2.2): one transaction from the idempotency check to the outbox.
//!
//! Written as static statements, because their number is what posting costs: a plain message takes three between `BEGIN` and
//! `COMMIT` (gate, message, outbox); calling people adds three or four, a reply one, and one asks what came since the author last
//! read, if anything did.

use sha2::{Digest, Sha256};
use sqlx::PgConnection;
use sqlx::types::Json;
use time::OffsetDateTime;
use uuid::Uuid;

use super::authz::Access;
use super::{Cause, attachments, channels, mentions, notifications, outbox, read_state};
use crate::actions::{Action, Actor, Decision, DenyReason, authorize};
use crate::events::{Envelope, Event, ThreadUpdated};
use crate::id::{ChannelId, CommunityId, MessageId, UserId};
use crate::limits::{ATTACHMENTS_MAX, EVERYBODY_MAX, MENTIONS_MAX};
use crate::markdown;
use crate::message::{Message, MessageKind, PostMessage, ReadState};
use crate::rate::Rate;
use crate::user::Author;

/// A message was posted, now or before.
#[derive(Clone, Debug)]
pub enum Posted {
    /// It is new; the transaction is to be committed.
    New(Box<Message>),
    /// The same request was answered before; this is the message it made.
    Replayed(MessageId),
    /// What the gate saw is no longer so (the message exists by now, the channel is archived, the root is deleted): roll back and
    /// ask again.
    Contended,
}

/// Why a message was not posted.
#[derive(Debug, thiserror::Error)]
pub enum PostError {
    /// There is no such channel for this author.
    #[error("no such channel")]
    NotFound,
    /// The author may not.
    #[error("{0}")]
    Denied(DenyReason),
    /// The key was used for another message.
    #[error("this client_msg_id was used for another message")]
    Mismatch,
    /// The message replied to is not in this channel.
    #[error("the message to reply to is not in this channel")]
    NoParent,
    /// The message replied to is a reply itself.
    #[error("replies go to the first message of a thread")]
    NestedReply,
    /// Calls too many people.
    #[error("a message calls at most {MENTIONS_MAX} people")]
    TooManyMentions,
    /// Calls everybody in a large channel.
    #[error(
        "only admins and owners may call everybody in a channel of more than {EVERYBODY_MAX} people"
    )]
    EverybodyIsMany,
    /// Has neither text nor files.
    #[error("a message is empty")]
    Empty,
    /// Brings too many files.
    #[error("a message has at most {ATTACHMENTS_MAX} files")]
    TooManyAttachments,
    /// Brings a file of its author that is on another message or was uploaded to another channel.
    #[error("a file was uploaded to another channel or is on another message already")]
    WrongAttachment,
    /// Brings a file that does not exist for this author.
    #[error("no such file")]
    NoAttachment,
    /// The database said no.
    #[error(transparent)]
    Database(#[from] sqlx::Error),
}

/// All that decides about a message, in one row. Holds the seat and the membership until the transaction ends: `KEY SHARE` conflicts
/// with whoever holds a seat to mute, ban or kick (A99) and with the delete of a membership, and not with the read mark that every post
/// of the same author moves. The seat comes first, as everywhere: the membership is looked up once the seat is held.
///
/// From here on the transaction waits one second for a lock, half of what others do: who waits for a row waits twice, for their turn
/// among those who wait for it, and then for whoever has it (F15).
const GATE: &str = "\
    WITH seat AS ( \
        SELECT community_members.role, community_members.nickname, community_members.avatar_url, community_members.muted_until \
        FROM community_members JOIN channels ON channels.community_id = community_members.community_id \
        WHERE channels.id = $1 AND community_members.user_id = $2 FOR KEY SHARE OF community_members \
    ), \
    membership AS ( \
        SELECT last_read_seq FROM channel_members \
        WHERE channel_id = $1 AND user_id = $2 AND (SELECT count(*) FROM seat) >= 0 FOR KEY SHARE \
    ) \
    SELECT channels.id, channels.community_id, channels.name, channels.type AS kind, channels.visibility, channels.topic, \
        channels.last_seq, channels.created_at, channels.archived_at, channels.is_default, member.role, \
        membership.last_read_seq IS NOT NULL AS joined, coalesce(member.muted_until > now(), false) AS muted, \
        jsonb_build_object('id', users.id, 'username', users.username, \
            'display_name', coalesce(member.nickname, users.display_name), \
            'avatar_url', coalesce(member.avatar_url, users.avatar_url), 'kind', users.kind) AS author, \
        sent.id AS sent_id, sent.request_hash AS sent_hash, \
        root.id IS NOT NULL AND root.deleted_at IS NULL AS has_root, root.parent_id IS NOT NULL AS root_is_reply, \
        coalesce(membership.last_read_seq, channels.last_seq) AS read_before, \
        set_config('lock_timeout', '1s', true) AS patience \
    FROM channels JOIN users ON users.id = $2 LEFT JOIN membership ON true \
        LEFT JOIN seat AS member ON true \
        LEFT JOIN messages AS sent ON sent.user_id = $2 AND sent.client_msg_id = $3 \
        LEFT JOIN messages AS root ON root.id = $4 AND root.channel_id = $1 \
    WHERE channels.id = $1";

#[derive(sqlx::FromRow)]
struct Gate {
    #[sqlx(flatten)]
    access: Access,
    author: Json<Author>,
    sent_id: Option<MessageId>,
    sent_hash: Option<Vec<u8>>,
    has_root: bool,
    root_is_reply: bool,
    read_before: i64,
}

/// Takes the next numbers of the channel (under its row lock, until commit: so they have no gaps and commit order is their order),
/// moves the author's own read mark to a top-level message, and writes the message. No row comes back if the key was used before or
/// the channel was archived since the gate.
const WRITE: &str = "\
    WITH place AS ( \
        UPDATE channels SET last_seq = last_seq + CASE WHEN $5::uuid IS NULL THEN 1 ELSE 2 END \
        WHERE id = $2 AND archived_at IS NULL \
        RETURNING last_seq - CASE WHEN $5::uuid IS NULL THEN 0 ELSE 1 END AS seq \
    ), \
    mark AS ( \
        UPDATE channel_members SET last_read_seq = place.seq FROM place \
        WHERE channel_id = $2 AND user_id = $3 AND last_read_seq < place.seq AND $5::uuid IS NULL \
    ) \
    INSERT INTO messages (id, channel_id, seq, user_id, client_msg_id, parent_id, body_md, request_hash, created_at, kind, metadata) \
    SELECT $1, $2, place.seq, $3, $4, $5, $6, $7, $8, $9, $10 FROM place \
    ON CONFLICT (user_id, client_msg_id) DO NOTHING RETURNING seq";

/// A message to write: what a client asked for, and what only we decide.
#[derive(Clone, Debug)]
pub struct Draft<'a> {
    /// What was asked for.
    pub request: &'a PostMessage,
    /// What it becomes.
    pub kind: MessageKind,
    /// What it carries: an object. A `name` in that of a webhook's message is the name of its author there.
    pub metadata: serde_json::Value,
    /// The text whose `@names` call people, where that is not the body; what else the body says calls nobody.
    pub calling: Option<&'a str>,
    /// `@channel` and `@here` in it call everybody; else they are plain words.
    pub calls_everybody: bool,
    /// Its id, if its files are in the store under it already.
    pub id: Option<MessageId>,
    /// How many of the author's mentions notify in which time; what is beyond is posted all the same.
    pub mention_limit: Option<Rate>,
}

impl<'a> Draft<'a> {
    /// What somebody wrote.
    #[must_use]
    pub fn text(request: &'a PostMessage) -> Self {
        Self::of(MessageKind::Text, request)
    }

    /// A message of another kind, without metadata.
    #[must_use]
    pub fn of(kind: MessageKind, request: &'a PostMessage) -> Self {
        Self {
            request,
            kind,
            metadata: serde_json::json!({}),
            calling: None,
            calls_everybody: true,
            id: None,
            mention_limit: None,
        }
    }
}

/// Writes a message and everything that follows from it into the transaction of `conn`: its place in the channel, mentions,
/// notifications, the thread's summary and all events. Anything but [`Posted::New`] must be rolled back.
pub async fn post(
    conn: &mut PgConnection,
    actor: &Actor,
    cause: &Cause,
    channel_id: ChannelId,
    draft: &Draft<'_>,
) -> Result<Posted, PostError> {
    let user_id = actor.user_id();
    let request = draft.request;
    let hash = request_hash(channel_id, draft);
    let gate: Option<Gate> = sqlx::query_as(GATE)
        .bind(channel_id.uuid())
        .bind(user_id.uuid())
        .bind(request.client_msg_id.uuid())
        .bind(request.parent_id.map(MessageId::uuid))
        .fetch_optional(&mut *conn)
        .await?;
    let gate = gate.ok_or(PostError::NotFound)?;
    if let Some(sent_id) = gate.sent_id {
        return if gate.sent_hash.as_deref() == Some(&hash) {
            Ok(Posted::Replayed(sent_id))
        } else {
            Err(PostError::Mismatch)
        };
    }
    let access = &gate.access;
    permit(actor, Action::PostMessage, access)?;
    check(request, &gate)?;
    let found = markdown::mentions(draft.calling.unwrap_or(request.body_md.as_str()));
    let called = match actor {
        Actor::Webhook(..) => called_by_webhook(conn, access, found, draft.calls_everybody).await?,
        _ => call(conn, actor, access, &found, request.parent_id).await?,
    };

    let id = draft.id.unwrap_or_else(MessageId::new);
    let seq: Option<i64> = sqlx::query_scalar(WRITE)
        .bind(id.uuid())
        .bind(channel_id.uuid())
        .bind(user_id.uuid())
        .bind(request.client_msg_id.uuid())
        .bind(request.parent_id.map(MessageId::uuid))
        .bind(request.body_md.as_str())
        .bind(hash.as_slice())
        .bind(cause.at)
        .bind(draft.kind.as_str())
        .bind(&draft.metadata)
        .fetch_optional(&mut *conn)
        .await?;
    let Some(seq) = seq else { return Ok(Posted::Contended) };
    let message = Message {
        id,
        channel_id,
        seq,
        parent_id: request.parent_id,
        author: author(gate.author.0, draft),
        kind: draft.kind,
        body_md: request.body_md.to_string(),
        created_at: cause.at,
        edited_at: None,
        deleted_at: None,
        reply_count: 0,
        last_reply_at: None,
        participants: Vec::new(),
        reactions: Vec::new(),
        attachments: attach(conn, id, channel_id, user_id, request).await?,
        mentions: called.mentions.clone(),
        metadata: draft.metadata.clone(),
        client_msg_id: Some(request.client_msg_id),
    };
    mentions::insert(conn, id, channel_id, &called.mentions).await?;

    let mut events =
        vec![(in_channel(cause, access, seq, Event::MessageCreated(message.clone())), None)];
    if let Some(root) = request.parent_id {
        let Some(summary) = reply_came(conn, root, &message, access.channel.community_id).await?
        else {
            return Ok(Posted::Contended);
        };
        events.push((in_channel(cause, access, seq + 1, Event::ThreadUpdated(summary)), None));
    }
    events.extend(notify(conn, cause, access, &message, &called, draft.mention_limit).await?);
    // A webhook reads nothing.
    if request.parent_id.is_none()
        && !matches!(actor, Actor::Webhook(..))
        && read_state::has_unread(conn, channel_id, user_id, gate.read_before, seq).await?
    {
        // Whoever answers has read what came before; their other clients learn it.
        let read = notifications::Seen::Channel(channel_id, seq);
        notifications::mark_read(conn, cause, user_id, read).await?;
        let state = ReadState {
            channel_id,
            last_read_seq: seq,
            unread: 0,
            mentions: 0,
            notify_level: None,
        };
        events.push((read_state::event(cause, state), Some(user_id)));
    }
    let events: Vec<(&Envelope, Option<UserId>)> =
        events.iter().map(|(envelope, reader)| (envelope, *reader)).collect();
    outbox::insert(conn, &events).await?;
    Ok(Posted::New(Box::new(message)))
}

/// What is wrong with a message whoever writes it.
const fn check(request: &PostMessage, gate: &Gate) -> Result<(), PostError> {
    if request.parent_id.is_some() && !gate.has_root {
        return Err(PostError::NoParent);
    }
    if gate.root_is_reply {
        return Err(PostError::NestedReply);
    }
    if request.body_md.is_none() && request.attachment_ids.is_empty() {
        return Err(PostError::Empty);
    }
    if request.attachment_ids.len() > ATTACHMENTS_MAX {
        return Err(PostError::TooManyAttachments);
    }
    Ok(())
}

/// The author as this one message shows it (`messages::AUTHOR` says the same in SQL).
fn author(author: Author, draft: &Draft<'_>) -> Author {
    let own = draft.metadata.get("name").and_then(serde_json::Value::as_str);
    match own {
        Some(name) if draft.kind == MessageKind::Webhook => {
            Author { display_name: name.to_owned(), ..author }
        }
        _ => author,
    }
}

/// SHA-256 over what makes two requests the same one.
fn request_hash(channel_id: ChannelId, draft: &Draft<'_>) -> [u8; 32] {
    let request = draft.request;
    let mut hash = Sha256::new();
    hash.update(channel_id.uuid());
    hash.update(request.parent_id.map_or(Uuid::nil(), MessageId::uuid));
    for id in &request.attachment_ids {
        hash.update(id.uuid());
    }
    hash.update(request.body_md.as_str());
    if draft.kind != MessageKind::Text {
        hash.update(draft.kind.as_str());
    }
    hash.finalize().into()
}

fn permit(actor: &Actor, action: Action, access: &Access) -> Result<(), PostError> {
    match authorize(actor, action, &access.resource()) {
        Decision::Allow => Ok(()),
        Decision::Deny(reason) => Err(PostError::Denied(reason)),
        Decision::Hide => Err(PostError::NotFound),
    }
}

/// Looks up whom a text calls, and whether it may.
pub(crate) async fn call(
    conn: &mut PgConnection,
    actor: &Actor,
    access: &Access,
    found: &markdown::Mentions,
    parent_id: Option<MessageId>,
) -> Result<mentions::Called, PostError> {
    if found.users.len() > MENTIONS_MAX {
        return Err(PostError::TooManyMentions);
    }
    let called = mentions::resolve(conn, access, found, parent_id).await?;
    let calls_everybody = found.channel || found.here;
    if calls_everybody && called.everybody > EVERYBODY_MAX && access.channel.community_id.is_some()
    {
        permit(actor, Action::MentionEverybody, access).map_err(|error| match error {
            PostError::Denied(DenyReason::NotAdmin) => PostError::EverybodyIsMany,
            error => error,
        })?;
    }
    Ok(called)
}

/// Looks up whom a webhook's text calls. Everybody only if the webhook may, in channels of any size; of names the first few, because
/// a log or a commit may be full of things that are written like one.
async fn called_by_webhook(
    conn: &mut PgConnection,
    access: &Access,
    mut found: markdown::Mentions,
    calls_everybody: bool,
) -> Result<mentions::Called, sqlx::Error> {
    found.channel &= calls_everybody;
    found.here &= calls_everybody;
    found.users.truncate(MENTIONS_MAX);
    mentions::resolve(conn, access, &found, None).await
}

/// Writes the notifications about a message and returns their events.
pub(crate) async fn notify(
    conn: &mut PgConnection,
    cause: &Cause,
    access: &Access,
    message: &Message,
    called: &mentions::Called,
    mention_limit: Option<Rate>,
) -> Result<Vec<(Envelope, Option<UserId>)>, sqlx::Error> {
    let mut people = called.notified(access, message.author.id);
    if let Some(rate) = mention_limit {
        notifications::cut(conn, message, &mut people, rate).await?;
    }
    let about = notifications::About {
        message_id: message.id,
        community_id: access.channel.community_id,
        channel_id: message.channel_id,
        seq: message.seq,
        author: &message.author,
    };
    let told = notifications::insert(conn, cause, &about, &people).await?;
    Ok(told.into_iter().map(|(reader, envelope)| (envelope, Some(reader))).collect())
}

pub(crate) fn in_channel(cause: &Cause, access: &Access, seq: i64, event: Event) -> Envelope {
    channels::envelope(cause, event).in_channel(access.channel.community_id, access.channel.id, seq)
}

async fn attach(
    conn: &mut PgConnection,
    id: MessageId,
    channel_id: ChannelId,
    user_id: UserId,
    request: &PostMessage,
) -> Result<Vec<crate::message::Attachment>, PostError> {
    let ids = &request.attachment_ids;
    if ids.is_empty() {
        return Ok(Vec::new());
    }
    let files = attachments::attach(conn, id, channel_id, user_id, ids).await?;
    if files.len() == ids.len() {
        return Ok(files);
    }
    // Somebody else's upload is no upload; one's own at a wrong place is a mistake.
    let owned = attachments::count_owned(conn, user_id, ids).await?;
    Err(if usize::try_from(owned).is_ok_and(|owned| owned == ids.len()) {
        PostError::WrongAttachment
    } else {
        PostError::NoAttachment
    })
}

/// The columns of a thread's summary, as the root row has them after an update. `$2` is the community.
macro_rules! summary_columns {
    () => {
        "reply_count, last_reply_at, thread_participants, \
         (SELECT coalesce(jsonb_agg(jsonb_build_object('id', person.id, 'username', person.username, \
              'display_name', coalesce(seat.nickname, person.display_name), \
              'avatar_url', coalesce(seat.avatar_url, person.avatar_url), 'kind', person.kind) ORDER BY reply.place), '[]'::jsonb) \
          FROM unnest(messages.thread_participants[1:5]) WITH ORDINALITY AS reply(user_id, place) \
          JOIN users AS person ON person.id = reply.user_id \
          LEFT JOIN community_members AS seat ON seat.user_id = person.id AND seat.community_id = $2) AS participants"
    };
}

#[derive(sqlx::FromRow)]
struct SummaryRow {
    reply_count: i32,
    last_reply_at: Option<OffsetDateTime>,
    thread_participants: Vec<Uuid>,
    participants: Json<Vec<Author>>,
}

impl SummaryRow {
    fn of(self, parent_id: MessageId) -> ThreadUpdated {
        ThreadUpdated {
            parent_id,
            reply_count: self.reply_count,
            last_reply_at: self.last_reply_at,
            participant_ids: self.thread_participants.into_iter().map(UserId::from).collect(),
            participants: self.participants.0,
        }
    }
}

/// Counts a new reply in the summary that the root keeps. None if the root was deleted in the meantime.
async fn reply_came(
    conn: &mut PgConnection,
    root: MessageId,
    reply: &Message,
    community_id: Option<CommunityId>,
) -> Result<Option<ThreadUpdated>, sqlx::Error> {
    let row: Option<SummaryRow> = sqlx::query_as(concat!(
        "UPDATE messages SET reply_count = reply_count + 1, last_reply_at = $3, \
            thread_participants = CASE WHEN $4 = ANY(thread_participants) THEN thread_participants \
                                       ELSE thread_participants || $4 END \
         WHERE id = $1 AND deleted_at IS NULL RETURNING ",
        summary_columns!()
    ))
    .bind(root.uuid())
    .bind(community_id.map(CommunityId::uuid))
    .bind(reply.created_at)
    .bind(reply.author.id.uuid())
    .fetch_optional(conn)
    .await?;
    Ok(row.map(|row| row.of(root)))
}

/// Works out the summary of a thread anew, after one of its replies went.
pub(crate) async fn reply_went(
    conn: &mut PgConnection,
    root: MessageId,
    community_id: Option<CommunityId>,
) -> Result<ThreadUpdated, sqlx::Error> {
    let row: SummaryRow = sqlx::query_as(concat!(
        "UPDATE messages SET reply_count = left_over.count, last_reply_at = left_over.last, thread_participants = left_over.people \
         FROM (SELECT coalesce(sum(count), 0)::int AS count, max(last) AS last, \
                      coalesce(array_agg(user_id ORDER BY first), '{}') AS people \
               FROM (SELECT user_id, count(*) AS count, max(created_at) AS last, min(seq) AS first FROM messages AS reply \
                     WHERE reply.parent_id = $1 AND reply.deleted_at IS NULL GROUP BY user_id) AS by_person) AS left_over \
         WHERE messages.id = $1 RETURNING ",
        summary_columns!()
    ))
    .bind(root.uuid())
    .bind(community_id.map(CommunityId::uuid))
    .fetch_one(conn)
    .await?;
    Ok(row.of(root))
}
