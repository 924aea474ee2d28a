//! `channel …`.

use std::fmt::Write as _;

use ajet_shared::channel::{ChannelView, CreateChannel, UpdateChannel, Visibility};
use ajet_shared::names::{ChannelName, NameError, Topic};
use ajet_shared::page::PageQuery;
use ajet_shared::terminal::terminal_line;
use ajet_shared::user::User;

use crate::args::Channel;
use crate::context::Context;
use crate::error::{CliError, CliResult, Exit, sentence};
use crate::lookup::{Place, in_community};
use crate::messages::rfc3339;
use crate::output::{Cell, Column, table};
use crate::paint::Paint;
use crate::record::{Record, Schema};

const CHANNEL: Schema = Schema {
    fields: &[
        ("id", "the channel's id"),
        ("name", "its name"),
        ("community", "address of its community"),
        ("visibility", "public or private"),
        ("topic", "what it is about"),
        ("joined", "whether you are in it"),
        ("members", "how many people are in it"),
        ("unread", "messages you have not read"),
        ("mentions", "unread mentions of you"),
        ("created_at", "when it was made"),
        ("archived_at", "since when it only reads"),
    ],
    plain: &["name", "unread", "mentions", "members", "id", "topic"],
    extras: &[],
};

pub(super) const PERSON: Schema = Schema {
    fields: &[
        ("id", "the person's id"),
        ("username", "their handle"),
        ("display_name", "their name"),
        ("kind", "human, bot or system"),
        ("role", "member, admin or owner; null in channels"),
        ("online", "seen within two minutes"),
        ("status_text", "what they say of the moment"),
        ("joined_at", "when they joined; null in channels"),
    ],
    plain: &["username", "display_name", "role", "online", "id"],
    extras: &[],
};

pub(super) async fn run(context: &Context, verb: Channel) -> CliResult {
    match verb {
        Channel::List { all } => list(context, all).await,
        Channel::Info { name } => {
            let output = context.output(&CHANNEL)?;
            let place = context.channel(&name).await?;
            output.one(&record(&place), || describe(context.screen.paint, &place))
        }
        Channel::Create { name, private, topic } => create(context, name, private, topic).await,
        Channel::Join { name } => join(context, &name).await,
        Channel::Leave { name } => leave(context, &name).await,
        Channel::Topic { name, text } => topic(context, &name, text).await,
        Channel::Members { name } => members(context, &name).await,
        Channel::Care(verb) => super::care::run(context, verb).await,
    }
}

fn record(place: &Place) -> Record {
    let ChannelView { channel, .. } = &place.view;
    Record::default()
        .with("id", channel.id.to_string())
        .with("name", place.name.clone())
        .with("community", place.community.as_ref().map(|community| community.slug.clone()))
        .with("visibility", channel.visibility.as_str())
        .with("topic", channel.topic.clone())
        .with("joined", place.view.joined)
        .with("members", place.view.member_count)
        .with("unread", place.view.unread)
        .with("mentions", place.view.mentions)
        .with("created_at", rfc3339(channel.created_at))
        .with("archived_at", channel.archived_at.map(rfc3339))
}

async fn list(context: &Context, all: bool) -> CliResult {
    let output = context.output(&CHANNEL)?;
    let community = context.community().await?;
    let views =
        if all { context.channels_of(community).await? } else { community.channels.clone() };
    let places: Vec<Place> = views
        .into_iter()
        .filter(|view| all || view.channel.archived_at.is_none())
        .map(|view| in_community(view, &community.community))
        .collect();
    let records: Vec<Record> = places.iter().map(record).collect();
    output.list(&records, || {
        let head = [
            Column { title: "NAME", right: false },
            Column { title: "UNREAD", right: true },
            Column { title: "MEMBERS", right: true },
            Column { title: "TOPIC", right: false },
        ];
        let rows: Vec<Vec<Cell>> = places.iter().map(row).collect();
        if rows.is_empty() {
            "You are in no channel here. See what there is: ajet-chat channel list --all\n"
                .to_owned()
        } else {
            table(context.screen.paint, &head, &rows)
        }
    })
}

fn row(place: &Place) -> Vec<Cell> {
    let view = &place.view;
    let mut name = place.name.clone();
    if view.channel.visibility == Visibility::Private {
        name.push_str(" (private)");
    }
    if view.channel.archived_at.is_some() {
        name.push_str(" (archived)");
    }
    let unread = match (view.unread, view.mentions) {
        (0, _) => Cell::new(""),
        (unread, 0) => Cell::looking(unread.to_string(), Paint::bold),
        (_, mentions) => Cell::looking(format!("{mentions} @"), Paint::yellow),
    };
    let name = match (view.joined, view.unread) {
        (false, _) => Cell::looking(name, Paint::dim),
        (true, 0) => Cell::new(name),
        (true, _) => Cell::looking(name, Paint::bold),
    };
    vec![
        name,
        unread,
        Cell::new(view.member_count.to_string()),
        Cell::looking(view.channel.topic.as_deref().unwrap_or_default(), Paint::dim),
    ]
}

