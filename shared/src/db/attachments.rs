//! Files of messages: what the database knows of them (the bytes are in the object store).

use sea_query::{Expr, ExprTrait, Query};
use serde::Deserialize;
use sqlx::PgConnection;
use time::OffsetDateTime;
use uuid::Uuid;

use super::iden::Attachments;
use crate::id::{AttachmentId, ChannelId, MessageId, UserId};
use crate::message::Attachment;

/// A file as the database has it; its addresses are made from it.
#[derive(Clone, Debug, Deserialize, sqlx::FromRow)]
pub(crate) struct Stored {
    id: AttachmentId,
    filename: String,
    content_type: String,
    size_bytes: i64,
    width: Option<i32>,
    height: Option<i32>,
    has_thumbnail: bool,
}

impl From<Stored> for Attachment {
    fn from(file: Stored) -> Self {
        let url = url(file.id, &file.filename);
        Self {
            thumb_url: file.has_thumbnail.then(|| format!("{url}?thumb=1")),
            url,
            id: file.id,
            filename: file.filename,
            content_type: file.content_type,
            size_bytes: file.size_bytes,
            width: file.width,
            height: file.height,
        }
    }
}

/// Where a file is to be had.
#[must_use]
pub fn url(id: AttachmentId, filename: &str) -> String {
    format!("/files/{id}/{}", percent_encode(filename))
}

/// Writes every byte that is not an unreserved character of RFC 3986 as `%XX`: for paths and for RFC 8187's `filename*`.
#[must_use]
pub fn percent_encode(text: &str) -> String {
    use std::fmt::Write as _;
    let mut encoded = String::with_capacity(text.len());
    for byte in text.bytes() {
        if byte.is_ascii_alphanumeric() || b"-._~".contains(&byte) {
            encoded.push(char::from(byte));
        } else {
            // Writing to a string cannot fail.
            let _ = write!(encoded, "%{byte:02X}");
        }
    }
    encoded
}

/// A file that was put into the store.
#[derive(Clone, Debug)]
pub struct NewAttachment<'a> {
    /// Its id.
    pub id: AttachmentId,
    /// The channel it was uploaded to.
    pub channel_id: ChannelId,
    /// Who uploaded it.
    pub user_id: UserId,
    /// The message it belongs to, if that exists already.
    pub message_id: Option<MessageId>,
    /// Its name as the user gave it.
    pub filename: &'a str,
    /// The type found in its first bytes.
    pub content_type: &'a str,
    /// Its size.
    pub size_bytes: i64,
    /// Where it is in the store.
    pub storage_key: &'a str,
    /// Where its thumbnail is in the store.
    pub thumb_key: Option<&'a str>,
    /// Width and height in pixels, for images.
    pub pixels: Option<(i32, i32)>,
    /// When it came.
    pub created_at: OffsetDateTime,
}

/// Adds a file.
pub async fn insert(conn: &mut PgConnection, file: &NewAttachment<'_>) -> Result<(), sqlx::Error> {
    let statement = Query::insert()
        .into_table(Attachments::Table)
        .columns([
            Attachments::Id,
            Attachments::ChannelId,
            Attachments::UserId,
            Attachments::MessageId,
            Attachments::Filename,
            Attachments::ContentType,
            Attachments::SizeBytes,
            Attachments::StorageKey,
            Attachments::ThumbKey,
            Attachments::Width,
            Attachments::Height,
            Attachments::CreatedAt,
        ])
        .values_panic([
            file.id.into(),
            file.channel_id.into(),
            file.user_id.into(),
            file.message_id.into(),
            file.filename.into(),
            file.content_type.into(),
            file.size_bytes.into(),
            file.storage_key.into(),
            file.thumb_key.into(),
            file.pixels.map(|(width, _)| width).into(),
            file.pixels.map(|(_, height)| height).into(),
            file.created_at.into(),
        ])
        .to_owned();
    super::execute(conn, &statement).await.map(drop)
}

