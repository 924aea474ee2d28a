//! What anybody can do, and the one function that decides whether they may (delivery-and-security.md section 3.6).
//!
//! REST handlers, slash commands and webhooks all build an [`Action`]; the transaction that acts gathers the [`Resource`] facts and
//! asks [`authorize`]. New features add variants, not paths.

use std::collections::BTreeSet;
use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

use crate::channel::{ChannelKind, Visibility};
use crate::community::Role;
use crate::id::{ChannelId, UserId};

/// Everything a person, bot, slash command or webhook can do.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Action {
    /// See a community, its public channels and members.
    ReadCommunity,
    /// Rename a community, or say what its members may do.
    UpdateCommunity,
    /// Make a channel.
    CreateChannel,
    /// Read a channel: its messages, members, files.
    ReadChannel,
    /// Join a channel oneself.
    JoinChannel,
    /// Leave a channel.
    LeaveChannel,
    /// Change a channel's topic.
    SetTopic,
    /// Rename a channel.
    RenameChannel,
    /// Archive or unarchive a channel.
    ArchiveChannel,
    /// Take somebody into a channel.
    AddChannelMember,
    /// Take somebody out of a channel.
    RemoveChannelMember,
    /// Write a message.
    PostMessage,
    /// Call everybody in a channel of more than 50 people.
    MentionEverybody,
    /// Change a message's text.
    EditMessage,
    /// Delete a message.
    DeleteMessage,
    /// Give or take back a reaction.
    React,
    /// Say that one is writing.
    Type,
    /// Move one's read mark.
    MarkRead,
    /// Choose what of a channel notifies oneself.
    SetNotifyLevel,
    /// Make an invite that gives this role.
    CreateInvite(Role),
    /// See and revoke invites.
    ManageInvites,
    /// Give a member this role.
    ChangeRole(Role),
    /// Take a member out of the community.
    RemoveMember,
    /// Keep somebody out of the community, or let them back.
    BanMember,
    /// Silence a member for a while, or let them speak again.
    MuteMember,
    /// Take another name in the community.
    SetNickname,
    /// Delete this many of the newest messages of a channel at once.
    Purge(u32),
    /// See, make and revoke the webhooks of a community.
    ManageWebhooks,
    /// See, make and revoke the tokens of a community's bots.
    ManageTokens,
    /// Leave the community.
    LeaveCommunity,
    /// Read the audit log.
    ReadAudit,
}

/// What a token may be used for; a session may do everything its owner may.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(try_from = "String")]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub enum Scope {
    /// Read messages.
    #[serde(rename = "messages:read")]
    MessagesRead,
    /// Write messages and reactions.
    #[serde(rename = "messages:write")]
    MessagesWrite,
    /// See channels and members.
    #[serde(rename = "channels:read")]
    ChannelsRead,
    /// Make, change, join and leave channels.
    #[serde(rename = "channels:write")]
    ChannelsWrite,
    /// Get files.
    #[serde(rename = "files:read")]
    FilesRead,
    /// Upload files.
    #[serde(rename = "files:write")]
    FilesWrite,
    /// Search.
    #[serde(rename = "search:read")]
    SearchRead,
    /// Administer the community.
    #[serde(rename = "admin")]
    Admin,
}

/// The text is not a scope.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error(
    "unknown scope; scopes are messages:read, messages:write, channels:read, channels:write, files:read, files:write, search:read, admin"
)]
pub struct ScopeError;

impl Scope {
    /// Every scope there is.
    pub const ALL: [Self; 8] = [
        Self::MessagesRead,
        Self::MessagesWrite,
        Self::ChannelsRead,
        Self::ChannelsWrite,
        Self::FilesRead,
        Self::FilesWrite,
        Self::SearchRead,
        Self::Admin,
    ];

    /// As it is written everywhere.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::MessagesRead => "messages:read",
            Self::MessagesWrite => "messages:write",
            Self::ChannelsRead => "channels:read",
            Self::ChannelsWrite => "channels:write",
            Self::FilesRead => "files:read",
            Self::FilesWrite => "files:write",
            Self::SearchRead => "search:read",
            Self::Admin => "admin",
        }
    }
}

impl FromStr for Scope {
    type Err = ScopeError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        Self::ALL.into_iter().find(|scope| scope.as_str() == text).ok_or(ScopeError)
    }
}

impl TryFrom<String> for Scope {
    type Error = ScopeError;

