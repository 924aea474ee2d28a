//! Messages as their readers see them: single ones and pages, each in one statement with everything that hangs on a message.

use sea_query::{Condition, Expr, ExprTrait, JoinType, Order, Query, SelectStatement};
use sqlx::PgConnection;
use sqlx::types::Json;
use time::OffsetDateTime;
use uuid::Uuid;

use super::attachments::Stored;
use super::iden::{Channels, CommunityMembers, Messages, Users};
use crate::id::{ChannelId, ClientMessageId, MessageId, UserId};
use crate::message::{Mention, Message, MessageKind, ReactionCount};
use crate::page::{Anchor, Page};
use crate::user::Author;

/// The author as drawn in the channel's community (decisions.md 10); a webhook's message may carry a name of its own.
const AUTHOR: &str = "jsonb_build_object('id', users.id, 'username', users.username, \
    'display_name', coalesce(CASE WHEN messages.kind = 'webhook' THEN messages.metadata->>'name' END, \
        community_members.nickname, users.display_name), \
    'avatar_url', coalesce(community_members.avatar_url, users.avatar_url), 'kind', users.kind)";

/// The first few people of a thread, in the order of their first reply.
const PARTICIPANTS: &str = "(SELECT coalesce(jsonb_agg(jsonb_build_object('id', person.id, 'username', person.username, \
    'display_name', coalesce(seat.nickname, person.display_name), 'avatar_url', coalesce(seat.avatar_url, person.avatar_url), \
    'kind', person.kind) ORDER BY reply.place), '[]'::jsonb) \
    FROM unnest(messages.thread_participants[1:5]) WITH ORDINALITY AS reply(user_id, place) \
    JOIN users AS person ON person.id = reply.user_id \
    LEFT JOIN community_members AS seat ON seat.user_id = person.id AND seat.community_id = channels.community_id)";

/// Reactions in the order in which each emoji first came; `$1` is the reader, or null in what all readers share.
const REACTIONS: &str = "(SELECT coalesce(jsonb_agg(jsonb_build_object('emoji', counted.emoji, 'count', counted.count, \
    'reacted_by_me', counted.mine) ORDER BY counted.first, counted.emoji), '[]'::jsonb) \
    FROM (SELECT emoji, count(*) AS count, bool_or(reactions.user_id = $1) AS mine, min(reactions.created_at) AS first \
    FROM reactions WHERE reactions.message_id = messages.id GROUP BY emoji) AS counted)";

const ATTACHMENTS: &str = "(SELECT coalesce(jsonb_agg(jsonb_build_object('id', file.id, 'filename', file.filename, \
    'content_type', file.content_type, 'size_bytes', file.size_bytes, 'width', file.width, 'height', file.height, \
    'has_thumbnail', file.thumb_key IS NOT NULL) ORDER BY file.position, file.id), '[]'::jsonb) \
    FROM attachments AS file WHERE file.message_id = messages.id)";

const MENTIONS: &str = "(SELECT coalesce(jsonb_agg(jsonb_build_object('type', target_type, \
    'id', CASE WHEN target_type = 'user' THEN target_id END) ORDER BY mentions.id), '[]'::jsonb) \
    FROM mentions WHERE mentions.message_id = messages.id)";

#[derive(sqlx::FromRow)]
struct MessageRow {
    id: MessageId,
    channel_id: ChannelId,
    seq: i64,
    parent_id: Option<MessageId>,
    author: Json<Author>,
    kind: MessageKind,
    body_md: String,
    metadata: serde_json::Value,
    created_at: OffsetDateTime,
    edited_at: Option<OffsetDateTime>,
    deleted_at: Option<OffsetDateTime>,
    reply_count: i32,
    last_reply_at: Option<OffsetDateTime>,
    client_msg_id: Option<ClientMessageId>,
    participants: Json<Vec<Author>>,
    reactions: Json<Vec<ReactionCount>>,
    attachments: Json<Vec<Stored>>,
    mentions: Json<Vec<Mention>>,
}

impl From<MessageRow> for Message {
    fn from(row: MessageRow) -> Self {
        Self {
            id: row.id,
            channel_id: row.channel_id,
            seq: row.seq,
            parent_id: row.parent_id,
            author: row.author.0,
            kind: row.kind,
            body_md: row.body_md,
            created_at: row.created_at,
            edited_at: row.edited_at,
            deleted_at: row.deleted_at,
            reply_count: row.reply_count,
            last_reply_at: row.last_reply_at,
            participants: row.participants.0,
            reactions: row.reactions.0,
            attachments: row.attachments.0.into_iter().map(Into::into).collect(),
            mentions: row.mentions.0,
            metadata: row.metadata,
            client_msg_id: row.client_msg_id,
        }
    }
}

