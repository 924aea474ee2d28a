//! Names that people would take for somebody else's, or for those of somebody in charge (delivery-and-security.md section 3.11, A103).

use ajet_shared::db::{member_names, webhooks};
use ajet_shared::id::{CommunityId, UserId};
use ajet_shared::lookalike::{is_posing, skeleton};
use ajet_shared::names::DisplayName;
use sqlx::PgConnection;

use crate::error::{ApiError, ApiResult};

/// A name that looks like one of a member.
async fn resembles_member(
    conn: &mut PgConnection,
    community_id: CommunityId,
    name: &str,
) -> Result<bool, sqlx::Error> {
    Ok(resembles(name, &webhooks::member_names(conn, community_id).await?))
}

/// Refuses a name of something that is not a person if it looks like a member's, or like a word of authority.
pub(super) async fn refuse_imitation(
    conn: &mut PgConnection,
    community_id: CommunityId,
    name: &DisplayName,
) -> ApiResult<()> {
    let imitates =
        is_posing(name.as_str()) || resembles_member(conn, community_id, name.as_str()).await?;
    if imitates { Err(refused()) } else { Ok(()) }
}

/// Refuses a person's new name if it looks like that of somebody else in these communities, or like a word of authority.
pub(super) async fn refuse_disguise(
    conn: &mut PgConnection,
    communities: &[CommunityId],
    own: UserId,
    name: &DisplayName,
) -> ApiResult<()> {
    let disguises = is_posing(name.as_str())
        || resembles(name.as_str(), &member_names::of_others(conn, communities, own).await?);
    if disguises { Err(refused()) } else { Ok(()) }
}

fn resembles(name: &str, others: &[String]) -> bool {
    let look = skeleton(name);
    !look.is_empty() && others.iter().any(|other| skeleton(other) == look)
}

fn refused() -> ApiError {
    ApiError::Validation(
        "the name is too much like that of a member or a word of authority".to_owned(),
    )
}
