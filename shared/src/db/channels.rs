//! Channels and their event counter.

use sea_query::{
    Condition, Expr, ExprTrait, JoinType, LockType, Order, Query, SelectStatement, UpdateStatement,
};
use sqlx::PgConnection;

use super::authz::visible_channels;
use super::iden::{ChannelMembers, Channels};
use super::{Cause, channel_members, outbox};
use crate::channel::{Channel, ChannelView, UpdateChannel, Visibility};
use crate::events::{ChannelChanged, Envelope, Event};
use crate::id::{ChannelId, CommunityId, UserId};
use crate::names::{ChannelName, Topic};

/// Violated when a name is taken in the community.
pub const NAME_KEY: &str = "channels_name_key";

/// Selects [`Channel`]s.
pub(crate) fn select() -> SelectStatement {
    Query::select()
        .columns([
            (Channels::Table, Channels::Id),
            (Channels::Table, Channels::CommunityId),
            (Channels::Table, Channels::Name),
            (Channels::Table, Channels::Visibility),
            (Channels::Table, Channels::Topic),
            (Channels::Table, Channels::LastSeq),
            (Channels::Table, Channels::CreatedAt),
            (Channels::Table, Channels::ArchivedAt),
        ])
        .expr_as(Expr::col((Channels::Table, Channels::Type)), "kind")
        .from(Channels::Table)
        .to_owned()
}

/// Selects [`ChannelView`]s: channels with what `reader` has read and missed.
///
/// Unread are top-level messages by others after the read mark; mentions are unread mention notifications after it, and in direct
/// messages every unread message.
pub(crate) fn select_views(reader: UserId) -> SelectStatement {
    let mut select = select();
    select
        .expr_as(Expr::col((ChannelMembers::Table, ChannelMembers::UserId)).is_not_null(), "joined")
        .expr_as(Expr::cust("(SELECT count(*) FROM channel_members AS everybody WHERE everybody.channel_id = channels.id)"), "member_count")
        .expr_as(Expr::cust("coalesce(channel_members.last_read_seq, 0)"), "last_read_seq")
        .expr_as(Expr::cust("coalesce(channel_members.notify_level, 'mentions')"), "notify_level")
        .expr_as(unread(), "unread")
        .expr_as(mentions(), "mentions")
        .join(
            JoinType::LeftJoin,
            ChannelMembers::Table,
            Condition::all()
                .add(Expr::col((ChannelMembers::Table, ChannelMembers::ChannelId)).equals((Channels::Table, Channels::Id)))
                .add(Expr::col((ChannelMembers::Table, ChannelMembers::UserId)).eq(reader)),
        );
    select
}

/// How many messages the person of the joined `channel_members` row has not read in `channels`.
pub(crate) fn unread() -> Expr {
    Expr::cust(
        "(SELECT count(*) FROM messages WHERE messages.channel_id = channels.id \
         AND messages.seq > channel_members.last_read_seq AND messages.parent_id IS NULL \
         AND messages.deleted_at IS NULL AND messages.kind <> 'system' AND messages.user_id <> channel_members.user_id)",
    )
}

/// How many unread mentions the person of the joined `channel_members` row has in `channels`.
pub(crate) fn mentions() -> Expr {
    Expr::case(Expr::col((Channels::Table, Channels::Type)).is_in(["dm", "group_dm"]), unread())
        .finally(Expr::cust(
            "(SELECT count(*) FROM notifications JOIN messages ON messages.id = notifications.source_id \
             WHERE notifications.user_id = channel_members.user_id AND notifications.channel_id = channels.id \
             AND notifications.channel_seq > channel_members.last_read_seq AND notifications.type = 'mention' \
             AND NOT notifications.read AND messages.deleted_at IS NULL)",
        ))
        .into()
}

/// A channel by id, whoever asks.
pub async fn find(conn: &mut PgConnection, id: ChannelId) -> Result<Option<Channel>, sqlx::Error> {
    let statement =
        select().and_where(Expr::col((Channels::Table, Channels::Id)).eq(id)).to_owned();
    super::fetch_optional(conn, &statement).await
}

/// A channel as one reader sees it; rights have been decided before.
pub async fn view(
    conn: &mut PgConnection,
    reader: UserId,
    id: ChannelId,
) -> Result<Option<ChannelView>, sqlx::Error> {
    let statement = select_views(reader)
        .and_where(Expr::col((Channels::Table, Channels::Id)).eq(id))
        .to_owned();
    let mut views: Vec<ChannelView> = super::fetch_all(conn, &statement).await?;
    channel_members::fill_direct(conn, &mut views).await?;
    Ok(views.pop())
}

/// Which channels a list shows.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Listed {
    /// The reader's channels of all communities.
    Joined,
    /// The reader's direct messages.
    Direct,
    /// All of a community that the reader may see.
    Of(CommunityId),
}

