//! What a command answers: for the caller's eyes, Markdown.

use ajet_shared::channel::Channel;
use ajet_shared::command::{AnswerKind, CommandAnswer};
use ajet_shared::id::ChannelId;
use ajet_shared::message::Message;

use crate::error::ApiResult;

/// Tells the caller something.
#[expect(clippy::unnecessary_wraps, reason = "it is how every command ends")]
pub(super) fn told(body_md: impl Into<String>) -> ApiResult<CommandAnswer> {
    Ok(CommandAnswer {
        kind: AnswerKind::Ephemeral,
        body_md: body_md.into(),
        message: None,
        channel_id: None,
        secret: false,
    })
}

/// Tells the caller a secret that is not shown again.
pub(super) fn told_secret(body_md: impl Into<String>) -> ApiResult<CommandAnswer> {
    told(body_md).map(|answer| CommandAnswer { secret: true, ..answer })
}

/// Takes the caller to a channel.
pub(super) fn opened(
    channel_id: ChannelId,
    body_md: impl Into<String>,
) -> ApiResult<CommandAnswer> {
    told(body_md).map(|answer| CommandAnswer {
        kind: AnswerKind::Redirect,
        channel_id: Some(channel_id),
        ..answer
    })
}

/// A message was written.
pub(super) fn posted(message: Message, body_md: impl Into<String>) -> ApiResult<CommandAnswer> {
    told(body_md).map(|answer| CommandAnswer {
        kind: AnswerKind::Posted,
        message: Some(message),
        ..answer
    })
}

/// `#general`.
pub(super) fn hash(channel: &Channel) -> String {
    format!("#{}", channel.name.as_deref().unwrap_or_default())
}
