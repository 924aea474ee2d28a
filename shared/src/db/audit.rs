//! The audit log: insert only, readable by admins (delivery-and-security.md section 3.8).

use sea_query::Query;
use sqlx::PgConnection;
use uuid::Uuid;

use super::Cause;
use super::iden::AuditLog;
use crate::id::{CommunityId, EventId};

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
