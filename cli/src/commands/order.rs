//! The verbs of `community` that keep order: roles, mutes, kicks, bans, the audit log.

use std::time::Duration;

use ajet_shared::community::{Member, Role, UpdateCommunity};
use ajet_shared::invite::Invite;
use ajet_shared::moderation::{AuditEntry, Ban, BanMember};
use ajet_shared::page::PageQuery;
use ajet_shared::sync::CommunityView;
use ajet_shared::terminal::terminal_line;
use time::OffsetDateTime;

use super::message::confirm;
use super::read::moment;
use crate::args::{Order, RoleArg, Setting, Switch};
use crate::context::Context;
use crate::error::{CliError, CliResult};
use crate::lookup::{find_community, limit};
use crate::messages::{rfc3339, when};
use crate::output::{Cell, Column, table};
use crate::paint::Paint;
use crate::record::{Record, Schema};

const BAN: Schema = Schema {
    fields: &[
        ("user_id", "the person's id"),
        ("username", "their handle"),
        ("reason", "why"),
        ("banned_by", "id of who decided it"),
        ("created_at", "since when"),
        ("expires_at", "until when; null for good"),
    ],
    plain: &["username", "expires_at", "reason", "user_id"],
    extras: &[],
};

const ENTRY: Schema = Schema {
    fields: &[
        ("id", "the line's id"),
        ("at", "when"),
        ("actor", "handle of who did it; null for the system"),
        ("action", "what was done, noun.verb"),
        ("outcome", "ok or denied"),
        ("target_type", "on what"),
        ("target_id", "on which"),
        ("detail", "facts"),
        ("trace_id", "the request, for the logs"),
    ],
    plain: &["at", "actor", "action", "outcome", "target_type", "target_id", "detail"],
    extras: &[],
};

const INVITE: Schema = Schema {
    fields: &[
        ("id", "the invite's id"),
        ("role", "what it gives"),
        ("uses", "how often it was used"),
        ("max_uses", "how often it may be used"),
        ("created_at", "when it was made"),
        ("expires_at", "when it ends"),
        ("revoked_at", "when it was revoked"),
    ],
    plain: &["id", "role", "uses", "max_uses", "expires_at", "revoked_at"],
    extras: &[],
};

pub(super) async fn run(context: &Context, verb: Order) -> CliResult {
    match verb {
        Order::Role { user, role } => set_role(context, &user, role).await,
        Order::Mute { user, span } => mute(context, &user, span).await,
        Order::Unmute { user } => unmute(context, &user).await,
        Order::Kick { user, yes } => kick(context, &user, yes).await,
        Order::Ban { user, span, reason, yes } => {
            let request = BanMember {
                reason: reason.unwrap_or_default(),
                expires_in_seconds: span.map(seconds),
            };
            ban(context, &user, &request, yes).await
        }
        Order::Unban { user } => unban(context, &user).await,
        Order::Bans => bans(context).await,
        Order::Audit { action, since, count } => {
            audit(context, action.as_deref(), since.as_deref(), count).await
        }
        Order::Set { setting, to } => set(context, setting, to == Switch::On).await,
        Order::Invites => invites(context).await,
        Order::Leave { slug, yes } => leave(context, slug.as_deref(), yes).await,
    }
}

fn seconds(span: Duration) -> i64 {
    i64::try_from(span.as_secs()).unwrap_or(i64::MAX)
}

/// A member by `@user`, looked for page by page.
pub(super) async fn member(
    context: &Context,
    community: &CommunityView,
    typed: &str,
) -> CliResult<Member> {
    let username = typed.trim_start_matches('@').to_lowercase();
    let client = context.client().await?;
    let mut page = limit(100);
    loop {
        let members = context.call(client.members(community.community.id, page)).await?;
        if let Some(found) = members.items.into_iter().find(|of| of.user.username == username) {
            return Ok(found);
        }
        match members.next {
            Some(next) => page.after = Some(next),
            None => return Err(nobody(community, &username)),
        }
    }
}

fn nobody(community: &CommunityView, username: &str) -> CliError {
    CliError::not_found(format!("There is no @{username} in {}.", community.community.name))
        .hint("ajet-chat community members")
}

async fn set_role(context: &Context, typed: &str, role: RoleArg) -> CliResult {
    let community = context.community().await?;
    let user = member(context, community, typed).await?.user;
    let client = context.client().await?;
    let member =
        context.call(client.update_member(community.community.id, user.id, role.into())).await?;
    let what = match member.role {
        Role::Owner => "an owner",
        Role::Admin => "an admin",
        Role::Member => "a member",
    };
    context.screen.done(&format!("@{} is {what} now", user.username));
    Ok(())
}

