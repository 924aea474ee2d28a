//! What people are told about: rows in step over all of their clients (requirements E7).

use std::collections::BTreeSet;

use sea_query::{Expr, ExprTrait, LockType, Order, Query};
use sqlx::PgConnection;
use sqlx::types::Json;
use time::OffsetDateTime;
use uuid::Uuid;

use super::iden::Notifications;
use super::paging::Keyset;
use super::{Cause, outbox, rate_counters};
use crate::events::{Envelope, Event, Notification, NotificationKind, NotificationsRead};
use crate::id::{ChannelId, CommunityId, MessageId, NotificationId, UserId};
use crate::message::Message;
use crate::page::Page;
use crate::rate::Rate;
use crate::user::Author;

/// More that are marked read at once are told as "all".
const NAMED_MAX: usize = 200;
/// Ids that one event names: some three thousand are more than a row of the outbox may hold.
const NAMED_AT_ONCE: usize = 1_000;

/// The message that people are told about.
#[derive(Clone, Debug)]
pub(crate) struct About<'a> {
    pub(crate) message_id: MessageId,
    pub(crate) community_id: Option<CommunityId>,
    pub(crate) channel_id: ChannelId,
    pub(crate) seq: i64,
    pub(crate) author: &'a Author,
}

/// Writes notifications about a message and returns their events; who was told about it before is not told again.
pub(crate) async fn insert(
    conn: &mut PgConnection,
    cause: &Cause,
    about: &About<'_>,
    people: &[(UserId, NotificationKind)],
) -> Result<Vec<(UserId, Envelope)>, sqlx::Error> {
    if people.is_empty() {
        return Ok(Vec::new());
    }
    let mut statement = Query::insert();
    statement.into_table(Notifications::Table).columns([
        Notifications::Id,
        Notifications::UserId,
        Notifications::Type,
        Notifications::SourceId,
        Notifications::ActorId,
        Notifications::CommunityId,
        Notifications::ChannelId,
        Notifications::ChannelSeq,
        Notifications::CreatedAt,
    ]);
    for (user_id, kind) in people {
        statement.values_panic([
            NotificationId::new().into(),
            (*user_id).into(),
            kind.as_str().into(),
            about.message_id.into(),
            about.author.id.into(),
            about.community_id.into(),
            about.channel_id.into(),
            about.seq.into(),
            cause.at.into(),
        ]);
    }
    statement.on_conflict(sea_query::OnConflict::new().do_nothing().to_owned());
    statement.returning(Query::returning().columns([Notifications::Id, Notifications::UserId]));
    let told: Vec<(NotificationId, UserId)> = super::fetch_all(conn, &statement).await?;
    let event = |(id, user_id): (NotificationId, UserId)| {
        let kind = people.iter().find(|(person, _)| *person == user_id)?.1;
        let notification = Notification {
            id,
            kind,
            community_id: about.community_id,
            channel_id: Some(about.channel_id),
            message_id: Some(about.message_id),
            actor: Some(about.author.clone()),
            read: false,
            created_at: cause.at,
        };
        Some((user_id, super::channels::envelope(cause, Event::NotificationCreated(notification))))
    };
    Ok(told.into_iter().filter_map(event).collect())
}

/// Takes out of `people` whom the author's mentions no longer notify (delivery-and-security.md section 3.7). Whom an edit calls again
/// is not counted again.
pub(crate) async fn cut(
    conn: &mut PgConnection,
    message: &Message,
    people: &mut Vec<(UserId, NotificationKind)>,
    rate: Rate,
) -> Result<(), sqlx::Error> {
    let mentioned = |(_, kind): &&(UserId, NotificationKind)| *kind == NotificationKind::Mention;
    let mut new: Vec<UserId> = people.iter().filter(mentioned).map(|(id, _)| *id).collect();
    if message.edited_at.is_some() && !new.is_empty() {
        let told = told(conn, message.id).await?;
        new.retain(|id| !told.contains(id));
    }
    if new.is_empty() {
        return Ok(());
    }
    let more = i32::try_from(new.len()).unwrap_or(i32::MAX);
    let key = format!("mention:{}", message.author.id);
    let (count, _) = rate_counters::add(conn, &key, rate.window, more).await?;
    let before = u32::try_from(count - more).unwrap_or(0);
    let left = usize::try_from(rate.count.get().saturating_sub(before)).unwrap_or(usize::MAX);
    let silent: BTreeSet<UserId> = new.into_iter().skip(left).collect();
    people.retain(|(id, _)| !silent.contains(id));
    Ok(())
}

