//! The reader's place: what stays where it is, and what comes into sight.

use ajet_shared::id::MessageId;
use ratatui::buffer::Buffer;
use ratatui::layout::Rect;

use super::super::super::model::Mode;
use super::super::super::places::Place;
use super::super::super::timeline::{RowKey, Scroll};
use super::super::feed::{Feed, Room};
use super::super::testing::*;
use super::{find, many};

#[test]
fn what_is_selected_keeps_its_row_when_messages_come() {
    let mut model = world();
    let mut many = many(40);
    timeline(&mut model).messages = many.clone();
    timeline(&mut model).divider = None;
    timeline(&mut model).selected = Some(key(30));
    timeline(&mut model).reveal = true;
    let (before, _) = drawn(&mut model, DARK, (80, 24));
    let row = find(&before, "message 30").1;
    for seq in 41..60 {
        many.push(message(seq, mara(), at(12, 0), &format!("message {seq}")));
        timeline(&mut model).messages = many.clone();
        let (after, told) = drawn(&mut model, DARK, (80, 24));
        assert_eq!(find(&after, "message 30").1, row);
        assert!(seq < 45 || !told.channel.expect("a channel").at_newest);
    }
    // Taller, lower, narrower: still there, and where it can be.
    for size in [(80, 30), (64, 24), (120, 24)] {
        let (after, _) = drawn(&mut model, DARK, size);
        assert_eq!(find(&after, "message 30").1, row, "{size:?}");
    }
    let (low, _) = drawn(&mut model, DARK, (80, 10));
    find(&low, "message 30");
}

#[test]
fn at_the_newest_new_messages_push_up() {
    let mut model = world();
    model.mode = Mode::Insert;
    let mut many = many(40);
    for seq in 41..45 {
        many.push(message(seq, mara(), at(12, 0), &format!("message {seq}")));
        timeline(&mut model).messages = many.clone();
        let (after, told) = drawn(&mut model, DARK, (80, 24));
        assert_eq!(find(&after, &format!("message {seq}")).1, 20);
        assert!(told.channel.expect("a channel").at_newest);
    }
    assert_eq!(scroll(&model), Scroll::Newest);
}

#[test]
fn the_rule_of_what_is_new_comes_into_sight() {
    let mut model = world();
    model.mode = Mode::Insert;
    timeline(&mut model).messages = many(60);
    timeline(&mut model).divider = Some(20);
    timeline(&mut model).scroll = Scroll::Divider;
    let (buffer, told) = drawn(&mut model, DARK, (80, 24));
    let (_, y) = find(&buffer, " 40 new ");
    assert!((4..10).contains(&y), "{y}");
    assert!(find(&buffer, "message 21").1 > y);
    assert!(matches!(told.channel.expect("a channel").scroll, Scroll::At { .. }));
    assert!(text(&buffer).contains("more ────"));
    // Everything fits: nothing to scroll.
    timeline(&mut model).messages = many(3);
    timeline(&mut model).divider = Some(1);
    timeline(&mut model).scroll = Scroll::Divider;
    assert_eq!(
        drawn(&mut model, DARK, (80, 24)).1.channel.expect("a channel").scroll,
        Scroll::Newest
    );
}

#[test]
fn moving_the_selection_moves_the_screen_as_little_as_possible() {
    let mut model = world();
    timeline(&mut model).messages = many(400);
    timeline(&mut model).divider = None;
    for seq in (1..400).rev().chain(2..=400).chain([1, 400, 200]) {
        timeline(&mut model).selected = Some(key(seq));
        timeline(&mut model).reveal = true;
        let (buffer, told) = drawn(&mut model, DARK, (80, 24));
        let (_, y) = find(&buffer, &format!("message {seq} "));
        assert!((2..21).contains(&y));
        let told = told.channel.expect("a channel");
        assert!(told.rows.contains(&key(seq)));
        assert!(
            !text(&buffer).lines().nth(20).unwrap_or_default()[20..].trim().is_empty(),
            "{seq}"
        );
        if seq == 1 {
            assert!(told.at_oldest);
        }
    }
}

#[test]
fn a_row_that_is_gone_leaves_the_newest() {
    let mut model = world();
    model.mode = Mode::Insert;
    timeline(&mut model).messages = many(40);
    timeline(&mut model).scroll =
        Scroll::At { row: RowKey::Message(id::<MessageId>(5)), offset: 3 };
    drawn(&mut model, DARK, (80, 24));
    assert_eq!(scroll(&model), Scroll::Newest);
    // Emptiness above or below is never shown.
    for (row, offset) in [(key(1), 12), (key(40), -30), (key(1), -5_000), (key(40), 5_000)] {
        timeline(&mut model).scroll = Scroll::At { row, offset };
        let text = screen(&mut model, DARK, (80, 24));
        let filled = text.lines().skip(2).take(19).filter(|line| line.chars().count() > 22).count();
        assert_eq!(filled, 19, "{text}");
    }
}

