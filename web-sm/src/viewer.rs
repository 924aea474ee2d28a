//! What one reader's page shows beside the fragments that all share: badges, the own message, who writes, who is there.
//!
//! A [`Viewer`] follows the events of one stream and turns each into frames. It does no IO.

use std::collections::VecDeque;
use std::time::{Duration, Instant};

use ajet_shared::channel::{ChannelKind, ChannelView, NotifyLevel};
use ajet_shared::events::{ChannelChanged, Envelope, Event, MemberChanged, MemberScope, PresenceChanged, ReactionChanged};
use ajet_shared::id::{ChannelId, MessageId, UserId};
use ajet_shared::limits::TYPING_HIDES_AFTER;
use ajet_shared::message::{MentionKind, Message, MessageKind, ReadState};
use bytes::Bytes;

use crate::frames::{Frames, Mode};
use crate::load::frame_patches;
use crate::renderer::{CHANNEL, CONTINUED, NEW_DAY, SPOKEN, THREAD};
use crate::urls;
use crate::view::avatar::Presence;
use crate::view::header::Header;
use crate::view::message::{Place, Tail};
use crate::view::reactions::Reaction;
use crate::view::render;
use crate::view::shell::{Badge, World};
use crate::view::sidebar::NavRow;
use crate::view::typing::Typing;

/// More new messages than this in [`BURST_WITHIN`] are spoken as a number. Source: design.md section 9.
const BURST: usize = 3;
/// See [`BURST`].
const BURST_WITHIN: Duration = Duration::from_secs(5);

/// Gives the bytes that readers with a lens share.
pub(crate) type SharedBytes<'a> = &'a dyn Fn(usize) -> Option<Bytes>;

/// One reader's page.
pub(crate) struct Viewer {
    pub(crate) world: World,
    /// The thread in the pane.
    thread: Option<MessageId>,
    /// The last message of the open channel; none when the page does not know it.
    tail: Option<Tail>,
    /// Messages up to this place in the open channel are on the page.
    seen: i64,
    /// Replies up to this place are in the pane.
    replies: i64,
    /// A message may be on the page already: take it away before it is put at the end.
    upsert: bool,
    typing: Vec<Typist>,
    spoken: VecDeque<Instant>,
    badge: Badge,
    rail: String,
}

struct Typist {
    user_id: UserId,
    name: String,
    until: Instant,
}

/// How a page came to be.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Start {
    /// The thread in the pane.
    pub(crate) thread: Option<MessageId>,
    /// The newest message on the page, for grouping.
    pub(crate) tail: Option<Tail>,
    /// Its place in the channel.
    pub(crate) seen: i64,
    /// The place of the newest reply in the pane.
    pub(crate) replies: i64,
    /// The stream broke off before and continues.
    pub(crate) resumed: bool,
}

impl Viewer {
    /// A page that shows this world.
    pub(crate) fn new(world: World, start: Start) -> Self {
        let (badge, rail) = (world.badge(), render(&world.rail()));
        Self {
            world,
            thread: start.thread,
            // After a break nobody knows what the page shows last.
            tail: start.tail.filter(|_| !start.resumed),
            seen: start.seen,
            replies: start.replies,
            upsert: start.resumed,
            typing: Vec::new(),
            spoken: VecDeque::new(),
            badge,
            rail,
        }
    }

    /// The page was drawn anew from this world.
    pub(crate) fn redrawn(&mut self, world: World, start: Start) {
        *self = Self::new(world, start);
        // The stream stands a little before what was read just now.
        self.upsert = true;
    }

    /// The channel on show.
    pub(crate) fn channel_id(&self) -> Option<ChannelId> {
        self.world.here.as_ref().map(|here| here.channel.id)
    }

    /// The thread on show.
    pub(crate) fn thread_id(&self) -> Option<MessageId> {
        self.thread
    }

    /// What the lists and numbers are now: at the start of every stream, because the page is a little older.
    pub(crate) fn ready(&mut self, frames: &mut Frames) {
        frames.signals(&serde_json::json!({ "status": "live" }));
        frame_patches(&self.world, frames);
    }

