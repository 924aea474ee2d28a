//! `community …`.

use ajet_shared::community::{CreateCommunity, Member, Role};
use ajet_shared::invite::CreateInvite;
use ajet_shared::names::{CommunityName, CommunitySlug};
use ajet_shared::page::PageQuery;
use ajet_shared::sync::CommunityView;

use super::channel::{PERSON, people_table, person};
use crate::args::{Community, RoleArg};
use crate::context::Context;
use crate::error::{CliError, CliResult, Exit, sentence};
use crate::lookup::find_community;
use crate::messages::rfc3339;
use crate::output::{Cell, Column, table};
use crate::paint::Paint;
use crate::record::{Record, Schema};

const COMMUNITY: Schema = Schema {
    fields: &[
        ("id", "the community's id"),
        ("slug", "its address"),
        ("name", "its name"),
        ("role", "what you may do there"),
        ("channels", "how many channels you are in"),
        ("unread", "messages you have not read"),
        ("mentions", "unread mentions of you"),
        ("created_at", "when it was made"),
    ],
    plain: &["slug", "name", "role", "unread", "mentions", "id"],
    extras: &[],
};

const INVITE: Schema = Schema {
    fields: &[
        ("id", "the invite's id"),
        ("url", "the link to send; a secret"),
        ("code", "the secret itself"),
        ("role", "what it gives"),
        ("max_uses", "how often it may be used"),
        ("expires_at", "when it ends"),
    ],
    plain: &["url"],
    extras: &[],
};

impl From<RoleArg> for Role {
    fn from(role: RoleArg) -> Self {
        match role {
            RoleArg::Member => Self::Member,
            RoleArg::Admin => Self::Admin,
            RoleArg::Owner => Self::Owner,
        }
    }
}

pub(super) async fn run(mut context: Context, verb: Community) -> CliResult {
    match verb {
        Community::List => list(&context).await,
        Community::Use { slug } => {
            let slug = find_community(context.sync().await?, &slug)?.community.slug.clone();
            let section = context
                .settings
                .profile
                .as_ref()
                .map_or_else(|| "default".to_owned(), |(name, _)| format!("profile.{name}"));
            context.settings.document.set(&section, "community", &slug);
            context.settings.save()?;
            context.screen.done(&format!("{slug} is the default now"));
            Ok(())
        }
        Community::Info { slug } => {
            let output = context.output(&COMMUNITY)?;
            let view = match slug {
                Some(slug) => find_community(context.sync().await?, &slug)?,
                None => context.community().await?,
            };
            output.one(&record(view), || rows(context.screen.paint, std::slice::from_ref(view)))
        }
        Community::Create { name, slug } => create(&context, name, slug).await,
        Community::Members { role, online } => members(&context, role, online).await,
        Community::Invite { uses, expires, role } => {
            let seconds = i64::try_from(expires.as_secs()).unwrap_or(i64::MAX);
            let new = CreateInvite {
                role: Some(role.into()),
                max_uses: Some(uses),
                expires_in_seconds: Some(seconds),
            };
            invite(&context, &new).await
        }
        Community::Order(verb) => super::order::run(&context, verb).await,
    }
}

fn record(view: &CommunityView) -> Record {
    Record::default()
        .with("id", view.community.id.to_string())
        .with("slug", view.community.slug.clone())
        .with("name", view.community.name.clone())
        .with("role", view.role.as_str())
        .with("channels", view.channels.len())
        .with("unread", view.channels.iter().map(|channel| channel.unread).sum::<i64>())
        .with("mentions", view.channels.iter().map(|channel| channel.mentions).sum::<i64>())
        .with("created_at", rfc3339(view.community.created_at))
}

