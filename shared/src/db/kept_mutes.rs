//! Mutes of people who are out of a community: nobody sheds one by leaving and coming back.

use sqlx::PgConnection;

use crate::id::{CommunityId, UserId};

/// Keeps the mute of a member who is about to go, if they have one. The caller holds their seat.
pub(crate) async fn keep(
    conn: &mut PgConnection,
    community_id: CommunityId,
    user_id: UserId,
) -> Result<(), sqlx::Error> {
    sqlx::query(
        "INSERT INTO kept_mutes (community_id, user_id, muted_until) \
         SELECT community_id, user_id, muted_until FROM community_members \
         WHERE community_id = $1 AND user_id = $2 AND muted_until > now() \
         ON CONFLICT (community_id, user_id) DO UPDATE SET muted_until = excluded.muted_until",
    )
    .bind(community_id.uuid())
    .bind(user_id.uuid())
    .execute(conn)
    .await
    .map(drop)
}

/// Gives the mute back to somebody who has just come in again, unless it is over.
pub(crate) async fn put_back(
    conn: &mut PgConnection,
    community_id: CommunityId,
    user_id: UserId,
) -> Result<(), sqlx::Error> {
    sqlx::query(
        "WITH kept AS (DELETE FROM kept_mutes WHERE community_id = $1 AND user_id = $2 RETURNING muted_until) \
         UPDATE community_members SET muted_until = kept.muted_until FROM kept \
         WHERE community_id = $1 AND user_id = $2 AND kept.muted_until > now()",
    )
    .bind(community_id.uuid())
    .bind(user_id.uuid())
    .execute(conn)
    .await
    .map(drop)
}