/// Who was told about a message.
async fn told(
    conn: &mut PgConnection,
    message_id: MessageId,
) -> Result<BTreeSet<UserId>, sqlx::Error> {
    let statement = Query::select()
        .column(Notifications::UserId)
        .from(Notifications::Table)
        .and_where(Expr::col(Notifications::SourceId).eq(message_id))
        .and_where(Expr::col(Notifications::Type).is_in(["mention", "dm", "thread_reply"]))
        .to_owned();
    Ok(super::fetch_scalars(conn, &statement).await?.into_iter().collect())
}

#[derive(sqlx::FromRow)]
struct NotificationRow {
    id: NotificationId,
    kind: String,
    community_id: Option<CommunityId>,
    channel_id: Option<ChannelId>,
    message_id: Option<MessageId>,
    actor: Option<Json<Author>>,
    read: bool,
    created_at: OffsetDateTime,
}

impl From<NotificationRow> for Notification {
    fn from(row: NotificationRow) -> Self {
        let kind = match row.kind.as_str() {
            "mention" => NotificationKind::Mention,
            "dm" => NotificationKind::Dm,
            "thread_reply" => NotificationKind::ThreadReply,
            "invite" => NotificationKind::Invite,
            _ => NotificationKind::System,
        };
        Self {
            id: row.id,
            kind,
            community_id: row.community_id,
            channel_id: row.channel_id,
            message_id: row.message_id,
            actor: row.actor.map(|actor| actor.0),
            read: row.read,
            created_at: row.created_at,
        }
    }
}

const ACTOR: &str = "(SELECT jsonb_build_object('id', users.id, 'username', users.username, \
    'display_name', coalesce(seat.nickname, users.display_name), 'avatar_url', coalesce(seat.avatar_url, users.avatar_url), \
    'kind', users.kind) \
    FROM users LEFT JOIN community_members AS seat ON seat.user_id = users.id AND seat.community_id = notifications.community_id \
    WHERE users.id = notifications.actor_id)";

/// What somebody was told about, oldest first.
pub async fn list(
    conn: &mut PgConnection,
    reader: UserId,
    unread_only: bool,
    keyset: &Keyset,
) -> Result<Page<Notification>, sqlx::Error> {
    let mut statement = Query::select();
    statement
        .columns([
            Notifications::Id,
            Notifications::CommunityId,
            Notifications::ChannelId,
            Notifications::Read,
            Notifications::CreatedAt,
        ])
        .expr_as(Expr::col(Notifications::Type), "kind")
        .expr_as(
            Expr::cust("CASE WHEN type IN ('mention', 'dm', 'thread_reply') THEN source_id END"),
            "message_id",
        )
        .expr_as(Expr::cust(ACTOR), "actor")
        .from(Notifications::Table)
        .and_where(Expr::col(Notifications::UserId).eq(reader));
    if unread_only {
        statement.and_where(Expr::col(Notifications::Read).not());
    }
    keyset.apply(&mut statement, Notifications::Id);
    let rows: Vec<NotificationRow> = super::fetch_all(conn, &statement).await?;
    Ok(keyset.page(rows.into_iter().map(Into::into).collect(), |row: &Notification| row.id.uuid()))
}

/// Which notifications to mark read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Seen<'a> {
    /// All there are.
    All,
    /// These.
    Ids(&'a [NotificationId]),
    /// Mentions and direct messages of a channel up to a seq.
    Channel(ChannelId, i64),
}

/// Marks notifications read and tells the reader's other clients, if that changed anything. Returns how many are unread now.
///
/// Rows are locked in the order of their ids, here and when they are withdrawn: two that want the same ones wait for each other and never
/// both.
pub async fn mark_read(
    conn: &mut PgConnection,
    cause: &Cause,
    reader: UserId,
    seen: Seen<'_>,
) -> Result<i64, sqlx::Error> {
    let mut statement = Query::select();
    statement
        .column(Notifications::Id)
        .from(Notifications::Table)
        .and_where(Expr::col(Notifications::UserId).eq(reader))
        .and_where(Expr::col(Notifications::Read).not())
        .order_by(Notifications::Id, Order::Asc)
        .lock(LockType::Update);
    match seen {
        Seen::All => {}
        Seen::Ids(ids) => {
            let ids: Vec<Uuid> = ids.iter().map(|id| id.uuid()).collect();
            statement.and_where(Expr::cust_with_values("id = ANY($1)", [ids]));
        }
        Seen::Channel(channel_id, up_to) => {
            statement
                .and_where(Expr::col(Notifications::ChannelId).eq(channel_id))
                .and_where(Expr::col(Notifications::ChannelSeq).lte(up_to))
                .and_where(Expr::col(Notifications::Type).is_in(["mention", "dm"]));
        }
    }
    let held: Vec<NotificationId> = super::fetch_scalars(conn, &statement).await?;
    if !held.is_empty() {
        set_read(conn, cause, &held).await?;
    }
    let unread = super::sync::unread_notifications(conn, reader).await?;
    if !held.is_empty() {
        // By name wherever that is possible: one that is being written at this moment is not among them, and a client that is told "all"
        // would take it for seen.
        let events = if seen != Seen::All || held.len() <= NAMED_MAX {
            read_events(cause, &held, unread)
        } else {
            let all = Event::NotificationRead(NotificationsRead { ids: None, unread });
            vec![super::channels::envelope(cause, all)]
        };
        let events: Vec<_> = events.iter().map(|event| (event, Some(reader))).collect();
        outbox::insert(conn, &events).await?;
    }
    // Whoever reads a channel is told what is left of it by the mark that moves.
    if !matches!(seen, Seen::Channel(..)) && !held.is_empty() {
        for channel_id in calls_beyond_mark(conn, reader, &held).await? {
            if let Some(state) = super::read_state::find(conn, channel_id, reader).await? {
                outbox::push_to(conn, reader, &super::read_state::event(cause, state)).await?;
            }
        }
    }
    Ok(unread)
}

