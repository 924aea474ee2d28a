//! Commands about people: oneself, members, and who may come in.

use ajet_shared::actions::{Action, DenyReason};
use ajet_shared::channel::NotifyLevel;
use ajet_shared::command::{ArgumentKind, CommandAnswer};
use ajet_shared::community::Role;
use ajet_shared::db::bans;
use ajet_shared::id::UserId;
use ajet_shared::invite::CreateInvite;
use ajet_shared::moderation::BanMember;
use ajet_shared::names::{DisplayName, Emoji};
use ajet_shared::user::UpdateMe;

use super::answer::{hash, told, told_secret};
use super::registry::{Arg, Command, Needs, Place};
use super::run::{Run, nobody};
use crate::acts::{channels, invites, me, members, moderation};
use crate::error::{ApiError, ApiResult};
use crate::words::{literal, moment};

pub(super) const COMMANDS: &[Command] = &[
    Command {
        name: "nick",
        summary: "Take another name in this community; without one, your own again",
        arguments: &[Arg::text("name").optional()],
        needs: Needs::Any(&[Action::SetNickname]),
        scope: Place::Community,
        run: |run| Box::pin(nick(run)),
    },
    Command {
        name: "status",
        summary: "Say what you are up to; without anything, nothing",
        arguments: &[
            Arg::word("emoji").formed(|word| word.parse::<Emoji>().is_ok()).optional(),
            Arg::text("text").optional(),
        ],
        needs: Needs::Session,
        scope: Place::Anywhere,
        run: |run| Box::pin(status(run)),
    },
    Command {
        name: "invite",
        summary: "Take somebody into this channel; without a name, make a link into the community (admins, and members where it lets them)",
        arguments: &[Arg::person("user").optional()],
        needs: Needs::Any(&[Action::AddChannelMember, Action::CreateInvite(Role::Member)]),
        scope: Place::Community,
        run: |run| Box::pin(invite(run)),
    },
    Command {
        name: "mute",
        summary: "Mute this channel for yourself; with a name, silence somebody for a while (admins)",
        arguments: &[
            Arg::person("user").optional(),
            Arg::new("duration", ArgumentKind::Duration).optional(),
        ],
        needs: Needs::Any(&[Action::SetNotifyLevel, Action::MuteMember]),
        scope: Place::Anywhere,
        run: |run| Box::pin(mute(run)),
    },
    Command {
        name: "unmute",
        summary: "Unmute this channel for yourself; with a name, let somebody speak again (admins)",
        arguments: &[Arg::person("user").optional()],
        needs: Needs::Any(&[Action::SetNotifyLevel, Action::MuteMember]),
        scope: Place::Anywhere,
        run: |run| Box::pin(unmute(run)),
    },
    Command {
        name: "kick",
        summary: "Take somebody out of this channel; they may be taken in again",
        arguments: &[Arg::person("user")],
        needs: Needs::Any(&[Action::RemoveChannelMember]),
        scope: Place::Community,
        run: |run| {
            Box::pin(async move {
                let user = run.the_person("user").await?.user;
                // To REST the same act on oneself is leaving; nobody means that by this word.
                if user.id == run.caller.user_id() {
                    return Err(DenyReason::Oneself.into());
                }
                members::remove_from_channel(run.state, &run.here(), user.id).await?;
                let channel = hash(&run.place.channel);
                told(format!("@{} is no longer in {channel}.", user.username))
            })
        },
    },
    Command {
        name: "ban",
        summary: "Take somebody out of the community and keep them out",
        arguments: &[
            Arg::person("user"),
            Arg::new("duration", ArgumentKind::Duration).optional(),
            Arg::text("reason").optional(),
        ],
        needs: Needs::Any(&[Action::BanMember]),
        scope: Place::Community,
        run: |run| Box::pin(ban(run)),
    },
    Command {
        name: "unban",
        summary: "Lift a ban: they may be invited again",
        arguments: &[Arg::person("user")],
        needs: Needs::Any(&[Action::BanMember]),
        scope: Place::Community,
        run: |run| Box::pin(unban(run)),
    },
    Command {
        name: "role",
        summary: "Give somebody another role",
        arguments: &[Arg::person("user"), Arg::choice("role", &["member", "admin", "owner"])],
        needs: Needs::Any(&[Action::ChangeRole(Role::Member)]),
        scope: Place::Community,
        run: |run| Box::pin(role(run)),
    },
];

async fn nick(run: &Run<'_>) -> ApiResult<CommandAnswer> {
    let name = run
        .text("name")
        .map(str::parse::<DisplayName>)
        .transpose()
        .map_err(|error| ApiError::Validation(error.to_string()))?;
    me::set_nickname(run.state, run.caller, run.community()?, name.as_ref()).await?;
    told(match name {
        Some(name) => format!("Here you are {} now.", literal(name.as_str())),
        None => "You go by your own name again.".to_owned(),
    })
}

async fn status(run: &Run<'_>) -> ApiResult<CommandAnswer> {
    let (emoji, text) = (run.text("emoji"), run.text("text"));
    let change = UpdateMe {
        status_emoji: Some(emoji.unwrap_or_default().to_owned()),
        status_text: Some(text.unwrap_or_default().to_owned()),
        ..UpdateMe::default()
    };
    me::update(run.state, run.caller, &change).await?;
    told(if emoji.is_none() && text.is_none() {
        "Your status is cleared.".to_owned()
    } else {
        let status: Vec<String> =
            emoji.map(str::to_owned).into_iter().chain(text.map(literal)).collect();
        format!("Your status: {}", status.join(" "))
    })
}

