//! A model with people and channels in it, and keys as they are written.

use ajet_shared::channel::{Channel, ChannelKind, ChannelView, NotifyLevel, Visibility};
use ajet_shared::client::{ClientError, Received};
use ajet_shared::command::{Argument, ArgumentKind, CommandGroup, CommandInfo};
use ajet_shared::community::{Community, Member, Role};
use ajet_shared::events::{Envelope, Event as Wire};
use ajet_shared::id::{ChannelId, CommunityId, MessageId, UserId};
use ajet_shared::message::{Message, MessageKind};
use ajet_shared::page::Page;
use ajet_shared::position::Position;
use ajet_shared::problem::Problem;
use ajet_shared::sync::{CommunityView, Sync};
use ajet_shared::user::{Author, Me, User, UserKind};
use crossterm::event::{KeyCode, KeyEvent, KeyModifiers};
use time::OffsetDateTime;
use time::macros::datetime;

use super::super::drawn::{Drawn, TimelineDrawn};
use super::super::event::{Ask, Effect, Event, Part, Reply};
use super::super::model::Model;
use super::super::places::Place;
use super::super::timeline::{Row, Scroll};
use super::update;

pub(super) const START: OffsetDateTime = datetime!(2026-11-20 10:00 UTC);

/// A model and the moment it is in.
pub(super) struct Scene {
    pub(super) model: Model,
    pub(super) now: OffsetDateTime,
    pub(super) me: Author,
    pub(super) mara: Author,
    pub(super) general: ChannelId,
    pub(super) api: ChannelId,
    pub(super) dm: ChannelId,
    pub(super) community: CommunityId,
    seq: i64,
    /// What the server told at the start.
    pub(super) sync: Sync,
    /// Effects since the last look.
    pub(super) effects: Vec<Effect>,
}

pub(super) fn author(username: &str, display_name: &str) -> Author {
    Author {
        id: UserId::new(),
        username: username.to_owned(),
        display_name: display_name.to_owned(),
        avatar_url: None,
        kind: UserKind::Human,
    }
}

fn user(author: &Author) -> User {
    User {
        id: author.id,
        username: author.username.clone(),
        display_name: author.display_name.clone(),
        avatar_url: None,
        kind: author.kind,
        status_text: None,
        status_emoji: None,
        online: true,
        created_at: START,
    }
}

pub(super) fn channel(
    community: Option<CommunityId>,
    name: Option<&str>,
    members: Vec<Author>,
) -> ChannelView {
    ChannelView {
        channel: Channel {
            id: ChannelId::new(),
            community_id: community,
            name: name.map(str::to_owned),
            kind: if community.is_some() { ChannelKind::Text } else { ChannelKind::Dm },
            visibility: Visibility::Public,
            topic: None,
            last_seq: 0,
            created_at: START,
            archived_at: None,
        },
        joined: true,
        member_count: 2,
        last_read_seq: 0,
        unread: 0,
        mentions: 0,
        notify_level: NotifyLevel::Mentions,
        members,
    }
}

pub(super) fn page<T>(items: Vec<T>) -> Page<T> {
    Page { items, next: None, prev: None }
}

pub(super) fn command(name: &str, argument: Option<ArgumentKind>) -> CommandInfo {
    let arguments = argument
        .map(|kind| Argument { name: "it".to_owned(), kind, optional: false, choices: Vec::new() })
        .into_iter()
        .collect();
    CommandInfo {
        name: name.to_owned(),
        arguments,
        summary: format!("does {name}"),
        usage: format!("/{name}"),
        group: CommandGroup::Channels,
        role: None,
    }
}

impl Scene {
    /// Signed in as Ola, `#general` open with three messages of Mara, connected.
    pub(super) fn new() -> Self {
        let mut scene = Self::started();
        let page = (1..=3).map(|n| scene.message(scene.general, &format!("message {n}"))).collect();
        scene.loaded(Place::channel(scene.general), page);
        scene.draw();
        scene.effects.clear();
        scene
    }

    /// As far as the first answer.
    pub(super) fn started() -> Self {
        let (me, mara) = (author("ola", "Ola Brandt"), author("mara", "Mara Voss"));
        let community = CommunityId::new();
        let general = channel(Some(community), Some("general"), Vec::new());
        let api = channel(Some(community), Some("api"), Vec::new());
        let dm = channel(None, None, vec![me.clone(), mara.clone()]);
        let model = Model::new(START, (80, 24), "http://127.0.0.1:8080".to_owned());
        let ids = (general.channel.id, api.channel.id, dm.channel.id);
        let sync = Sync {
            cursor: Position { epoch: 1, seq: 7 },
            me: Me { user: user(&me), email: None },
            session_id: None,
            communities: vec![CommunityView {
                community: Community {
                    id: community,
                    name: "Saltmarsh Labs".to_owned(),
                    slug: "saltmarsh".to_owned(),
                    members_may_invite: false,
                    created_at: START,
                },
                role: Role::Member,
                channels: vec![general, api],
            }],
            dms: vec![dm],
            unread_notifications: 0,
            unread_notification_ids: Vec::new(),
        };
        let mut scene = Self {
            model,
            now: START,
            me: me.clone(),
            mara: mara.clone(),
            general: ids.0,
            api: ids.1,
            dm: ids.2,
            community,
            seq: 0,
            sync: sync.clone(),
            effects: Vec::new(),
        };
        scene.model.work.wanted.last = Some(ids.0);
        scene.give(Event::Tick);
        assert!(scene.asked(|ask| *ask == Ask::Sync));
        scene.answer(Ask::Sync, Reply::Sync(Box::new(sync)));
        let members = [&me, &mara].map(|author| Member {
            user: user(author),
            role: Role::Member,
            joined_at: START,
        });
        scene.answer(Ask::Members(community, None), Reply::Members(page(members.to_vec())));
        scene.live(Received::Ready);
        scene.live(Received::Resumed { count: 0 });
        scene
    }