/// Selects whole messages as `reader` sees them; without one, as everybody sees them (for events).
fn select(reader: Option<UserId>) -> SelectStatement {
    let own = Expr::cust_with_values(
        "CASE WHEN messages.user_id = $1 THEN messages.client_msg_id END",
        [reader],
    );
    let mut select = Query::select();
    select
        .columns([
            (Messages::Table, Messages::Id),
            (Messages::Table, Messages::ChannelId),
            (Messages::Table, Messages::Seq),
            (Messages::Table, Messages::ParentId),
            (Messages::Table, Messages::Kind),
            (Messages::Table, Messages::BodyMd),
            (Messages::Table, Messages::Metadata),
            (Messages::Table, Messages::CreatedAt),
            (Messages::Table, Messages::EditedAt),
            (Messages::Table, Messages::DeletedAt),
            (Messages::Table, Messages::ReplyCount),
            (Messages::Table, Messages::LastReplyAt),
        ])
        .expr_as(own, "client_msg_id")
        .expr_as(Expr::cust(AUTHOR), "author")
        .expr_as(Expr::cust(PARTICIPANTS), "participants")
        .expr_as(Expr::cust_with_values(REACTIONS, [reader]), "reactions")
        .expr_as(Expr::cust(ATTACHMENTS), "attachments")
        .expr_as(Expr::cust(MENTIONS), "mentions")
        .from(Messages::Table)
        .join(
            JoinType::InnerJoin,
            Channels::Table,
            Expr::col((Channels::Table, Channels::Id))
                .equals((Messages::Table, Messages::ChannelId)),
        )
        .join(
            JoinType::InnerJoin,
            Users::Table,
            Expr::col((Users::Table, Users::Id)).equals((Messages::Table, Messages::UserId)),
        )
        .join(
            JoinType::LeftJoin,
            CommunityMembers::Table,
            Condition::all()
                .add(
                    Expr::col((CommunityMembers::Table, CommunityMembers::UserId))
                        .equals((Messages::Table, Messages::UserId)),
                )
                .add(
                    Expr::col((CommunityMembers::Table, CommunityMembers::CommunityId))
                        .equals((Channels::Table, Channels::CommunityId)),
                ),
        );
    select
}

/// A message as `reader` sees it, or without one as everybody does; rights have been decided before.
pub async fn find(
    conn: &mut PgConnection,
    reader: Option<UserId>,
    id: MessageId,
) -> Result<Option<Message>, sqlx::Error> {
    let statement =
        select(reader).and_where(Expr::col((Messages::Table, Messages::Id)).eq(id)).to_owned();
    Ok(super::fetch_optional::<MessageRow>(conn, &statement).await?.map(Message::from))
}

/// These messages as `reader` sees them, the newest first; rights have been decided before.
pub(crate) async fn by_ids(
    conn: &mut PgConnection,
    reader: UserId,
    ids: &[MessageId],
) -> Result<Vec<Message>, sqlx::Error> {
    let ids: Vec<Uuid> = ids.iter().map(|id| id.uuid()).collect();
    let statement = select(Some(reader))
        .and_where(Expr::cust_with_values("messages.id = ANY($1)", [ids]))
        .order_by((Messages::Table, Messages::Id), Order::Desc)
        .to_owned();
    Ok(super::fetch_all::<MessageRow>(conn, &statement)
        .await?
        .into_iter()
        .map(Message::from)
        .collect())
}

/// What must be known about a message before anything may be done to it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, sqlx::FromRow)]
pub struct Located {
    /// Where it stands: decides who may know of it.
    pub channel_id: ChannelId,
    /// Its place there.
    pub seq: i64,
    /// Who wrote it.
    pub user_id: UserId,
    /// The root of its thread.
    pub parent_id: Option<MessageId>,
    /// What it is.
    pub kind: MessageKind,
    /// It is a tombstone.
    pub deleted: bool,
}

/// Finds a message, whoever asks.
pub async fn locate(
    conn: &mut PgConnection,
    id: MessageId,
) -> Result<Option<Located>, sqlx::Error> {
    super::fetch_optional(conn, located().and_where(Expr::col(Messages::Id).eq(id))).await
}