    fn try_from(text: String) -> Result<Self, Self::Error> {
        text.parse()
    }
}

impl fmt::Display for Scope {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// Who acts.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Actor {
    /// A person with a session.
    User(UserId),
    /// A bot or a personal token: its owner's rights, cut down to these scopes.
    Token(UserId, BTreeSet<Scope>),
    /// A webhook: may post to its channel and nothing else.
    Webhook(UserId, ChannelId),
}

impl Actor {
    /// The account that acts.
    #[must_use]
    pub const fn user_id(&self) -> UserId {
        match self {
            Self::User(id) | Self::Token(id, _) | Self::Webhook(id, _) => *id,
        }
    }
}

/// The facts about what is acted on, read in the acting transaction.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[expect(clippy::struct_excessive_bools, reason = "one fact each")]
pub struct Resource {
    /// The actor's role in the community at stake; none when not a member, or in direct messages.
    pub role: Option<Role>,
    /// The channel at stake.
    pub channel: Option<ChannelFacts>,
    /// The actor wrote the message at stake.
    pub is_author: bool,
    /// The role of the member at stake.
    pub target_role: Option<Role>,
    /// The member at stake is the actor.
    pub is_self: bool,
    /// The community lets plain members make invites.
    pub members_may_invite: bool,
    /// The actor may not write in the community at stake for now; where a channel is at stake, its facts say so.
    pub muted: bool,
}

/// The facts about a channel.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ChannelFacts {
    /// Which.
    pub id: ChannelId,
    /// What kind.
    pub kind: ChannelKind,
    /// Who may see it.
    pub visibility: Visibility,
    /// It only reads.
    pub archived: bool,
    /// The actor is in it.
    pub joined: bool,
    /// The actor may not write for now.
    pub muted: bool,
}

/// What [`authorize`] says.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Decision {
    /// Go on.
    Allow,
    /// 403: the actor may see it and may not do this, because.
    Deny(DenyReason),
    /// 404: the actor may not even know of it.
    Hide,
}

/// Why not, in words for people.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum DenyReason {
    /// Only members of the channel.
    #[error("join the channel first")]
    NotJoined,
    /// Only admins and owners.
    #[error("only admins and owners may do this")]
    NotAdmin,
    /// Only owners.
    #[error("only owners may do this")]
    NotOwner,
    /// Only the author.
    #[error("only its author may do this")]
    NotAuthor,
    /// The other one stands as high or higher.
    #[error("you may not do this to somebody of the same or a higher role")]
    NotAbove,
    /// Nobody does this to themselves.
    #[error("you may not do this to yourself")]
    Oneself,
    /// The bot stands higher.
    #[error("the bot of that name has a higher role than you")]
    BotAbove,
    /// The channel only reads.
    #[error("the channel is archived")]
    Archived,
    /// The actor may not write for now.
    #[error("you are muted here")]
    Muted,
    /// Direct messages have no such thing.
    #[error("this cannot be done in a direct message")]
    DirectMessage,
    /// The token is not for this.
    #[error("the token lacks the scope {0}")]
    Scope(Scope),
}

impl DenyReason {
    /// The slug of the problem type.
    #[must_use]
    pub const fn slug(self) -> &'static str {
        match self {
            Self::Scope(_) => "insufficient-scope",
            Self::Archived => "channel-archived",
            Self::NotJoined => "not-joined",
            Self::Muted => "muted",
            _ => "forbidden",
        }
    }
}

/// Whether `actor` may do `action`, given the facts. Pure; the only place where rights are decided.
#[must_use]
pub fn authorize(actor: &Actor, action: Action, resource: &Resource) -> Decision {
    if let Actor::Webhook(_, bound) = actor {
        return webhook(*bound, action, resource);
    }
    // Visibility first: who may not see a thing learns nothing else about it.
    if !visible(action, resource) {
        return Decision::Hide;
    }
    if let Actor::Token(_, scopes) = actor
        && let scope = required_scope(action)
        && !scopes.contains(&scope)
    {
        return Decision::Deny(DenyReason::Scope(scope));
    }
    match rights(action, resource) {
        Ok(()) => Decision::Allow,
        Err(reason) => Decision::Deny(reason),
    }
}

