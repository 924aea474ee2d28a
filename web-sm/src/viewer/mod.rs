//! What one reader's page shows beside the fragments that all share: badges, the own message, who writes, who is there.
//!
//! A [`Viewer`] follows the events of one stream and turns each into frames. It does no IO.

mod inbox;
mod membership;
mod people;
mod speech;
#[cfg(test)]
mod tests;

use std::cmp::Ordering;
use std::time::Instant;

use ajet_shared::channel::ChannelView;
use ajet_shared::events::{Envelope, Event, MessageDeleted, ReactionChanged};
use ajet_shared::id::{ChannelId, UserId};
use ajet_shared::message::{MentionKind, Message, MessageKind, ReadState};
use ajet_shared::position::Position;
use ajet_shared::unread::Unread;
use bytes::Bytes;

use crate::frames::Frames;
use crate::kept::Knowledge;
use crate::load::frame_patches;
use crate::renderer::{CHANNEL, CONTINUED, NEW_DAY, THREAD};
use crate::urls;
use crate::view::header::Header;
use crate::view::message::{Place, Tail};
use crate::view::reactions::Reaction;
use crate::view::shell::{Badge, InviteEntry, Mark, World, face};
use crate::view::sidebar::NavRow;

use speech::Speech;

/// Gives the bytes that readers with a lens share.
pub(crate) type SharedBytes<'a> = &'a dyn Fn(usize) -> Option<Bytes>;

/// One reader's page.
pub(crate) struct Viewer {
    pub(crate) world: World,
    /// The last message of the open channel; none when the page does not know it.
    tail: Option<Tail>,
    /// Messages up to this place in the open channel are on the page.
    seen: i64,
    /// A message may be on the page already: take it away before it is put at the end.
    upsert: bool,
    typing: Vec<Typist>,
    speech: Speech,
    unread: Unread,
    badge: Badge,
    marks: Vec<Mark>,
    /// The page shows a channel that the reader may not see any more.
    gone: bool,
    /// What the page shows of the channel in places that no stream draws.
    face: Option<String>,
    /// When the api was asked for what the page began with.
    read_at: Instant,
    /// The page shows what it would show if it were loaded now: nothing was guessed, nothing is missing.
    exact: bool,
}

struct Typist {
    user_id: UserId,
    name: String,
    until: Instant,
}

/// How a page came to be.
#[derive(Clone, Debug, Default)]
pub(crate) struct Start {
    /// It shows a channel that this reader may not see any more.
    pub(crate) gone: bool,
    /// What it shows of its channel in places that no stream draws ([`face`]); none when that is not known.
    pub(crate) face: Option<String>,
    /// The newest message on the page, for grouping.
    pub(crate) tail: Option<Tail>,
    /// Its place in the channel.
    pub(crate) seen: i64,
    /// The stream broke off before and continues.
    pub(crate) resumed: bool,
    /// The stream begins with what was missed.
    pub(crate) replaying: bool,
    /// When the api was asked for the world; none for just now.
    pub(crate) read_at: Option<Instant>,
}

impl Viewer {
    /// A page that shows this world.
    pub(crate) fn new(world: World, start: Start) -> Self {
        let (badge, marks) = (world.badge(), world.marks().collect());
        let sync = &world.sync;
        let unread = Unread::new(sync.unread_notifications, &sync.unread_notification_ids);
        Self {
            world,
            // After a break nobody knows what the page shows last.
            tail: start.tail.filter(|_| !start.resumed),
            seen: start.seen,
            upsert: start.resumed,
            typing: Vec::new(),
            speech: Speech::new(start.replaying),
            unread,
            badge,
            marks,
            gone: start.gone,
            face: start.face,
            read_at: start.read_at.unwrap_or_else(Instant::now),
            exact: true,
        }
    }

    /// The page was drawn anew from this world.
    pub(crate) fn redrawn(&mut self, world: World, start: Start) {
        *self = Self::new(world, start);
    }

    /// What the page knows at its end, when it has heard everything up to `heard`; none if that is of another time than what it was drawn
    /// from. What a page has guessed is good for that page only.
    pub(crate) fn into_knowledge(self, heard: Option<Position>) -> Option<Knowledge> {
        if !self.exact {
            return None;
        }
        let mut sync = self.world.sync;
        sync.unread_notification_ids = self.unread.newest().collect();
        if let Some(heard) = heard {
            if heard.epoch != sync.cursor.epoch {
                return None;
            }
            sync.cursor = sync.cursor.max(heard);
        }
        Some(Knowledge { sync, online: self.world.online, read_at: self.read_at })
    }

    /// Something on the page is a guess, or missing.
    pub(crate) fn guessed(&mut self) {
        self.exact = false;
    }

