//! What a command is, and which there are.

use ajet_shared::actions::{
    Action, Actor, ChannelFacts, Decision, DenyReason, Resource, Scope, authorize,
};
use ajet_shared::channel::{ChannelKind, Visibility};
use ajet_shared::command::{Argument, ArgumentKind, CommandAnswer, CommandGroup, CommandInfo};
use ajet_shared::community::Role;
use ajet_shared::db::authz::Access;
use ajet_shared::id::{ChannelId, UserId};
use futures::future::BoxFuture;
use uuid::Uuid;

use super::run::Run;
use super::{channels, help, integrations, people, talk};
use crate::auth::Caller;
use crate::error::{ApiResult, permit};

/// Does what a command says.
pub(super) type Executor = for<'a> fn(&'a Run<'a>) -> BoxFuture<'a, ApiResult<CommandAnswer>>;

/// One command: all that is known about it, in one place.
#[derive(Debug)]
pub(super) struct Command {
    /// Without the slash; a command with verbs is one entry for each: `webhook create`.
    pub(super) name: &'static str,
    /// One line: what it does.
    pub(super) summary: &'static str,
    /// Its arguments, in order.
    pub(super) arguments: &'static [Arg],
    /// What somebody must be able to do to be shown it.
    pub(super) needs: Needs,
    /// Where it makes sense.
    pub(super) scope: Place,
    /// What it does.
    pub(super) run: Executor,
}

/// What somebody must be able to do to be shown a command. Acts decide for themselves again.
#[derive(Clone, Copy, Debug)]
pub(super) enum Needs {
    /// Nothing.
    Nothing,
    /// To be a person who is signed in, not a token.
    Session,
    /// Nothing of a person; a token must be made for this.
    Scope(Scope),
    /// One of these, in the channel where it is typed.
    Any(&'static [Action]),
    /// The same, and to be a person who is signed in.
    AnySignedIn(&'static [Action]),
}

/// Where a command makes sense.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Place {
    /// Everywhere.
    Anywhere,
    /// In the channels of a community.
    Community,
}

/// One argument of a command.
#[derive(Clone, Copy, Debug)]
pub(super) struct Arg {
    pub(super) name: &'static str,
    pub(super) kind: ArgumentKind,
    pub(super) optional: bool,
    pub(super) choices: &'static [&'static str],
    /// Only a word of this form is taken; an optional argument lets others pass by to the next one.
    pub(super) form: Option<fn(&str) -> bool>,
}

impl Arg {
    /// Somebody: `@name`.
    pub(super) const fn person(name: &'static str) -> Self {
        Self::new(name, ArgumentKind::Person)
    }

    /// A channel: `#name`.
    pub(super) const fn channel(name: &'static str) -> Self {
        Self::new(name, ArgumentKind::Channel)
    }

    /// One word; in quotes it may hold spaces.
    pub(super) const fn word(name: &'static str) -> Self {
        Self::new(name, ArgumentKind::Word)
    }

    /// One of a few words.
    pub(super) const fn choice(name: &'static str, choices: &'static [&'static str]) -> Self {
        Self { choices, ..Self::new(name, ArgumentKind::Word) }
    }

    /// All that is left of the line.
    pub(super) const fn text(name: &'static str) -> Self {
        Self::new(name, ArgumentKind::Text)
    }

    /// Any other kind.
    pub(super) const fn new(name: &'static str, kind: ArgumentKind) -> Self {
        Self { name, kind, optional: false, choices: &[], form: None }
    }

    /// It may be left out.
    pub(super) const fn optional(self) -> Self {
        Self { optional: true, ..self }
    }

    /// Only a word of this form is one.
    pub(super) const fn formed(self, form: fn(&str) -> bool) -> Self {
        Self { form: Some(form), ..self }
    }

    /// As the usage shows it: `@user`, `[#channel]`, `<name>`, `member|admin`.
    fn shown(&self) -> String {
        let name = match self.kind {
            ArgumentKind::Person => format!("@{}", self.name),
            ArgumentKind::Channel => format!("#{}", self.name),
            _ if !self.choices.is_empty() => self.choices.join("|"),
            _ if self.optional => self.name.to_owned(),
            _ => format!("<{}>", self.name),
        };
        if self.optional { format!("[{name}]") } else { name }
    }

    fn info(&self) -> Argument {
        Argument {
            name: self.name.to_owned(),
            kind: self.kind,
            optional: self.optional,
            choices: self.choices.iter().map(|choice| (*choice).to_owned()).collect(),
        }
    }
}

/// The registry: every group's list, in the order in which help shows them.
pub(super) const GROUPS: &[(CommandGroup, &[Command])] = &[
    (CommandGroup::Talk, talk::COMMANDS),
    (CommandGroup::Channels, channels::COMMANDS),
    (CommandGroup::People, people::COMMANDS),
    (CommandGroup::Integrations, integrations::COMMANDS),
    (CommandGroup::Help, help::COMMANDS),
];

/// Every command there is.
pub(super) fn all() -> impl Iterator<Item = &'static Command> {
    GROUPS.iter().flat_map(|(_, commands)| commands.iter())
}