async fn mute(context: &Context, typed: &str, span: Option<Duration>) -> CliResult {
    let community = context.community().await?;
    let user = member(context, community, typed).await?.user;
    let client = context.client().await?;
    let muted =
        context.call(client.mute(community.community.id, user.id, span.map(seconds))).await?;
    let until = muted.until.map_or_else(|| "you unmute them".to_owned(), when);
    context.screen.done(&format!("@{} is muted until {until}", user.username));
    Ok(())
}

async fn unmute(context: &Context, typed: &str) -> CliResult {
    let community = context.community().await?;
    let user = member(context, community, typed).await?.user;
    let client = context.client().await?;
    context.call(client.unmute(community.community.id, user.id)).await?;
    context.screen.done(&format!("@{} may speak", user.username));
    Ok(())
}

async fn kick(context: &Context, typed: &str, yes: bool) -> CliResult {
    let community = context.community().await?;
    let user = member(context, community, typed).await?.user;
    if !yes {
        let name = &community.community.name;
        confirm(context, &format!("Remove {} from {name}?", user.display_name))?;
    }
    let client = context.client().await?;
    context.call(client.remove_member(community.community.id, user.id)).await?;
    context.screen.done(&format!("@{} is no longer in the community", user.username));
    Ok(())
}

async fn ban(context: &Context, typed: &str, request: &BanMember, yes: bool) -> CliResult {
    let output = context.output(&BAN)?;
    let community = context.community().await?;
    let user = member(context, community, typed).await?.user;
    if !yes {
        let name = &community.community.name;
        confirm(context, &format!("Ban {} from {name}?", user.display_name))?;
    }
    let client = context.client().await?;
    let ban = context.call(client.ban(community.community.id, user.id, request)).await?;
    let until = ban.expires_at.map(|at| format!(" until {}", when(at))).unwrap_or_default();
    context.screen.done(&format!("@{} is banned{until}", user.username));
    if output.is_human() { Ok(()) } else { output.one(&ban_record(&ban), String::new) }
}

/// Everybody who is banned, read page by page.
async fn all_bans(context: &Context, community: &CommunityView) -> CliResult<Vec<Ban>> {
    let client = context.client().await?;
    let mut page = limit(100);
    let mut all = Vec::new();
    loop {
        let bans = context.call(client.bans(community.community.id, page)).await?;
        let older = bans.prev;
        all.splice(0..0, bans.items);
        match older {
            Some(older) => page = PageQuery { before: Some(older), ..limit(100) },
            None => return Ok(all),
        }
    }
}

async fn unban(context: &Context, typed: &str) -> CliResult {
    let community = context.community().await?;
    let username = typed.trim_start_matches('@').to_lowercase();
    let bans = all_bans(context, community).await?;
    let ban = bans.iter().find(|ban| ban.user.username == username).ok_or_else(|| {
        CliError::not_found(format!("@{username} is not banned from {}.", community.community.name))
            .hint("ajet-chat community bans")
    })?;
    let client = context.client().await?;
    context.call(client.unban(community.community.id, ban.user.id)).await?;
    context.screen.done(&format!("@{username} may be invited again"));
    Ok(())
}

fn ban_record(ban: &Ban) -> Record {
    Record::default()
        .with("user_id", ban.user.id.to_string())
        .with("username", ban.user.username.clone())
        .with("reason", ban.reason.clone())
        .with("banned_by", ban.banned_by.map(|id| id.to_string()))
        .with("created_at", rfc3339(ban.created_at))
        .with("expires_at", ban.expires_at.map(rfc3339))
}

async fn bans(context: &Context) -> CliResult {
    let output = context.output(&BAN)?;
    let community = context.community().await?;
    let bans = all_bans(context, community).await?;
    let records: Vec<Record> = bans.iter().map(ban_record).collect();
    output.list(&records, || {
        if bans.is_empty() {
            return "Nobody is banned.\n".to_owned();
        }
        let head = ["USERNAME", "UNTIL", "REASON"].map(|title| Column { title, right: false });
        let rows: Vec<Vec<Cell>> = bans
            .iter()
            .map(|ban| {
                let until = ban.expires_at.map_or_else(|| "for good".to_owned(), when);
                vec![
                    Cell::new(format!("@{}", ban.user.username)),
                    Cell::new(until),
                    Cell::looking(terminal_line(&ban.reason), Paint::dim),
                ]
            })
            .collect();
        table(context.screen.paint, &head, &rows)
    })
}