async fn invite(run: &Run<'_>) -> ApiResult<CommandAnswer> {
    let channel = &run.place.channel;
    if let Some(member) = run.person("user").await? {
        let new = members::add_to_channel(run.state, &run.here(), member.user.id).await?;
        let now = if new { "now" } else { "already" };
        return told(format!("@{} is in {} {now}.", member.user.username, hash(channel)));
    }
    let request = CreateInvite::default();
    let (community_id, prepared) = (run.community()?, invites::prepare(&request).await?);
    let mut tx = run.state.db.begin().await?;
    if let Some(answer) = run.answered(&mut tx).await? {
        return Ok(answer);
    }
    let created =
        invites::create_in(&mut tx, run.state, run.caller, community_id, &prepared).await?;
    let until = created.invite.expires_at.map(moment).unwrap_or_default();
    let answer = told_secret(format!(
        "Send this link to one person; it works once, until {until}, and is not shown again:\n\n{}",
        created.url
    ))?;
    run.keep(&mut tx, &answer).await?;
    run.state.commit(tx).await?;
    Ok(answer)
}

async fn mute(run: &Run<'_>) -> ApiResult<CommandAnswer> {
    let seconds = run.seconds("duration");
    let Some(member) = run.person("user").await? else {
        if seconds.is_some() {
            return Err(run.refuse("A channel is muted until you unmute it, a person for a while."));
        }
        channels::set_notify_level(run.state, &run.here(), NotifyLevel::Nothing).await?;
        return told(format!("{} is muted for you.", place(run)));
    };
    let user = member.user;
    let muted = moderation::mute(run.state, run.caller, run.community()?, user.id, seconds).await?;
    told(match muted.until {
        Some(until) => format!("@{} is muted until {}.", user.username, moment(until)),
        None => format!("@{0} is muted until somebody says `/unmute @{0}`.", user.username),
    })
}

async fn unmute(run: &Run<'_>) -> ApiResult<CommandAnswer> {
    let Some(member) = run.person("user").await? else {
        channels::set_notify_level(run.state, &run.here(), NotifyLevel::default()).await?;
        return told(format!("{} is no longer muted for you.", place(run)));
    };
    let user = member.user;
    let lifted = moderation::unmute(run.state, run.caller, run.community()?, user.id).await?;
    told(if lifted {
        format!("@{} may speak again.", user.username)
    } else {
        format!("@{} was not muted.", user.username)
    })
}

/// `#general`, or what a direct message is called.
fn place(run: &Run<'_>) -> String {
    let channel = &run.place.channel;
    if channel.name.is_some() { hash(channel) } else { "This conversation".to_owned() }
}

async fn ban(run: &Run<'_>) -> ApiResult<CommandAnswer> {
    let user = run.the_person("user").await?.user;
    let request = BanMember {
        reason: run.text("reason").unwrap_or_default().to_owned(),
        expires_in_seconds: run.seconds("duration"),
    };
    let left = left_behind(run, user.id).await?;
    let ban = moderation::ban(run.state, run.caller, run.community()?, user.id, &request).await?;
    told(match ban.expires_at {
        Some(until) => format!("@{} is banned until {}.{left}", user.username, moment(until)),
        None => format!("@{} is banned for good.{left}", user.username),
    })
}

/// One more sentence if somebody leaves machines behind that go on without them; asked before they go.
async fn left_behind(run: &Run<'_>, user_id: UserId) -> ApiResult<String> {
    let left = members::left_behind(run.state, run.caller, run.community()?, user_id).await?;
    let of = |count, one: &str, many: &str| match count {
        0 => None,
        1 => Some(format!("1 {one} (`/{one} list`)")),
        _ => Some(format!("{count} {many} (`/{one} list`)")),
    };
    let made = [of(left.tokens, "token", "tokens"), of(left.webhooks, "webhook", "webhooks")];
    let made: Vec<String> = made.into_iter().flatten().collect();
    Ok(if made.is_empty() {
        String::new()
    } else {
        format!(" What they made goes on working until it is revoked: {}.", made.join(" and "))
    })
}

async fn unban(run: &Run<'_>) -> ApiResult<CommandAnswer> {
    let community_id = run.community()?;
    let handle = run.handle("user")?.ok_or_else(|| run.refuse("User is missing."))?;
    let mut conn = run.state.db.acquire().await?;
    let ban = bans::find_by_username(&mut conn, community_id, handle.as_str())
        .await?
        .ok_or_else(|| nobody(handle.as_str()))?;
    drop(conn);
    moderation::unban(run.state, run.caller, community_id, ban.user.id).await?;
    told(format!("@{} is no longer banned and may be invited again.", ban.user.username))
}

async fn role(run: &Run<'_>) -> ApiResult<CommandAnswer> {
    let role = match run.the_text("role")? {
        "owner" => Role::Owner,
        "admin" => Role::Admin,
        _ => Role::Member,
    };
    let user = run.the_person("user").await?.user;
    members::set_role(run.state, run.caller, run.community()?, user.id, role).await?;
    told(format!("@{} is {} now.", user.username, with_article(role)))
}

const fn with_article(role: Role) -> &'static str {
    match role {
        Role::Owner => "an owner",
        Role::Admin => "an admin",
        Role::Member => "a member",
    }
}