/// The commands that the caller may use in a channel.
pub(super) fn usable(caller: &Caller, place: &Access) -> impl Iterator<Item = &'static Command> {
    all().filter(|command| command.check(caller, place).is_ok())
}

impl Command {
    /// How it is written: `/topic [text]`.
    pub(super) fn usage(&self) -> String {
        let arguments = self.arguments.iter().map(|argument| format!(" {}", argument.shown()));
        format!("/{}{}", self.name, arguments.collect::<String>())
    }

    /// As it is listed.
    pub(super) fn info(&self) -> CommandInfo {
        CommandInfo {
            name: self.name.to_owned(),
            arguments: self.arguments.iter().map(Arg::info).collect(),
            summary: self.summary.to_owned(),
            usage: self.usage(),
            group: self.group(),
            role: self.lowest_role().filter(|role| *role > Role::Member),
        }
    }

    fn group(&self) -> CommandGroup {
        let mine = |commands: &[Self]| commands.iter().any(|other| other.name == self.name);
        GROUPS.iter().find(|(_, commands)| mine(commands)).map_or(CommandGroup::Help, |of| of.0)
    }

    /// Whether the caller is shown it in a channel, and if not, why.
    pub(super) fn check(&self, caller: &Caller, place: &Access) -> ApiResult<()> {
        if self.scope == Place::Community && place.channel.community_id.is_none() {
            return Err(DenyReason::DirectMessage.into());
        }
        match self.needs {
            Needs::Nothing => Ok(()),
            Needs::Session => caller.session().map(drop),
            Needs::Scope(scope) => caller.scope(scope),
            Needs::Any(actions) => permit(best(&caller.actor, actions, &place.resource())),
            Needs::AnySignedIn(actions) => {
                permit(best(&caller.actor, actions, &place.resource()))?;
                caller.session().map(drop)
            }
        }
    }

    /// The lowest role with which somebody may use it, worked out from the rights themselves.
    pub(super) fn lowest_role(&self) -> Option<Role> {
        let (Needs::Any(actions) | Needs::AnySignedIn(actions)) = self.needs else { return None };
        let nil = Uuid::nil();
        let channel = ChannelFacts {
            id: ChannelId::from(nil),
            kind: ChannelKind::Text,
            visibility: Visibility::Public,
            archived: false,
            joined: true,
            muted: false,
        };
        let may = |role: &Role| {
            let resource =
                Resource { role: Some(*role), channel: Some(channel), ..Resource::default() };
            best(&Actor::User(UserId::from(nil)), actions, &resource) == Decision::Allow
        };
        [Role::Member, Role::Admin, Role::Owner].into_iter().find(may)
    }
}

/// The best of what is decided about some actions; who is acted on is taken to be a member.
fn best(actor: &Actor, actions: &[Action], resource: &Resource) -> Decision {
    let resource = Resource { target_role: Some(Role::Member), ..*resource };
    let mut decisions = actions.iter().map(|action| authorize(actor, *action, &resource));
    let first = decisions.next().unwrap_or(Decision::Allow);
    if decisions.any(|decision| decision == Decision::Allow) { Decision::Allow } else { first }
}
