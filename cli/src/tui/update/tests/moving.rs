//! Going about: keys, modes, overlays.

use ajet_shared::events::{Event as Wire, ThreadUpdated};

use super::super::super::event::{Ask, Effect, Event, Part, Reply};
use super::super::super::model::{Connection, Mode, Zone};
use super::super::super::overlay::Overlay;
use super::super::super::places::Place;
use super::super::super::timeline::Scroll;
use super::super::testing::{Scene, page};
use super::super::update;
use super::{bodies, selected};

#[test]
fn it_starts_where_i_was_ready_to_write() {
    let mut scene = Scene::started();
    assert_eq!(scene.model.open.as_ref().map(|open| open.id), Some(scene.general));
    assert_eq!((scene.model.mode, &scene.model.connection), (Mode::Insert, &Connection::Live));
    assert!(
        scene
            .effects
            .iter()
            .any(|effect| matches!(effect, Effect::Follow { cursor: Some(_), guest: None }))
    );
    scene.keys(&["Hello"]);
    assert_eq!(scene.text(), "Hello");
}

#[test]
fn a_named_channel_or_person_is_opened_first() {
    for (name, expected) in [("#api", "api"), ("API", "api"), ("@mara", "Mara Voss")] {
        let mut scene = Scene::started();
        scene.model.work.wanted.named = Some(name.to_owned());
        scene.answer(Ask::Members(scene.community, None), Reply::Members(page(Vec::new())));
        assert_eq!(
            scene.model.channel().map(|entry| entry.label.as_str()),
            Some(expected),
            "{name}"
        );
    }
    let mut scene = Scene::started();
    scene.model.work.wanted.named = Some("nowhere".to_owned());
    scene.answer(Ask::Members(scene.community, None), Reply::Members(page(Vec::new())));
    assert_eq!(scene.status(), "There is no nowhere that you can see");
}

#[test]
fn escape_goes_one_step_back_and_loses_no_text() {
    let mut scene = Scene::new();
    scene.keys(&["half a thought", "Esc"]);
    assert_eq!(scene.model.mode, Mode::Message);
    assert_eq!(selected(&scene).as_deref(), Some("message 3"));
    scene.keys(&["k", "i"]);
    assert_eq!((scene.model.mode, scene.text()), (Mode::Insert, "half a thought"));
    // An edit that is given up leaves what was in the box, and what was typed for Ctrl-Y.
    let mut mine = scene.message(scene.general, "mine");
    mine.author = scene.me.clone();
    scene.happen(scene.general, Wire::MessageCreated(mine));
    scene.draw();
    scene.keys(&["Esc", "G", "e", "!", "Esc"]);
    assert_eq!((scene.model.mode, scene.text()), (Mode::Insert, "half a thought"));
    scene.keys(&["Ctrl-Y"]);
    assert_eq!(scene.text(), "half a thoughtmine!");
}

#[test]
fn moving_in_messages_says_where_it_ends() {
    let mut scene = Scene::new();
    scene.keys(&["Esc", "k", "k"]);
    assert_eq!(selected(&scene).as_deref(), Some("message 1"));
    scene.keys(&["k"]);
    assert_eq!(scene.status(), "This is the first message");
    scene.keys(&["G"]);
    assert_eq!(selected(&scene).as_deref(), Some("message 3"));
    scene.keys(&["g", "g"]);
    assert_eq!(selected(&scene).as_deref(), Some("message 1"));
}

#[test]
fn no_key_is_silent() {
    let mut scene = Scene::new();
    for mode in [Mode::Insert, Mode::Message, Mode::List] {
        for key in ["Ctrl-G", "Ctrl-V", "Alt-q"] {
            scene.model.mode = mode;
            scene.model.status = None;
            scene.keys(&[key]);
            assert!(
                scene.status().contains("does nothing here"),
                "{mode:?} {key}: {}",
                scene.status()
            );
        }
    }
}