/// Gives uploads of one person in one channel to their message, in this order. Fewer come back than were asked for if some are not
/// there, not theirs, of another channel or taken.
pub(crate) async fn attach(
    conn: &mut PgConnection,
    message_id: MessageId,
    channel_id: ChannelId,
    user_id: UserId,
    ids: &[AttachmentId],
) -> Result<Vec<Attachment>, sqlx::Error> {
    let ids: Vec<Uuid> = ids.iter().map(|id| id.uuid()).collect();
    let files: Vec<Stored> = sqlx::query_as(
        "WITH attached AS (UPDATE attachments SET message_id = $1, position = array_position($4, id) - 1 \
             WHERE id = ANY($4) AND channel_id = $2 AND user_id = $3 AND message_id IS NULL RETURNING *) \
         SELECT id, filename, content_type, size_bytes, width, height, thumb_key IS NOT NULL AS has_thumbnail \
         FROM attached ORDER BY position",
    )
    .bind(message_id.uuid())
    .bind(channel_id.uuid())
    .bind(user_id.uuid())
    .bind(ids)
    .fetch_all(conn)
    .await?;
    Ok(files.into_iter().map(Into::into).collect())
}

/// How many of these uploads belong to somebody.
pub(crate) async fn count_owned(
    conn: &mut PgConnection,
    user_id: UserId,
    ids: &[AttachmentId],
) -> Result<i64, sqlx::Error> {
    let ids: Vec<Uuid> = ids.iter().map(|id| id.uuid()).collect();
    let statement = Query::select()
        .expr(Expr::cust("count(*)"))
        .from(Attachments::Table)
        .and_where(Expr::cust_with_values("id = ANY($1)", [ids]))
        .and_where(Expr::col(Attachments::UserId).eq(user_id))
        .to_owned();
    Ok(super::fetch_scalar(conn, &statement).await?.unwrap_or(0))
}

/// A file and what decides who may get it.
#[derive(Clone, Debug, sqlx::FromRow)]
pub struct File {
    /// The channel whose readers may get it.
    pub channel_id: ChannelId,
    /// Who uploaded it.
    pub user_id: UserId,
    /// It hangs on a message; before that only its uploader may get it.
    pub posted: bool,
    /// Its name as the user gave it.
    pub filename: String,
    /// The type found in its first bytes.
    pub content_type: String,
    /// Where it is in the store.
    pub storage_key: String,
    /// Where its thumbnail is.
    pub thumb_key: Option<String>,
}

/// A file by id, whoever asks; none once its message is deleted.
pub async fn find(conn: &mut PgConnection, id: AttachmentId) -> Result<Option<File>, sqlx::Error> {
    sqlx::query_as(
        "SELECT attachments.channel_id, attachments.user_id, attachments.message_id IS NOT NULL AS posted, attachments.filename, \
                attachments.content_type, attachments.storage_key, attachments.thumb_key \
         FROM attachments LEFT JOIN messages ON messages.id = attachments.message_id \
         WHERE attachments.id = $1 AND messages.deleted_at IS NULL",
    )
    .bind(id.uuid())
    .fetch_optional(conn)
    .await
}

/// Forgets an upload that never came onto a message; returns its keys in the store.
pub async fn delete_unposted(
    conn: &mut PgConnection,
    id: AttachmentId,
) -> Result<Vec<String>, sqlx::Error> {
    sqlx::query_scalar(
        "WITH gone AS (DELETE FROM attachments WHERE id = $1 AND message_id IS NULL RETURNING storage_key, thumb_key) \
         SELECT storage_key FROM gone UNION ALL SELECT thumb_key FROM gone WHERE thumb_key IS NOT NULL",
    )
    .bind(id.uuid())
    .fetch_all(conn)
    .await
}

/// Forgets the files of a message; returns their keys in the store.
pub async fn delete_of_message(
    conn: &mut PgConnection,
    message_id: MessageId,
) -> Result<Vec<String>, sqlx::Error> {
    sqlx::query_scalar(
        "WITH gone AS (DELETE FROM attachments WHERE message_id = $1 RETURNING storage_key, thumb_key) \
         SELECT storage_key FROM gone UNION ALL SELECT thumb_key FROM gone WHERE thumb_key IS NOT NULL",
    )
    .bind(message_id.uuid())
    .fetch_all(conn)
    .await
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_address_holds_any_name() {
        let id = AttachmentId::new();
        assert_eq!(url(id, "a b/ü?.png"), format!("/files/{id}/a%20b%2F%C3%BC%3F.png"));
    }
}