    /// The channel on show.
    pub(crate) fn channel_id(&self) -> Option<ChannelId> {
        self.world.here.as_ref().map(|here| here.channel.id)
    }

    /// What the lists and numbers are now: at the start of every stream, because the page is a little older.
    pub(crate) fn ready(&mut self, frames: &mut Frames) {
        frames.signals(&serde_json::json!({ "status": "live" }));
        frame_patches(&self.world, frames);
        self.header(frames);
        self.settle(frames);
    }

    /// After the page was drawn: nobody is known to write, and where the page as a whole is wrong, another one is loaded.
    pub(crate) fn settle(&self, frames: &mut Frames) {
        let Some(here) = &self.world.here else {
            if self.gone {
                frames.signals(&serde_json::json!({ "_goto": self.home() }));
            }
            return;
        };
        self.draw_typing(frames);
        if self.face.as_ref().is_some_and(|shown| *shown != face(here)) {
            frames.signals(&serde_json::json!({ "_goto": self.world.path() }));
        }
    }

    /// The page shows a channel that the reader may not see any more.
    pub(crate) fn is_gone(&self) -> bool {
        self.gone
    }

    /// What the page shows of the channel in places that no stream draws.
    pub(crate) fn face(&self) -> Option<String> {
        self.face.clone()
    }

    /// End of a replay.
    pub(crate) fn resumed(&mut self, frames: &mut Frames) {
        self.speech.resumed(frames);
    }

    /// When something ends by itself the next time.
    pub(crate) fn wakes_at(&self) -> Option<Instant> {
        self.typing_until().into_iter().chain(self.speech.until()).min()
    }

    /// Ends what ends by itself.
    pub(crate) fn tick(&mut self, now: Instant, frames: &mut Frames) {
        self.expire_typing(now, frames);
        self.speech.expire(now, frames);
    }

    /// A durable event, in the order of the stream.
    pub(crate) fn event(
        &mut self,
        envelope: &Envelope,
        position: Position,
        shared: SharedBytes<'_>,
        now: Instant,
        frames: &mut Frames,
    ) {
        let here = envelope.channel_id.is_some() && envelope.channel_id == self.channel_id();
        match &envelope.event {
            Event::MessageCreated(message) => self.created(message, here, shared, now, frames),
            Event::MessageEdited(_) | Event::ThreadUpdated(_) if here => changed(shared, frames),
            Event::MessageDeleted(deleted) => {
                self.uncount(envelope, deleted, frames);
                self.withdrawn(deleted.message_id, frames);
                if here {
                    changed(shared, frames);
                }
            }
            Event::ReactionAdded(change) if here => self.reacted(change, true, shared, frames),
            Event::ReactionRemoved(change) if here => self.reacted(change, false, shared, frames),
            Event::ReadUpdated(state) => {
                // Of two levels the later one counts, and the sync may be later than what a replay brings.
                let recent = !self.speaks_for(position);
                if recent {
                    self.heard(state, frames);
                }
                self.read(state, recent, frames);
            }
            // The sync was read after its cursor, so a replay overlaps it. What follows is in the sync already, and [`Self::ready`]
            // has drawn it; done again, it would count people twice or lead out of a channel that the reader came back to.
            _ if self.knows(envelope, position) => {}
            Event::NotificationCreated(notification) => self.notified(notification, frames),
            Event::NotificationRead(read) => self.seen(read, frames),
            Event::ChannelCreated(change) => self.channel_created(change, frames),
            Event::ChannelUpdated(change)
            | Event::ChannelArchived(change)
            | Event::ChannelUnarchived(change) => self.channel_changed(change, frames),
            Event::MemberJoined(change) => self.joined(envelope, change, frames),
            Event::MemberLeft(change) | Event::MemberRemoved(change) => {
                self.left(envelope, change, frames);
            }
            // The role is in nothing that is on show; the next stream asks for it.
            Event::MemberUpdated(change) if change.user_id == self.world.me.id => self.guessed(),
            Event::CommunityUpdated(change) => {
                let changed = self
                    .world
                    .sync
                    .communities
                    .iter_mut()
                    .find(|view| view.community.id == change.community.id);
                if let Some(view) = changed {
                    view.community = change.community.clone();
                }
                if self
                    .world
                    .community()
                    .is_some_and(|view| view.community.id == change.community.id)
                {
                    frames.outer(&InviteEntry::of(&self.world));
                }
                self.lists(frames);
            }
            Event::UserUpdated(change) => {
                let members = self.world.sync.dms.iter_mut().flat_map(|dm| &mut dm.members);
                let known = members
                    .filter(|member| member.id == change.user.id)
                    .map(|member| *member = change.user.clone())
                    .count();
                if known > 0 {
                    frames.outer(&self.world.dm_list());
                }
            }
            _ => {}
        }
        if let (Some(id), Some(seq)) = (envelope.channel_id, envelope.seq)
            && let Some(view) = self.place_mut(id)
        {
            view.channel.last_seq = view.channel.last_seq.max(seq);
        }
    }