fn webhook(bound: ChannelId, action: Action, resource: &Resource) -> Decision {
    match resource.channel {
        Some(channel) if channel.id == bound && action == Action::PostMessage => {
            if channel.archived { Decision::Deny(DenyReason::Archived) } else { Decision::Allow }
        }
        _ => Decision::Hide,
    }
}

/// The actor may know of the thing at stake.
fn visible(action: Action, resource: &Resource) -> bool {
    match resource.channel {
        Some(channel) => match (channel.kind, channel.visibility) {
            (ChannelKind::Dm | ChannelKind::GroupDm, _) => channel.joined,
            (_, Visibility::Private) => channel.joined && resource.role.is_some(),
            (_, Visibility::Public) => resource.role.is_some(),
        },
        None => {
            resource.role.is_some() || matches!(action, Action::LeaveCommunity if resource.is_self)
        }
    }
}

fn required_scope(action: Action) -> Scope {
    match action {
        Action::ReadCommunity => Scope::ChannelsRead,
        Action::ReadChannel | Action::MarkRead | Action::SetNotifyLevel => Scope::MessagesRead,
        Action::PostMessage
        | Action::MentionEverybody
        | Action::EditMessage
        | Action::DeleteMessage
        | Action::React
        | Action::Type => Scope::MessagesWrite,
        Action::CreateChannel
        | Action::JoinChannel
        | Action::LeaveChannel
        | Action::SetTopic
        | Action::RenameChannel
        | Action::ArchiveChannel
        | Action::AddChannelMember
        | Action::RemoveChannelMember => Scope::ChannelsWrite,
        Action::UpdateCommunity
        | Action::CreateInvite(_)
        | Action::ManageInvites
        | Action::ChangeRole(_)
        | Action::RemoveMember
        | Action::BanMember
        | Action::MuteMember
        | Action::SetNickname
        | Action::Purge(_)
        | Action::ManageWebhooks
        | Action::ManageTokens
        | Action::LeaveCommunity
        | Action::ReadAudit => Scope::Admin,
    }
}

fn rights(action: Action, resource: &Resource) -> Result<(), DenyReason> {
    match action {
        Action::ReadCommunity | Action::ReadChannel | Action::LeaveCommunity => Ok(()),
        // Names and topics are read by everybody: who is silenced does not speak by them either.
        Action::CreateChannel | Action::SetNickname => not_muted(resource),
        Action::LeaveChannel | Action::JoinChannel => not_direct(resource),
        Action::MarkRead | Action::SetNotifyLevel | Action::Type => joined(resource),
        Action::PostMessage | Action::React => writable(resource),
        Action::EditMessage => {
            writable(resource).and(check(resource.is_author, DenyReason::NotAuthor))
        }
        Action::DeleteMessage => joined_or_admin(resource).and(check(
            resource.is_author || resource.role >= Some(Role::Admin),
            DenyReason::NotAuthor,
        )),
        Action::MentionEverybody
        | Action::UpdateCommunity
        | Action::ManageInvites
        | Action::ManageWebhooks
        | Action::ManageTokens
        | Action::ReadAudit => admin(resource),
        Action::SetTopic => not_direct(resource)
            .and(not_archived(resource))
            .and(joined_or_admin(resource))
            .and(not_muted(resource)),
        Action::AddChannelMember => {
            not_direct(resource).and(not_archived(resource)).and(joined(resource))
        }
        Action::RenameChannel => not_direct(resource).and(admin(resource)).and(not_muted(resource)),
        Action::ArchiveChannel => not_direct(resource).and(admin(resource)),
        Action::RemoveChannelMember => not_direct(resource).and(above(resource)),
        Action::CreateInvite(role) => invite(role, resource),
        Action::ChangeRole(_) => check(resource.role == Some(Role::Owner), DenyReason::NotOwner),
        Action::RemoveMember | Action::BanMember | Action::MuteMember => above(resource),
        Action::Purge(count) => not_direct(resource).and(purge(count, resource)),
    }
}

const fn check(ok: bool, reason: DenyReason) -> Result<(), DenyReason> {
    if ok { Ok(()) } else { Err(reason) }
}

fn admin(resource: &Resource) -> Result<(), DenyReason> {
    check(resource.role >= Some(Role::Admin), DenyReason::NotAdmin)
}

fn joined(resource: &Resource) -> Result<(), DenyReason> {
    check(resource.channel.is_none_or(|channel| channel.joined), DenyReason::NotJoined)
}

