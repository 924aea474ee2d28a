//! The verbs of `channel` that keep order: who is in it, its name, how loud it is, what is in it.

use ajet_shared::channel::{NotifyLevel, UpdateChannel};
use ajet_shared::names::ChannelName;

use super::message::confirm;
use super::order::member;
use crate::args::Care;
use crate::context::Context;
use crate::error::{CliError, CliResult, Exit, sentence};
use crate::lookup::{Place, find_community};

pub(super) async fn run(context: &Context, verb: Care) -> CliResult {
    match verb {
        Care::Add { name, users } => add(context, &name, &users).await,
        Care::Remove { name, users } => remove(context, &name, &users).await,
        Care::Mute { name } => set_level(context, &name, NotifyLevel::Nothing).await,
        Care::Unmute { name } => set_level(context, &name, NotifyLevel::default()).await,
        Care::Rename { name, new } => rename(context, &name, new).await,
        Care::Archive { name } => set_archived(context, &name, true).await,
        Care::Unarchive { name } => set_archived(context, &name, false).await,
        Care::Purge { name, last, yes } => purge(context, &name, last, yes).await,
    }
}

/// The ids of people of the channel's community, in the order they were named. All are looked up before anything happens.
async fn people(
    context: &Context,
    place: &Place,
    users: &[String],
) -> CliResult<Vec<ajet_shared::user::User>> {
    let home = place.community.as_ref().ok_or_else(|| {
        CliError::usage("A direct message belongs to the people in it.")
            .hint("ajet-chat send @user")
    })?;
    let community = find_community(context.sync().await?, &home.slug)?;
    let mut found = Vec::with_capacity(users.len());
    for user in users {
        found.push(member(context, community, user).await?.user);
    }
    Ok(found)
}

async fn add(context: &Context, name: &str, users: &[String]) -> CliResult {
    let place = context.channel(name).await?;
    let client = context.client().await?;
    for user in people(context, &place, users).await? {
        context.call(client.add_channel_member(place.id(), user.id)).await?;
        context.screen.done(&format!("@{} is in {}", user.username, place.label()));
    }
    Ok(())
}

async fn remove(context: &Context, name: &str, users: &[String]) -> CliResult {
    let place = context.channel(name).await?;
    let client = context.client().await?;
    for user in people(context, &place, users).await? {
        context.call(client.remove_channel_member(place.id(), user.id)).await?;
        context.screen.done(&format!("@{} is no longer in {}", user.username, place.label()));
    }
    Ok(())
}

async fn set_level(context: &Context, name: &str, level: NotifyLevel) -> CliResult {
    let place = context.channel(name).await?;
    let client = context.client().await?;
    context.call(client.set_notify_level(place.id(), level)).await?;
    context.screen.done(&match level {
        NotifyLevel::Nothing => format!("{} is muted for you", place.label()),
        _ => format!("{} is no longer muted for you", place.label()),
    });
    Ok(())
}

async fn rename(context: &Context, name: &str, new: String) -> CliResult {
    let new = ChannelName::try_from(new).map_err(|error| {
        let message = format!("{} Nothing was changed.", sentence(&error.to_string()));
        CliError::new(Exit::Refused, "validation", message)
    })?;
    let place = context.channel(name).await?;
    let client = context.client().await?;
    let change = UpdateChannel { name: Some(new.clone()), topic: None };
    context.call(client.update_channel(place.id(), &change)).await?;
    context.screen.done(&format!("{} is #{new} now", place.label()));
    Ok(())
}

async fn set_archived(context: &Context, name: &str, archived: bool) -> CliResult {
    let place = context.channel(name).await?;
    let client = context.client().await?;
    context.call(client.set_archived(place.id(), archived)).await?;
    let what = if archived { "archived: it only reads" } else { "open again" };
    context.screen.done(&format!("{} is {what}", place.label()));
    Ok(())
}

async fn purge(context: &Context, name: &str, last: u32, yes: bool) -> CliResult {
    let place = context.channel(name).await?;
    if !yes {
        let question =
            format!("Delete the newest {last} messages of {} for everybody?", place.label());
        confirm(context, &question)?;
    }
    let client = context.client().await?;
    let purged = context.call(client.purge(place.id(), last)).await?;
    context.screen.done(&match purged.deleted {
        1 => format!("1 message of {} was deleted", place.label()),
        deleted => format!("{deleted} messages of {} were deleted", place.label()),
    });
    Ok(())
}