#[test]
fn a_thread_opens_beside_and_takes_an_answer() {
    let mut scene = Scene::new();
    scene.keys(&["Esc", "r"]);
    let parent = scene.model.thread().unwrap().parent.id;
    let place = Place::thread(scene.general, parent);
    assert!(scene.asked(|ask| *ask == Ask::Page(place, Part::Newest)));
    assert_eq!((scene.model.mode, scene.model.focus), (Mode::Insert, Zone::Pane));
    scene.loaded(place, Vec::new());
    scene.keys(&["Will do", "Enter"]);
    assert_eq!(scene.model.outbox[0].place, place);
    let mut reply = scene.message(scene.general, "Will do");
    reply.parent_id = Some(parent);
    scene.happen(scene.general, Wire::MessageCreated(reply.clone()));
    scene.happen(
        scene.general,
        Wire::ThreadUpdated(ThreadUpdated {
            parent_id: parent,
            reply_count: 1,
            last_reply_at: Some(scene.now),
            participant_ids: vec![scene.mara.id],
            participants: vec![scene.mara.clone()],
        }),
    );
    let thread = scene.model.thread().unwrap();
    assert_eq!(thread.timeline.messages, [reply]);
    assert_eq!(thread.parent.reply_count, 1);
    assert_eq!(bodies(&scene).len(), 3, "an answer stands in its thread only");
    scene.draw();
    scene.keys(&["Esc", "Esc"]);
    assert!(scene.model.pane.is_none());
    assert_eq!(scene.model.focus, Zone::Channel);
}

#[test]
fn next_unread_goes_round() {
    let mut scene = Scene::new();
    scene.keys(&["Alt-n"]);
    assert_eq!(scene.status(), "Nothing else is unread");
    let message = scene.message(scene.dm, "psst");
    scene.happen(scene.dm, Wire::MessageCreated(message));
    scene.keys(&["Alt-n"]);
    assert_eq!(scene.model.open.as_ref().unwrap().id, scene.dm);
    assert_eq!(scene.model.open.as_ref().unwrap().timeline.scroll, Scroll::Divider);
}

#[test]
fn the_palette_jumps() {
    let mut scene = Scene::new();
    scene.keys(&["Ctrl-K", "ap"]);
    let Some(Overlay::Palette(palette)) = &scene.model.overlay else { panic!("no palette") };
    assert_eq!(palette.items[0].label, "api");
    scene.keys(&["Enter"]);
    assert!(scene.model.overlay.is_none());
    assert_eq!(scene.model.open.as_ref().unwrap().id, scene.api);
    scene.keys(&["Ctrl-K", "zzzz", "Backspace", "Ctrl-U", "mara", "Enter"]);
    assert_eq!(scene.model.open.as_ref().unwrap().id, scene.dm);
}

#[test]
fn control_k_cuts_where_there_is_something_to_cut() {
    let mut scene = Scene::new();
    scene.keys(&["one two", "Alt-b", "Ctrl-K"]);
    assert_eq!(scene.text(), "one ");
    scene.keys(&["Ctrl-K"]);
    assert!(matches!(scene.model.overlay, Some(Overlay::Palette(_))));
}

#[test]
fn people_channels_and_emoji_complete() {
    let mut scene = Scene::new();
    scene.keys(&["hi @ma"]);
    assert!(scene.model.open.as_ref().unwrap().composer.popup.is_some());
    scene.keys(&["Tab"]);
    assert_eq!(scene.text(), "hi @mara ");
    scene.keys(&["#ap", "Tab", ":tad", "Tab"]);
    assert_eq!(scene.text(), "hi @mara #api 🎉 ");
    scene.keys(&["Ctrl-U", ":)"]);
    assert!(scene.model.open.as_ref().unwrap().composer.popup.is_none(), "a smile is no question");
    scene.keys(&["Enter"]);
    assert_eq!(scene.posts(), [":)"], "Enter sends while nothing was chosen");
}

#[test]
fn deleting_asks() {
    let mut scene = Scene::new();
    scene.keys(&["Esc", "d", "d", "n"]);
    assert!(!scene.asked(|ask| matches!(ask, Ask::Delete(_))));
    let id = scene.model.open.as_ref().unwrap().timeline.newest().unwrap().id;
    scene.keys(&["d", "d", "y"]);
    assert!(scene.asked(|ask| *ask == Ask::Delete(id)));
}

