//! Posting a message: the one write path of REST, slash commands and webhooks.

use ajet_shared::actions::{Actor, DenyReason};
use ajet_shared::db::posting::{self, Draft, PostError};
use ajet_shared::db::{self, Cause};
use ajet_shared::failpoint::Failpoint;
use ajet_shared::id::ChannelId;
use ajet_shared::message::Message;
use ajet_shared::problem::Problem;
use sqlx::PgConnection;

use crate::error::{ApiError, ApiResult, sentence};
use crate::state::AppState;
use crate::words;

/// Tries before a post gives way to somebody who sends the same message over and over.
const ATTEMPTS: usize = 3;

/// A message that is posted now.
#[derive(Clone, Debug)]
pub(crate) struct Posted {
    /// The message as its author sees it.
    pub(crate) message: Message,
    /// It was posted by an earlier request with the same key.
    pub(crate) replayed: bool,
}

/// Posts a message once, however often it is asked to, and wakes the relay.
pub(crate) async fn post(
    state: &AppState,
    actor: &Actor,
    cause: &Cause,
    channel_id: ChannelId,
    draft: &Draft<'_>,
) -> ApiResult<Posted> {
    let draft = &Draft { mention_limit: Some(state.limits.mention), ..draft.clone() };
    let Some(_turn) = state.posts.admit(channel_id).await else {
        return Err(ApiError::Unavailable(anyhow::anyhow!("too many posts wait for one channel")));
    };
    for _ in 0..ATTEMPTS {
        let mut tx = state.db.begin().await?;
        let posted = match posting::post(&mut tx, actor, cause, channel_id, draft).await {
            Err(PostError::Denied(DenyReason::Muted)) => {
                return Err(muted(&mut tx, actor, channel_id).await?);
            }
            posted => posted?,
        };
        match posted {
            posting::Posted::New(message) => {
                Failpoint::BeforeCommit.reached();
                state.commit(tx).await?;
                Failpoint::AfterCommit.reached();
                return Ok(Posted { message: *message, replayed: false });
            }
            posting::Posted::Replayed(id) => {
                let message = db::messages::find(&mut tx, Some(actor.user_id()), id)
                    .await?
                    .ok_or(ApiError::NotFound)?;
                return Ok(Posted { message, replayed: true });
            }
            // The other one has committed by now, so the next attempt finds what it did.
            posting::Posted::Contended => tx.rollback().await?,
        }
    }
    Err(ApiError::Unavailable(anyhow::anyhow!("a post kept colliding with itself")))
}

/// What somebody who may not write for now is told: until when.
async fn muted(conn: &mut PgConnection, actor: &Actor, id: ChannelId) -> ApiResult<ApiError> {
    let channel = db::channels::find(conn, id).await?;
    let Some(community_id) = channel.and_then(|channel| channel.community_id) else {
        return Ok(DenyReason::Muted.into());
    };
    let muted = db::community_members::muted(conn, community_id, actor.user_id()).await?;
    Ok(match muted.and_then(|muted| muted.until) {
        Some(until) => Problem::new(403, DenyReason::Muted.slug(), "You may not do this")
            .with_detail(format!("You are muted here until {}.", words::moment(until)))
            .into(),
        None => DenyReason::Muted.into(),
    })
}

impl From<PostError> for ApiError {
    fn from(error: PostError) -> Self {
        match error {
            PostError::NotFound | PostError::NoAttachment => Self::NotFound,
            PostError::Denied(reason) => Self::Denied(reason),
            PostError::Mismatch => Problem::new(422, "idempotency-mismatch", "The key was used for something else")
                .with_detail("This client_msg_id was used for another message; make a new one for a new message.")
                .into(),
            PostError::EverybodyIsMany => {
                Problem::new(403, "forbidden", "You may not do this").with_detail(sentence(&error.to_string())).into()
            }
            PostError::Database(error) => Self::Database(error),
            PostError::Empty
            | PostError::NoParent
            | PostError::NestedReply
            | PostError::TooManyMentions
            | PostError::TooManyAttachments
            | PostError::WrongAttachment => Self::Validation(error.to_string()),
        }
    }
}
