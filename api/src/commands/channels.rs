//! Commands about channels.

use ajet_shared::actions::{Action, PURGE_MAX};
use ajet_shared::channel::{CreateChannel, UpdateChannel, Visibility};
use ajet_shared::command::{ArgumentKind, CommandAnswer};
use ajet_shared::names::{ChannelName, NameError, Topic};

use super::answer::{hash, opened, told};
use super::registry::{Arg, Command, Needs, Place};
use super::run::Run;
use crate::acts::{channels, moderation};
use crate::error::{ApiError, ApiResult};

/// Messages that go when `/purge` does not say how many.
const PURGE_DEFAULT: u32 = 10;

pub(super) const COMMANDS: &[Command] = &[
    Command {
        name: "join",
        summary: "Join a channel and go there",
        arguments: &[Arg::channel("channel")],
        needs: Needs::Any(&[Action::JoinChannel]),
        scope: Place::Community,
        run: |run| {
            Box::pin(async move {
                let channel = run.the_channel("channel").await?;
                channels::join(run.state, &run.on(channel.id)).await?;
                opened(channel.id, format!("You are in {}.", hash(&channel)))
            })
        },
    },
    Command {
        name: "leave",
        summary: "Leave this channel",
        arguments: &[],
        needs: Needs::Any(&[Action::LeaveChannel]),
        scope: Place::Community,
        run: |run| {
            Box::pin(async move {
                let channel = channels::leave(run.state, &run.here()).await?;
                told(format!("You left {}.", hash(&channel)))
            })
        },
    },
    Command {
        name: "topic",
        summary: "Show what this channel is about, or change it; \"\" clears it",
        arguments: &[Arg::text("text").optional()],
        needs: Needs::Any(&[Action::ReadChannel, Action::SetTopic]),
        scope: Place::Community,
        run: |run| Box::pin(topic(run)),
    },
    Command {
        name: "channel create",
        summary: "Make a channel and go there",
        arguments: &[Arg::word("name"), Arg::choice("private", &["private"]).optional()],
        needs: Needs::Any(&[Action::CreateChannel]),
        scope: Place::Community,
        run: |run| Box::pin(create(run)),
    },
    Command {
        name: "channel archive",
        summary: "Archive a channel: from then on it only reads",
        arguments: &[Arg::channel("channel").optional()],
        needs: Needs::Any(&[Action::ArchiveChannel]),
        scope: Place::Community,
        run: |run| {
            Box::pin(async move {
                let channel = run.channel_or_here("channel").await?;
                channels::set_archived(run.state, &run.on(channel.id), true).await?;
                told(format!("{} is archived: it only reads.", hash(&channel)))
            })
        },
    },
    Command {
        name: "channel unarchive",
        summary: "Open an archived channel again",
        arguments: &[Arg::channel("channel").optional()],
        needs: Needs::Any(&[Action::ArchiveChannel]),
        scope: Place::Community,
        run: |run| {
            Box::pin(async move {
                let channel = run.channel_or_here("channel").await?;
                channels::set_archived(run.state, &run.on(channel.id), false).await?;
                told(format!("{} is open again.", hash(&channel)))
            })
        },
    },
    Command {
        name: "purge",
        summary: "Delete the newest messages of a channel for good",
        arguments: &[
            Arg::channel("channel"),
            Arg::new("count", ArgumentKind::Number).optional(),
            Arg::choice("confirm", &["confirm"]).optional(),
        ],
        needs: Needs::AnySignedIn(&[Action::Purge(1)]),
        scope: Place::Community,
        run: |run| Box::pin(purge(run)),
    },
];

fn refused(error: &NameError) -> ApiError {
    ApiError::Validation(error.to_string())
}

async fn topic(run: &Run<'_>) -> ApiResult<CommandAnswer> {
    let Some(text) = run.text("text") else {
        run.caller.permit(Action::ReadChannel, &run.place.resource())?;
        let channel = &run.place.channel;
        return told(match channel.topic.as_deref() {
            Some(topic) => format!("{}: {topic}", hash(channel)),
            None => format!("{} has no topic.", hash(channel)),
        });
    };
    let text = if text == "\"\"" { "" } else { text };
    let topic: Topic = text.parse().map_err(|error| refused(&error))?;
    let change = UpdateChannel { name: None, topic: Some(topic) };
    let channel = channels::update(run.state, &run.here(), &change).await?.channel;
    told(if channel.topic.is_some() {
        format!("{} has a new topic.", hash(&channel))
    } else {
        format!("{} has no topic any more.", hash(&channel))
    })
}

async fn create(run: &Run<'_>) -> ApiResult<CommandAnswer> {
    let name: ChannelName = run.the_text("name")?.parse().map_err(|error| refused(&error))?;
    let private = run.text("private").is_some();
    let visibility = if private { Visibility::Private } else { Visibility::Public };
    let request = CreateChannel { name, visibility, topic: None };
    let channel =
        channels::create(run.state, run.caller, run.community()?, &request).await?.channel;
    opened(channel.id, format!("{} is there, and you are in it.", hash(&channel)))
}

async fn purge(run: &Run<'_>) -> ApiResult<CommandAnswer> {
    let channel = run.the_channel("channel").await?;
    let count = run.number("count").unwrap_or(PURGE_DEFAULT);
    if !(1..=PURGE_MAX).contains(&count) {
        return Err(run.refuse(&format!("Count is 1 to {PURGE_MAX}.")));
    }
    let name = hash(&channel);
    if run.text("confirm").is_none() {
        return told(format!(
            "This deletes the newest {count} messages of {name} for everybody, and it cannot be undone. \
             Nothing was deleted yet. To do it: `/purge {name} {count} confirm`"
        ));
    }
    let mut tx = run.state.db.begin().await?;
    if let Some(answer) = run.answered(&mut tx).await? {
        return Ok(answer);
    }
    let purged = moderation::purge_in(&mut tx, &run.on(channel.id), count).await?;
    let answer = told(match purged.deleted {
        1 => format!("1 message of {name} was deleted."),
        deleted => format!("{deleted} messages of {name} were deleted."),
    })?;
    run.keep(&mut tx, &answer).await?;
    run.state.commit(tx).await?;
    run.state.discard(purged.files);
    Ok(answer)
}