fn joined_or_admin(resource: &Resource) -> Result<(), DenyReason> {
    if resource.role >= Some(Role::Admin) { Ok(()) } else { joined(resource) }
}

fn not_archived(resource: &Resource) -> Result<(), DenyReason> {
    check(resource.channel.is_none_or(|channel| !channel.archived), DenyReason::Archived)
}

fn not_direct(resource: &Resource) -> Result<(), DenyReason> {
    let direct = resource
        .channel
        .is_some_and(|channel| matches!(channel.kind, ChannelKind::Dm | ChannelKind::GroupDm));
    check(!direct, DenyReason::DirectMessage)
}

fn writable(resource: &Resource) -> Result<(), DenyReason> {
    joined(resource)?;
    not_archived(resource)?;
    not_muted(resource)
}

fn not_muted(resource: &Resource) -> Result<(), DenyReason> {
    let muted = resource.muted || resource.channel.is_some_and(|channel| channel.muted);
    check(!muted, DenyReason::Muted)
}

/// Messages an admin may delete at once. Source: delivery-and-security.md section 3.6.
pub const PURGE_ADMIN_MAX: u32 = 100;
/// Messages anybody may delete at once: what one transaction does well within its time.
pub const PURGE_MAX: u32 = 500;

fn purge(count: u32, resource: &Resource) -> Result<(), DenyReason> {
    admin(resource)?;
    check(count <= PURGE_ADMIN_MAX || resource.role == Some(Role::Owner), DenyReason::NotOwner)
}

/// An owner over everybody, an admin over members; nobody over oneself.
fn above(resource: &Resource) -> Result<(), DenyReason> {
    admin(resource)?;
    check(!resource.is_self, DenyReason::Oneself)?;
    let above = resource.role == Some(Role::Owner) || resource.role > resource.target_role;
    check(above, DenyReason::NotAbove)
}

