//! Pictures of screens.

use ajet_shared::events::NotificationKind;
use ratatui::style::{Color, Modifier};

use super::super::super::completion::{Candidate, Popup};
use super::super::super::composer::Composer;
use super::super::super::drawn::Hit;
use super::super::super::model::{Connection, Mode, Model, Pane, Search, Status, Tone, Zone};
use super::super::super::outbox::OutboxState;
use super::super::super::overlay::{Confirmed, Overlay, ReactionPicker};
use super::super::super::places::{ListRow, Place};
use super::super::super::theme::{Depth, Ground, Theme};
use super::super::super::timeline::{Note, Scroll};
use super::super::testing::*;
use super::{find, palette, typist, writing};

#[test]
fn main_screen() {
    let mut model = world();
    let typist = typist(&model, Place::channel(id(2)), &mara());
    model.typists.push(typist);
    assert_picture("main_80x24", &screen(&mut model, DARK, (80, 24)));
    assert_picture("main_80x24_mono", &screen(&mut model, MONO, (80, 24)));
    assert_picture("main_63x20", &screen(&mut model, DARK, (63, 20)));
    assert_picture("main_40x12", &screen(&mut model, DARK, (40, 12)));
    assert_picture("small_39x9", &screen(&mut model, DARK, (39, 9)));
}

#[test]
fn thread_in_place_of_the_messages() {
    let mut model = world();
    let mut pane = thread();
    pane.composer = Composer::of("Will do".to_owned());
    model.pane = Some(Pane::Thread(Box::new(pane)));
    (model.mode, model.focus) = (Mode::Insert, Zone::Pane);
    assert_picture("thread_80x24", &screen(&mut model, DARK, (80, 24)));
}

#[test]
fn thread_beside_the_messages() {
    let mut model = wide_world();
    let place = Place::channel(id(2));
    let typists = [typist(&model, place, &mara()), typist(&model, place, &lena())];
    model.typists.extend(typists);
    assert_picture("wide_120x40", &screen(&mut model, DARK, (120, 40)));
}

#[test]
fn everything_a_message_can_be() {
    let mut model = world();
    timeline(&mut model).messages = rich_messages();
    timeline(&mut model).divider = None;
    timeline(&mut model).selected = Some(key(107));
    assert_picture("rich_100x50", &screen(&mut model, DARK, (100, 50)));
    assert_picture("rich_100x50_mono", &screen(&mut model, MONO, (100, 50)));
}

#[test]
fn without_connection() {
    let mut model = world();
    model.connection =
        Connection::Reconnecting { at: model.now + time::Duration::seconds(4), attempt: 3 };
    let refused = OutboxState::Failed("You are muted until 14:20.".to_owned());
    model.outbox.push(outgoing(61, 24, "Changelog line is in.", refused));
    model.outbox.push(outgoing(62, 25, "And the screenshots for the notes:", OutboxState::Waiting));
    timeline(&mut model).selected = None;
    model.mode = Mode::Insert;
    assert_picture("offline_80x24", &screen(&mut model, DARK, (80, 24)));
}

#[test]
fn overlays() {
    let mut model = world();
    model.overlay = Some(Overlay::Palette(palette()));
    assert_picture("palette_80x24", &screen(&mut model, DARK, (80, 24)));
    model.overlay = Some(Overlay::Help { scroll: 0 });
    assert_picture("help_80x24", &screen(&mut model, DARK, (80, 24)));
    model.overlay = Some(Overlay::List);
    model.list.selected = Some(ListRow::Channel(id(2)));
    assert_picture("list_63x20", &screen(&mut model, DARK, (63, 20)));
}