    /// The sync had everything up to here in any case.
    fn speaks_for(&self, position: Position) -> bool {
        let cursor = self.world.sync.cursor;
        position.epoch == cursor.epoch && position.seq <= cursor.seq
    }

    /// What the event says is known already. Of a channel its number tells exactly: the sync may be newer than its cursor, and what
    /// comes late travels under the cursor before it.
    fn knows(&mut self, envelope: &Envelope, position: Position) -> bool {
        let (Some(id), Some(seq)) = (envelope.channel_id, envelope.seq) else {
            return self.speaks_for(position);
        };
        // Of a channel that the reader is not in only that it comes in matters; where it has left since, that follows. And what brings
        // it in is known once the lists have it: the channel on show was read by itself, and may be newer.
        let view =
            if self.comes_in(&envelope.event) { self.view_mut(id) } else { self.place_mut(id) };
        view.is_some_and(|view| seq <= view.channel.last_seq)
    }

    /// The event brings the reader into a channel.
    fn comes_in(&self, event: &Event) -> bool {
        let me = self.world.me.id;
        match event {
            Event::MemberJoined(change) => change.user_id == me,
            Event::ChannelCreated(change) => change.member_ids.contains(&me),
            _ => false,
        }
    }

    fn created(
        &mut self,
        message: &Message,
        here: bool,
        shared: SharedBytes<'_>,
        now: Instant,
        frames: &mut Frames,
    ) {
        let mine = message.author.id == self.world.me.id;
        self.count(message, frames);
        if !here {
            return;
        }
        if message.parent_id.is_none() {
            self.fell_silent(message.author.id, frames);
        }
        if mine && let Some(key) = message.client_msg_id {
            frames.remove(format_args!("#pending-{key}"));
        }
        let lens = match message.parent_id {
            None if message.seq <= self.seen && !self.upsert => return,
            None => {
                let tail = self.tail.replace(Tail::of(message));
                match tail {
                    Some(tail) if tail.day() != message.created_at.date() => NEW_DAY,
                    Some(tail) if tail.continues(message) => CONTINUED,
                    // The first message of an empty page.
                    None if self.seen == 0 && !self.upsert => NEW_DAY,
                    _ => CHANNEL,
                }
            }
            // Which thread a page shows is its own affair: it takes what belongs there. A reply may be in the pane already, which is
            // read after the page's place in the stream.
            Some(_) => {
                frames.remove(format_args!("#message-{}", message.id));
                if let Some(bytes) = shared(THREAD) {
                    frames.bytes(&bytes);
                }
                return;
            }
        };
        if self.upsert {
            frames.remove(format_args!("#message-{}", message.id));
        }
        if let Some(bytes) = shared(lens) {
            frames.bytes(&bytes);
        }
        if !mine {
            self.speech.speak(shared, now, frames);
        }
    }

    fn reacted(
        &self,
        change: &ReactionChanged,
        added: bool,
        shared: SharedBytes<'_>,
        frames: &mut Frames,
    ) {
        changed(shared, frames);
        // Only the reader's own: which of the buttons is pressed.
        if change.user_id == self.world.me.id && change.count > 0 {
            let mine = |place| {
                Reaction::mine(change.message_id, place, &change.emoji, change.count, added)
            };
            frames.outer(&mine(Place::Channel)).outer(&mine(Place::Root));
        }
    }

    /// Unread numbers.
    fn count(&mut self, message: &Message, frames: &mut Frames) {
        let me = self.world.me.id;
        let Some(view) = self.view_mut(message.channel_id) else { return };
        // What the sync knew is counted in it already.
        let news = message.kind != MessageKind::System
            && message.author.id != me
            && message.seq > view.channel.last_seq;
        let called = message
            .mentions
            .iter()
            .any(|mention| mention.kind != MentionKind::User || mention.id == Some(me));
        let direct = view.channel.name.is_none();
        let reply = message.parent_id.is_some();
        // A reply is not unread in the channel; a call in it is one, as the server counts them. In a direct message what is unread
        // calls, and nothing else.
        if !news || (reply && (direct || !called)) {
            return;
        }
        view.unread += i64::from(!reply);
        view.mentions += i64::from(called || direct);
        self.row(message.channel_id, frames);
        self.numbers(frames);
    }

