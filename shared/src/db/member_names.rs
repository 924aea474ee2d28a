//! Names that the members of communities go by: what nobody else may look like.

use sqlx::PgConnection;
use uuid::Uuid;

use crate::id::{CommunityId, UserId};

/// Handles, names shown and nicknames of everybody in these communities but one.
pub async fn of_others(
    conn: &mut PgConnection,
    communities: &[CommunityId],
    one: UserId,
) -> Result<Vec<String>, sqlx::Error> {
    let communities: Vec<Uuid> = communities.iter().map(|id| id.uuid()).collect();
    sqlx::query_scalar(
        "SELECT unnest(ARRAY[users.username, users.display_name, member.nickname]) AS name \
         FROM community_members AS member JOIN users ON users.id = member.user_id \
         WHERE member.community_id = ANY($1) AND member.user_id <> $2",
    )
    .bind(communities)
    .bind(one.uuid())
    .fetch_all(conn)
    .await
    .map(|names: Vec<Option<String>>| names.into_iter().flatten().collect())
}
