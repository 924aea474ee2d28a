//! Finding the channel or message that was named.

use ajet_shared::channel::{ChannelKind, ChannelView};
use ajet_shared::community::Community;
use ajet_shared::id::{ChannelId, MessageId};
use ajet_shared::message::Message;
use ajet_shared::page::PageQuery;
use ajet_shared::sync::{CommunityView, Sync};

use crate::context::Context;
use crate::error::{CliError, CliResult, Exit};
use crate::naming::{ChannelRef, MessageRef, fits};
use crate::nearest::nearest;

/// Channels that are searched for a message when this machine has not seen it.
const SEARCHED_CHANNELS: usize = 30;
/// Messages of each of them.
const SEARCHED_MESSAGES: u16 = 100;

/// A channel and where it is.
#[derive(Clone, Debug)]
pub(crate) struct Place {
    pub(crate) view: ChannelView,
    pub(crate) community: Option<Community>,
    /// `general`, or `@ola` for a direct message.
    pub(crate) name: String,
}

impl Place {
    pub(crate) fn id(&self) -> ChannelId {
        self.view.channel.id
    }

    /// `#general` or `@ola`.
    pub(crate) fn label(&self) -> String {
        if self.community.is_some() { format!("#{}", self.name) } else { self.name.clone() }
    }
}

impl Context {
    /// The channel that was named.
    pub(crate) async fn channel(&self, text: &str) -> CliResult<Place> {
        let named = ChannelRef::parse(text, self.server()?)?;
        self.place(&named).await
    }

    /// The channel to write to: a direct message that is not there yet is opened.
    pub(crate) async fn channel_to_write(&self, text: &str) -> CliResult<Place> {
        let named = ChannelRef::parse(text, self.server()?)?;
        match (self.place(&named).await, &named) {
            (Err(error), ChannelRef::User(username)) if error.exit == Exit::NotFound => {
                self.open_direct_message(username).await
            }
            (place, _) => place,
        }
    }

    async fn open_direct_message(&self, username: &str) -> CliResult<Place> {
        let sync = self.sync().await?;
        let client = self.client().await?;
        for community in &sync.communities {
            let mut page = limit(100);
            loop {
                let members = self.call(client.members(community.community.id, page)).await?;
                if let Some(member) =
                    members.items.iter().find(|member| member.user.username == username)
                {
                    let view = self.call(client.open_direct_message(&[member.user.id])).await?;
                    return Ok(Place { view, community: None, name: format!("@{username}") });
                }
                match members.next {
                    Some(next) => page.after = Some(next),
                    None => break,
                }
            }
        }
        Err(CliError::not_found(format!("You share no community with a @{username}."))
            .hint("ajet-chat community members"))
    }

    async fn place(&self, named: &ChannelRef) -> CliResult<Place> {
        let sync = self.sync().await?;
        match named {
            ChannelRef::Id(id) => self.place_of(*id).await,
            ChannelRef::User(username) => direct_message(sync, username).ok_or_else(|| {
                CliError::not_found(format!("You have no direct message with @{username}."))
                    .hint(format!("Write the first message: ajet-chat send @{username}"))
            }),
            ChannelRef::Name(name) => self.named_channel(self.community().await?, name).await,
            ChannelRef::Link { slug, name } => {
                self.named_channel(find_community(sync, slug)?, name).await
            }
        }
    }

    async fn named_channel(&self, community: &CommunityView, name: &str) -> CliResult<Place> {
        let is_it = |view: &&ChannelView| view.channel.name.as_deref() == Some(name);
        if let Some(view) = community.channels.iter().find(is_it) {
            return Ok(in_community(view.clone(), &community.community));
        }
        // Not joined: it may be one that could be.
        let all = self.channels_of(community).await?;
        if let Some(view) = all.iter().find(is_it) {
            return Ok(in_community(view.clone(), &community.community));
        }
        let near = nearest(name, all.iter().filter_map(|view| view.channel.name.as_deref()));
        let advice = near.map(|near| format!(" Did you mean {near}?")).unwrap_or_default();
        Err(CliError::not_found(format!(
            "No channel \"{name}\" in {}.{advice}",
            community.community.name
        ))
        .hint("ajet-chat channel list --all"))
    }