fn describe(paint: Paint, place: &Place) -> String {
    let view = &place.view;
    let topic = terminal_line(view.channel.topic.as_deref().unwrap_or_default());
    let mut out = format!("{}  {topic}\n", paint.bold(&terminal_line(&place.label())));
    let joined = if view.joined { "you are in it" } else { "you are not in it" };
    let _ = writeln!(
        out,
        "  {}, {} members, {joined}, {} unread",
        view.channel.visibility.as_str(),
        view.member_count,
        view.unread
    );
    if view.channel.archived_at.is_some() {
        out.push_str("  archived: it only reads\n");
    }
    let _ = writeln!(out, "  {}", paint.dim(&view.channel.id.to_string()));
    out
}

fn refused(error: &NameError) -> CliError {
    CliError::new(
        Exit::Refused,
        "validation",
        format!("{} Nothing was changed.", sentence(&error.to_string())),
    )
}

async fn create(
    context: &Context,
    name: String,
    private: bool,
    topic: Option<String>,
) -> CliResult {
    let output = context.output(&CHANNEL)?;
    let name = ChannelName::try_from(name).map_err(|error| refused(&error))?;
    let topic = topic.map(Topic::try_from).transpose().map_err(|error| refused(&error))?;
    let visibility = if private { Visibility::Private } else { Visibility::Public };
    let community = context.community().await?;
    let client = context.client().await?;
    let view = context
        .call(
            client
                .create_channel(community.community.id, &CreateChannel { name, visibility, topic }),
        )
        .await?;
    let place = in_community(view, &community.community);
    context.screen.done(&format!("{} is there, and you are in it", place.label()));
    if output.is_human() { Ok(()) } else { output.one(&record(&place), String::new) }
}

async fn join(context: &Context, name: &str) -> CliResult {
    let output = context.output(&CHANNEL)?;
    let mut place = context.channel(name).await?;
    let client = context.client().await?;
    place.view = context.call(client.join_channel(place.id())).await?;
    context.screen.done(&format!("You are in {}", place.label()));
    if output.is_human() { Ok(()) } else { output.one(&record(&place), String::new) }
}

async fn leave(context: &Context, name: &str) -> CliResult {
    let place = context.channel(name).await?;
    let client = context.client().await?;
    context.call(client.leave_channel(place.id())).await?;
    context.screen.done(&format!("You left {}", place.label()));
    Ok(())
}

async fn topic(context: &Context, name: &str, text: Option<String>) -> CliResult {
    let output = context.output(&CHANNEL)?;
    let mut place = context.channel(name).await?;
    if let Some(text) = text {
        let topic = Topic::try_from(text).map_err(|error| refused(&error))?;
        let client = context.client().await?;
        place.view = context
            .call(
                client
                    .update_channel(place.id(), &UpdateChannel { name: None, topic: Some(topic) }),
            )
            .await?;
        context.screen.done(&format!("{} has a new topic", place.label()));
        if output.is_human() {
            return Ok(());
        }
    }
    let shown = place.view.channel.topic.clone().unwrap_or_default();
    output.one(&record(&place), || format!("{}\n", terminal_line(&shown)))
}

async fn members(context: &Context, name: &str) -> CliResult {
    let output = context.output(&PERSON)?;
    let place = context.channel(name).await?;
    let client = context.client().await?;
    let mut people: Vec<User> = Vec::new();
    let mut page = PageQuery { limit: Some(100), ..PageQuery::default() };
    loop {
        let members = context.call(client.channel_members(place.id(), page)).await?;
        people.extend(members.items);
        match members.next {
            Some(next) => page.after = Some(next),
            None => break,
        }
    }
    let records: Vec<Record> = people.iter().map(|user| person(user, None, None)).collect();
    output.list(&records, || {
        people_table(context.screen.paint, people.iter().map(|user| (user, None)))
    })
}

/// A person as data.
pub(super) fn person(
    user: &User,
    role: Option<&str>,
    joined_at: Option<time::OffsetDateTime>,
) -> Record {
    Record::default()
        .with("id", user.id.to_string())
        .with("username", user.username.clone())
        .with("display_name", user.display_name.clone())
        .with("kind", user.kind.as_str())
        .with("role", role)
        .with("online", user.online)
        .with("status_text", user.status_text.clone())
        .with("joined_at", joined_at.map(rfc3339))
}

/// People for people.
pub(super) fn people_table<'a>(
    paint: Paint,
    people: impl Iterator<Item = (&'a User, Option<&'a str>)>,
) -> String {
    let head = [
        Column { title: "NAME", right: false },
        Column { title: "USERNAME", right: false },
        Column { title: "ROLE", right: false },
        Column { title: "", right: false },
    ];
    let rows: Vec<Vec<Cell>> = people
        .map(|(user, role)| {
            let online = if user.online {
                Cell::looking("● online", Paint::green)
            } else {
                Cell::looking("○", Paint::dim)
            };
            vec![
                Cell::new(&user.display_name),
                Cell::looking(format!("@{}", user.username), Paint::dim),
                Cell::new(role.unwrap_or_default()),
                online,
            ]
        })
        .collect();
    table(paint, &head, &rows)
}