    /// A durable event, in the order of the stream.
    pub(crate) fn event(&mut self, envelope: &Envelope, shared: SharedBytes<'_>, now: Instant, frames: &mut Frames) {
        let here = envelope.channel_id.is_some() && envelope.channel_id == self.channel_id();
        match &envelope.event {
            Event::MessageCreated(message) => self.created(message, here, shared, now, frames),
            Event::MessageEdited(message) if here => self.changed(message.id, shared, frames),
            Event::MessageDeleted(deleted) if here => self.changed(deleted.message_id, shared, frames),
            Event::ReactionAdded(change) if here => self.reacted(change, true, shared, frames),
            Event::ReactionRemoved(change) if here => self.reacted(change, false, shared, frames),
            Event::ThreadUpdated(update) if here => self.changed(update.parent_id, shared, frames),
            Event::ChannelCreated(change) => self.channel_created(change, frames),
            Event::ChannelUpdated(change) | Event::ChannelArchived(change) | Event::ChannelUnarchived(change) => self.channel_changed(change, frames),
            Event::MemberJoined(change) => self.joined(envelope, change, frames),
            Event::MemberLeft(change) | Event::MemberRemoved(change) => self.left(envelope, change, frames),
            Event::CommunityUpdated(change) => {
                let changed = self.world.sync.communities.iter_mut().find(|view| view.community.id == change.community.id);
                if let Some(view) = changed {
                    view.community = change.community.clone();
                }
                self.numbers(frames);
            }
            Event::UserUpdated(change) => {
                let members = self.world.sync.dms.iter_mut().flat_map(|dm| &mut dm.members);
                let known = members.filter(|member| member.id == change.user.id).map(|member| *member = change.user.clone()).count();
                if known > 0 {
                    frames.outer(&self.world.dm_list());
                }
            }
            Event::ReadUpdated(state) => self.read(state, frames),
            _ => {}
        }
        if let (Some(id), Some(seq)) = (envelope.channel_id, envelope.seq)
            && let Some(view) = self.view_mut(id)
        {
            view.channel.last_seq = view.channel.last_seq.max(seq);
        }
    }

    fn created(&mut self, message: &Message, here: bool, shared: SharedBytes<'_>, now: Instant, frames: &mut Frames) {
        let mine = message.author.id == self.world.me.id;
        self.count(message, frames);
        if !here {
            return;
        }
        if mine && let Some(key) = message.client_msg_id {
            frames.remove(format_args!("#pending-{key}"));
        }
        if !mine && self.typing.iter().any(|typist| typist.user_id == message.author.id) {
            self.typing.retain(|typist| typist.user_id != message.author.id);
            self.draw_typing(frames);
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
            Some(parent) if Some(parent) == self.thread && (message.seq > self.replies || self.upsert) => THREAD,
            Some(_) => return,
        };
        if self.upsert {
            frames.remove(format_args!("#message-{}", message.id));
        }
        if let Some(bytes) = shared(lens) {
            frames.bytes(&bytes);
        }
        if !mine {
            self.speak(shared, now, frames);
        }
    }

    /// Tells a screen reader, one by one or as a number.
    fn speak(&mut self, shared: SharedBytes<'_>, now: Instant, frames: &mut Frames) {
        self.spoken.retain(|at| now.duration_since(*at) < BURST_WITHIN);
        self.spoken.push_back(now);
        if self.spoken.len() <= BURST {
            if let Some(bytes) = shared(SPOKEN) {
                frames.bytes(&bytes);
            }
        } else {
            frames.patch(Mode::Append, "#announcer", &format!("<p>{} new messages</p>", self.spoken.len()));
        }
    }

    /// A message that is on the page, if it is: its row, or the root in the pane.
    fn changed(&self, id: MessageId, shared: SharedBytes<'_>, frames: &mut Frames) {
        if let Some(bytes) = shared(CHANNEL) {
            frames.bytes(&bytes);
        }
        if Some(id) == self.thread
            && let Some(bytes) = shared(THREAD)
        {
            frames.bytes(&bytes);
        }
    }

    fn reacted(&self, change: &ReactionChanged, added: bool, shared: SharedBytes<'_>, frames: &mut Frames) {
        self.changed(change.message_id, shared, frames);
        // Only the reader's own: which of the buttons is pressed.
        if change.user_id == self.world.me.id && change.count > 0 {
            let mine = |place| Reaction::mine(change.message_id, place, &change.emoji, change.count, added);
            frames.outer(&mine(Place::Channel));
            if Some(change.message_id) == self.thread {
                frames.outer(&mine(Place::Root));
            }
        }
    }