#[test]
fn rows_at_the_bottom() {
    let mut model = world();
    let last = |model: &mut Model| {
        screen(model, DARK, (80, 24)).lines().last().unwrap_or_default().to_owned()
    };
    assert_eq!(
        last(&mut model),
        " MSG  j/k move  r reply  + react  e edit  y link  i write  ^K jump  ? help    ●"
    );
    model.prefix = Some('d');
    assert_eq!(last(&mut model), format!("{:78}●", " MSG  d delete  Esc nothing  ? help"));
    model.prefix = None;
    let until = model.now + time::Duration::seconds(4);
    model.status =
        Some(Status { text: "You are muted until 14:20.".to_owned(), tone: Tone::Bad, until });
    assert_eq!(last(&mut model), format!("{:78}●", " MSG  ✗ You are muted until 14:20."));
    model.now = until;
    assert!(last(&mut model).contains("j/k move"));
    model.connection = Connection::CatchingUp(214);
    assert!(last(&mut model).ends_with("◐ catching up 214 events"));
    model.connection = Connection::Live;
    let recent = ["👍", "✅", "👀", "🎉", "🚀", "❤\u{fe0f}", "😂"].map(str::to_owned).to_vec();
    let mut picker = ReactionPicker {
        message: message_id(3),
        recent,
        query: Composer::default(),
        matches: Vec::new(),
    };
    model.overlay = Some(Overlay::Reactions(picker.clone()));
    assert!(
        last(&mut model).starts_with(
            " REACT  1 👍 2 ✅ 3 👀 4 🎉 5 🚀 6 ❤\u{fe0f} 7 😂  type a name, Enter adds, Esc"
        ),
        "{}",
        last(&mut model)
    );
    picker.query = Composer::of("ro".to_owned());
    picker.matches = vec![("🚀", "rocket"), ("🤖", "robot")];
    model.overlay = Some(Overlay::Reactions(picker));
    assert!(last(&mut model).starts_with(" REACT  :ro  🚀 rocket  🤖 robot"));
    let question = "Delete this message? y/n".to_owned();
    model.overlay = Some(Overlay::Confirm { question, yes: Confirmed::Quit });
    assert!(last(&mut model).starts_with(" ASK  Delete this message? y/n "));
    let question = format!("{} Quit? y/n", "Messages are not sent yet. ".repeat(4));
    model.overlay = Some(Overlay::Confirm { question, yes: Confirmed::Quit });
    assert!(last(&mut model).starts_with(" ASK  …"));
    assert!(last(&mut model).contains("Quit? y/n"));
    model.overlay = Some(Overlay::Search { query: Composer::of("prefix".to_owned()) });
    model.search =
        Some(Search { query: "prefix".to_owned(), hits: vec![message_id(3)], current: 0 });
    let (buffer, _) = drawn(&mut model, DARK, (80, 24));
    assert!(
        text(&buffer).lines().last().is_some_and(|row| row.starts_with(" FIND  / prefix  1 of 1"))
    );
    let (x, y) = find(&buffer, "prefix index");
    assert!(buffer[(x, y)].modifier.contains(Modifier::REVERSED));
    assert!(!buffer[(x + 7, y)].modifier.contains(Modifier::REVERSED));
}

#[test]
fn completion_stands_over_the_box() {
    let mut model = world();
    writing(&mut model, "/to");
    let candidate = |label: &str, detail: &str| Candidate {
        label: label.to_owned(),
        detail: detail.to_owned(),
        insert: String::new(),
    };
    let popup = Popup {
        start: 0,
        candidates: vec![
            candidate("/topic [text]", "change the topic of this channel"),
            candidate("/token create [name]", "make a token for a bot"),
        ],
        selected: 1,
        chosen: false,
    };
    model.open.as_mut().expect("open").composer.popup = Some(popup);
    assert_picture("completion_80x24", &screen(&mut model, DARK, (80, 24)));
}

#[test]
fn activity_pane() {
    let mut model = world();
    model.pane = Some(Pane::Activity);
    model.focus = Zone::Pane;
    model.activity.items = vec![
        activity_item(81, NotificationKind::Mention, yuki(), false),
        activity_item(82, NotificationKind::ThreadReply, mara(), true),
    ];
    assert_picture("activity_80x24", &screen(&mut model, DARK, (80, 24)));
    assert_picture("activity_120x40", &screen(&mut model, DARK, (120, 40)));
}

#[test]
fn what_is_written_grows_the_box_up_to_a_third() {
    let mut model = world();
    writing(&mut model, "one\ntwo\nthree");
    let (buffer, told) = drawn(&mut model, DARK, (80, 24));
    assert_eq!(find(&buffer, "› one").1, 20);
    assert_eq!(find(&buffer, "three"), (23, 22));
    assert!(
        told.hits
            .iter()
            .any(|(area, hit)| *hit == Hit::Composer(Zone::Channel) && area.height == 3)
    );
    writing(&mut model, &"line\n".repeat(30));
    let (_, told) = drawn(&mut model, DARK, (80, 24));
    let (area, _) =
        told.hits.iter().find(|(_, hit)| *hit == Hit::Composer(Zone::Channel)).expect("a box");
    assert_eq!(area.height, 8);
}

#[test]
fn what_only_i_see_says_so() {
    let mut model = world();
    let now = model.now;
    timeline(&mut model).note(Note::new(
        1,
        "Webhook **made**: https://example.org/hook/1/secret".to_owned(),
        now,
        true,
    ));
    let text = screen(&mut model, DARK, (80, 24));
    for words in ["Only you see this", "x takes it away", "▎ Webhook made", "▲ Not shown again"]
    {
        assert!(text.contains(words), "{words}:\n{text}");
    }
}

#[test]
fn nothing_there_says_what_to_do() {
    let mut model = world();
    timeline(&mut model).messages.clear();
    assert!(screen(&mut model, DARK, (80, 24)).contains("No messages yet. Write the first one."));
    timeline(&mut model).fresh = true;
    assert!(screen(&mut model, DARK, (80, 24)).contains("Loading…"));
    model.open = None;
    model.channels.clear();
    assert!(screen(&mut model, DARK, (80, 24)).contains("No channel yet: Ctrl-K finds one"));
    model.me = None;
    model.connection = Connection::Connecting;
    assert!(screen(&mut model, DARK, (80, 24)).contains("Connecting…"));
    model.connection = Connection::SignedOut;
    assert!(screen(&mut model, DARK, (80, 24)).starts_with("✗ Signed out, run ajet-chat login"));
}

