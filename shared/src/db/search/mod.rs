//! Search over messages (requirements D6): by words in all their forms, by phrases, by parts of the text and by file names.
//!
//! The reader's channels come first and bound everything; what is found is found newest first and stops at a full page, so a common
//! word costs as little as a rare one. Plans are made for the actual values (see [`super::pool`]): a generic one walks the whole
//! table for a rare word.

mod terms;

use sea_query::{
    Condition, Expr, ExprTrait, JoinType, Order, Query as Sql, SelectStatement,
    extension::postgres::PgExpr as _,
};
use sqlx::PgConnection;
use uuid::Uuid;

use self::terms::{containing, having, numbered, text, words, written_by};
use super::authz::visible_channels;
use super::iden::{Attachments, ChannelMembers, Channels, Messages, Users};
use super::messages;
use crate::id::{ChannelId, CommunityId, MessageId, UserId};
use crate::message::Message;
use crate::search::{Clause, Place, Query, SearchSort, Term, TermKind};

/// A search is cut off after this time. Source: delivery-and-security.md section 3.7.
const TIMEOUT: &str = "2s";
/// Ranking looks at this many of the newest hits. Source: performance.md section 4.
const RANKED_MAX: u64 = 2_000;
/// What no index leads to is looked for in this many of the newest messages.
const READ_MAX: u64 = 200_000;
/// A name that no index leads to is looked for in this many of the newest files.
const FILES_MAX: u64 = 20_000;

/// Where and how to look, beside what the query itself says.
#[derive(Clone, Copy, Debug)]
pub struct Bounds {
    /// Only in this community.
    pub community_id: Option<CommunityId>,
    /// Only in this channel.
    pub channel_id: Option<ChannelId>,
    /// Messages older than this one.
    pub before: Option<Uuid>,
    /// Messages wanted.
    pub limit: u16,
    /// In which order.
    pub sort: SearchSort,
}

/// What was found.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Found {
    /// The messages, in the order asked for.
    pub messages: Vec<Message>,
    /// There are older ones.
    pub more: bool,
    /// No word was found whole, so parts of words were looked for.
    pub as_parts: bool,
}

/// Searches what `reader` may see. In a transaction of its own, because it shortens the time that statements may take.
pub async fn find(
    conn: &mut PgConnection,
    reader: UserId,
    query: &Query,
    bounds: &Bounds,
) -> Result<Found, sqlx::Error> {
    let shorten = Sql::select()
        .expr(Expr::cust_with_values("set_config('statement_timeout', $1, true)", [TIMEOUT]))
        .to_owned();
    super::fetch_scalar::<String>(conn, &shorten).await?;
    let channels = channels(conn, reader, query, bounds).await?;
    if channels.is_empty() {
        return Ok(Found::default());
    }
    let search = Search { reader, channels, bounds };
    let hits = search.hits(conn, query).await?;
    if !hits.is_empty() {
        return search.found(conn, hits, false).await;
    }
    let Some(parts) = query.as_parts() else { return Ok(Found::default()) };
    // On a further page nothing may mean that the words have come to their end.
    if bounds.before.is_some() {
        let first = Bounds { before: None, limit: 1, ..*bounds };
        let first = Search { bounds: &first, channels: search.channels.clone(), reader };
        if !first.hits(conn, query).await?.is_empty() {
            return Ok(Found::default());
        }
    }
    let hits = search.hits(conn, &parts).await?;
    search.found(conn, hits, true).await
}