/// Channels as one reader sees them: by name, direct messages newest first.
pub async fn list(
    conn: &mut PgConnection,
    reader: UserId,
    listed: Listed,
) -> Result<Vec<ChannelView>, sqlx::Error> {
    let mut statement = select_views(reader);
    statement.cond_where(visible_channels(reader));
    let community = || Expr::col((Channels::Table, Channels::CommunityId));
    let joined = || Expr::col((ChannelMembers::Table, ChannelMembers::UserId)).is_not_null();
    match listed {
        Listed::Joined => statement.and_where(community().is_not_null()).and_where(joined()),
        Listed::Direct => statement.and_where(community().is_null()).and_where(joined()),
        Listed::Of(id) => statement.and_where(community().eq(id)),
    };
    match listed {
        Listed::Direct => statement.order_by((Channels::Table, Channels::Id), Order::Desc),
        Listed::Joined | Listed::Of(_) => statement
            .order_by((Channels::Table, Channels::Name), Order::Asc)
            .order_by((Channels::Table, Channels::Id), Order::Asc),
    };
    let mut views: Vec<ChannelView> = super::fetch_all(conn, &statement).await?;
    channel_members::fill_direct(conn, &mut views).await?;
    Ok(views)
}

/// Takes the channel's next event number. The row stays locked until the transaction ends, so numbers have no gaps and commit in order.
pub async fn next_seq(conn: &mut PgConnection, id: ChannelId) -> Result<i64, sqlx::Error> {
    super::fetch_scalar(conn, &next_seq_statement(id)).await?.ok_or(sqlx::Error::RowNotFound)
}

/// The same for what an archived channel does not take. None, and no number is taken, if it was archived in the meantime.
pub async fn next_open_seq(
    conn: &mut PgConnection,
    id: ChannelId,
) -> Result<Option<i64>, sqlx::Error> {
    let statement =
        next_seq_statement(id).and_where(Expr::col(Channels::ArchivedAt).is_null()).to_owned();
    super::fetch_scalar(conn, &statement).await
}

/// Holds a channel until the transaction ends, without taking a number: nothing is written to it in the meantime.
pub async fn hold(conn: &mut PgConnection, id: ChannelId) -> Result<(), sqlx::Error> {
    let statement = Query::select()
        .column(Channels::Id)
        .from(Channels::Table)
        .and_where(Expr::col(Channels::Id).eq(id))
        .lock(LockType::NoKeyUpdate)
        .to_owned();
    super::fetch_scalar::<ChannelId>(conn, &statement).await.map(drop)
}

/// A channel of a community by its name, if somebody may know of it: any other is no channel (A48).
pub async fn find_by_name(
    conn: &mut PgConnection,
    reader: UserId,
    community_id: CommunityId,
    name: &ChannelName,
) -> Result<Option<Channel>, sqlx::Error> {
    let statement = select()
        .and_where(Expr::col((Channels::Table, Channels::CommunityId)).eq(community_id))
        .and_where(Expr::col((Channels::Table, Channels::Name)).eq(name.as_str()))
        .cond_where(visible_channels(reader))
        .to_owned();
    super::fetch_optional(conn, &statement).await
}

fn next_seq_statement(id: ChannelId) -> UpdateStatement {
    Query::update()
        .table(Channels::Table)
        .value(Channels::LastSeq, Expr::col(Channels::LastSeq).add(1))
        .and_where(Expr::col(Channels::Id).eq(id))
        .returning_col(Channels::LastSeq)
        .to_owned()
}

/// A new channel of a community.
#[derive(Clone, Debug)]
pub struct NewChannel<'a> {
    /// Where.
    pub community_id: CommunityId,
    /// Its name.
    pub name: &'a ChannelName,
    /// Who may see it.
    pub visibility: Visibility,
    /// What it is about.
    pub topic: Option<&'a Topic>,
    /// Everybody who joins the community joins it.
    pub is_default: bool,
}

/// Makes a channel, takes its maker in, and tells everybody who may know. Violates [`NAME_KEY`] when the name is taken.
pub async fn create(
    conn: &mut PgConnection,
    cause: &Cause,
    new: &NewChannel<'_>,
) -> Result<Channel, sqlx::Error> {
    let id = ChannelId::new();
    let statement = Query::insert()
        .into_table(Channels::Table)
        .columns([
            Channels::Id,
            Channels::CommunityId,
            Channels::Visibility,
            Channels::Name,
            Channels::Topic,
            Channels::IsDefault,
            Channels::CreatedBy,
            Channels::CreatedAt,
        ])
        .values_panic([
            id.into(),
            new.community_id.into(),
            new.visibility.as_str().into(),
            new.name.as_str().into(),
            new.topic.map(Topic::as_str).filter(|topic| !topic.is_empty()).into(),
            new.is_default.into(),
            cause.actor_id.into(),
            cause.at.into(),
        ])
        .to_owned();
    super::execute(conn, &statement).await?;
    let members: Vec<UserId> = cause.actor_id.into_iter().collect();
    // A private channel's first event names whom it reaches; a public one is for the whole community.
    let named = if new.visibility == Visibility::Private { members.clone() } else { Vec::new() };
    announce(conn, cause, id, named, Event::ChannelCreated).await?;
    for user_id in members {
        channel_members::join(conn, cause, id, user_id).await?;
    }
    find(conn, id).await?.ok_or(sqlx::Error::RowNotFound)
}