#[test]
fn search_goes_from_hit_to_hit() {
    let mut scene = Scene::new();
    scene.keys(&["Esc", "/", "MESSAGE", "Enter"]);
    assert_eq!(selected(&scene).as_deref(), Some("message 3"));
    scene.keys(&["n"]);
    assert_eq!(selected(&scene).as_deref(), Some("message 2"));
    scene.keys(&["N", "N"]);
    assert_eq!(scene.status(), "This is the newest hit");
    scene.keys(&["Esc"]);
    assert!(scene.model.search.is_none());
    scene.keys(&["/", "absent", "Enter"]);
    assert!(scene.status().contains("is not in what is loaded"));
}

#[test]
fn the_list_moves_opens_folds_and_filters() {
    let mut scene = Scene::new();
    scene.keys(&["Esc", "h"]);
    assert_eq!(scene.model.mode, Mode::List);
    scene.keys(&["k", "Enter"]);
    assert_eq!(scene.model.open.as_ref().unwrap().id, scene.api);
    scene.keys(&["Esc", "h", "z", "a"]);
    let rows = scene.model.list_rows().len();
    scene.keys(&["z", "a"]);
    assert_eq!(scene.model.list_rows().len(), rows + 2);
    scene.keys(&["/", "gene", "Enter"]);
    assert_eq!(scene.model.open.as_ref().unwrap().id, scene.general);
    assert!(scene.model.list.filter.is_none());
}

#[test]
fn a_narrow_screen_has_the_list_over_the_messages() {
    let mut scene = Scene::new();
    scene.give(Event::Resize(50, 20));
    scene.keys(&["Ctrl-B"]);
    assert!(matches!(scene.model.overlay, Some(Overlay::List)));
    scene.keys(&["k", "Enter"]);
    assert!(scene.model.overlay.is_none());
    assert_eq!(scene.model.open.as_ref().unwrap().id, scene.api);
}

/// Whatever is pressed in whatever state: nothing panics, and text in the box is only ever lost to what says so.
#[test]
fn no_sequence_of_keys_breaks_it() {
    let keys = [
        "Esc",
        "Enter",
        "Tab",
        "Up",
        "Down",
        "Left",
        "Backspace",
        "PageUp",
        "F1",
        "Ctrl-K",
        "Ctrl-B",
        "Ctrl-T",
        "Ctrl-N",
        "Ctrl-U",
        "Ctrl-W",
        "Ctrl-Y",
        "Ctrl-X",
        "Alt-n",
        "Alt-p",
        "Alt-1",
        "Alt-Up",
        "Alt-Down",
        "i",
        "j",
        "k",
        "g",
        "G",
        "d",
        "r",
        "+",
        "e",
        ">",
        "/",
        "n",
        "N",
        "x",
        "X",
        "z",
        "a",
        "h",
        "l",
        "t",
        "?",
        "@m",
        "#a",
        ":ta",
        "/t",
        "日本",
        "👩‍🚀",
        "1",
        "y",
        " ",
    ];
    for seed in 0..60_u64 {
        let mut scene = Scene::new();
        let mut state = seed.wrapping_mul(0x9e37_79b9_7f4a_7c15) | 1;
        for step in 0..400 {
            state ^= state << 13;
            state ^= state >> 7;
            state ^= state << 17;
            let at = usize::try_from(state % keys.len() as u64).unwrap();
            scene.keys(&[keys[at]]);
            match step % 17 {
                3 => {
                    let message = scene.message(scene.general, "live");
                    scene.happen(scene.general, Wire::MessageCreated(message));
                }
                7 => scene.draw(),
                11 => {
                    let size = [(80, 24), (120, 40), (50, 12), (39, 9)][at % 4];
                    scene.give(Event::Resize(size.0, size.1));
                }
                _ => {}
            }
            for composer in
                super::super::compose::active(&scene.model).iter().map(|(composer, _)| composer)
            {
                assert!(
                    composer.text.is_char_boundary(composer.cursor),
                    "seed {seed}, step {step}"
                );
            }
        }
        let now = scene.now;
        let _ = update(&mut scene.model, now, Event::Stop);
    }
}
