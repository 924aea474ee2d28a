//! What the box offers while somebody writes: commands, people, channels, emoji. It comes once, as one list of each; the page shows what fits
//! the letters typed so far.

use std::collections::HashSet;
use std::fmt;

use ajet_shared::channel::ChannelView;
use ajet_shared::command::{Argument, ArgumentKind, CommandInfo};
use ajet_shared::community::{Member, Role};
use ajet_shared::id::UserId;
use ajet_shared::user::{User, UserKind};
use askama::Template;

use super::avatar::Avatar;
use super::emoji;
use super::header::icon_of;
use super::names::plural;
use super::{filters, fragments};

/// Time spans that are offered where a command takes one.
const DURATIONS: [&str; 5] = ["10m", "1h", "8h", "1d", "7d"];

/// All of it.
#[derive(Template)]
#[template(path = "fragments/complete.html")]
pub(crate) struct Completions<'a> {
    pub(crate) commands: Vec<CommandOption<'a>>,
    pub(crate) people: Vec<PersonOption<'a>>,
    /// What `@channel` does; none in direct messages.
    pub(crate) everybody: Option<String>,
    pub(crate) channels: Vec<ChannelOption<'a>>,
    pub(crate) emoji: &'static [(&'static str, &'static str)],
}

/// A command.
pub(crate) struct CommandOption<'a> {
    info: &'a CommandInfo,
    /// Its arguments as it is written, without the name.
    arguments: &'a str,
    role: Option<&'static str>,
    takes: Vec<Takes>,
}

/// What one argument takes.
pub(crate) struct Takes {
    kind: Kind,
    /// The words there are, with a space between.
    words: String,
}

/// The kind of an argument, as the page's script knows it.
#[derive(Clone, Copy)]
pub(crate) struct Kind(ArgumentKind);

impl fmt::Display for Kind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self.0 {
            ArgumentKind::Person => "person",
            ArgumentKind::Channel => "channel",
            ArgumentKind::Word | ArgumentKind::Duration => "word",
            ArgumentKind::Command => "command",
            ArgumentKind::Number | ArgumentKind::Id => "none",
            ArgumentKind::Text => "text",
        })
    }
}

/// Somebody to call.
pub(crate) struct PersonOption<'a> {
    avatar: Avatar<'a>,
    name: &'a str,
    username: &'a str,
    /// In the channel already.
    inside: bool,
}

/// A channel to name.
pub(crate) struct ChannelOption<'a> {
    name: &'a str,
    icon: &'static str,
    topic: &'a str,
}

fragments!(Completions<'_>);

impl<'a> Completions<'a> {
    /// For a box in a channel. `inside` are its people, `members` those of its community.
    pub(crate) fn new(
        here: &ChannelView,
        commands: &'a [CommandInfo],
        inside: &'a [User],
        members: &'a [Member],
        channels: &'a [ChannelView],
    ) -> Self {
        let named = channels.iter().filter(|view| view.channel.archived_at.is_none());
        Self {
            commands: commands.iter().map(CommandOption::new).collect(),
            people: people(inside, members),
            everybody: here.channel.name.is_some().then(|| {
                format!("notifies all {}", plural(here.member_count, "member", "members"))
            }),
            channels: named.filter_map(ChannelOption::new).collect(),
            emoji: &emoji::NAMED,
        }
    }
}

/// Those in the channel first, each by name; bots and people alike.
fn people<'a>(inside: &'a [User], members: &'a [Member]) -> Vec<PersonOption<'a>> {
    let known: HashSet<UserId> = inside.iter().map(|user| user.id).collect();
    let by_name = |users: &mut Vec<&'a User>| {
        users.sort_by_cached_key(|user| user.display_name.to_lowercase());
    };
    let mut here: Vec<&User> = inside.iter().collect();
    let outside = members.iter().map(|member| &member.user);
    let mut others: Vec<&User> = outside.filter(|user| !known.contains(&user.id)).collect();
    by_name(&mut here);
    by_name(&mut others);
    let option = |inside| move |user: &'a User| PersonOption::new(user, inside);
    here.into_iter().map(option(true)).chain(others.into_iter().map(option(false))).collect()
}