    /// Unread numbers.
    fn count(&mut self, message: &Message, frames: &mut Frames) {
        let me = self.world.me.id;
        let Some(view) = self.view_mut(message.channel_id) else { return };
        // What the sync knew is counted in it already.
        let news = message.parent_id.is_none() && message.kind == MessageKind::Text && message.author.id != me && message.seq > view.channel.last_seq;
        if !news {
            return;
        }
        let called = message.mentions.iter().any(|mention| mention.kind != MentionKind::User || mention.id == Some(me));
        view.unread += 1;
        view.mentions += i64::from(called || view.channel.name.is_none());
        self.row(message.channel_id, frames);
        self.numbers(frames);
    }

    fn read(&mut self, state: &ReadState, frames: &mut Frames) {
        let Some(view) = self.view_mut(state.channel_id) else { return };
        view.last_read_seq = state.last_read_seq;
        view.unread = state.unread;
        view.mentions = state.mentions;
        self.row(state.channel_id, frames);
        self.numbers(frames);
    }

    fn channel_created(&mut self, change: &ChannelChanged, frames: &mut Frames) {
        if change.member_ids.contains(&self.world.me.id) {
            self.enter(&change.channel, i64::try_from(change.member_ids.len()).unwrap_or(1), frames);
        }
    }

