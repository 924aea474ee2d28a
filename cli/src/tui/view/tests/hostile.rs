//! What others write to do harm, and what a terminal can do to a screen.

use ajet_shared::events::NotificationKind;
use ajet_shared::message::ReactionCount;
use ratatui::buffer::Buffer;

use super::super::super::completion::{Candidate, Popup};
use super::super::super::composer::Composer;
use super::super::super::model::{Connection, Mode, Model, Pane, Search, Status, Tone, Zone};
use super::super::super::outbox::OutboxState;
use super::super::super::overlay::Overlay;
use super::super::super::places::{ListRow, Place, Section};
use super::super::super::timeline::Note;
use super::super::testing::*;
use super::{find, palette, typist};

/// A world in which everybody is hostile.
fn hostile() -> Model {
    let evil = "\x1b[31mred\x1b]0;t\x07\u{9b}2J\u{202e}txt.exe\u{2066}\u{200b}\rEVIL\x08\x7f\0";
    let tower = format!("z{}", "\u{301}\u{489}".repeat(300));
    let chain = vec!["👩"; 300].join("\u{200d}");
    let mut model = wide_world();
    let mut author = mara();
    author.display_name = format!("{evil}שלום עולם{tower}");
    let mut other = idris();
    other.display_name = format!("العربية {chain}");
    let body = format!(
        "{evil} {tower} {chain} `{evil}` **{evil}**\n\n```{evil}\n{evil}\t{tower}\n```\n> {evil}\n\n| {evil} | b |\n|---|---|\n| {tower} | {chain} |\n\n[{evil}](https://example.org/{evil}) 🇩🇪🇩 👍🏽 ﷽ ｶﾞ {}",
        "田".repeat(200)
    );
    let mut first = message(1, author.clone(), at(10, 0), &body);
    first.reactions =
        vec![ReactionCount { emoji: format!("🚢{evil}"), count: i64::MAX, reacted_by_me: None }];
    first.attachments = rich_messages()[2].attachments.clone();
    first.attachments[0].filename = format!("{evil}{tower}.png");
    first.participants = vec![author.clone(), other.clone()];
    first.reply_count = i32::MAX;
    let mut card = rich_messages()[1].clone();
    card.author.display_name = evil.to_owned();
    card.metadata = serde_json::json!({ "text_md": body, "icon_emoji": evil, "cards": [{
        "title": {"text": evil, "url": evil}, "text_md": body, "footer": evil,
        "fields": [{"name": evil, "value_md": body, "short": true}, {"name": tower, "value_md": evil, "short": true}],
        "actions": [{"text": chain, "url": "https://example.org"}], "author": {"text": evil} }] });
    let mut me = rich_messages()[3].clone();
    me.body_md = body.clone();
    let mut system = rich_messages()[0].clone();
    system.body_md = body.clone();
    timeline(&mut model).messages =
        vec![system, first, message(2, other, at(10, 1), evil), card, me];
    timeline(&mut model).messages.sort_by_key(|message| message.seq);
    timeline(&mut model).note(Note::new(1, body.clone(), at(11, 0), true));
    for channel in model.channels.values_mut() {
        channel.label = format!("{evil}{tower}");
        channel.view.channel.topic = Some(evil.to_owned());
        channel.view.unread = i64::MAX / 1_000;
    }
    for community in &mut model.communities {
        community.community.name = format!("{evil}שלום");
    }
    model.outbox.push(outgoing(61, 20, &body, OutboxState::Failed(evil.to_owned())));
    let mut pane = thread();
    pane.parent.author = author.clone();
    pane.parent.body_md.clone_from(&body);
    pane.composer = Composer::of(body.clone());
    model.pane = Some(Pane::Thread(Box::new(pane)));
    model.open.as_mut().expect("open").composer = Composer::of(body.clone());
    model.typists = vec![typist(&model, Place::channel(id(2)), &author)];
    model.activity.items = vec![activity_item(81, NotificationKind::Mention, author, false)];
    model.activity.items[0].excerpt = Some(body);
    model.status = Some(Status { text: evil.to_owned(), tone: Tone::Bad, until: model.now });
    model
}

