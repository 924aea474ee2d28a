//! The audit log: insert only, readable by admins (delivery-and-security.md section 3.8).

use sea_query::{Expr, ExprTrait, JoinType, Query};
use sqlx::PgConnection;
use uuid::Uuid;

use super::Cause;
use super::authz::visible_channels;
use super::iden::{AuditLog, Channels, Users};
use super::paging::Keyset;
use crate::id::{CommunityId, EventId, UserId};
use crate::moderation::AuditEntry;
use crate::page::Page;

/// How an act ended.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Outcome {
    /// It was done.
    #[default]
    Ok,
    /// It was not allowed.
    Denied,
}

impl Outcome {
    const fn as_str(self) -> &'static str {
        match self {
            Self::Ok => "ok",
            Self::Denied => "denied",
        }
    }
}

/// One line of the log. No secret, no e-mail address and no message text belongs into `detail`.
#[derive(Clone, Debug)]
pub struct Entry<'a> {
    /// What was done, `noun.verb`: `invite.created`, `login.failed`.
    pub action: &'a str,
    /// How it ended.
    pub outcome: Outcome,
    /// Where.
    pub community_id: Option<CommunityId>,
    /// On what: its kind and its id.
    pub target: Option<(&'a str, Uuid)>,
    /// Facts, an object.
    pub detail: serde_json::Value,
}

impl<'a> Entry<'a> {
    /// Something that was done.
    #[must_use]
    pub fn done(action: &'a str) -> Self {
        Self {
            action,
            outcome: Outcome::Ok,
            community_id: None,
            target: None,
            detail: serde_json::json!({}),
        }
    }

    /// Something that was refused.
    #[must_use]
    pub fn denied(action: &'a str) -> Self {
        Self { outcome: Outcome::Denied, ..Self::done(action) }
    }

    /// In this community.
    #[must_use]
    pub fn within(mut self, community_id: impl Into<Option<CommunityId>>) -> Self {
        self.community_id = community_id.into();
        self
    }

    /// On this thing.
    #[must_use]
    pub fn on(mut self, kind: &'a str, id: impl Into<Uuid>) -> Self {
        self.target = Some((kind, id.into()));
        self
    }

    /// With these facts.
    #[must_use]
    pub fn with(mut self, detail: serde_json::Value) -> Self {
        self.detail = detail;
        self
    }
}

/// Writes one line.
pub async fn insert(
    conn: &mut PgConnection,
    cause: &Cause,
    entry: &Entry<'_>,
) -> Result<(), sqlx::Error> {
    let statement = Query::insert()
        .into_table(AuditLog::Table)
        .columns([
            AuditLog::Id,
            AuditLog::At,
            AuditLog::CommunityId,
            AuditLog::ActorId,
            AuditLog::Action,
            AuditLog::Outcome,
            AuditLog::TargetType,
            AuditLog::TargetId,
            AuditLog::Ip,
            AuditLog::TraceId,
            AuditLog::Detail,
        ])
        .values_panic([
            EventId::new().into(),
            cause.at.into(),
            entry.community_id.into(),
            cause.actor_id.into(),
            entry.action.into(),
            entry.outcome.as_str().into(),
            entry.target.map(|(kind, _)| kind).into(),
            entry.target.map(|(_, id)| id).into(),
            cause.ip.clone().into(),
            cause.trace_id.clone().into(),
            entry.detail.clone().into(),
        ])
        .to_owned();
    super::execute(conn, &statement).await.map(drop)
}

/// The channel that a line is about: its target, or where a webhook that is its target posts.
const CHANNEL: &str = "CASE audit_log.target_type WHEN 'channel' THEN audit_log.target_id \
    WHEN 'webhook' THEN (SELECT webhooks.channel_id FROM webhooks WHERE webhooks.id = audit_log.target_id) END";

/// A line, and whether its reader may know what it is about.
#[derive(sqlx::FromRow)]
struct Row {
    #[sqlx(flatten)]
    entry: AuditEntry,
    open: bool,
}

impl From<Row> for AuditEntry {
    fn from(row: Row) -> Self {
        if row.open {
            return row.entry;
        }
        Self { target_type: None, target_id: None, detail: serde_json::json!({}), ..row.entry }
    }
}

/// One page of what was done in a community, the newest last; only one kind of act, if it is named. Addresses of people are left out,
/// and so is what a line is about where that is a channel that `reader` may not see (A97).
pub async fn list(
    conn: &mut PgConnection,
    community_id: CommunityId,
    reader: UserId,
    action: Option<&str>,
    keyset: Keyset,
) -> Result<Page<AuditEntry>, sqlx::Error> {
    let seen = Query::select()
        .column((Channels::Table, Channels::Id))
        .from(Channels::Table)
        .cond_where(visible_channels(reader))
        .to_owned();
    let open = Expr::cust(CHANNEL).is_null().or(Expr::cust(CHANNEL).in_subquery(seen));
    let mut statement = Query::select();
    statement
        .columns([
            (AuditLog::Table, AuditLog::Id),
            (AuditLog::Table, AuditLog::At),
            (AuditLog::Table, AuditLog::CommunityId),
            (AuditLog::Table, AuditLog::ActorId),
            (AuditLog::Table, AuditLog::Action),
            (AuditLog::Table, AuditLog::Outcome),
            (AuditLog::Table, AuditLog::TargetType),
            (AuditLog::Table, AuditLog::TargetId),
            (AuditLog::Table, AuditLog::TraceId),
            (AuditLog::Table, AuditLog::Detail),
        ])
        .expr_as(Expr::col((Users::Table, Users::Username)), "actor_username")
        .expr_as(open, "open")
        .from(AuditLog::Table)
        .join(
            JoinType::LeftJoin,
            Users::Table,
            Expr::col((Users::Table, Users::Id)).equals((AuditLog::Table, AuditLog::ActorId)),
        )
        .and_where(Expr::col((AuditLog::Table, AuditLog::CommunityId)).eq(community_id));
    if let Some(action) = action {
        statement.and_where(Expr::col((AuditLog::Table, AuditLog::Action)).eq(action));
    }
    keyset.apply(&mut statement, (AuditLog::Table, AuditLog::Id));
    let rows: Vec<Row> = super::fetch_all(conn, &statement).await?;
    let entries = rows.into_iter().map(AuditEntry::from).collect();
    Ok(keyset.page(entries, |entry: &AuditEntry| entry.id))
}
