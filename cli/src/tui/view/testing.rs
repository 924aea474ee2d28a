//! A world to draw: the people and messages of the mock-ups (design/tui.md section 1), and screens as text.

use std::collections::{BTreeMap, HashMap};
use std::path::Path;

use ajet_shared::channel::{Channel, ChannelKind, ChannelView, NotifyLevel, Visibility};
use ajet_shared::community::{Community, Role as Rank};
use ajet_shared::events::{Notification, NotificationKind};
use ajet_shared::id::{ChannelId, ClientMessageId, CommunityId, MessageId, NotificationId, UserId};
use ajet_shared::message::{Attachment, Mention, MentionKind, Message, MessageKind, ReactionCount};
use ajet_shared::unread::Unread;
use ajet_shared::user::{Author, UserKind};
use ratatui::Terminal;
use ratatui::backend::TestBackend;
use ratatui::buffer::Buffer;
use serde_json::json;
use time::macros::date;
use time::{Date, OffsetDateTime, Time};
use uuid::Uuid;

use super::super::composer::Composer;
use super::super::drawn::Drawn;
use super::super::model::{ActivityItem, Connection, Mode, Model, OpenChannel, Pane, ThreadPane};
use super::super::outbox::{OutboxEntry, OutboxState};
use super::super::places::{ChannelEntry, CommunityEntry, Person, Place};
use super::super::theme::{Depth, Ground, Theme};
use super::super::timeline::{RowKey, Scroll, Timeline};
use super::draw;
use crate::zone::local;

pub(super) const DARK: Theme = Theme::new(Depth::True, Ground::Dark);
pub(super) const ANSI: Theme = Theme::new(Depth::Ansi, Ground::Dark);
pub(super) const MONO: Theme = Theme::new(Depth::Mono, Ground::Dark);

const TODAY: Date = date!(2026 - 11 - 20);
const ROOM: u128 = 2;

pub(super) fn id<T: From<Uuid>>(number: u128) -> T {
    T::from(Uuid::from_u128(number))
}

/// Today at this time, on the clock of whoever runs the test.
pub(super) fn at(hour: u8, minute: u8) -> OffsetDateTime {
    on(TODAY, hour, minute)
}

pub(super) fn on(day: Date, hour: u8, minute: u8) -> OffsetDateTime {
    let time = Time::from_hms(hour, minute, 0).expect("a time of day");
    let wall = day.with_time(time).assume_utc();
    wall - time::Duration::seconds(local(wall).offset().whole_seconds().into())
}

pub(super) fn author(number: u128, username: &str, name: &str) -> Author {
    let kind = match username {
        "aide" | "kestrel" => UserKind::Bot,
        _ => UserKind::Human,
    };
    Author {
        id: id(number),
        username: username.to_owned(),
        display_name: name.to_owned(),
        avatar_url: None,
        kind,
    }
}

pub(super) fn mara() -> Author {
    author(11, "mara", "Mara Voss")
}
pub(super) fn idris() -> Author {
    author(12, "idris", "Idris Bekele")
}
pub(super) fn lena() -> Author {
    author(13, "lena", "Lena Kowalczyk")
}
pub(super) fn yuki() -> Author {
    author(14, "yuki", "田辺 ゆき")
}
pub(super) fn ola() -> Author {
    author(15, "ola", "Ola Brandt")
}
fn priya() -> Author {
    author(16, "priya", "Priya Nair")
}
fn sam() -> Author {
    author(17, "sam", "Sam Achterberg")
}
fn aide() -> Author {
    author(18, "aide", "Aide")
}