#[test]
fn looks_degrade_step_by_step() {
    let mut model = world();
    let (rich, _) = drawn(&mut model, DARK, (80, 24));
    let (selected_x, selected_y) = find(&rich, "▌11:03");
    assert_eq!(rich[(selected_x, selected_y)].fg, Color::Rgb(0x6d, 0xd9, 0xd5));
    assert_eq!(rich[(79, selected_y)].bg, Color::Rgb(0x1e, 0x27, 0x27));
    let (mention_x, mention_y) = find(&rich, "┃11:09");
    assert_eq!(rich[(mention_x, mention_y)].fg, Color::Rgb(0xf8, 0x84, 0x60));
    assert_eq!(rich[(79, mention_y)].bg, Color::Rgb(0x36, 0x21, 0x1b));
    assert_eq!(rich[(0, 20)].bg, Color::Reset);
    assert!(rich[(1, 23)].modifier.contains(Modifier::REVERSED));

    let (ansi, _) = drawn(&mut model, ANSI, (80, 24));
    assert!(ansi.content.iter().all(|cell| cell.bg == Color::Reset));
    assert!(ansi.content.iter().all(|cell| !matches!(cell.fg, Color::Rgb(..) | Color::Indexed(_))));
    assert_eq!(ansi[(selected_x, selected_y)].fg, Color::Cyan);

    let (mono, _) = drawn(&mut model, MONO, (80, 24));
    assert!(mono.content.iter().all(|cell| cell.fg == Color::Reset && cell.bg == Color::Reset));
    assert!(mono[(selected_x, selected_y)].modifier.contains(Modifier::REVERSED));
    assert_eq!(text(&mono), text(&rich));
    for depth in [Depth::True, Depth::Indexed, Depth::Ansi] {
        for ground in [Ground::Dark, Ground::Light] {
            assert_eq!(screen(&mut model, Theme::new(depth, ground), (80, 24)), text(&rich));
        }
    }

    timeline(&mut model).selected = Some(key(4));
    let (both, _) = drawn(&mut model, DARK, (80, 24));
    assert!(both[(40, find(&both, "┃11:09").1)].modifier.contains(Modifier::REVERSED));
}

#[test]
fn what_can_be_clicked_is_where_it_is_drawn() {
    let mut model = world();
    let (buffer, told) = drawn(&mut model, DARK, (80, 24));
    let hit = |x: u16, y: u16| {
        let at = ratatui::layout::Position { x, y };
        told.hits.iter().rev().find(|(area, _)| area.contains(at)).map(|(_, hit)| hit.clone())
    };
    let (x, y) = find(&buffer, "👀");
    assert_eq!(hit(x, y), Some(Hit::Reaction(message_id(1), "👀".to_owned())));
    let (x, y) = find(&buffer, "╰ 6 replies");
    assert_eq!(hit(x, y), Some(Hit::Thread(message_id(2))));
    let (x, y) = find(&buffer, "prefix index");
    assert_eq!(hit(x, y), Some(Hit::Row(Zone::Channel, key(3))));
    let (x, y) = find(&buffer, "general");
    assert_eq!(hit(x, y), Some(Hit::List(ListRow::Channel(id(8)))));
    let (x, y) = find(&buffer, "› Message");
    assert_eq!(hit(x, y), Some(Hit::Composer(Zone::Channel)));
}

#[test]
fn a_card_of_many_parts_is_folded_as_one() {
    let mut model = world();
    let mut message = rich_messages().remove(1);
    let card = message.metadata["cards"][0].clone();
    message.metadata["cards"] = vec![card; 20].into();
    timeline(&mut model).messages = vec![message];
    timeline(&mut model).selected = None;
    let text = screen(&mut model, DARK, (80, 60));
    assert!(text.contains("… 117 more lines, Space unfolds"), "{text}");
    assert_eq!(text.matches("Space unfolds").count(), 1);
}

#[test]
fn a_row_that_ends_out_of_sight_is_counted() {
    let mut model = world();
    timeline(&mut model).scroll = Scroll::At { row: key(1), offset: 0 };
    model.mode = Mode::Insert;
    // The last line of the last message is the only one that has no room.
    assert!(screen(&mut model, DARK, (80, 24)).contains("On it, reading now."));
    timeline(&mut model).scroll = Scroll::At { row: key(1), offset: 0 };
    let text = screen(&mut model, DARK, (80, 23));
    assert!(!text.contains("On it") && text.contains("↓ 1 more"), "{text}");
}