/// Selects [`Located`]s.
fn located() -> SelectStatement {
    Query::select()
        .columns([
            Messages::ChannelId,
            Messages::Seq,
            Messages::UserId,
            Messages::ParentId,
            Messages::Kind,
        ])
        .expr_as(Expr::col(Messages::DeletedAt).is_not_null(), "deleted")
        .from(Messages::Table)
        .to_owned()
}

/// The newest messages of a channel that are not deleted, replies included; the newest first.
pub async fn newest(
    conn: &mut PgConnection,
    channel_id: ChannelId,
    count: u32,
) -> Result<Vec<(MessageId, Located)>, sqlx::Error> {
    #[derive(sqlx::FromRow)]
    struct Row {
        id: MessageId,
        #[sqlx(flatten)]
        located: Located,
    }
    let statement = located()
        .column(Messages::Id)
        .and_where(Expr::col(Messages::ChannelId).eq(channel_id))
        .and_where(Expr::col(Messages::DeletedAt).is_null())
        .order_by(Messages::Seq, Order::Desc)
        .limit(count.into())
        .to_owned();
    let rows: Vec<Row> = super::fetch_all(conn, &statement).await?;
    Ok(rows.into_iter().map(|row| (row.id, row.located)).collect())
}

/// The reactions of a message as `reader` sees them; none if it is deleted or not there.
pub(crate) async fn reactions(
    conn: &mut PgConnection,
    reader: UserId,
    id: MessageId,
) -> Result<Option<Vec<ReactionCount>>, sqlx::Error> {
    let statement = Query::select()
        .expr(Expr::cust_with_values(REACTIONS, [reader]))
        .from(Messages::Table)
        .and_where(Expr::col((Messages::Table, Messages::Id)).eq(id))
        .and_where(Expr::col((Messages::Table, Messages::DeletedAt)).is_null())
        .to_owned();
    Ok(super::fetch_scalar::<Json<Vec<ReactionCount>>>(conn, &statement)
        .await?
        .map(|reactions| reactions.0))
}

/// Which messages a page is cut from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Place {
    /// The top level of a channel.
    Channel(ChannelId),
    /// The replies to a message.
    Thread(MessageId),
}

impl Place {
    fn condition(self) -> Condition {
        let column = |column| Expr::col((Messages::Table, column));
        match self {
            Self::Channel(id) => Condition::all()
                .add(column(Messages::ChannelId).eq(id))
                .add(column(Messages::ParentId).is_null()),
            Self::Thread(root) => Condition::all().add(column(Messages::ParentId).eq(root)),
        }
    }
}

/// A page of messages, ascending by seq. None if there is no such message as the anchor names in that place.
pub async fn list(
    conn: &mut PgConnection,
    reader: UserId,
    place: Place,
    anchor: Anchor,
    limit: u16,
) -> Result<Option<Page<Message>>, sqlx::Error> {
    let from = match anchor {
        Anchor::Latest => i64::MAX,
        Anchor::Before(id) | Anchor::After(id) | Anchor::Around(id) => {
            match anchor_seq(conn, place, id.into()).await? {
                Some(seq) => seq,
                None => return Ok(None),
            }
        }
    };
    let sides = Sides::of(anchor, from, limit);
    let rows: Vec<MessageRow> =
        super::fetch_all(conn, &list_statement(reader, place, &sides)).await?;
    Ok(Some(sides.page(rows.into_iter().map(Message::from).collect(), anchor)))
}

/// The seq that an anchor stands for. In a channel a reply stands for the root of its thread, so that a permalink to it works.
async fn anchor_seq(
    conn: &mut PgConnection,
    place: Place,
    id: MessageId,
) -> Result<Option<i64>, sqlx::Error> {
    let mut statement = Query::select();
    match place {
        Place::Channel(channel_id) => statement
            .expr(Expr::cust("coalesce((SELECT root.seq FROM messages AS root WHERE root.id = messages.parent_id), messages.seq)"))
            .and_where(Expr::col(Messages::ChannelId).eq(channel_id)),
        Place::Thread(root) => {
            statement.column(Messages::Seq).and_where(Expr::col(Messages::ParentId).eq(root).or(Expr::col(Messages::Id).eq(root)))
        }
    };
    statement.from(Messages::Table).and_where(Expr::col(Messages::Id).eq(id));
    super::fetch_scalar(conn, &statement).await
}

/// How a page reaches to both sides of a seq. Each side is asked for one row more than it shows, to know whether there are others.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Sides {
    /// Rows up to this seq are the older side.
    from: i64,
    /// Rows shown of the older side; none if the page does not reach there.
    older: Option<usize>,
    /// Rows shown of the newer side; none if the page does not reach there.
    newer: Option<usize>,
}