    /// All channels of a community that the user may see.
    pub(crate) async fn channels_of(
        &self,
        community: &CommunityView,
    ) -> CliResult<Vec<ChannelView>> {
        let client = self.client().await?;
        Ok(self.call(client.channels(community.community.id)).await?.items)
    }

    /// A channel by its id.
    pub(crate) async fn place_of(&self, id: ChannelId) -> CliResult<Place> {
        let sync = self.sync().await?;
        if let Some(place) = known_place(sync, id) {
            return Ok(place);
        }
        let client = self.client().await?;
        let view = self.call(client.channel(id)).await?;
        let community =
            sync.communities.iter().find(|of| Some(of.community.id) == view.channel.community_id);
        Ok(match community {
            Some(community) => in_community(view, &community.community),
            None => {
                Place { name: view.channel.name.clone().unwrap_or_default(), view, community: None }
            }
        })
    }

    /// The id of the message that was named.
    pub(crate) async fn message_id(&self, text: &str) -> CliResult<MessageId> {
        match MessageRef::parse(text, self.server()?)? {
            MessageRef::Id(id) => Ok(id),
            MessageRef::MyLast => self.my_last().await,
            MessageRef::LastOf(channel) => {
                let place = self.place(&channel).await?;
                let client = self.client().await?;
                let page = self.call(client.messages(place.id(), limit(20))).await?;
                let newest = page.items.iter().rev().find(|message| message.deleted_at.is_none());
                newest.map(|message| message.id).ok_or_else(|| {
                    CliError::not_found(format!("There is no message in {} yet.", place.label()))
                })
            }
            MessageRef::Fragment(fragment) => self.fitting(&fragment, text).await,
        }
    }

    /// The message that was named.
    pub(crate) async fn message(&self, text: &str) -> CliResult<Message> {
        let id = self.message_id(text).await?;
        let client = self.client().await?;
        self.call(client.message(id)).await.map_err(|error| match error.exit {
            Exit::NotFound => {
                CliError::not_found(format!("There is no message \"{text}\" that you can see."))
            }
            _ => error,
        })
    }

    async fn my_last(&self) -> CliResult<MessageId> {
        if let Some(id) = self.recent()?.my_last() {
            return Ok(id);
        }
        let me = self.sync().await?.me.user.id;
        let mine =
            self.search(|message| message.author.id == me && message.deleted_at.is_none()).await?;
        mine.into_iter().max().ok_or_else(|| {
            CliError::not_found("You have not sent a message lately.")
                .hint("Give its id or its link.")
        })
    }

    async fn fitting(&self, fragment: &str, typed: &str) -> CliResult<MessageId> {
        let mut ids = self.recent()?.fitting(fragment);
        if ids.is_empty() {
            ids = self.search(|message| fits(fragment, message.id)).await?;
        }
        match ids.as_slice() {
            [id] => Ok(*id),
            [] => Err(CliError::not_found(format!("No recent message has the id \"{typed}\"."))
                .hint("Give the full id, or the link.")),
            several => {
                let mut error = CliError::new(
                    Exit::NotFound,
                    "ambiguous",
                    format!(
                        "\"{typed}\" fits {} messages. Give more characters, or the link.",
                        several.len()
                    ),
                );
                for id in several.iter().take(10) {
                    error = error.hint(id.to_string());
                }
                Err(error)
            }
        }
    }