    pub(super) fn give(&mut self, event: Event) {
        let effects = update(&mut self.model, self.now, event);
        self.effects.extend(effects);
    }

    pub(super) fn answer(&mut self, ask: Ask, reply: Reply) {
        self.give(Event::Answer(ask, Ok(reply)));
    }

    pub(super) fn refuse(&mut self, ask: Ask, status: u16) {
        let problem = Problem::new(status, "x", "No").with_detail("It is not to be".to_owned());
        self.give(Event::Answer(ask, Err(ClientError::Problem(Box::new(problem)))));
    }

    pub(super) fn live(&mut self, received: Received) {
        self.give(Event::Live(received));
    }

    pub(super) fn lose(&mut self) {
        let error = ClientError::Unreachable("gone".to_owned());
        self.live(Received::Lost { error, pause: std::time::Duration::from_secs(4) });
    }

    pub(super) fn happen(&mut self, channel: ChannelId, event: Wire) {
        let mut envelope = Envelope::new(event, Some(self.mara.id), self.now);
        envelope.channel_id = Some(channel);
        envelope.community_id = (channel != self.dm).then_some(self.community);
        self.live(Received::Event(Box::new(envelope)));
    }

    /// Time goes on, and what is due is done.
    pub(super) fn pass(&mut self, seconds: i64) {
        self.now += time::Duration::seconds(seconds);
        self.give(Event::Tick);
    }

    /// A message of Mara that is new.
    pub(super) fn message(&mut self, channel: ChannelId, body: &str) -> Message {
        self.seq += 1;
        Message {
            id: MessageId::new(),
            channel_id: channel,
            seq: self.seq,
            parent_id: None,
            author: self.mara.clone(),
            kind: MessageKind::Text,
            body_md: body.to_owned(),
            created_at: self.now,
            edited_at: None,
            deleted_at: None,
            reply_count: 0,
            last_reply_at: None,
            participants: Vec::new(),
            reactions: Vec::new(),
            attachments: Vec::new(),
            mentions: Vec::new(),
            metadata: serde_json::Value::Null,
            client_msg_id: None,
        }
    }

    /// The first page of a place.
    pub(super) fn loaded(&mut self, place: Place, items: Vec<Message>) {
        self.answer(Ask::Page(place, Part::Newest), Reply::Page(page(items)));
    }

    /// As if the view had room for the ten lowest rows, each of one line.
    pub(super) fn draw(&mut self) {
        let drawn = |rows: Vec<Row<'_>>| TimelineDrawn {
            scroll: Scroll::Newest,
            at_oldest: rows.len() <= 10,
            rows: rows.iter().rev().take(10).rev().map(Row::key).collect(),
            at_newest: true,
            top: 0,
            height: 10,
        };
        let channel = self.model.open.is_some().then(|| drawn(self.rows()));
        let thread = self
            .model
            .thread()
            .map(|thread| drawn(self.model.rows(&thread.timeline, thread.place())));
        let drawn = Drawn { channel, thread, ..Drawn::default() };
        self.give(Event::Drawn(drawn));
    }

    /// The rows of the centre.
    pub(super) fn rows(&self) -> Vec<Row<'_>> {
        self.model
            .open
            .as_ref()
            .map_or_else(Vec::new, |open| self.model.rows(&open.timeline, Place::channel(open.id)))
    }

    /// Keys as people write them: `Ctrl-K`, `Enter`, anything else letter by letter.
    pub(super) fn keys(&mut self, keys: &[&str]) {
        for name in keys {
            match key(name) {
                Some(key) => self.give(Event::Key(key)),
                None => self.write(name),
            }
        }
    }

    fn write(&mut self, text: &str) {
        for c in text.chars() {
            self.give(Event::Key(KeyEvent::new(KeyCode::Char(c), KeyModifiers::NONE)));
        }
    }

    pub(super) fn text(&self) -> &str {
        super::compose::active(&self.model).map_or("", |(composer, _)| &composer.text)
    }

    pub(super) fn status(&self) -> &str {
        self.model.status.as_ref().map_or("", |status| &status.text)
    }

    /// Whether something was asked since the last look.
    pub(super) fn asked(&self, fits: impl Fn(&Ask) -> bool) -> bool {
        self.effects.iter().any(|effect| matches!(effect, Effect::Ask(ask) if fits(ask)))
    }

    /// What is on its way to the server.
    pub(super) fn posts(&self) -> Vec<String> {
        let body = |effect: &Effect| match effect {
            Effect::Ask(Ask::Post(entry)) => Some(entry.body.clone()),
            _ => None,
        };
        self.effects.iter().filter_map(body).collect()
    }
}

fn key(name: &str) -> Option<KeyEvent> {
    let (modifiers, rest) = match name.split_once('-') {
        Some(("Ctrl", rest)) => (KeyModifiers::CONTROL, rest),
        Some(("Alt", rest)) => (KeyModifiers::ALT, rest),
        _ => (KeyModifiers::NONE, name),
    };
    let code = match rest {
        "Enter" => KeyCode::Enter,
        "Esc" => KeyCode::Esc,
        "Tab" => KeyCode::Tab,
        "Up" => KeyCode::Up,
        "Down" => KeyCode::Down,
        "Left" => KeyCode::Left,
        "Backspace" => KeyCode::Backspace,
        "PageUp" => KeyCode::PageUp,
        "F1" => KeyCode::F(1),
        letter if !modifiers.is_empty() => KeyCode::Char(letter.chars().next()?),
        _ => return None,
    };
    Some(KeyEvent::new(code, modifiers))
}