/// Every state in which something else is drawn.
fn states(model: &Model) -> Vec<Model> {
    let mut states = vec![model.clone()];
    let mut add = |change: &dyn Fn(&mut Model)| {
        let mut state = model.clone();
        change(&mut state);
        states.push(state);
    };
    add(&|state| state.overlay = Some(Overlay::Palette(palette())));
    add(&|state| state.overlay = Some(Overlay::Help { scroll: 30 }));
    add(&|state| {
        state.overlay = Some(Overlay::List);
        state.list.selected = Some(ListRow::Section(Section::Direct));
    });
    add(&|state| {
        state.pane = Some(Pane::Activity);
        state.focus = Zone::Pane;
        state.connection = Connection::Reconnecting { at: state.now, attempt: 4 };
    });
    add(&|state| {
        state.pane = None;
        state.mode = Mode::Insert;
        let candidate = Candidate {
            label: "/topic [text]".into(),
            detail: "田".repeat(80),
            insert: String::new(),
        };
        state.open.as_mut().expect("open").composer.popup =
            Some(Popup { start: 0, candidates: vec![candidate; 8], selected: 7, chosen: true });
    });
    add(&|state| {
        state.mode = Mode::List;
        state.list.filter = Some(Composer::of("ra\x1b".to_owned()));
        state.open = None;
        state.pane = None;
    });
    add(&|state| {
        let query = Composer::of("\x1b[2J".to_owned());
        state.search = Some(Search { query: "e".to_owned(), hits: Vec::new(), current: 0 });
        state.overlay = Some(Overlay::Search { query });
    });
    states
}

fn assert_harmless(buffer: &Buffer) {
    for cell in &buffer.content {
        let symbol = cell.symbol();
        if matches!(symbol.as_bytes(), [b' '..=b'~']) {
            continue;
        }
        assert!(!symbol.chars().any(char::is_control), "{symbol:?}");
        // Ours ends a run of right-to-left text; no other direction control is let through.
        let turned =
            |c: char| matches!(c, '\u{200f}' | '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}');
        assert!(!symbol.contains(turned), "{symbol:?}");
        assert!(symbol.chars().count() <= 12, "{symbol:?}");
    }
}

#[test]
fn no_string_of_the_network_reaches_a_terminal_as_it_is() {
    for mut state in states(&hostile()) {
        for size in [(120, 40), (80, 24), (63, 20), (40, 10), (39, 9), (200, 60)] {
            for theme in [DARK, ANSI, MONO] {
                assert_harmless(&drawn(&mut state, theme, size).0);
            }
        }
    }
    let mut model = hostile();
    model.pane = None;
    let text = screen(&mut model, DARK, (100, 40));
    assert!(text.contains("␛[31mred␛]0;t␇␛2J·txt.exe"), "{text}");
}

#[test]
fn every_size_can_be_drawn() {
    let mut model = wide_world();
    let mut messages = messages();
    messages.extend(rich_messages());
    timeline(&mut model).messages = messages;
    for width in 1..150 {
        // Around every height at which something goes or comes, and some between.
        for height in (1..=18).chain([24, 29, 30, 31, 40, 49]) {
            assert_harmless(&drawn(&mut model, DARK, (width, height)).0);
        }
    }
}

#[test]
fn every_state_can_be_drawn_in_every_size() {
    for mut state in states(&hostile()) {
        for width in (1..150).step_by(11) {
            for height in (1..50).step_by(7) {
                assert_harmless(&drawn(&mut state, MONO, (width, height)).0);
            }
        }
    }
}

#[test]
fn right_to_left_names_do_not_reach_their_neighbours() {
    let mut model = world();
    let mut author = mara();
    author.display_name = "שלום".to_owned();
    timeline(&mut model).messages = vec![message(1, author, at(10, 0), "123 hello")];
    let (buffer, _) = drawn(&mut model, DARK, (80, 24));
    let (x, y) = find(&buffer, "שלום");
    assert_eq!(buffer[(x + 3, y)].symbol(), "ם\u{200e}");
}