/// The channels that are searched: those the reader may see, of them those that the query and the bounds name.
async fn channels(
    conn: &mut PgConnection,
    reader: UserId,
    query: &Query,
    bounds: &Bounds,
) -> Result<Vec<Uuid>, sqlx::Error> {
    let column = |column| Expr::col((Channels::Table, column));
    let mut statement = Sql::select();
    statement
        .column((Channels::Table, Channels::Id))
        .from(Channels::Table)
        .cond_where(visible_channels(reader));
    if let Some(community) = bounds.community_id {
        statement.and_where(column(Channels::CommunityId).eq(community));
    }
    if let Some(channel) = bounds.channel_id {
        statement.and_where(column(Channels::Id).eq(channel));
    }
    if !query.places.is_empty() {
        let mut named = Condition::any();
        for place in &query.places {
            named = named.add(match place {
                Place::Channel(name) => Condition::all()
                    .add(column(Channels::CommunityId).is_not_null())
                    .add(Expr::cust_with_values("lower(channels.name) = $1", [name.as_str()])),
                Place::Person(name) => Condition::all()
                    .add(column(Channels::CommunityId).is_null())
                    .add(column(Channels::Id).in_subquery(channels_with(name))),
            });
        }
        statement.cond_where(named);
    }
    super::fetch_scalars(conn, &statement).await
}

/// Ids of the channels that somebody is in.
fn channels_with(username: &str) -> SelectStatement {
    Sql::select()
        .column((ChannelMembers::Table, ChannelMembers::ChannelId))
        .from(ChannelMembers::Table)
        .join(
            JoinType::InnerJoin,
            Users::Table,
            Expr::col((Users::Table, Users::Id))
                .equals((ChannelMembers::Table, ChannelMembers::UserId)),
        )
        .and_where(Expr::col((Users::Table, Users::Username)).eq(username))
        .to_owned()
}

struct Search<'a> {
    reader: UserId,
    channels: Vec<Uuid>,
    bounds: &'a Bounds,
}