impl Sides {
    fn of(anchor: Anchor, from: i64, limit: u16) -> Self {
        let limit = usize::from(limit);
        match anchor {
            Anchor::Latest => Self { from, older: Some(limit), newer: None },
            Anchor::Before(_) => Self { from: from - 1, older: Some(limit), newer: None },
            Anchor::After(_) => Self { from, older: None, newer: Some(limit) },
            // The anchor itself belongs to the older side.
            Anchor::Around(_) => {
                Self { from, older: Some(limit / 2 + 1), newer: Some(limit - limit / 2 - 1) }
            }
        }
    }

    /// Cuts off the extra rows and says where the list goes on.
    fn page(self, mut items: Vec<Message>, anchor: Anchor) -> Page<Message> {
        let (older, newer) = (self.older.unwrap_or(0), self.newer.unwrap_or(0));
        let split = items.partition_point(|message| message.seq <= self.from);
        let more_newer = items.len() - split > newer;
        items.truncate(split + newer);
        let more_older = split > older;
        items.drain(..split.saturating_sub(older));
        let (first, last) = (
            items.first().map(|message| message.id.uuid()),
            items.last().map(|message| message.id.uuid()),
        );
        // The anchor itself lies beyond the end of a page before or after it.
        let prev = first.filter(|_| more_older || matches!(anchor, Anchor::After(_)));
        let next = last.filter(|_| more_newer || matches!(anchor, Anchor::Before(_)));
        Page { items, next, prev }
    }
}

fn list_statement(reader: UserId, place: Place, sides: &Sides) -> SelectStatement {
    let seq = || Expr::col((Messages::Table, Messages::Seq));
    let side = |shown: usize, newer: bool| {
        let (bound, order) = if newer {
            (seq().gt(sides.from), Order::Asc)
        } else {
            (seq().lte(sides.from), Order::Desc)
        };
        Query::select()
            .column((Messages::Table, Messages::Id))
            .from(Messages::Table)
            .cond_where(place.condition())
            .and_where(bound)
            .order_by((Messages::Table, Messages::Seq), order)
            .limit(shown as u64 + 1)
            .to_owned()
    };
    let mut rows = Condition::any();
    for (shown, newer) in [(sides.older, false), (sides.newer, true)] {
        if let Some(shown) = shown {
            rows = rows.add(Expr::cust_with_exprs(
                "messages.id = ANY(ARRAY($1))",
                [side(shown, newer).into()],
            ));
        }
    }
    select(Some(reader))
        .cond_where(rows)
        .order_by((Messages::Table, Messages::Seq), Order::Asc)
        .to_owned()
}

/// Gives a message a new text. False if it has that text already or is deleted.
pub async fn edit(
    conn: &mut PgConnection,
    id: MessageId,
    body_md: &str,
    at: OffsetDateTime,
) -> Result<bool, sqlx::Error> {
    let statement = Query::update()
        .table(Messages::Table)
        .value(Messages::BodyMd, body_md)
        .value(Messages::EditedAt, at)
        .and_where(Expr::col(Messages::Id).eq(id))
        .and_where(Expr::col(Messages::DeletedAt).is_null())
        .and_where(Expr::col(Messages::BodyMd).ne(body_md))
        .to_owned();
    Ok(super::execute(conn, &statement).await? == 1)
}

/// Makes a message a tombstone: its text, reactions and mentions go, its place and its replies stay. False if it is one already.
pub async fn delete(
    conn: &mut PgConnection,
    id: MessageId,
    at: OffsetDateTime,
) -> Result<bool, sqlx::Error> {
    let deleted = sqlx::query_scalar::<_, Uuid>(
        "WITH gone AS (UPDATE messages SET body_md = '', metadata = '{}', deleted_at = $2 \
                       WHERE id = $1 AND deleted_at IS NULL RETURNING id), \
              unreacted AS (DELETE FROM reactions USING gone WHERE reactions.message_id = gone.id), \
              unpinned AS (DELETE FROM pins USING gone WHERE pins.message_id = gone.id), \
              unsaved AS (DELETE FROM saved_messages USING gone WHERE saved_messages.message_id = gone.id), \
              uncalled AS (DELETE FROM mentions USING gone WHERE mentions.message_id = gone.id) \
         SELECT id FROM gone",
    )
    .bind(id.uuid())
    .bind(at)
    .fetch_optional(conn)
    .await?;
    Ok(deleted.is_some())
}
