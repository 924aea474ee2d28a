//! The caller's own profile, everywhere and in one community.

use ajet_shared::actions::Action;
use ajet_shared::db::{self, community_members, outbox};
use ajet_shared::events::{Envelope, Event, UserChanged};
use ajet_shared::id::CommunityId;
use ajet_shared::names::{DisplayName, Emoji, is_invisible_in_line};
use ajet_shared::user::{Me, UpdateMe};

use super::likeness::refuse_disguise;
use crate::auth::{Caller, Tx};
use crate::error::{ApiError, ApiResult};
use crate::state::AppState;

/// Characters of a status text.
const STATUS_TEXT_MAX_CHARS: usize = 100;

/// Changes the caller's profile; everybody who shares a community sees it at once.
pub(crate) async fn update(state: &AppState, caller: &Caller, change: &UpdateMe) -> ApiResult<Me> {
    caller.session()?;
    check_status(change)?;
    let mut tx = state.db.begin().await?;
    if let Some(name) = &change.display_name {
        refuse_other_names(&mut tx, caller, name).await?;
    }
    let changed = db::users::update(&mut tx, caller.user_id(), change).await.map_err(|error| {
        ApiError::on_constraint(error, db::users::USERNAME_KEY, || {
            ApiError::Conflict("username-taken", "this username is taken")
        })
    })?;
    let me = db::users::me(&mut tx, caller.user_id()).await?.ok_or(ApiError::Unauthenticated)?;
    if changed {
        announce(&mut tx, caller, &me).await?;
    }
    state.commit(tx).await?;
    Ok(me)
}

/// Nobody takes a name that looks like that of somebody they share a community with; the one they have they keep.
async fn refuse_other_names(tx: &mut Tx, caller: &Caller, name: &DisplayName) -> ApiResult<()> {
    let own = caller.user_id();
    let me = db::users::me(tx, own).await?.ok_or(ApiError::Unauthenticated)?;
    if me.user.display_name == name.as_str() {
        return Ok(());
    }
    let communities = db::users::communities(tx, &[own]).await?;
    let communities: Vec<CommunityId> = communities.into_iter().map(|(_, id)| id).collect();
    refuse_disguise(tx, &communities, own, name).await
}

fn check_status(change: &UpdateMe) -> ApiResult<()> {
    if let Some(text) = &change.status_text {
        let visible = !text.chars().any(is_invisible_in_line);
        if text.chars().count() > STATUS_TEXT_MAX_CHARS || !visible {
            return Err(ApiError::Validation(format!(
                "a status is one line of at most {STATUS_TEXT_MAX_CHARS} characters"
            )));
        }
    }
    if let Some(emoji) = change.status_emoji.as_deref().filter(|emoji| !emoji.trim().is_empty()) {
        emoji
            .trim()
            .parse::<Emoji>()
            .map_err(|_| ApiError::Validation("a status emoji is one emoji".to_owned()))?;
    }
    Ok(())
}

/// Tells each of the caller's communities how they are drawn there now.
async fn announce(tx: &mut Tx, caller: &Caller, me: &Me) -> ApiResult<()> {
    let cause = caller.cause();
    for (_, community_id) in db::users::communities(tx, &[me.user.id]).await? {
        let user = db::users::author(tx, me.user.id, Some(community_id)).await?;
        let changed = UserChanged {
            user,
            status_text: me.user.status_text.clone(),
            status_emoji: me.user.status_emoji.clone(),
        };
        let envelope = Envelope::new(Event::UserUpdated(changed), cause.actor_id, cause.at);
        outbox::push(tx, &envelope.in_community(community_id).traced(cause.trace_id.clone()))
            .await?;
    }
    Ok(())
}

/// Takes another name in one community, or goes back to the display name.
pub(crate) async fn set_nickname(
    state: &AppState,
    caller: &Caller,
    community_id: CommunityId,
    nickname: Option<&DisplayName>,
) -> ApiResult<()> {
    let mut tx = state.db.begin().await?;
    // The row is changed below: held shared first, two at once would wait for each other.
    caller.reads_community(&mut tx, community_id, Action::SetNickname).await?;
    let (cause, user_id) = (caller.cause(), caller.user_id());
    if let Some(name) = nickname {
        refuse_disguise(&mut tx, &[community_id], user_id, name).await?;
    }
    community_members::set_nickname(&mut tx, &cause, community_id, user_id, nickname).await?;
    state.commit(tx).await?;
    Ok(())
}