    fn channel_changed(&mut self, change: &ChannelChanged, frames: &mut Frames) {
        let id = change.channel.id;
        let mut renamed = false;
        let here = self.world.here.as_mut().filter(|here| here.channel.id == id);
        let listed = self.world.sync.communities.iter_mut().flat_map(|view| &mut view.channels).find(|view| view.channel.id == id);
        for view in here.into_iter().chain(listed) {
            renamed |= view.channel.name != change.channel.name || view.channel.archived_at != change.channel.archived_at;
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

    fn joined(&mut self, envelope: &Envelope, change: &MemberChanged, frames: &mut Frames) {
        match (change.scope, change.user_id == self.world.me.id) {
            (MemberScope::Channel, true) => {
                if let Some(channel) = &change.channel {
                    self.enter(channel, 1, frames);
                }
            }
            (MemberScope::Channel, false) => self.counted(envelope, 1, frames),
            // A new community comes with its channels: the page is loaded again.
            (MemberScope::Community, true) if !self.world.sync.communities.iter().any(|view| Some(view.community.id) == envelope.community_id) => {
                frames.signals(&serde_json::json!({ "_goto": self.world.path() }));
            }
            _ => {}
        }
    }

    fn left(&mut self, envelope: &Envelope, change: &MemberChanged, frames: &mut Frames) {
        let mine = change.user_id == self.world.me.id;
        match change.scope {
            MemberScope::Channel if mine => {
                let gone = envelope.channel_id.or(change.channel.as_ref().map(|channel| channel.id));
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
                self.world.sync.communities.retain(|view| Some(view.community.id) != envelope.community_id);
                frames.signals(&serde_json::json!({ "_goto": "/" }));
            }
            MemberScope::Community => {}
        }
    }

    /// The reader came into a channel.
    fn enter(&mut self, channel: &ajet_shared::channel::Channel, member_count: i64, frames: &mut Frames) {
        if let Some(here) = self.world.here.as_mut().filter(|here| here.channel.id == channel.id && !here.joined) {
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
        } else if let Some(community) = self.world.sync.communities.iter_mut().find(|view| Some(view.community.id) == channel.community_id) {
            community.channels.push(view);
        }
        self.sort();
        self.lists(frames);
    }

    /// Somebody else came into the open channel or left it.
    fn counted(&mut self, envelope: &Envelope, by: i64, frames: &mut Frames) {
        if let Some(here) = self.world.here.as_mut().filter(|here| Some(here.channel.id) == envelope.channel_id) {
            here.member_count = (here.member_count + by).max(0);
            self.header(frames);
        }
    }

    /// Somebody else writes in a channel of the reader.
    pub(crate) fn typing(&mut self, envelope: &Envelope, now: Instant, frames: &mut Frames) {
        let (typing, started) = match &envelope.event {
            Event::TypingStarted(typing) => (typing, true),
            Event::TypingStopped(typing) => (typing, false),
            _ => return,
        };
        if Some(typing.channel_id) != self.channel_id() || typing.parent_id.is_some() || typing.user.id == self.world.me.id {
            return;
        }
        let before = self.typing.len();
        let was_there = self.typing.iter().any(|typist| typist.user_id == typing.user.id);
        self.typing.retain(|typist| typist.user_id != typing.user.id);
        if started {
            self.typing.push(Typist { user_id: typing.user.id, name: typing.user.display_name.clone(), until: now + TYPING_HIDES_AFTER });
        }
        if !(was_there && started) && (before != self.typing.len() || started) {
            self.draw_typing(frames);
        }
    }

    /// When the next of those who write is forgotten.
    pub(crate) fn typing_until(&self) -> Option<Instant> {
        self.typing.iter().map(|typist| typist.until).min()
    }

    /// Forgets who has been silent for too long.
    pub(crate) fn expire_typing(&mut self, now: Instant, frames: &mut Frames) {
        let before = self.typing.len();
        self.typing.retain(|typist| typist.until > now);
        if self.typing.len() != before {
            self.draw_typing(frames);
        }
    }

    fn draw_typing(&self, frames: &mut Frames) {
        let names: Vec<&str> = self.typing.iter().map(|typist| typist.name.as_str()).collect();
        frames.patch(Mode::Inner, "#typing", &render(&Typing::new(&names)));
    }

    /// Who came or went.
    pub(crate) fn presence(&mut self, changes: &[PresenceChanged], frames: &mut Frames) {
        for change in changes.iter().filter(|change| change.user_id != self.world.me.id) {
            self.world.online.insert(change.user_id, change.online);
            let dots = format!(".presence[data-user=\"{}\"]", change.user_id);
            frames.patch(Mode::Outer, dots, &render(&Presence { user_id: change.user_id, online: change.online }));
        }
    }

    fn view_mut(&mut self, id: ChannelId) -> Option<&mut ChannelView> {
        let sync = &mut self.world.sync;
        sync.communities.iter_mut().flat_map(|view| &mut view.channels).chain(&mut sync.dms).find(|view| view.channel.id == id)
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
        self.rail = render(&self.world.rail());
    }

    /// The title, the icon and the communities, where they changed.
    fn numbers(&mut self, frames: &mut Frames) {
        let badge = self.world.badge();
        if badge != self.badge {
            self.badge = badge;
            frames.signals(&serde_json::json!({ "_badge": badge.total, "_here": badge.here }));
        }
        let rail = render(&self.world.rail());
        if rail != self.rail {
            frames.outer_html(&rail);
            self.rail = rail;
        }
    }

    fn header(&self, frames: &mut Frames) {
        if let Some(here) = &self.world.here {
            let (back, path) = (self.home(), self.world.path());
            frames.outer(&Header::new(here, self.world.me.id, &back, &path, false));
        }
    }
}

#[cfg(test)]
mod tests {
    use ajet_shared::events::{Typing as TypingEvent, TypingState};
    use ajet_shared::hub::Renderer as _;
    use ajet_shared::message::{Mention, ReactionCount};
    use ajet_shared::position::Position;
    use ajet_shared::user::Author;

    use super::*;
    use crate::fixtures::{NOON, author, event, message, renderer, world};

    struct Stream {
        viewer: Viewer,
        now: Instant,
    }

    impl Stream {
        fn new(world: World, start: Start) -> Self {
            Self { viewer: Viewer::new(world, start), now: Instant::now() }
        }

        fn event(&mut self, envelope: &Envelope) -> String {
            let (renderer, mut frames) = (renderer(), Frames::default());
            let shared = |lens| renderer.render(Position::default(), envelope, lens);
            self.viewer.event(envelope, &shared, self.now, &mut frames);
            String::from_utf8(frames.into_bytes().to_vec()).unwrap()
        }

        fn post(&mut self, author: &Author, channel: usize, seq: i64) -> (Message, String) {
            let channel = self.viewer.world.sync.communities[0].channels[channel].clone();
            let post = message(author, &channel, seq, "hello");
            let text = self.event(&event(Event::MessageCreated(post.clone()), &channel, seq, author.id));
            (post, text)
        }
    }

    #[test]
    fn a_message_is_appended_once_and_counted() {
        let lena = author("Lena");
        let mut stream = Stream::new(world(&["general", "random"]), Start { seen: 10, ..Start::default() });
        let (_, text) = stream.post(&lena, 0, 10);
        assert!(!text.contains("#messages"), "it is on the page: {text}");
        let (post, text) = stream.post(&lena, 0, 11);
        assert!(text.contains("data: selector #messages\ndata: mode append"));
        assert!(!text.contains("mode remove"));
        assert!(text.contains("data: signals {\"_badge\":1,\"_here\":1}"));
        assert!(text.contains(&format!("id=\"message-{}\"", post.id)));
        let (_, text) = stream.post(&lena, 0, 12);
        assert!(text.contains("class=\"msg cont\""), "grouped: {text}");
        // Another channel: only its row and the numbers.
        let (_, text) = stream.post(&lena, 1, 11);
        assert!(!text.contains("#messages"));
        assert!(text.contains("{\"_badge\":3,\"_here\":2}") && text.contains("<span class=\"n\" aria-hidden=\"true\">1</span>"), "{text}");
        // What the sync knew is counted already.
        let (_, text) = stream.post(&lena, 1, 10);
        assert_eq!(text, "");
    }

    #[test]
    fn after_a_break_rows_are_put_in_place_of_themselves() {
        let mut stream = Stream::new(world(&["general"]), Start { resumed: true, seen: 10, ..Start::default() });
        let (post, text) = stream.post(&author("Lena"), 0, 11);
        let remove = text.find(&format!("data: selector #message-{}\ndata: mode remove", post.id)).unwrap();
        assert!(remove < text.find("mode append").unwrap());
    }

    #[test]
    fn my_own_message_takes_the_place_of_the_waiting_one() {
        let mut stream = Stream::new(world(&["general"]), Start { seen: 10, ..Start::default() });
        let me = stream.viewer.world.me.clone();
        let (post, text) = stream.post(&me, 0, 11);
        let pending = text.find(&format!("data: selector #pending-{}\ndata: mode remove", post.client_msg_id.unwrap())).unwrap();
        assert!(pending < text.find("mode append").unwrap());
        assert!(!text.contains("_badge") && !text.contains("#announcer"), "{text}");
    }

    #[test]
    fn a_call_is_counted_as_one() {
        let lena = author("Lena");
        let mut stream = Stream::new(world(&["general", "random"]), Start::default());
        let channel = stream.viewer.world.sync.communities[0].channels[1].clone();
        let mut post = message(&lena, &channel, 11, "@ola");
        post.mentions = vec![Mention { kind: MentionKind::User, id: Some(stream.viewer.world.me.id) }];
        let text = stream.event(&event(Event::MessageCreated(post), &channel, 11, lena.id));
        assert!(text.contains("<span class=\"count\" aria-hidden=\"true\">1</span><span class=\"vh\">1 mention</span>"), "{text}");
        // Read elsewhere: the badge goes.
        let state = ReadState { channel_id: channel.channel.id, last_read_seq: 11, unread: 0, mentions: 0 };
        let text = stream.event(&Envelope::new(Event::ReadUpdated(state), None, NOON));
        assert!(text.contains(&format!("id=\"channel-{}\"", channel.channel.id)) && !text.contains("class=\"count\""), "{text}");
        assert!(text.contains("{\"_badge\":0,\"_here\":0}"));
    }

    #[test]
    fn many_messages_are_spoken_as_a_number() {
        let lena = author("Lena");
        let mut stream = Stream::new(world(&["general"]), Start::default());
        let spoken: Vec<_> = (11..16).map(|seq| stream.post(&lena, 0, seq).1).collect();
        assert!(spoken[2].contains("<p>Lena: hello</p>") && !spoken[3].contains("<p>Lena: hello</p>"));
        assert!(spoken[4].contains("<p>5 new messages</p>"));
    }

    #[test]
    fn only_my_own_reaction_is_pressed() {
        let (lena, mut stream) = (author("Lena"), Stream::new(world(&["general"]), Start::default()));
        let (post, _) = stream.post(&lena, 0, 11);
        let channel = stream.viewer.world.here.clone().unwrap();
        let change = |user_id, count| {
            let reactions = vec![ReactionCount { emoji: "👍".into(), count, reacted_by_me: None }];
            ReactionChanged { message_id: post.id, user_id, emoji: "👍".into(), count, reactions }
        };
        let theirs = stream.event(&event(Event::ReactionAdded(change(lena.id, 1)), &channel, 12, lena.id));
        assert!(!theirs.contains("aria-pressed=\"true\""));
        let me = stream.viewer.world.me.id;
        let mine = stream.event(&event(Event::ReactionAdded(change(me, 2)), &channel, 13, me));
        assert_eq!(mine.matches("aria-pressed=\"true\"").count(), 1, "{mine}");
        assert!(mine.rfind("aria-pressed=\"true\"") > mine.rfind("aria-pressed=\"false\""));
    }

    #[test]
    fn replies_reach_the_open_thread_only() {
        let lena = author("Lena");
        let world = world(&["general"]);
        let channel = world.here.clone().unwrap();
        let root = message(&lena, &channel, 1, "root");
        let mut reply = message(&lena, &channel, 11, "reply");
        reply.parent_id = Some(root.id);
        let envelope = event(Event::MessageCreated(reply), &channel, 11, lena.id);
        let mut with = Stream::new(world, Start { thread: Some(root.id), ..Start::default() });
        assert!(with.event(&envelope).contains("#thread-messages"));
        let mut without = Stream::new(crate::fixtures::world(&["general"]), Start::default());
        without.viewer.world.here = Some(channel);
        assert_eq!(without.event(&envelope), "");
    }

    #[test]
    fn typing_is_shown_and_forgotten() {
        let (lena, mut stream) = (author("Lena"), Stream::new(world(&["general"]), Start::default()));
        let channel = stream.viewer.world.here.clone().unwrap();
        let mut typing = |state| {
            let typing = TypingEvent { channel_id: channel.channel.id, parent_id: None, user: lena.clone() };
            let kind = if state == TypingState::Started { Event::TypingStarted(typing) } else { Event::TypingStopped(typing) };
            let mut frames = Frames::default();
            let now = stream.now;
            stream.viewer.typing(&event(kind, &channel, 0, lena.id), now, &mut frames);
            String::from_utf8(frames.into_bytes().to_vec()).unwrap()
        };
        assert!(typing(TypingState::Started).contains("<b>Lena</b> is typing"));
        assert_eq!(typing(TypingState::Started), "", "nothing new to draw");
        assert!(typing(TypingState::Stopped).contains("data: selector #typing\ndata: mode inner\ndata: elements \n"));
        typing(TypingState::Started);
        let mut frames = Frames::default();
        stream.viewer.expire_typing(stream.now + TYPING_HIDES_AFTER, &mut frames);
        assert!(!frames.is_empty() && stream.viewer.typing_until().is_none());
    }

    #[test]
    fn a_kick_leads_out_of_the_channel() {
        let mut stream = Stream::new(world(&["general", "random"]), Start::default());
        let (me, channel) = (stream.viewer.world.me.clone(), stream.viewer.world.here.clone().unwrap());
        let change = MemberChanged { scope: MemberScope::Channel, user_id: me.id, user: me.clone(), role: None, channel: None };
        let text = stream.event(&event(Event::MemberRemoved(change), &channel, 12, me.id));
        assert!(text.contains("{\"_goto\":\"/c/labs\"}"), "{text}");
        assert!(!text.contains(&format!("channel-{}", channel.channel.id)));
    }

    #[test]
    fn a_new_topic_is_drawn_and_a_new_channel_listed() {
        let mut stream = Stream::new(world(&["general"]), Start::default());
        let me = stream.viewer.world.me.id;
        let mut channel = stream.viewer.world.here.clone().unwrap();
        channel.channel.topic = Some("New topic".into());
        let change = ChannelChanged { channel: channel.channel.clone(), member_ids: Vec::new() };
        let text = stream.event(&event(Event::ChannelUpdated(change), &channel, 12, me));
        assert!(text.contains("id=\"channel-topic\" title=\"New topic\"") && !text.contains("_goto"), "{text}");
        let other = crate::fixtures::channel("apples", channel.channel.community_id.unwrap());
        let change = ChannelChanged { channel: other.channel.clone(), member_ids: vec![me] };
        let text = stream.event(&event(Event::ChannelCreated(change), &other, 1, me));
        assert!(text.find("apples") < text.find("general"), "sorted by name: {text}");
    }
}