impl<'a> CommandOption<'a> {
    fn new(info: &'a CommandInfo) -> Self {
        let written = info.usage.strip_prefix('/').unwrap_or(&info.usage);
        Self {
            info,
            arguments: written.strip_prefix(info.name.as_str()).unwrap_or_default().trim(),
            role: info.role.filter(|role| *role > Role::Member).map(Role::as_str),
            takes: info.arguments.iter().map(Takes::new).collect(),
        }
    }
}

impl Takes {
    fn new(argument: &Argument) -> Self {
        let words = if argument.choices.is_empty() && argument.kind == ArgumentKind::Duration {
            DURATIONS.join(" ")
        } else {
            argument.choices.join(" ")
        };
        Self { kind: Kind(argument.kind), words }
    }
}

impl<'a> PersonOption<'a> {
    fn new(user: &'a User, inside: bool) -> Self {
        let avatar = Avatar::of_user(user).sized("s");
        Self {
            avatar: if user.kind == UserKind::Human {
                avatar.with_presence(user.id, user.online)
            } else {
                avatar
            },
            name: &user.display_name,
            username: &user.username,
            inside,
        }
    }
}

impl<'a> ChannelOption<'a> {
    fn new(view: &'a ChannelView) -> Option<Self> {
        Some(Self {
            name: view.channel.name.as_deref()?,
            icon: icon_of(view.channel.visibility),
            topic: view.channel.topic.as_deref().unwrap_or_default(),
        })
    }
}

#[cfg(test)]
mod tests {
    use ajet_shared::command::CommandGroup;

    use super::*;
    use crate::fixtures::{HOSTILE, NOON, world};
    use crate::view::render;

    fn user(name: &str) -> User {
        User {
            id: UserId::new(),
            username: name.to_lowercase(),
            display_name: name.to_owned(),
            avatar_url: None,
            kind: UserKind::Human,
            status_text: None,
            status_emoji: None,
            online: true,
            created_at: NOON,
        }
    }

    fn command(name: &str, usage: &str, kinds: &[ArgumentKind]) -> CommandInfo {
        let argument = |kind: &ArgumentKind| Argument {
            name: "x".into(),
            kind: *kind,
            optional: false,
            choices: Vec::new(),
        };
        CommandInfo {
            name: name.into(),
            arguments: kinds.iter().map(argument).collect(),
            summary: "Does it".into(),
            usage: usage.into(),
            group: CommandGroup::Channels,
            role: Some(Role::Admin),
        }
    }

    #[test]
    fn commands_come_with_what_they_take() {
        let here = world(&["general"]).here.unwrap();
        let kinds = [ArgumentKind::Person, ArgumentKind::Duration];
        let commands = [command("mute", "/mute @person [time]", &kinds)];
        let html = render(&Completions::new(&here, &commands, &[], &[], &[]));
        for part in [
            ">/mute</b>",
            "@person [time]",
            "admin",
            "data-kind=\"person\"",
            "data-kind=\"word\">10m 1h",
        ] {
            assert!(html.contains(part), "{part}: {html}");
        }
    }

    #[test]
    fn people_of_the_channel_come_first() {
        let world = world(&["general", "random"]);
        let (lena, sam, ada) = (user("Lena"), user("Sam"), user("Ada"));
        let inside = [sam.clone(), lena];
        let members = [ada, sam].map(|user| Member { user, role: Role::Member, joined_at: NOON });
        let channels = &world.sync.communities[0].channels;
        let here = world.here.clone().unwrap();
        let html = render(&Completions::new(&here, &[], &inside, &members, channels));
        let at = |text: &str| html.find(text).unwrap_or_else(|| panic!("{text}: {html}"));
        assert!(at("@lena") < at("@sam") && at("@sam") < at("@ada"));
        assert_eq!(html.matches("not in this channel").count(), 1);
        assert!(html.contains("#random") && html.contains("notifies all 2 members"));
    }

    #[test]
    fn names_stay_text() {
        let mut here = world(&["general"]).here.unwrap();
        here.channel.name = Some(HOSTILE.into());
        here.channel.topic = Some(HOSTILE.into());
        let mallory = user(HOSTILE);
        let mut info = command(HOSTILE, HOSTILE, &[ArgumentKind::Word]);
        info.summary = HOSTILE.into();
        info.arguments[0].choices = vec![HOSTILE.into()];
        let channels = [here.clone()];
        let html = render(&Completions::new(&here, &[info], &[mallory], &[], &channels));
        assert!(!html.contains("<script>") && !html.contains("<img"), "{html}");
    }
}