fn rows(paint: Paint, views: &[CommunityView]) -> String {
    let head = [
        Column { title: "SLUG", right: false },
        Column { title: "NAME", right: false },
        Column { title: "ROLE", right: false },
        Column { title: "UNREAD", right: true },
        Column { title: "MENTIONS", right: true },
    ];
    let rows: Vec<Vec<Cell>> = views
        .iter()
        .map(|view| {
            let record = record(view);
            let count = |name| {
                record.text(name).replace('0', if record.text(name) == "0" { "" } else { "0" })
            };
            vec![
                Cell::looking(&view.community.slug, Paint::bold),
                Cell::new(&view.community.name),
                Cell::looking(view.role.as_str(), Paint::dim),
                Cell::new(count("unread")),
                Cell::looking(count("mentions"), Paint::yellow),
            ]
        })
        .collect();
    table(paint, &head, &rows)
}

async fn list(context: &Context) -> CliResult {
    let output = context.output(&COMMUNITY)?;
    let sync = context.sync().await?;
    let records: Vec<Record> = sync.communities.iter().map(record).collect();
    output.list(&records, || {
        if records.is_empty() {
            return "You are in no community yet. Ask for an invite, or make one: ajet-chat community create NAME\n".to_owned();
        }
        rows(context.screen.paint, &sync.communities)
    })
}

async fn create(context: &Context, name: String, slug: Option<String>) -> CliResult {
    let output = context.output(&COMMUNITY)?;
    let refused = |error: ajet_shared::names::NameError| {
        CliError::new(
            Exit::Refused,
            "validation",
            format!("{} Nothing was made.", sentence(&error.to_string())),
        )
    };
    let name = CommunityName::try_from(name).map_err(refused)?;
    let slug = slug.map(CommunitySlug::try_from).transpose().map_err(refused)?;
    let client = context.client().await?;
    let community = context.call(client.create_community(&CreateCommunity { name, slug })).await?;
    context.screen.done(&format!(
        "{} is there, and you own it. Its address is {}",
        community.name, community.slug
    ));
    if output.is_human() {
        return Ok(());
    }
    let view = CommunityView { community, role: Role::Owner, channels: Vec::new() };
    output.one(&record(&view), String::new)
}

async fn members(context: &Context, role: Option<RoleArg>, online: bool) -> CliResult {
    let output = context.output(&PERSON)?;
    let community = context.community().await?;
    let client = context.client().await?;
    let wanted: Option<Role> = role.map(Into::into);
    let mut people: Vec<Member> = Vec::new();
    let mut page = PageQuery { limit: Some(100), ..PageQuery::default() };
    loop {
        let members = context.call(client.members(community.community.id, page)).await?;
        people.extend(members.items.into_iter().filter(|member| {
            wanted.is_none_or(|role| member.role == role) && (!online || member.user.online)
        }));
        match members.next {
            Some(next) => page.after = Some(next),
            None => break,
        }
    }
    let records: Vec<Record> = people
        .iter()
        .map(|member| person(&member.user, Some(member.role.as_str()), Some(member.joined_at)))
        .collect();
    output.list(&records, || {
        people_table(
            context.screen.paint,
            people.iter().map(|member| (&member.user, Some(member.role.as_str()))),
        )
    })
}

async fn invite(context: &Context, new: &CreateInvite) -> CliResult {
    let output = context.output(&INVITE)?;
    let community = context.community().await?;
    let client = context.client().await?;
    let created = context.call(client.create_invite(community.community.id, new)).await?;
    let record = Record::default()
        .with("id", created.invite.id.to_string())
        .with("url", created.url.clone())
        .with("code", created.code.clone())
        .with("role", created.invite.role.as_str())
        .with("max_uses", created.invite.max_uses)
        .with("expires_at", created.invite.expires_at.map(rfc3339));
    output.one(&record, || {
        context.screen.done(&format!("Invite to {}", community.community.name));
        context.screen.warn("Copy the link now. It holds a secret and is not shown again.");
        format!("{}\n", ajet_shared::terminal::terminal_line(&created.url))
    })
}
