//! Keeping order: bans, mutes and purges.

use ajet_shared::actions::{Action, PURGE_MAX};
use ajet_shared::db::changing::Purged;
use ajet_shared::db::channel_members::Going;
use ajet_shared::db::notices::{self, Notice};
use ajet_shared::db::{audit, bans, changing, community_members};
use ajet_shared::id::{CommunityId, UserId};
use ajet_shared::moderation::{
    Ban, BanMember, Muted, REASON_MAX_CHARS, SPAN_MAX_SECONDS, SPAN_MIN_SECONDS,
};
use ajet_shared::names::is_invisible_in_line;
use serde_json::json;

use super::members::decide;
use crate::auth::{Caller, Member, Tx};
use crate::error::{ApiError, ApiResult};
use crate::state::AppState;

/// Bans a member, which removes them at once, or changes the ban somebody has.
pub(crate) async fn ban(
    state: &AppState,
    caller: &Caller,
    community_id: CommunityId,
    user_id: UserId,
    request: &BanMember,
) -> ApiResult<Ban> {
    let reason = checked_reason(&request.reason)?;
    let seconds = checked_span("a ban", request.expires_in_seconds)?;
    let mut tx = state.db.begin().await?;
    let decided = decide(&mut tx, caller, community_id, user_id, |_| Action::BanMember).await?;
    // Nobody but a member or somebody banned already: other people are none of this community's business (A96).
    if decided.role.is_none() && bans::find(&mut tx, community_id, user_id).await?.is_none() {
        return Err(ApiError::NotFound);
    }
    let cause = caller.cause();
    let ban = bans::put(&mut tx, &cause, community_id, user_id, reason, seconds).await?;
    if community_members::remove(&mut tx, &cause, community_id, user_id, Going::Removed).await? {
        notices::tell(&mut tx, &cause, user_id, Notice::Community(community_id)).await?;
    }
    let entry = audit::Entry::done("member.banned").within(community_id).on("user", user_id);
    audit::insert(&mut tx, &cause, &entry.with(json!({ "seconds": seconds }))).await?;
    state.commit(tx).await?;
    Ok(ban)
}

/// Lets somebody back: they may be invited again.
pub(crate) async fn unban(
    state: &AppState,
    caller: &Caller,
    community_id: CommunityId,
    user_id: UserId,
) -> ApiResult<()> {
    let mut tx = state.db.begin().await?;
    decide(&mut tx, caller, community_id, user_id, |_| Action::BanMember).await?;
    let cause = caller.cause();
    if !bans::lift(&mut tx, &cause, community_id, user_id).await? {
        return Err(ApiError::NotFound);
    }
    let entry = audit::Entry::done("member.unbanned").within(community_id).on("user", user_id);
    audit::insert(&mut tx, &cause, &entry).await?;
    state.commit(tx).await
}

/// Silences a member for a while, or until it is lifted.
pub(crate) async fn mute(
    state: &AppState,
    caller: &Caller,
    community_id: CommunityId,
    user_id: UserId,
    seconds: Option<i64>,
) -> ApiResult<Muted> {
    let seconds = checked_span("a mute", seconds)?;
    let mut tx = state.db.begin().await?;
    decide(&mut tx, caller, community_id, user_id, |_| Action::MuteMember).await?.member()?;
    let muted = community_members::mute(&mut tx, community_id, user_id, seconds)
        .await?
        .ok_or(ApiError::NotFound)?;
    let cause = caller.cause();
    let entry = audit::Entry::done("member.muted").within(community_id).on("user", user_id);
    audit::insert(&mut tx, &cause, &entry.with(json!({ "seconds": seconds }))).await?;
    notices::tell(&mut tx, &cause, user_id, Notice::Community(community_id)).await?;
    state.commit(tx).await?;
    Ok(muted)
}

/// Lets a member speak again. False if they were not silenced.
pub(crate) async fn unmute(
    state: &AppState,
    caller: &Caller,
    community_id: CommunityId,
    user_id: UserId,
) -> ApiResult<bool> {
    let mut tx = state.db.begin().await?;
    decide(&mut tx, caller, community_id, user_id, |_| Action::MuteMember).await?.member()?;
    let lifted = community_members::unmute(&mut tx, community_id, user_id).await?;
    if lifted {
        let cause = caller.cause();
        let entry = audit::Entry::done("member.unmuted").within(community_id).on("user", user_id);
        audit::insert(&mut tx, &cause, &entry).await?;
        notices::tell(&mut tx, &cause, user_id, Notice::Community(community_id)).await?;
    }
    state.commit(tx).await?;
    Ok(lifted)
}

/// Deletes the newest messages of a channel. The caller of this function commits, and then discards the files.
pub(crate) async fn purge_in(tx: &mut Tx, member: &Member, count: u32) -> ApiResult<Purged> {
    if !(1..=PURGE_MAX).contains(&count) {
        return Err(ApiError::Validation(format!("count is 1 to {PURGE_MAX}")));
    }
    let access = member.access(tx, Action::Purge(count)).await?;
    // What cannot be undone is for people, not for tokens.
    member.caller.session()?;
    let cause = member.caller.cause();
    let purged = changing::purge(tx, &cause, &access, count).await?;
    let entry = audit::Entry::done("channel.purged")
        .within(access.channel.community_id)
        .on("channel", access.channel.id);
    let facts = json!({ "requested": count, "deleted": purged.deleted });
    audit::insert(tx, &cause, &entry.with(facts)).await?;
    Ok(purged)
}

fn checked_span(what: &str, seconds: Option<i64>) -> ApiResult<Option<i64>> {
    match seconds {
        Some(seconds) if !(SPAN_MIN_SECONDS..=SPAN_MAX_SECONDS).contains(&seconds) => {
            Err(ApiError::Validation(format!("{what} lasts from 1 minute to 10 years")))
        }
        seconds => Ok(seconds),
    }
}

fn checked_reason(reason: &str) -> ApiResult<&str> {
    let reason = reason.trim();
    if reason.chars().count() > REASON_MAX_CHARS || reason.chars().any(is_invisible_in_line) {
        return Err(ApiError::Validation(format!(
            "a reason is one line of at most {REASON_MAX_CHARS} characters"
        )));
    }
    Ok(reason)
}
