//! Incoming webhooks, and what came in by them.

use sea_query::{Condition, Expr, ExprTrait, JoinType, Order, Query, SelectStatement};
use sqlx::PgConnection;
use uuid::Uuid;

use super::authz::visible_channels;
use super::iden::{Channels, Users, WebhookDeliveries, Webhooks};
use super::{Cause, audit};
use crate::id::{ChannelId, ClientMessageId, CommunityId, EventId, MessageId, UserId, WebhookId};
use crate::secret::Secret;
use crate::webhook::{DeliveryStatus, Webhook, WebhookDelivery};

/// Deliveries kept of one webhook; the older ones go.
pub const DELIVERIES_KEPT: i64 = 100;

/// A webhook about to be made.
#[derive(Clone, Copy, Debug)]
pub struct NewWebhook<'a> {
    /// Of which community.
    pub community_id: CommunityId,
    /// Where it posts.
    pub channel_id: ChannelId,
    /// As whom it posts.
    pub user_id: UserId,
    /// The name its messages carry.
    pub name: &'a str,
    /// The public half of its token.
    pub selector: &'a str,
    /// The hash of the secret half.
    pub token_hash: &'a str,
    /// The secret its senders sign with.
    pub signing_secret: Option<&'a Secret>,
    /// Its messages may call everybody.
    pub allow_broadcast: bool,
}

fn select() -> SelectStatement {
    let column = |column: Webhooks| (Webhooks::Table, column);
    Query::select()
        .columns([
            column(Webhooks::Id),
            column(Webhooks::ChannelId),
            column(Webhooks::Name),
            column(Webhooks::AvatarUrl),
            column(Webhooks::AllowBroadcast),
            column(Webhooks::CreatedBy),
            column(Webhooks::CreatedAt),
            column(Webhooks::LastUsedAt),
        ])
        .expr_as(Expr::col(column(Webhooks::SigningSecret)).is_not_null(), "signed")
        .from(Webhooks::Table)
        .and_where(Expr::col(column(Webhooks::RevokedAt)).is_null())
        .to_owned()
}

/// Adds a webhook.
pub async fn insert(
    conn: &mut PgConnection,
    cause: &Cause,
    new: &NewWebhook<'_>,
) -> Result<Webhook, sqlx::Error> {
    let id = WebhookId::new();
    let statement = Query::insert()
        .into_table(Webhooks::Table)
        .columns([
            Webhooks::Id,
            Webhooks::CommunityId,
            Webhooks::ChannelId,
            Webhooks::UserId,
            Webhooks::Name,
            Webhooks::Selector,
            Webhooks::TokenHash,
            Webhooks::SigningSecret,
            Webhooks::AllowBroadcast,
            Webhooks::CreatedBy,
            Webhooks::CreatedAt,
        ])
        .values_panic([
            id.into(),
            new.community_id.into(),
            new.channel_id.into(),
            new.user_id.into(),
            new.name.into(),
            new.selector.into(),
            new.token_hash.into(),
            new.signing_secret.map(Secret::expose).into(),
            new.allow_broadcast.into(),
            cause.actor_id.into(),
            cause.at.into(),
        ])
        .to_owned();
    super::execute(conn, &statement).await?;
    let facts = serde_json::json!({
        "channel_id": new.channel_id,
        "allow_broadcast": new.allow_broadcast,
        "signed": new.signing_secret.is_some(),
    });
    let entry = audit::Entry::done("webhook.created").within(new.community_id).on("webhook", id);
    audit::insert(conn, cause, &entry.with(facts)).await?;
    find(conn, new.community_id, id).await?.ok_or(sqlx::Error::RowNotFound)
}

/// A webhook of a community that is not revoked, whoever asks.
pub async fn find(
    conn: &mut PgConnection,
    community_id: CommunityId,
    id: WebhookId,
) -> Result<Option<Webhook>, sqlx::Error> {
    let statement = select()
        .and_where(Expr::col((Webhooks::Table, Webhooks::CommunityId)).eq(community_id))
        .and_where(Expr::col((Webhooks::Table, Webhooks::Id)).eq(id))
        .to_owned();
    super::fetch_optional(conn, &statement).await
}

/// The webhooks of a community that post where `reader` may read, oldest first.
pub async fn list(
    conn: &mut PgConnection,
    community_id: CommunityId,
    reader: UserId,
) -> Result<Vec<Webhook>, sqlx::Error> {
    let statement = select()
        .join(
            JoinType::InnerJoin,
            Channels::Table,
            Expr::col((Channels::Table, Channels::Id))
                .equals((Webhooks::Table, Webhooks::ChannelId)),
        )
        .and_where(Expr::col((Webhooks::Table, Webhooks::CommunityId)).eq(community_id))
        .cond_where(visible_channels(reader))
        .order_by((Webhooks::Table, Webhooks::Id), Order::Asc)
        .to_owned();
    super::fetch_all(conn, &statement).await
}