/// The events that name what somebody has seen, so many ids in each that it fits. `unread` is what is left after the last of them; each
/// says what is left after it.
fn read_events(cause: &Cause, ids: &[NotificationId], unread: i64) -> Vec<Envelope> {
    let mut to_come = ids.len();
    let event = |ids: &[NotificationId]| {
        to_come -= ids.len();
        let unread = unread + i64::try_from(to_come).unwrap_or_default();
        let read = NotificationsRead { ids: Some(ids.to_vec()), unread };
        super::channels::envelope(cause, Event::NotificationRead(read))
    };
    ids.chunks(NAMED_AT_ONCE).map(event).collect()
}

/// The channels whose number of unread mentions these notifications were part of: a call in a thread is read there, while the mark of
/// its channel stays where it is.
async fn calls_beyond_mark(
    conn: &mut PgConnection,
    reader: UserId,
    held: &[NotificationId],
) -> Result<Vec<ChannelId>, sqlx::Error> {
    let held: Vec<Uuid> = held.iter().map(|id| id.uuid()).collect();
    sqlx::query_scalar(
        "SELECT DISTINCT place.channel_id FROM notifications \
         JOIN channel_members AS place ON place.channel_id = notifications.channel_id AND place.user_id = $2 \
         WHERE notifications.id = ANY($1) AND notifications.type = 'mention' \
         AND notifications.channel_seq > place.last_read_seq ORDER BY place.channel_id",
    )
    .bind(held)
    .bind(reader)
    .fetch_all(conn)
    .await
}

async fn set_read(
    conn: &mut PgConnection,
    cause: &Cause,
    ids: &[NotificationId],
) -> Result<(), sqlx::Error> {
    let ids: Vec<Uuid> = ids.iter().map(|id| id.uuid()).collect();
    let statement = Query::update()
        .table(Notifications::Table)
        .value(Notifications::Read, true)
        .value(Notifications::ReadAt, cause.at)
        .and_where(Expr::cust_with_values("id = ANY($1)", [ids]))
        .to_owned();
    super::execute(conn, &statement).await.map(drop)
}

/// Takes back the notifications about messages that are gone; returns the events for those who had not seen theirs.
pub(crate) async fn withdraw(
    conn: &mut PgConnection,
    cause: &Cause,
    messages: &[MessageId],
) -> Result<Vec<(UserId, Envelope)>, sqlx::Error> {
    let messages: Vec<Uuid> = messages.iter().map(|id| id.uuid()).collect();
    let held: Vec<NotificationId> = sqlx::query_scalar(
        "SELECT id FROM notifications WHERE source_id = ANY($1) AND type IN ('mention', 'dm', 'thread_reply') \
         ORDER BY id FOR UPDATE",
    )
    .bind(messages)
    .fetch_all(&mut *conn)
    .await?;
    if held.is_empty() {
        return Ok(Vec::new());
    }
    let held: Vec<Uuid> = held.iter().map(|id| id.uuid()).collect();
    let withdrawn: Vec<(UserId, Vec<Uuid>, i64)> = sqlx::query_as(
        "WITH gone AS (DELETE FROM notifications WHERE id = ANY($1) RETURNING user_id, id, read) \
         SELECT gone.user_id, array_agg(gone.id ORDER BY gone.id), (SELECT count(*) FROM notifications AS other \
             WHERE other.user_id = gone.user_id AND NOT other.read AND other.id <> ALL($1)) \
         FROM gone WHERE NOT gone.read GROUP BY gone.user_id",
    )
    .bind(held)
    .fetch_all(conn)
    .await?;
    let events = |(user_id, ids, unread): (UserId, Vec<Uuid>, i64)| {
        let ids: Vec<_> = ids.into_iter().map(NotificationId::from).collect();
        read_events(cause, &ids, unread).into_iter().map(move |event| (user_id, event))
    };
    Ok(withdrawn.into_iter().flat_map(events).collect())
}