async fn audit(
    context: &Context,
    action: Option<&str>,
    since: Option<&str>,
    count: u16,
) -> CliResult {
    let output = context.output(&ENTRY)?;
    if action
        .is_some_and(|action| !action.chars().all(|c| c.is_ascii_lowercase() || "-.".contains(c)))
    {
        return Err(CliError::usage("An action is written noun.verb, like member.banned."));
    }
    let since = since.map(|since| moment(since, OffsetDateTime::now_utc())).transpose()?;
    let community = context.community().await?;
    let client = context.client().await?;
    let page = context.call(client.audit(community.community.id, action, limit(count))).await?;
    let entries: Vec<AuditEntry> = page
        .items
        .into_iter()
        .filter(|entry| since.is_none_or(|since| entry.at >= since))
        .collect();
    let records: Vec<Record> = entries.iter().map(entry_record).collect();
    output.list(&records, || {
        let head = ["WHEN", "WHO", "WHAT", "ON"].map(|title| Column { title, right: false });
        let rows: Vec<Vec<Cell>> = entries.iter().map(entry_row).collect();
        table(context.screen.paint, &head, &rows)
    })
}

fn entry_record(entry: &AuditEntry) -> Record {
    Record::default()
        .with("id", entry.id.to_string())
        .with("at", rfc3339(entry.at))
        .with("actor", entry.actor_username.clone())
        .with("action", entry.action.clone())
        .with("outcome", entry.outcome.clone())
        .with("target_type", entry.target_type.clone())
        .with("target_id", entry.target_id.map(|id| id.to_string()))
        .with("detail", entry.detail.clone())
        .with("trace_id", entry.trace_id.clone())
}

fn entry_row(entry: &AuditEntry) -> Vec<Cell> {
    let target = match (&entry.target_type, entry.target_id) {
        (Some(kind), Some(id)) => format!("{kind} {id}"),
        _ => String::new(),
    };
    let who = entry.actor_username.as_ref().map_or_else(String::new, |name| format!("@{name}"));
    vec![
        Cell::looking(when(entry.at), Paint::dim),
        Cell::new(who),
        Cell::looking(terminal_line(&entry.action), Paint::bold),
        Cell::looking(terminal_line(&target), Paint::dim),
    ]
}

async fn invites(context: &Context) -> CliResult {
    let output = context.output(&INVITE)?;
    let community = context.community().await?;
    let client = context.client().await?;
    let page = context.call(client.invites(community.community.id, limit(100))).await?;
    let records: Vec<Record> = page.items.iter().map(invite_record).collect();
    output.list(&records, || {
        let head = ["ID", "ROLE", "USED", "UNTIL"].map(|title| Column { title, right: false });
        let rows: Vec<Vec<Cell>> = page.items.iter().map(invite_row).collect();
        if rows.is_empty() {
            return "There is no invite. Make one: ajet-chat community invite\n".to_owned();
        }
        table(context.screen.paint, &head, &rows)
    })
}

fn invite_record(invite: &Invite) -> Record {
    Record::default()
        .with("id", invite.id.to_string())
        .with("role", invite.role.as_str())
        .with("uses", invite.uses)
        .with("max_uses", invite.max_uses)
        .with("created_at", rfc3339(invite.created_at))
        .with("expires_at", invite.expires_at.map(rfc3339))
        .with("revoked_at", invite.revoked_at.map(rfc3339))
}

fn invite_row(invite: &Invite) -> Vec<Cell> {
    let used = invite
        .max_uses
        .map_or_else(|| invite.uses.to_string(), |most| format!("{} of {most}", invite.uses));
    let until = match (invite.revoked_at, invite.expires_at) {
        (Some(_), _) => "revoked".to_owned(),
        (None, Some(at)) => when(at),
        (None, None) => String::new(),
    };
    vec![
        Cell::looking(invite.id.to_string(), Paint::dim),
        Cell::new(invite.role.as_str()),
        Cell::new(used),
        Cell::new(until),
    ]
}

async fn set(context: &Context, setting: Setting, on: bool) -> CliResult {
    let community = &context.community().await?.community;
    let client = context.client().await?;
    match setting {
        Setting::MembersMayInvite => {
            let change = UpdateCommunity { members_may_invite: Some(on), ..Default::default() };
            context.call(client.update_community(community.id, &change)).await?;
            let who = if on { "Members" } else { "Only admins and owners" };
            context.screen.done(&format!("{who} may invite to {}", community.name));
        }
    }
    Ok(())
}

async fn leave(context: &Context, slug: Option<&str>, yes: bool) -> CliResult {
    let sync = context.sync().await?;
    let community = match slug {
        Some(slug) => find_community(sync, slug)?,
        None => context.community().await?,
    };
    let name = &community.community.name;
    if !yes {
        confirm(
            context,
            &format!("Leave {name}? Private channels do not open again by themselves."),
        )?;
    }
    let client = context.client().await?;
    context.call(client.remove_member(community.community.id, sync.me.user.id)).await?;
    context.screen.done(&format!("You left {name}"));
    Ok(())
}