/// How many webhooks of a community are not revoked.
pub async fn count(conn: &mut PgConnection, community_id: CommunityId) -> Result<i64, sqlx::Error> {
    let statement = Query::select()
        .expr(Expr::cust("count(*)"))
        .from(Webhooks::Table)
        .and_where(Expr::col(Webhooks::CommunityId).eq(community_id))
        .and_where(Expr::col(Webhooks::RevokedAt).is_null())
        .to_owned();
    Ok(super::fetch_scalar(conn, &statement).await?.unwrap_or(0))
}

/// Ends a webhook. False if it was revoked before.
pub async fn revoke(
    conn: &mut PgConnection,
    cause: &Cause,
    community_id: CommunityId,
    id: WebhookId,
) -> Result<bool, sqlx::Error> {
    let statement = Query::update()
        .table(Webhooks::Table)
        .value(Webhooks::RevokedAt, cause.at)
        // A secret that opens nothing any more need not be kept.
        .value(Webhooks::SigningSecret, Option::<String>::None)
        .cond_where(live(community_id, id))
        .to_owned();
    let revoked = super::execute(conn, &statement).await? == 1;
    if revoked {
        let entry = audit::Entry::done("webhook.revoked").within(community_id).on("webhook", id);
        audit::insert(conn, cause, &entry).await?;
    }
    Ok(revoked)
}

/// Gives a webhook another token; the old address is over. False if it is revoked.
pub async fn rotate(
    conn: &mut PgConnection,
    cause: &Cause,
    community_id: CommunityId,
    id: WebhookId,
    selector: &str,
    token_hash: &str,
) -> Result<bool, sqlx::Error> {
    let statement = Query::update()
        .table(Webhooks::Table)
        .value(Webhooks::Selector, selector)
        .value(Webhooks::TokenHash, token_hash)
        .cond_where(live(community_id, id))
        .to_owned();
    let rotated = super::execute(conn, &statement).await? == 1;
    if rotated {
        let entry = audit::Entry::done("webhook.rotated").within(community_id).on("webhook", id);
        audit::insert(conn, cause, &entry).await?;
    }
    Ok(rotated)
}

fn live(community_id: CommunityId, id: WebhookId) -> Condition {
    Condition::all()
        .add(Expr::col(Webhooks::CommunityId).eq(community_id))
        .add(Expr::col(Webhooks::Id).eq(id))
        .add(Expr::col(Webhooks::RevokedAt).is_null())
}

/// A webhook that takes deliveries now: what verifier and deliveries need to know.
#[derive(Clone, Debug, sqlx::FromRow)]
pub struct LiveWebhook {
    /// Its id.
    pub id: WebhookId,
    /// Of which community.
    pub community_id: CommunityId,
    /// Where it posts.
    pub channel_id: ChannelId,
    /// As whom it posts.
    pub user_id: UserId,
    /// The hash of the secret half of its token.
    pub token_hash: String,
    /// The name its messages carry.
    pub name: String,
    /// Its messages may call everybody.
    pub allow_broadcast: bool,
    /// Its deliveries are to be signed.
    pub signed: bool,
    /// Its channel only reads.
    pub archived: bool,
}

/// A webhook by the public half of its token, if it is not revoked.
pub async fn find_live(
    conn: &mut PgConnection,
    selector: &str,
) -> Result<Option<LiveWebhook>, sqlx::Error> {
    let statement = Query::select()
        .columns([
            (Webhooks::Table, Webhooks::Id),
            (Webhooks::Table, Webhooks::CommunityId),
            (Webhooks::Table, Webhooks::ChannelId),
            (Webhooks::Table, Webhooks::UserId),
            (Webhooks::Table, Webhooks::TokenHash),
            (Webhooks::Table, Webhooks::Name),
            (Webhooks::Table, Webhooks::AllowBroadcast),
        ])
        .expr_as(Expr::col((Webhooks::Table, Webhooks::SigningSecret)).is_not_null(), "signed")
        .expr_as(Expr::col((Channels::Table, Channels::ArchivedAt)).is_not_null(), "archived")
        .from(Webhooks::Table)
        .join(
            JoinType::InnerJoin,
            Channels::Table,
            Expr::col((Channels::Table, Channels::Id))
                .equals((Webhooks::Table, Webhooks::ChannelId)),
        )
        .join(
            JoinType::InnerJoin,
            Users::Table,
            Expr::col((Users::Table, Users::Id)).equals((Webhooks::Table, Webhooks::UserId)),
        )
        .and_where(Expr::col((Webhooks::Table, Webhooks::Selector)).eq(selector))
        .and_where(Expr::col((Webhooks::Table, Webhooks::RevokedAt)).is_null())
        .and_where(Expr::col((Users::Table, Users::SuspendedAt)).is_null())
        .to_owned();
    super::fetch_optional(conn, &statement).await
}

/// The community of a webhook, revoked or not.
pub async fn community_of(
    conn: &mut PgConnection,
    id: WebhookId,
) -> Result<Option<CommunityId>, sqlx::Error> {
    let statement = Query::select()
        .column(Webhooks::CommunityId)
        .from(Webhooks::Table)
        .and_where(Expr::col(Webhooks::Id).eq(id))
        .to_owned();
    super::fetch_scalar(conn, &statement).await
}