/// Changes a channel's name or topic and tells its readers if that changed anything. Violates [`NAME_KEY`] when the name is taken.
pub async fn update(
    conn: &mut PgConnection,
    cause: &Cause,
    id: ChannelId,
    change: &UpdateChannel,
) -> Result<Channel, sqlx::Error> {
    let mut statement = Query::update();
    statement.table(Channels::Table).and_where(Expr::col(Channels::Id).eq(id));
    let name = change.name.as_ref().map(|name| (Channels::Name, Some(name.as_str())));
    let topic = change.topic.as_ref().map(Topic::as_str);
    let topic = topic.map(|topic| (Channels::Topic, Some(topic).filter(|topic| !topic.is_empty())));
    let changed = super::set_texts(&mut statement, name.into_iter().chain(topic));
    if changed && super::execute(conn, &statement).await? == 1 {
        return announce(conn, cause, id, Vec::new(), Event::ChannelUpdated).await;
    }
    find(conn, id).await?.ok_or(sqlx::Error::RowNotFound)
}

/// Archives a channel or opens it again, and tells its readers if that changed anything. Returns it and whether it did.
pub async fn set_archived(
    conn: &mut PgConnection,
    cause: &Cause,
    id: ChannelId,
    archived: bool,
) -> Result<(Channel, bool), sqlx::Error> {
    let at = || Expr::col(Channels::ArchivedAt);
    let statement = Query::update()
        .table(Channels::Table)
        .value(Channels::ArchivedAt, archived.then_some(cause.at))
        .and_where(Expr::col(Channels::Id).eq(id))
        .and_where(if archived { at().is_null() } else { at().is_not_null() })
        .to_owned();
    if super::execute(conn, &statement).await? == 1 {
        let event = if archived { Event::ChannelArchived } else { Event::ChannelUnarchived };
        return Ok((announce(conn, cause, id, Vec::new(), event).await?, true));
    }
    Ok((find(conn, id).await?.ok_or(sqlx::Error::RowNotFound)?, false))
}

/// Writes an event about the channel as a whole; returns the channel as the event shows it.
async fn announce(
    conn: &mut PgConnection,
    cause: &Cause,
    id: ChannelId,
    member_ids: Vec<UserId>,
    event: fn(ChannelChanged) -> Event,
) -> Result<Channel, sqlx::Error> {
    let seq = next_seq(conn, id).await?;
    let channel = find(conn, id).await?.ok_or(sqlx::Error::RowNotFound)?;
    let event = event(ChannelChanged { channel: channel.clone(), member_ids });
    let envelope = envelope(cause, event).in_channel(channel.community_id, id, seq);
    outbox::push(conn, &envelope).await?;
    Ok(channel)
}

/// An envelope that carries its cause.
pub(crate) fn envelope(cause: &Cause, event: Event) -> Envelope {
    Envelope::new(event, cause.actor_id, cause.at).traced(cause.trace_id.clone())
}

/// Opens the direct message of these people (at least two), or finds the one they have. Returns it and whether it is new.
pub async fn open_direct(
    conn: &mut PgConnection,
    cause: &Cause,
    people: &[UserId],
) -> Result<(Channel, bool), sqlx::Error> {
    let mut people = people.to_vec();
    people.sort_unstable();
    people.dedup();
    let key = people.iter().map(UserId::to_string).collect::<Vec<_>>().join(":");
    let id = ChannelId::new();
    let statement = Query::insert()
        .into_table(Channels::Table)
        .columns([
            Channels::Id,
            Channels::Type,
            Channels::Visibility,
            Channels::DmKey,
            Channels::CreatedBy,
            Channels::CreatedAt,
        ])
        .values_panic([
            id.into(),
            if people.len() > 2 { "group_dm" } else { "dm" }.into(),
            "private".into(),
            key.clone().into(),
            cause.actor_id.into(),
            cause.at.into(),
        ])
        .on_conflict(sea_query::OnConflict::column(Channels::DmKey).do_nothing().to_owned())
        .to_owned();
    if super::execute(conn, &statement).await? == 0 {
        let statement =
            select().and_where(Expr::col((Channels::Table, Channels::DmKey)).eq(key)).to_owned();
        return Ok((super::fetch_one(conn, &statement).await?, false));
    }
    channel_members::insert(conn, cause, id, &people).await?;
    Ok((announce(conn, cause, id, people, Event::ChannelCreated).await?, true))
}
