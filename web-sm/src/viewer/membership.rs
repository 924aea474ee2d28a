//! Channels that come, change and go, and who is in them.

use ajet_shared::channel::{Channel, ChannelKind, ChannelView, NotifyLevel};
use ajet_shared::events::{ChannelChanged, Envelope, Event, MemberChanged, MemberScope};
use ajet_shared::id::ChannelId;

use super::Viewer;
use crate::frames::Frames;

impl Viewer {
    pub(super) fn channel_created(&mut self, change: &ChannelChanged, frames: &mut Frames) {
        if change.member_ids.contains(&self.world.me.id) {
            self.enter(
                &change.channel,
                i64::try_from(change.member_ids.len()).unwrap_or(1),
                frames,
            );
        }
    }

    pub(super) fn channel_changed(&mut self, change: &ChannelChanged, frames: &mut Frames) {
        let id = change.channel.id;
        let mut renamed = false;
        let here = self.world.here.as_mut().filter(|here| here.channel.id == id);
        let listed = self
            .world
            .sync
            .communities
            .iter_mut()
            .flat_map(|view| &mut view.channels)
            .find(|view| view.channel.id == id);
        for view in here.into_iter().chain(listed) {
            renamed |= view.channel.name != change.channel.name
                || view.channel.archived_at != change.channel.archived_at;
            let last_seq = view.channel.last_seq;
            view.channel = change.channel.clone();
            view.channel.last_seq = last_seq;
        }
        if Some(id) == self.channel_id() {
            if renamed {
                // Its address or its foot is another one: the page is loaded again.
                frames.signals(&serde_json::json!({ "_goto": self.world.path() }));
            }
            self.header(frames);
        }
        self.sort();
        self.lists(frames);
    }

    /// The direct message that this event has brought and whose people nobody has named yet.
    pub(crate) fn nameless(&self, envelope: &Envelope) -> Option<ChannelId> {
        let (Event::ChannelCreated(_) | Event::MemberJoined(_)) = envelope.event else {
            return None;
        };
        let mut dms = self.world.sync.dms.iter();
        let dm = dms.find(|dm| Some(dm.channel.id) == envelope.channel_id)?;
        dm.members.is_empty().then_some(dm.channel.id)
    }

    /// Who is in a direct message.
    pub(crate) fn introduced(&mut self, view: ChannelView, frames: &mut Frames) {
        let mut dms = self.world.sync.dms.iter_mut();
        if let Some(dm) = dms.find(|dm| dm.channel.id == view.channel.id) {
            dm.members = view.members;
            self.lists(frames);
        }
    }

    pub(super) fn joined(
        &mut self,
        envelope: &Envelope,
        change: &MemberChanged,
        frames: &mut Frames,
    ) {
        match (change.scope, change.user_id == self.world.me.id) {
            (MemberScope::Channel, true) => {
                // How many are there already, the event does not tell.
                self.guessed();
                if let Some(channel) = &change.channel {
                    self.enter(channel, 1, frames);
                }
            }
            (MemberScope::Channel, false) => self.counted(envelope, 1, frames),
            // A new community comes with its channels: the page is loaded again.
            (MemberScope::Community, true)
                if !self
                    .world
                    .sync
                    .communities
                    .iter()
                    .any(|view| Some(view.community.id) == envelope.community_id) =>
            {
                self.guessed();
                frames.signals(&serde_json::json!({ "_goto": self.world.path() }));
            }
            _ => {}
        }
    }

    pub(super) fn left(
        &mut self,
        envelope: &Envelope,
        change: &MemberChanged,
        frames: &mut Frames,
    ) {
        let mine = change.user_id == self.world.me.id;
        match change.scope {
            MemberScope::Channel if mine => {
                let gone =
                    envelope.channel_id.or(change.channel.as_ref().map(|channel| channel.id));
                for view in &mut self.world.sync.communities {
                    view.channels.retain(|channel| Some(channel.channel.id) != gone);
                }
                self.world.sync.dms.retain(|dm| Some(dm.channel.id) != gone);
                if gone.is_some() && gone == self.channel_id() {
                    frames.signals(&serde_json::json!({ "_goto": self.home() }));
                }
                self.lists(frames);
            }
            MemberScope::Channel => self.counted(envelope, -1, frames),
            MemberScope::Community if mine => {
                self.world.community = None;
                self.world
                    .sync
                    .communities
                    .retain(|view| Some(view.community.id) != envelope.community_id);
                frames.signals(&serde_json::json!({ "_goto": "/" }));
            }
            MemberScope::Community => {}
        }
    }

    /// The reader came into a channel.
    pub(super) fn enter(&mut self, channel: &Channel, member_count: i64, frames: &mut Frames) {
        if let Some(here) =
            self.world.here.as_mut().filter(|here| here.channel.id == channel.id && !here.joined)
        {
            here.joined = true;
            frames.signals(&serde_json::json!({ "_goto": self.world.path() }));
        }
        if self.view_mut(channel.id).is_some() {
            return;
        }
        let direct = matches!(channel.kind, ChannelKind::Dm | ChannelKind::GroupDm);
        let view = ChannelView {
            channel: channel.clone(),
            joined: true,
            member_count,
            last_read_seq: channel.last_seq,
            unread: 0,
            mentions: 0,
            notify_level: NotifyLevel::default(),
            members: Vec::new(),
        };
        if direct {
            self.world.sync.dms.insert(0, view);
        } else if let Some(community) = self
            .world
            .sync
            .communities
            .iter_mut()
            .find(|view| Some(view.community.id) == channel.community_id)
        {
            community.channels.push(view);
        }
        self.sort();
        self.lists(frames);
    }

    /// Somebody else came into a channel or left it.
    pub(super) fn counted(&mut self, envelope: &Envelope, by: i64, frames: &mut Frames) {
        let Some(id) = envelope.channel_id else { return };
        let here = self.world.here.as_mut().filter(|here| here.channel.id == id);
        let is_here = here.is_some();
        let communities = self.world.sync.communities.iter_mut();
        let mut listed = communities.flat_map(|view| &mut view.channels);
        for view in here.into_iter().chain(listed.find(|view| view.channel.id == id)) {
            view.member_count = (view.member_count + by).max(0);
        }
        if is_here {
            self.header(frames);
        }
    }
}