    /// An unread message that was counted is gone.
    fn uncount(&mut self, envelope: &Envelope, deleted: &MessageDeleted, frames: &mut Frames) {
        let me = self.world.me.id;
        let Some(view) = envelope.channel_id.and_then(|id| self.view_mut(id)) else { return };
        // What the sync knew is not counted there any more.
        let news = deleted.author_id != me
            && deleted.message_seq > view.last_read_seq
            && envelope.seq.is_some_and(|seq| seq > view.channel.last_seq);
        if !news {
            return;
        }
        // The event does not tell whom the message called. In a direct message all but replies call.
        let guessed = view.channel.name.is_some() && view.mentions > 0;
        let (id, reply) = (view.channel.id, deleted.parent_id.is_some());
        if !reply {
            view.unread = (view.unread - 1).max(0);
            // There are never more calls than messages.
            view.mentions = view.mentions.min(view.unread);
        }
        if guessed {
            self.guessed();
        }
        if reply {
            return;
        }
        self.row(id, frames);
        self.numbers(frames);
    }

    /// How far the reader has read; `recent` where the sync does not know it yet.
    fn read(&mut self, state: &ReadState, recent: bool, frames: &mut Frames) {
        let Some(view) = self.view_mut(state.channel_id) else { return };
        match state.last_read_seq.cmp(&view.last_read_seq) {
            // The mark never moves back, so this is an old event in a replay, with numbers that are old as well.
            Ordering::Less => return,
            // A call beyond the mark was seen, in its thread or in the list of what one is told of. What is unread stays.
            Ordering::Equal => {
                if !recent || view.mentions == state.mentions {
                    return;
                }
                view.mentions = state.mentions;
            }
            Ordering::Greater => {
                view.last_read_seq = state.last_read_seq;
                view.unread = state.unread;
                view.mentions = state.mentions;
            }
        }
        self.row(state.channel_id, frames);
        self.numbers(frames);
    }

    /// The reader has made a channel louder or quieter.
    fn heard(&mut self, state: &ReadState, frames: &mut Frames) {
        let Some(level) = state.notify_level else { return };
        let Some(view) = self.view_mut(state.channel_id) else { return };
        view.notify_level = level;
        self.row(state.channel_id, frames);
        self.numbers(frames);
    }

    fn view_mut(&mut self, id: ChannelId) -> Option<&mut ChannelView> {
        let sync = &mut self.world.sync;
        sync.communities
            .iter_mut()
            .flat_map(|view| &mut view.channels)
            .chain(&mut sync.dms)
            .find(|view| view.channel.id == id)
    }

    /// As [`Self::view_mut`], or the channel on show, which a guest has not joined.
    fn place_mut(&mut self, id: ChannelId) -> Option<&mut ChannelView> {
        if self.view_mut(id).is_some() {
            return self.view_mut(id);
        }
        self.world.here.as_mut().filter(|here| here.channel.id == id)
    }

    fn sort(&mut self) {
        for view in &mut self.world.sync.communities {
            view.channels.sort_by(|a, b| a.channel.name.cmp(&b.channel.name));
        }
    }

    fn home(&self) -> String {
        self.world.slug().map_or_else(|| "/".to_owned(), urls::community)
    }

    /// One row of the lists, if it is on show.
    fn row(&self, id: ChannelId, frames: &mut Frames) {
        let current = Some(id) == self.channel_id();
        let (me, slug) = (self.world.me.id, self.world.slug());
        if let Some(view) = self.world.community()
            && let Some(channel) = view.channels.iter().find(|channel| channel.channel.id == id)
        {
            frames.outer(&NavRow::of_channel(channel, &view.community.slug, me, current));
        } else if let Some(dm) = self.world.sync.dms.iter().find(|dm| dm.channel.id == id) {
            frames.outer(&NavRow::of_dm(dm, slug, me, current, &self.world.online));
        }
    }

    fn lists(&mut self, frames: &mut Frames) {
        frame_patches(&self.world, frames);
        self.badge = self.world.badge();
        self.marks = self.world.marks().collect();
    }

    /// The title, the icon and the communities, where they changed.
    fn numbers(&mut self, frames: &mut Frames) {
        let badge = self.world.badge();
        if badge != self.badge {
            self.badge = badge;
            frames.signals(&serde_json::json!({ "_badge": badge.total, "_here": badge.here }));
        }
        if !self.world.marks().eq(self.marks.iter().copied()) {
            self.marks = self.world.marks().collect();
            frames.outer(&self.world.rail());
        }
    }

    fn header(&self, frames: &mut Frames) {
        if let Some(here) = &self.world.here {
            let (back, path) = (self.home(), self.world.path());
            frames.outer(&Header::new(here, self.world.me.id, &back, &path, false));
        }
    }
}

/// What changes a message that may stand in the channel, in a thread, or as the root of one.
fn changed(shared: SharedBytes<'_>, frames: &mut Frames) {
    for lens in [CHANNEL, THREAD] {
        if let Some(bytes) = shared(lens) {
            frames.bytes(&bytes);
        }
    }
}