fn invite(role: Role, resource: &Resource) -> Result<(), DenyReason> {
    if role == Role::Member && resource.members_may_invite {
        return Ok(());
    }
    admin(resource)?;
    check(role == Role::Member || resource.role == Some(Role::Owner), DenyReason::NotOwner)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn channel(visibility: Visibility, joined: bool) -> ChannelFacts {
        ChannelFacts {
            id: ChannelId::new(),
            kind: ChannelKind::Text,
            visibility,
            archived: false,
            joined,
            muted: false,
        }
    }

    fn decide(action: Action, role: Option<Role>, channel: Option<ChannelFacts>) -> Decision {
        authorize(
            &Actor::User(UserId::new()),
            action,
            &Resource { role, channel, ..Resource::default() },
        )
    }

    #[test]
    fn the_unseen_is_hidden_even_from_owners() {
        let private = Some(channel(Visibility::Private, false));
        for role in [None, Some(Role::Member), Some(Role::Owner)] {
            for action in [
                Action::ReadChannel,
                Action::PostMessage,
                Action::JoinChannel,
                Action::ArchiveChannel,
                Action::React,
            ] {
                assert_eq!(decide(action, role, private), Decision::Hide, "{action:?} as {role:?}");
            }
        }
        assert_eq!(
            decide(Action::ReadChannel, None, Some(channel(Visibility::Public, false))),
            Decision::Hide
        );
        assert_eq!(
            decide(
                Action::ReadChannel,
                Some(Role::Member),
                Some(channel(Visibility::Private, true))
            ),
            Decision::Allow
        );
    }

    #[test]
    fn a_public_channel_is_read_by_all_and_written_by_its_members() {
        let public = Some(channel(Visibility::Public, false));
        assert_eq!(decide(Action::ReadChannel, Some(Role::Member), public), Decision::Allow);
        assert_eq!(
            decide(Action::PostMessage, Some(Role::Member), public),
            Decision::Deny(DenyReason::NotJoined)
        );
        assert_eq!(
            decide(
                Action::PostMessage,
                Some(Role::Member),
                Some(channel(Visibility::Public, true))
            ),
            Decision::Allow
        );
    }

    #[test]
    fn direct_messages_belong_to_their_members_only() {
        let dm = |joined| {
            Some(ChannelFacts { kind: ChannelKind::Dm, ..channel(Visibility::Private, joined) })
        };
        assert_eq!(decide(Action::PostMessage, None, dm(true)), Decision::Allow);
        assert_eq!(decide(Action::ReadChannel, Some(Role::Owner), dm(false)), Decision::Hide);
        assert_eq!(
            decide(Action::SetTopic, None, dm(true)),
            Decision::Deny(DenyReason::DirectMessage)
        );
    }

    #[test]
    fn nobody_acts_on_their_equals() {
        let remove = |role, target_role| {
            let resource = Resource {
                role: Some(role),
                target_role: Some(target_role),
                ..Resource::default()
            };
            authorize(&Actor::User(UserId::new()), Action::RemoveMember, &resource)
        };
        assert_eq!(remove(Role::Admin, Role::Member), Decision::Allow);
        assert_eq!(remove(Role::Admin, Role::Admin), Decision::Deny(DenyReason::NotAbove));
        assert_eq!(remove(Role::Owner, Role::Admin), Decision::Allow);
        assert_eq!(remove(Role::Member, Role::Member), Decision::Deny(DenyReason::NotAdmin));
        let oneself = Resource {
            role: Some(Role::Owner),
            target_role: Some(Role::Owner),
            is_self: true,
            ..Resource::default()
        };
        assert_eq!(
            authorize(&Actor::User(UserId::new()), Action::BanMember, &oneself),
            Decision::Deny(DenyReason::Oneself)
        );
    }

    #[test]
    fn who_is_muted_speaks_by_no_name_and_no_topic_either() {
        let here = ChannelFacts { muted: true, ..channel(Visibility::Public, true) };
        let resource = Resource {
            role: Some(Role::Admin),
            channel: Some(here),
            muted: true,
            ..Resource::default()
        };
        let decide =
            |action, resource: &Resource| authorize(&Actor::User(UserId::new()), action, resource);
        for action in [Action::PostMessage, Action::SetTopic, Action::RenameChannel] {
            assert_eq!(decide(action, &resource), Decision::Deny(DenyReason::Muted), "{action:?}");
        }
        let community = Resource { channel: None, ..resource };
        for action in [Action::CreateChannel, Action::SetNickname] {
            assert_eq!(decide(action, &community), Decision::Deny(DenyReason::Muted), "{action:?}");
        }
        for action in [Action::ReadChannel, Action::LeaveChannel, Action::ArchiveChannel] {
            assert_eq!(decide(action, &resource), Decision::Allow, "{action:?}");
        }
    }

    #[test]
    fn members_invite_members_where_they_may() {
        let invite = |role, members_may_invite, given| {
            let resource = Resource { role, members_may_invite, ..Resource::default() };
            authorize(&Actor::User(UserId::new()), Action::CreateInvite(given), &resource)
        };
        let member = Some(Role::Member);
        assert_eq!(invite(member, true, Role::Member), Decision::Allow);
        for (may, given) in [(false, Role::Member), (true, Role::Admin), (true, Role::Owner)] {
            assert_eq!(invite(member, may, given), Decision::Deny(DenyReason::NotAdmin));
        }
        assert_eq!(invite(None, true, Role::Member), Decision::Hide);
        assert_eq!(
            invite(Some(Role::Admin), true, Role::Admin),
            Decision::Deny(DenyReason::NotOwner)
        );
    }

    #[test]
    fn a_token_is_cut_to_its_scopes() {
        let resource = Resource {
            role: Some(Role::Owner),
            channel: Some(channel(Visibility::Public, true)),
            ..Resource::default()
        };
        let token = |scope| Actor::Token(UserId::new(), BTreeSet::from([scope]));
        assert_eq!(
            authorize(&token(Scope::MessagesWrite), Action::PostMessage, &resource),
            Decision::Allow
        );
        assert_eq!(
            authorize(&token(Scope::MessagesRead), Action::PostMessage, &resource),
            Decision::Deny(DenyReason::Scope(Scope::MessagesWrite))
        );
    }

    #[test]
    fn a_webhook_posts_to_its_channel_and_does_nothing_else() {
        let facts = channel(Visibility::Private, false);
        let hook = Actor::Webhook(UserId::new(), facts.id);
        let resource = Resource { channel: Some(facts), ..Resource::default() };
        assert_eq!(authorize(&hook, Action::PostMessage, &resource), Decision::Allow);
        assert_eq!(authorize(&hook, Action::ReadChannel, &resource), Decision::Hide);
        let other =
            Resource { channel: Some(channel(Visibility::Public, true)), ..Resource::default() };
        assert_eq!(authorize(&hook, Action::PostMessage, &other), Decision::Hide);
    }
}