/// The secret that senders sign with.
pub async fn signing_secret(
    conn: &mut PgConnection,
    id: WebhookId,
) -> Result<Option<Secret>, sqlx::Error> {
    let statement = Query::select()
        .column(Webhooks::SigningSecret)
        .from(Webhooks::Table)
        .and_where(Expr::col(Webhooks::Id).eq(id))
        .to_owned();
    let secret = super::fetch_scalar::<Option<String>>(conn, &statement).await?;
    Ok(secret.flatten().map(Secret::from))
}

/// The message that a delivery became before, if it is one that was sent again.
pub async fn posted_before(
    conn: &mut PgConnection,
    user_id: UserId,
    key: ClientMessageId,
) -> Result<Option<MessageId>, sqlx::Error> {
    sqlx::query_scalar("SELECT id FROM messages WHERE user_id = $1 AND client_msg_id = $2")
        .bind(user_id.uuid())
        .bind(key.uuid())
        .fetch_optional(conn)
        .await
}

/// Every name that members of a community go by: handles, names shown, nicknames.
pub async fn member_names(
    conn: &mut PgConnection,
    community_id: CommunityId,
) -> Result<Vec<String>, sqlx::Error> {
    sqlx::query_scalar(
        "SELECT unnest(ARRAY[users.username, users.display_name, member.nickname]) AS name \
         FROM community_members AS member JOIN users ON users.id = member.user_id \
         WHERE member.community_id = $1",
    )
    .bind(community_id.uuid())
    .fetch_all(conn)
    .await
    .map(|names: Vec<Option<String>>| names.into_iter().flatten().collect())
}

/// What became of a delivery, to be written down.
#[derive(Clone, Copy, Debug)]
pub struct Outcome<'a> {
    /// The sender's own id of it, or ours.
    pub delivery_key: &'a str,
    /// How it was read.
    pub dialect: &'a str,
    /// The sender's word for what happened.
    pub event: &'a str,
    /// What became of it.
    pub status: DeliveryStatus,
    /// What the sender was answered.
    pub http_status: u16,
    /// The message it became.
    pub message_id: Option<MessageId>,
    /// Why it was not posted.
    pub detail: &'a str,
}

/// Writes down what became of a delivery, and that the webhook is used. One that was sent again keeps its row, and what was posted
/// stays posted. Deliveries beyond the newest [`DELIVERIES_KEPT`] go.
pub async fn record(
    conn: &mut PgConnection,
    id: WebhookId,
    outcome: &Outcome<'_>,
) -> Result<(), sqlx::Error> {
    sqlx::query(
        "INSERT INTO webhook_deliveries AS known \
             (id, webhook_id, delivery_key, dialect, event, status, http_status, message_id, detail) \
         VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9) \
         ON CONFLICT (webhook_id, delivery_key) DO UPDATE SET dialect = excluded.dialect, event = excluded.event, \
             status = excluded.status, http_status = excluded.http_status, message_id = excluded.message_id, \
             detail = excluded.detail, received_at = excluded.received_at \
         WHERE known.status <> 'posted'",
    )
    .bind(EventId::new().uuid())
    .bind(id.uuid())
    .bind(outcome.delivery_key)
    .bind(outcome.dialect)
    .bind(outcome.event)
    .bind(outcome.status)
    .bind(i16::try_from(outcome.http_status).unwrap_or(i16::MAX))
    .bind(outcome.message_id.map(MessageId::uuid))
    .bind(outcome.detail)
    .execute(&mut *conn)
    .await?;
    sqlx::query(
        "DELETE FROM webhook_deliveries WHERE webhook_id = $1 AND id IN \
         (SELECT id FROM webhook_deliveries WHERE webhook_id = $1 ORDER BY received_at DESC, id DESC OFFSET $2)",
    )
    .bind(id.uuid())
    .bind(DELIVERIES_KEPT)
    .execute(&mut *conn)
    .await?;
    sqlx::query("UPDATE webhooks SET last_used_at = now() WHERE id = $1")
        .bind(id.uuid())
        .execute(conn)
        .await
        .map(drop)
}

/// What came in by a webhook, newest first.
pub async fn deliveries(
    conn: &mut PgConnection,
    id: WebhookId,
    limit: u16,
) -> Result<Vec<WebhookDelivery>, sqlx::Error> {
    let statement = Query::select()
        .columns([
            WebhookDeliveries::DeliveryKey,
            WebhookDeliveries::Dialect,
            WebhookDeliveries::Event,
            WebhookDeliveries::Status,
            WebhookDeliveries::HttpStatus,
            WebhookDeliveries::MessageId,
            WebhookDeliveries::Detail,
            WebhookDeliveries::ReceivedAt,
        ])
        .from(WebhookDeliveries::Table)
        .and_where(Expr::col(WebhookDeliveries::WebhookId).eq(Uuid::from(id)))
        .order_by(WebhookDeliveries::ReceivedAt, Order::Desc)
        .order_by(WebhookDeliveries::Id, Order::Desc)
        .limit(limit.into())
        .to_owned();
    super::fetch_all(conn, &statement).await
}