/// A message in the room; its id follows its `seq`.
pub(super) fn message(seq: i64, author: Author, when: OffsetDateTime, body: &str) -> Message {
    Message {
        id: message_id(seq),
        channel_id: id(ROOM),
        seq,
        parent_id: None,
        author,
        kind: MessageKind::Text,
        body_md: body.to_owned(),
        created_at: when,
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

pub(super) fn message_id(seq: i64) -> MessageId {
    id(1_000 + u128::from(seq.unsigned_abs()))
}

pub(super) fn key(seq: i64) -> RowKey {
    RowKey::Message(message_id(seq))
}

fn reaction(emoji: &str, count: i64, mine: bool) -> ReactionCount {
    ReactionCount { emoji: emoji.to_owned(), count, reacted_by_me: Some(mine) }
}

pub(super) fn calls_ola() -> Vec<Mention> {
    vec![Mention { kind: MentionKind::User, id: Some(ola().id) }]
}

/// The messages of the first mock-up.
pub(super) fn messages() -> Vec<Message> {
    let tasks = "Morning! Two things left before we tag 0.9:\n\n- [x] replay after reconnect (@idris)\n- [ ] search ranking for short queries (@lena)";
    let found = "Found it. We started one event too late:\n\n```rust\nstart_sequence: last_event_id + 1, // not .max(1)\n```";
    let first = Message {
        edited_at: Some(at(10, 43)),
        reactions: vec![reaction("🚢", 5, true), reaction("👀", 2, false)],
        ..message(1, mara(), at(10, 41), tasks)
    };
    let second = Message {
        reply_count: 6,
        last_reply_at: Some(at(11, 14)),
        participants: vec![lena(), mara(), sam()],
        ..message(2, idris(), at(10, 52), found)
    };
    let done =
        "> search ranking for short queries\n\nDone too. Two-letter queries use the prefix index.";
    let review = Message {
        mentions: calls_ola(),
        ..message(4, yuki(), at(11, 9), "@ola リリースノートの日本語版、レビューお願いします。")
    };
    vec![
        first,
        second,
        message(3, lena(), at(11, 3), done),
        review,
        message(5, ola(), at(11, 12), "On it, reading now. 🎉"),
    ]
}

/// What else a channel can hold.
pub(super) fn rich_messages() -> Vec<Message> {
    let joined = Message {
        kind: MessageKind::System,
        ..message(101, yuki(), at(9, 2), "joined, invited by Mara Voss")
    };
    let build = Message {
        kind: MessageKind::Webhook,
        metadata: json!({
            "cards": [{
                "tone": "bad",
                "title": {"text": "#1284 fix(web-sm): replay from next sequence", "url": "https://ci.example.org/1284"},
                "text_md": "**failed** in 3 min 12 s · 412 tests",
                "fields": [
                    {"name": "Branch", "value_md": "`main`", "short": true},
                    {"name": "Runner", "value_md": "kiln-2", "short": true},
                    {"name": "Log", "value_md": "[open](https://ci.example.org/log)"}
                ],
                "actions": [{"text": "Run again", "url": "https://ci.example.org/again"}],
                "footer": "Kestrel"
            }]
        }),
        ..message(102, author(19, "kestrel", "Kestrel CI"), at(10, 56), "failed")
    };
    let numbers = Message {
        attachments: vec![
            attachment("latency.png", 12_345, Some((640, 400))),
            attachment("load-run-2026-11-20.csv", 184_320, None),
        ],
        ..message(
            103,
            lena(),
            at(11, 3),
            "# Numbers\nfrom the *load run*, all **inside** budget, see [the sheet](https://example.org/x) or https://example.org/y\n\n| Path | p50 | p95 |\n|---|--:|--:|\n| Post to publish | 6 ms | 14 ms |\n| Publish to browser | 11 ms | 38 ms |\n\n1. one\n2. two ~~three~~ `four`\n\n---\n> quoted words that go on until they have to be broken into a second row of the quotation",
        )
    };
    let waves =
        Message { kind: MessageKind::Me, ..message(104, sam(), at(11, 4), "waves at *everybody*") };
    let gone = Message { deleted_at: Some(at(11, 6)), ..message(105, sam(), at(11, 5), "") };
    let twice = message(106, lena(), at(11, 6), "Second.");
    let again = message(107, lena(), at(11, 7), "Third, of the same author.");
    vec![joined, build, numbers, waves, gone, twice, again]
}

fn attachment(name: &str, size: i64, pixels: Option<(i32, i32)>) -> Attachment {
    Attachment {
        id: id(70),
        filename: name.to_owned(),
        content_type: "application/octet-stream".to_owned(),
        size_bytes: size,
        width: pixels.map(|(width, _)| width),
        height: pixels.map(|(_, height)| height),
        url: "/files/1".to_owned(),
        thumb_url: None,
    }
}

/// The thread of the second mock-up.
pub(super) fn thread() -> ThreadPane {
    let parent = Message {
        reply_count: 6,
        ..message(
            2,
            idris(),
            at(10, 52),
            "Found it. We started one event too late, so the first message after a drop was lost.",
        )
    };
    let reply = |seq, author, minute, body| Message {
        parent_id: Some(message_id(2)),
        ..message(seq, author, at(if minute < 30 { 11 } else { 10 }, minute), body)
    };
    let mut replies = vec![
        reply(21, lena(), 58, "Nice catch. Does the same line exist in tui-sm?"),
        reply(22, idris(), 1, "Yes, both share the consumer now. One fix, two clients."),
        reply(
            23,
            sam(),
            5,
            "I ran the drop test in a loop:\n\n```\nok  200/200  gaps 0  dupes 0\n```",
        ),
        reply(24, mara(), 14, "Then let us merge. @ola can you note it in the changelog?"),
    ];
    replies[1].reactions = vec![reaction("🙌", 2, true)];
    replies[3].mentions = calls_ola();
    ThreadPane {
        channel: id(ROOM),
        parent,
        timeline: Timeline { messages: replies, ..Timeline::default() },
        composer: Composer::default(),
    }
}

fn channel(number: u128, name: &str, unread: i64, mentions: i64) -> ChannelEntry {
    let view = ChannelView {
        channel: Channel {
            id: id(number),
            community_id: Some(id(1)),
            name: Some(name.to_owned()),
            kind: ChannelKind::Text,
            visibility: Visibility::Public,
            topic: None,
            last_seq: 5,
            created_at: at(0, 0),
            archived_at: None,
        },
        joined: true,
        member_count: 14,
        last_read_seq: 2,
        unread,
        mentions,
        notify_level: NotifyLevel::Mentions,
        members: Vec::new(),
    };
    ChannelEntry::new(view, ola().id)
}

fn dm(number: u128, with: Vec<Author>, unread: i64) -> ChannelEntry {
    let mut view = channel(number, "", unread, unread).view;
    view.channel.kind = if with.len() > 1 { ChannelKind::GroupDm } else { ChannelKind::Dm };
    view.channel.community_id = None;
    view.channel.name = None;
    view.members = with;
    view.members.push(ola());
    ChannelEntry::new(view, ola().id)
}

fn community(number: u128, name: &str) -> CommunityEntry {
    let community = Community {
        id: id::<CommunityId>(number),
        slug: name.to_lowercase().replace(' ', "-"),
        members_may_invite: false,
        name: name.to_owned(),
        created_at: at(0, 0),
    };
    CommunityEntry { community, role: Rank::Member }
}

/// The first mock-up: message mode, a message selected.
pub(super) fn world() -> Model {
    let mut channels: BTreeMap<ChannelId, ChannelEntry> = BTreeMap::new();
    let mut room = channel(ROOM, "release-room", 0, 0);
    room.view.channel.topic =
        Some("Shipping 0.9 on Friday. Runbook is pinned, ask Mara".to_owned());
    let mut incidents = channel(5, "incidents", 2, 0);
    incidents.view.notify_level = NotifyLevel::Nothing;
    let mut hiring = channel(7, "hiring", 3, 0);
    hiring.view.channel.visibility = Visibility::Private;
    let mut standup = channel(9, "standup", 0, 0);
    standup.view.channel.kind = ChannelKind::Voice;
    for entry in [
        channel(8, "general", 8, 0),
        room,
        channel(3, "api", 1, 1),
        channel(4, "web", 0, 0),
        incidents,
        channel(6, "design", 0, 0),
        hiring,
        standup,
        dm(31, vec![mara()], 2),
        dm(32, vec![lena()], 0),
        dm(33, vec![yuki()], 0),
        dm(34, vec![priya()], 0),
        dm(35, vec![aide()], 0),
    ] {
        channels.insert(entry.id(), entry);
    }
    let mut people: HashMap<UserId, Person> = HashMap::new();
    for one in [mara(), idris(), lena(), yuki(), ola(), priya(), sam(), aide()] {
        let online = one.username != "priya";
        people.insert(one.id, Person { online, ..Person::of(&one) });
    }
    let open = OpenChannel {
        id: id(ROOM),
        timeline: Timeline {
            messages: messages(),
            selected: Some(key(3)),
            divider: Some(2),
            ..Timeline::default()
        },
        composer: Composer::default(),
    };
    let mut model = Model::new(at(11, 15), (80, 24), "https://chat.example.org".to_owned());
    model.me = Some(ola());
    model.communities = vec![community(1, "Saltmarsh Labs")];
    model.community = Some(id(1));
    model.channels = channels;
    model.people = people;
    model.open = Some(open);
    model.activity.unread = Unread::new(4, &[]);
    model.mode = Mode::Message;
    model.connection = Connection::Live;
    model.drafts.insert(Place::channel(id(6)), "draft".to_owned());
    model
}

/// The wide mock-up: a thread beside, three communities.
pub(super) fn wide_world() -> Model {
    let mut model = world();
    model.communities.extend([community(41, "Rust Guild"), community(42, "Kiln Collective")]);
    for (number, home, unread, mentions) in [(51, 41, 3, 0), (52, 42, 2, 2)] {
        let mut entry = channel(number, "elsewhere", unread, mentions);
        entry.view.channel.community_id = Some(id(home));
        model.channels.insert(entry.id(), entry);
    }
    let group = dm(36, vec![idris(), lena(), sam()], 0);
    model.channels.insert(group.id(), group);
    model.pane = Some(Pane::Thread(Box::new(thread())));
    timeline(&mut model).selected = Some(key(2));
    model
}

pub(super) fn timeline(model: &mut Model) -> &mut Timeline {
    &mut model.open.as_mut().expect("a channel is open").timeline
}

pub(super) fn outgoing(number: u128, minute: u8, body: &str, state: OutboxState) -> OutboxEntry {
    OutboxEntry {
        client_msg_id: id::<ClientMessageId>(number),
        user: ola().id,
        place: Place::channel(id(ROOM)),
        body: body.to_owned(),
        written_at: at(11, minute),
        state,
    }
}

pub(super) fn activity_item(
    number: u128,
    kind: NotificationKind,
    from: Author,
    read: bool,
) -> ActivityItem {
    ActivityItem {
        notification: Notification {
            id: id::<NotificationId>(number),
            kind,
            community_id: Some(id(1)),
            channel_id: Some(id(ROOM)),
            message_id: Some(message_id(4)),
            actor: Some(from),
            read,
            created_at: at(11, 9),
        },
        excerpt: Some("@ola **please** have a look at the notes".to_owned()),
    }
}

/// Draws it on a screen of this size, as a terminal would get it, and takes over where it stands.
pub(super) fn drawn(
    model: &mut Model,
    theme: Theme,
    (width, height): (u16, u16),
) -> (Buffer, Drawn) {
    model.size = (width, height);
    let mut terminal = Terminal::new(TestBackend::new(width, height)).expect("a terminal");
    let mut told = Drawn::default();
    terminal.draw(|frame| told = draw(model, theme, frame)).expect("it draws");
    model.drawn = told.clone();
    settle(model, &told);
    (terminal.backend().buffer().clone(), told)
}

/// What `update` does with what the view tells.
fn settle(model: &mut Model, told: &Drawn) {
    if let (Some(open), Some(drawn)) = (&mut model.open, &told.channel) {
        open.timeline.scroll = drawn.scroll;
        open.timeline.reveal = false;
    }
    if let (Some(thread), Some(drawn)) = (model.thread_mut(), &told.thread) {
        thread.timeline.scroll = drawn.scroll;
        thread.timeline.reveal = false;
    }
}

/// The cells as lines; what a wide glyph covers is left out.
pub(super) fn text(buffer: &Buffer) -> String {
    let mut text = String::new();
    for y in 0..buffer.area.height {
        let mut line = String::new();
        let mut x = 0;
        while x < buffer.area.width {
            let symbol = buffer[(x, y)].symbol();
            line.push_str(symbol);
            x += u16::try_from(super::width::columns(symbol).max(1)).expect("a width");
        }
        text.push_str(line.trim_end());
        text.push('\n');
    }
    text
}

pub(super) fn screen(model: &mut Model, theme: Theme, size: (u16, u16)) -> String {
    text(&drawn(model, theme, size).0)
}

/// Where a timeline stands now.
pub(super) fn scroll(model: &Model) -> Scroll {
    model.open.as_ref().expect("a channel is open").timeline.scroll
}

/// Compares with the kept picture. `AJET_SNAPSHOTS=write` keeps this one instead.
pub(super) fn assert_picture(name: &str, text: &str) {
    let path =
        Path::new(env!("CARGO_MANIFEST_DIR")).join(format!("src/tui/view/snapshots/{name}.txt"));
    if std::env::var("AJET_SNAPSHOTS").is_ok_and(|value| value == "write") {
        std::fs::write(&path, text).expect("the picture is kept");
        return;
    }
    let kept = std::fs::read_to_string(&path).unwrap_or_default();
    assert!(
        kept == text,
        "{name} looks different now.\n--- kept\n{kept}\n--- now\n{text}\nAJET_SNAPSHOTS=write keeps it."
    );
}