impl Search<'_> {
    /// The ids of what is found, in order, one more than wanted if there are more.
    async fn hits(
        &self,
        conn: &mut PgConnection,
        query: &Query,
    ) -> Result<Vec<MessageId>, sqlx::Error> {
        let mut hits: Vec<MessageId> = super::fetch_scalars(conn, &self.by_text(query)).await?;
        // Files are named, not ranked.
        if self.bounds.sort == SearchSort::New && query.wanted().next().is_some() {
            let named: Vec<MessageId> = super::fetch_scalars(conn, &self.by_file(query)).await?;
            if !named.is_empty() {
                hits.extend(named);
                hits.sort_unstable_by(|a, b| b.cmp(a));
                hits.dedup();
                hits.truncate(usize::from(self.bounds.limit) + 1);
            }
        }
        Ok(hits)
    }

    /// Reads what was found.
    async fn found(
        &self,
        conn: &mut PgConnection,
        mut hits: Vec<MessageId>,
        as_parts: bool,
    ) -> Result<Found, sqlx::Error> {
        let limit = usize::from(self.bounds.limit);
        let more = hits.len() > limit && self.bounds.sort == SearchSort::New;
        hits.truncate(limit);
        if hits.is_empty() {
            return Ok(Found::default());
        }
        let mut messages = messages::by_ids(conn, self.reader, &hits).await?;
        if self.bounds.sort == SearchSort::Best {
            let place = |message: &Message| hits.iter().position(|hit| *hit == message.id);
            messages.sort_by_key(place);
        }
        Ok(Found { messages, more, as_parts })
    }

    /// Messages whose text holds what is looked for.
    fn by_text(&self, query: &Query) -> SelectStatement {
        let mut statement = self.messages(query);
        statement.cond_where(text(query));
        if !query.is_indexed() {
            statement.and_where(Expr::cust_with_values(
                "messages.id >= coalesce((SELECT newest.id FROM messages AS newest ORDER BY newest.id DESC OFFSET $1 LIMIT 1), \
                 '00000000-0000-0000-0000-000000000000')",
                [READ_MAX],
            ));
        }
        match self.bounds.sort {
            SearchSort::New => statement,
            SearchSort::Best => self.ranked(&mut statement, query),
        }
    }

    /// Of the newest hits those that fit best.
    fn ranked(&self, newest: &mut SelectStatement, query: &Query) -> SelectStatement {
        let words = query.wanted().filter(|term| term.kind != TermKind::Part).map(words);
        let (mut sql, mut values) = (Vec::new(), Vec::new());
        for (text, term) in words {
            sql.push(text);
            values.push(term);
        }
        let rank = if sql.is_empty() {
            Expr::val(0)
        } else {
            let any = numbered(&sql.join(" || "));
            let values = values.into_iter().flat_map(|value| [value.clone(), value]);
            Expr::cust_with_values(format!("ts_rank_cd(messages.search, {any})"), values)
        };
        newest.expr_as(rank, "rank").reset_limit().limit(RANKED_MAX);
        Sql::select()
            .column("id")
            .from_subquery(newest.take(), "newest")
            .order_by("rank", Order::Desc)
            .order_by("id", Order::Desc)
            .limit(self.wanted())
            .to_owned()
    }

    /// Messages with a file whose name holds what is looked for.
    fn by_file(&self, query: &Query) -> SelectStatement {
        let filename = || Expr::col((Attachments::Table, Attachments::Filename));
        let mut named = Condition::all();
        for clause in &query.clauses {
            let mut any = Condition::any();
            for term in &clause.any {
                any = any.add(filename().ilike(containing(&term.text)));
            }
            named = named.add(if clause.excluded { any.not() } else { any });
        }
        let mut files = Sql::select();
        files.column(Attachments::MessageId).cond_where(named);
        let posted = || Expr::col(Attachments::MessageId).is_not_null();
        if query.clauses.iter().any(has_trigrams) {
            files.from(Attachments::Table).and_where(posted());
        } else {
            let newest = Sql::select()
                .columns([Attachments::MessageId, Attachments::Filename])
                .from(Attachments::Table)
                .and_where(posted())
                .order_by(Attachments::Id, Order::Desc)
                .limit(FILES_MAX)
                .to_owned();
            files.from_subquery(newest, Attachments::Table);
        }
        let mut statement = self.messages(query);
        statement
            .and_where(Expr::col((Messages::Table, Messages::Id)).in_subquery(files))
            .to_owned()
    }

    /// Messages in the channels that are searched, by the query's filters, newest first.
    fn messages(&self, query: &Query) -> SelectStatement {
        let column = |column| Expr::col((Messages::Table, column));
        let mut statement = Sql::select();
        statement
            .column((Messages::Table, Messages::Id))
            .from(Messages::Table)
            .and_where(Expr::cust_with_values(
                "messages.channel_id = ANY($1)",
                [self.channels.clone()],
            ))
            .and_where(column(Messages::DeletedAt).is_null())
            .and_where(column(Messages::Kind).ne("system"))
            .order_by((Messages::Table, Messages::Id), Order::Desc)
            .limit(self.wanted());
        if let Some(before) = self.bounds.before {
            statement.and_where(column(Messages::Id).lt(before));
        }
        if !query.from.is_empty() {
            statement.cond_where(written_by(self.reader, &query.from));
        }
        if let Some(before) = query.before {
            statement.and_where(column(Messages::CreatedAt).lt(before));
        }
        if let Some(after) = query.after {
            statement.and_where(column(Messages::CreatedAt).gte(after));
        }
        for has in &query.has {
            statement.and_where(having(*has));
        }
        if query.in_thread {
            statement.cond_where(
                Condition::any()
                    .add(column(Messages::ParentId).is_not_null())
                    .add(column(Messages::ReplyCount).gt(0)),
            );
        }
        statement
    }

    /// One more than asked for tells whether there are others.
    fn wanted(&self) -> u64 {
        u64::from(self.bounds.limit) + 1
    }
}

/// The index over the names of files leads to what such a clause wants: each of its terms has three letters or digits in a row.
fn has_trigrams(clause: &Clause) -> bool {
    let long = |term: &Term| {
        term.text.split(|c: char| !c.is_alphanumeric()).any(|run| run.chars().nth(2).is_some())
    };
    !clause.excluded && clause.any.iter().all(long)
}