#[test]
fn long_messages_are_folded() {
    let mut model = world();
    let body = "line\n".repeat(84);
    timeline(&mut model).messages = vec![message(1, mara(), at(10, 0), &body)];
    timeline(&mut model).selected = None;
    let text = screen(&mut model, DARK, (80, 40));
    assert_eq!(text.lines().filter(|line| line.ends_with("       line")).count(), 23);
    assert!(text.contains("… 61 more lines, Space unfolds"), "{text}");
    timeline(&mut model).unfolded = vec![message_id(1)];
    let text = screen(&mut model, DARK, (80, 100));
    assert_eq!(text.lines().filter(|line| line.ends_with("       line")).count(), 84);
    let huge = "word ".repeat(13_000);
    timeline(&mut model).messages = vec![message(1, mara(), at(10, 0), &huge)];
    timeline(&mut model).unfolded.clear();
    assert!(screen(&mut model, DARK, (80, 40)).contains("+ more lines, Space unfolds"));
}

#[test]
fn drawing_does_not_grow_with_what_is_loaded() {
    let mut model = wide_world();
    timeline(&mut model).messages = many(10_000);
    timeline(&mut model).divider = Some(2_000);
    let area = Rect::new(0, 0, 56, 35);
    let room = Room { theme: DARK, right: 56, airy: true, under_day: true, wide: true };
    for scroll in [Scroll::Newest, Scroll::Divider, Scroll::At { row: key(5_000), offset: 3 }] {
        timeline(&mut model).scroll = scroll;
        for (selected, reveal) in [(5_000, false), (1, true), (10_000, true)] {
            timeline(&mut model).selected = Some(key(selected));
            timeline(&mut model).reveal = reveal;
            let open = model.open.as_ref().expect("open");
            let rows = model.rows(&open.timeline, Place::channel(open.id));
            let feed = Feed::new(&model, &open.timeline, rows, false, (area, room));
            feed.draw(&mut Buffer::empty(area), &mut Vec::new());
            assert!(feed.made() < 80, "{scroll:?} {selected}: {}", feed.made());
        }
    }
}

#[test]
fn a_resize_storm_ends_where_it_began() {
    let mut model = world();
    timeline(&mut model).messages = many(200);
    timeline(&mut model).selected = Some(key(150));
    timeline(&mut model).reveal = true;
    let before = screen(&mut model, DARK, (80, 24));
    for step in 0..60 {
        drawn(&mut model, DARK, (64 + step % 50, 24 + step % 7));
    }
    assert_eq!(screen(&mut model, DARK, (80, 24)), before);
}

#[test]
fn a_day_is_said_once() {
    let mut model = world();
    model.mode = Mode::Insert;
    let mut messages = many(60);
    for message in &mut messages[..30] {
        message.created_at -= time::Duration::days(1);
    }
    timeline(&mut model).messages = messages;
    timeline(&mut model).divider = None;
    for offset in 0..6 {
        timeline(&mut model).scroll = Scroll::At { row: key(31), offset };
        let text = screen(&mut model, DARK, (80, 24));
        // At the top the rule under the header says it, else the rule between the days.
        let expected = usize::from(offset != 0);
        assert_eq!(
            text.matches(" Thu 19 Nov ").count(),
            usize::from(offset > 1),
            "{offset}:\n{text}"
        );
        assert_eq!(text.matches(" Fri 20 Nov ").count(), 1, "{offset} {expected}:\n{text}");
    }
}

#[test]
fn what_stands_over_a_thread_is_not_marked_with_its_message() {
    let mut model = wide_world();
    model.thread_mut().expect("a thread").parent.mentions = calls_ola();
    let (buffer, _) = drawn(&mut model, DARK, (120, 40));
    let (_, y) = find(&buffer, " 6 replies ──");
    assert_eq!(buffer[(82, y)].symbol(), "─");
    assert_eq!(buffer[(82, y - 1)].symbol(), " ");
    assert_eq!(buffer[(82, y - 2)].symbol(), "┃");
}

#[test]
fn the_wheel_moves_by_lines_also_from_the_newest() {
    let mut model = world();
    model.mode = Mode::Insert;
    let mut messages = many(40);
    // The first row in sight begins far above the edge.
    messages[29].body_md = "line\n".repeat(20);
    timeline(&mut model).messages = messages;
    timeline(&mut model).divider = None;
    let (before, told) = drawn(&mut model, DARK, (80, 24));
    let told = told.channel.expect("a channel");
    assert!(told.top < 0 || told.rows[0] != key(30));
    let offset = told.top + 3;
    timeline(&mut model).scroll = Scroll::At { row: told.rows[0], offset };
    let (after, _) = drawn(&mut model, DARK, (80, 24));
    assert_eq!(find(&after, "message 38").1, find(&before, "message 38").1 + 3);
}