    /// The ids of recent messages in my channels that are looked for.
    async fn search(&self, wanted: impl Fn(&Message) -> bool) -> CliResult<Vec<MessageId>> {
        let sync = self.sync().await?;
        let client = self.client().await?;
        let mut channels: Vec<&ChannelView> = sync
            .communities
            .iter()
            .flat_map(|community| &community.channels)
            .chain(&sync.dms)
            .collect();
        channels.sort_by_key(|view| std::cmp::Reverse(view.channel.last_seq));
        let mut ids = Vec::new();
        for view in channels.into_iter().take(SEARCHED_CHANNELS) {
            let page =
                self.call(client.messages(view.channel.id, limit(SEARCHED_MESSAGES))).await?;
            ids.extend(
                page.items.iter().filter(|message| wanted(message)).map(|message| message.id),
            );
        }
        Ok(ids)
    }

    /// Where people see a message.
    pub(crate) fn message_url(&self, place: &Place, id: MessageId) -> String {
        let server =
            self.settings.server.as_ref().map(|(server, _)| server.to_string()).unwrap_or_default();
        match &place.community {
            Some(community) => {
                let name: String =
                    url::form_urlencoded::byte_serialize(place.name.as_bytes()).collect();
                format!("{server}/c/{}/channels/{name}/m/{id}", community.slug)
            }
            None => format!("{server}/dm/{}", place.id()),
        }
    }
}

/// The newest `n` rows.
pub(crate) fn limit(n: u16) -> PageQuery {
    PageQuery { limit: Some(n), ..PageQuery::default() }
}

pub(crate) fn find_community<'a>(sync: &'a Sync, slug: &str) -> CliResult<&'a CommunityView> {
    let found = sync.communities.iter().find(|view| view.community.slug == slug);
    found
        .or_else(|| {
            sync.communities.iter().find(|view| view.community.name.eq_ignore_ascii_case(slug))
        })
        .ok_or_else(|| {
            let near =
                nearest(slug, sync.communities.iter().map(|view| view.community.slug.as_str()));
            let advice = near.map(|near| format!(" Did you mean {near}?")).unwrap_or_default();
            CliError::not_found(format!("You are in no community \"{slug}\".{advice}"))
                .hint("ajet-chat community list")
        })
}

/// A channel of mine, from what is known.
pub(crate) fn known_place(sync: &Sync, id: ChannelId) -> Option<Place> {
    for community in &sync.communities {
        if let Some(view) = community.channels.iter().find(|view| view.channel.id == id) {
            return Some(in_community(view.clone(), &community.community));
        }
    }
    sync.dms.iter().find(|view| view.channel.id == id).map(|view| conversation(sync, view))
}

/// All channels of mine.
pub(crate) fn places(sync: &Sync) -> impl Iterator<Item = Place> {
    let channels = sync.communities.iter().flat_map(|of| {
        let joined = of.channels.iter().filter(|view| view.joined);
        joined.map(|view| in_community(view.clone(), &of.community))
    });
    channels.chain(sync.dms.iter().map(|view| conversation(sync, view)))
}

pub(crate) fn in_community(view: ChannelView, community: &Community) -> Place {
    Place {
        name: view.channel.name.clone().unwrap_or_default(),
        view,
        community: Some(community.clone()),
    }
}

/// A direct message is named by the others in it.
pub(crate) fn conversation(sync: &Sync, view: &ChannelView) -> Place {
    let others: Vec<String> = view
        .members
        .iter()
        .filter(|member| member.id != sync.me.user.id)
        .map(|member| format!("@{}", member.username))
        .collect();
    let name =
        if others.is_empty() { format!("@{}", sync.me.user.username) } else { others.join(",") };
    Place { view: view.clone(), community: None, name }
}

fn direct_message(sync: &Sync, username: &str) -> Option<Place> {
    let with = |view: &&ChannelView| {
        view.channel.kind == ChannelKind::Dm
            && view
                .members
                .iter()
                .any(|member| member.username == username && member.id != sync.me.user.id)
    };
    sync.dms.iter().find(with).map(|view| conversation(sync, view))
}
