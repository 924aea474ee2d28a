//! What crosses on its way: answers behind events, pages behind pages, a resync on a live stream.

use ajet_shared::client::{ClientError, Received};
use ajet_shared::events::{Event as Wire, MessageDeleted, ReactionChanged};
use ajet_shared::id::MessageId;
use ajet_shared::message::{Message, ReactionCount, ReadState};
use ajet_shared::page::Page;

use super::super::super::event::{Ask, Effect, Event, Part, Reply};
use super::super::super::model::{Connection, Mode, Zone};
use super::super::super::places::Place;
use super::super::super::timeline::{RowKey, Timeline};
use super::super::seek;
use super::super::testing::{Scene, page};
use super::bodies;

fn timeline(scene: &Scene) -> &Timeline {
    &scene.model.open.as_ref().unwrap().timeline
}

fn resync(scene: &mut Scene) {
    scene.live(Received::Resync { reason: "window".to_owned() });
}

#[test]
fn what_comes_while_a_place_opens_stays() {
    let mut scene = Scene::new();
    scene.keys(&["Alt-Up"]);
    let known = scene.message(scene.api, "in the page");
    let late = scene.message(scene.api, "after the page was read");
    scene.happen(scene.api, Wire::MessageCreated(late));
    scene.loaded(Place::channel(scene.api), vec![known]);
    assert_eq!(bodies(&scene), ["in the page", "after the page was read"]);
}

#[test]
fn what_comes_while_a_thread_opens_stays() {
    let mut scene = Scene::new();
    scene.keys(&["Esc", "r"]);
    let place = scene.model.thread().unwrap().place();
    let mut reply = scene.message(scene.general, "meanwhile");
    reply.parent_id = place.parent;
    scene.happen(scene.general, Wire::MessageCreated(reply.clone()));
    scene.loaded(place, Vec::new());
    assert_eq!(scene.model.thread().unwrap().timeline.messages, [reply]);
}

#[test]
fn pages_that_cross_leave_no_hole() {
    let mut scene = Scene::new();
    let here = Place::channel(scene.general);
    let old = scene.message(scene.general, "old");
    let (between, newest) =
        (scene.message(scene.general, "between"), scene.message(scene.general, "newest"));
    let after = Part::After(old.id);
    scene.answer(
        Ask::Page(here, Part::Around(old.id)),
        Reply::Page(Page { items: vec![old.clone()], next: Some(old.id.uuid()), prev: None }),
    );
    scene.loaded(here, vec![newest.clone()]);
    scene.answer(
        Ask::Page(here, after),
        Reply::Page(Page { items: vec![between], next: Some(old.id.uuid()), prev: None }),
    );
    assert_eq!(bodies(&scene), ["newest"]);
    assert!(!timeline(&scene).has_newer);
    let late = Page { items: vec![old.clone()], next: None, prev: None };
    scene.answer(Ask::Page(here, Part::Before(old.id)), Reply::Page(late));
    assert_eq!(bodies(&scene), ["newest"]);
    assert!(!timeline(&scene).loading);
}

#[test]
fn taking_back_a_reaction_stays_taken_back() {
    let mut scene = Scene::new();
    let id = timeline(&scene).newest().unwrap().id;
    let counts =
        |count, mine| vec![ReactionCount { emoji: "👍".into(), count, reacted_by_me: mine }];
    scene.model.open.as_mut().unwrap().timeline.message_mut(id).unwrap().reactions =
        counts(3, Some(true));
    let ask = Ask::React { message: id, emoji: "👍".into(), add: false };
    scene.answer(ask, Reply::Reactions(counts(2, None)));
    let changed = |count| ReactionChanged {
        message_id: id,
        user_id: scene.me.id,
        emoji: "👍".into(),
        count,
        reactions: counts(count, None),
    };
    let (removed, added) = (changed(2), changed(1));
    scene.happen(scene.general, Wire::ReactionRemoved(removed));
    assert_eq!(timeline(&scene).newest().unwrap().reactions[0].reacted_by_me, Some(false));
    // My other client gives it again while others take theirs back.
    scene.happen(scene.general, Wire::ReactionAdded(added));
    assert_eq!(timeline(&scene).newest().unwrap().reactions[0].reacted_by_me, Some(true));
}

#[test]
fn the_answer_to_my_reply_swallows_nothing_unread() {
    let mut scene = Scene::new();
    let missed = scene.message(scene.api, "on its way");
    let parent = scene.message(scene.api, "parent");
    scene.keys(&["Alt-Up"]);
    scene.loaded(Place::channel(scene.api), vec![parent]);
    scene.draw();
    scene.keys(&["Esc", "r", "mine", "Enter"]);
    scene.keys(&["Alt-Down"]);
    let entry = scene.model.outbox[0].clone();
    let mut reply = scene.message(scene.api, "mine");
    reply.parent_id = entry.place.parent;
    reply.author = scene.me.clone();
    scene.answer(Ask::Post(entry), Reply::Message(Box::new(reply)));
    scene.happen(scene.api, Wire::MessageCreated(missed));
    assert_eq!(scene.model.channels[&scene.api].view.unread, 1);
}

/// Looking for an answer in a thread of `#general`.
fn seeking(scene: &mut Scene) -> (Message, Message) {
    let mut parent = scene.message(scene.general, "parent");
    parent.reply_count = 90;
    scene.happen(scene.general, Wire::MessageCreated(parent.clone()));
    let mut reply = scene.message(scene.general, "an old answer");
    reply.parent_id = Some(parent.id);
    seek::open_at(&mut scene.model, scene.general, reply.id);
    scene.give(Event::Tick);
    scene.answer(Ask::Message(reply.id), Reply::Message(Box::new(reply.clone())));
    (parent, reply)
}

#[test]
fn an_old_answer_is_found_around_its_place() {
    let mut scene = Scene::new();
    scene.give(Event::Resize(120, 40));
    let (parent, reply) = seeking(&mut scene);
    let place = Place::thread(scene.general, parent.id);
    let around = Ask::Page(place, Part::Around(reply.id));
    assert!(scene.asked(|ask| *ask == around));
    scene.answer(around, Reply::Page(page(vec![reply.clone()])));
    assert_eq!(scene.model.thread().unwrap().timeline.selected, Some(RowKey::Message(reply.id)));
    // The thread stands open: what it has is selected, what it has not is read.
    scene.model.thread_mut().unwrap().timeline.selected = None;
    seek::open_at(&mut scene.model, scene.general, reply.id);
    scene.give(Event::Tick);
    scene.answer(Ask::Message(reply.id), Reply::Message(Box::new(reply.clone())));
    assert_eq!(scene.model.thread().unwrap().timeline.selected, Some(RowKey::Message(reply.id)));
    let mut older = reply;
    older.id = MessageId::new();
    seek::open_at(&mut scene.model, scene.general, older.id);
    scene.give(Event::Tick);
    scene.answer(Ask::Message(older.id), Reply::Message(Box::new(older.clone())));
    assert!(scene.asked(|ask| *ask == Ask::Page(place, Part::Around(older.id))));
}

#[test]
fn what_was_sought_in_vain_moves_nobody_later() {
    for failure in 0..3 {
        let mut scene = Scene::new();
        let id = MessageId::new();
        let here = Place::channel(scene.general);
        seek::open_at(&mut scene.model, scene.general, id);
        scene.give(Event::Tick);
        match failure {
            0 => scene.refuse(Ask::Message(id), 503),
            1 => {
                let mut message = scene.message(scene.general, "x");
                message.id = id;
                scene.answer(Ask::Message(id), Reply::Message(Box::new(message)));
                scene.refuse(Ask::Page(here, Part::Around(id)), 500);
            }
            _ => {
                let mut message = scene.message(scene.general, "x");
                message.id = id;
                scene.answer(Ask::Message(id), Reply::Message(Box::new(message)));
                scene.answer(Ask::Page(here, Part::Around(id)), Reply::Page(page(Vec::new())));
            }
        }
        let created = scene.sync.dms[0].clone();
        scene.answer(Ask::Channel(scene.dm), Reply::Channel(Box::new(created)));
        assert_eq!(scene.model.open.as_ref().unwrap().id, scene.general, "failure {failure}");
    }
}

#[test]
fn going_elsewhere_ends_the_search_and_other_answers_do_not() {
    let mut scene = Scene::new();
    let id = MessageId::new();
    seek::open_at(&mut scene.model, scene.general, id);
    scene.give(Event::Tick);
    // The first lines of the activity pane are messages too.
    scene.refuse(Ask::Message(MessageId::new()), 404);
    scene.effects.clear();
    let mut message = scene.message(scene.general, "x");
    message.id = id;
    scene.answer(Ask::Message(id), Reply::Message(Box::new(message.clone())));
    assert!(scene.asked(|ask| matches!(ask, Ask::Page(_, Part::Around(around)) if *around == id)));
    scene.keys(&["i", "Alt-Up"]);
    scene.loaded(Place::channel(scene.api), vec![message]);
    assert_eq!((scene.model.mode, scene.model.focus), (Mode::Insert, Zone::Channel));
}

#[test]
fn what_happens_during_a_resync_is_counted_once() {
    let mut scene = Scene::new();
    let sync = scene.sync.clone();
    resync(&mut scene);
    let message = scene.message(scene.api, "committed after the snapshot");
    scene.happen(scene.api, Wire::MessageCreated(message.clone()));
    scene.answer(Ask::Sync, Reply::Sync(Box::new(sync)));
    assert_eq!(scene.model.channels[&scene.api].view.unread, 1);
    scene.happen(scene.api, Wire::MessageCreated(message));
    assert_eq!(scene.model.channels[&scene.api].view.unread, 1);
    // One that does not come back holds nothing up.
    resync(&mut scene);
    let late = scene.message(scene.general, "late");
    scene.happen(scene.general, Wire::MessageCreated(late));
    scene.refuse(Ask::Sync, 503);
    assert_eq!(bodies(&scene).last().unwrap(), "late");
}

#[test]
fn what_the_snapshot_knows_already_is_not_applied_again() {
    let mut scene = Scene::new();
    let entry = &mut scene.model.channels.get_mut(&scene.api).unwrap().view;
    (entry.unread, entry.last_read_seq, entry.channel.last_seq) = (2, 10, 30);
    let old = ReadState {
        channel_id: scene.api,
        last_read_seq: 9,
        unread: 0,
        mentions: 0,
        notify_level: None,
    };
    scene.happen(scene.api, Wire::ReadUpdated(old));
    assert_eq!(scene.model.channels[&scene.api].view.unread, 2);
    let deleted = MessageDeleted {
        message_id: MessageId::new(),
        parent_id: None,
        message_seq: 12,
        author_id: scene.mara.id,
        deleted_at: scene.now,
    };
    for (at, left) in [(29, 2), (31, 1), (31, 1)] {
        let event = Wire::MessageDeleted(deleted.clone());
        let mut envelope =
            ajet_shared::events::Envelope::new(event, Some(scene.mara.id), scene.now);
        (envelope.channel_id, envelope.seq) = (Some(scene.api), Some(at));
        scene.give(Event::Live(Received::Event(Box::new(envelope))));
        assert_eq!(scene.model.channels[&scene.api].view.unread, left, "at {at}");
    }
}

#[test]
fn a_channel_lost_during_a_gap_is_left() {
    let mut scene = Scene::new();
    scene.keys(&["begun"]);
    let mut sync = scene.sync.clone();
    sync.communities[0].channels.remove(0);
    resync(&mut scene);
    scene.answer(Ask::Sync, Reply::Sync(Box::new(sync)));
    assert_eq!(scene.model.open.as_ref().unwrap().id, scene.api);
    assert_eq!(scene.model.drafts[&Place::channel(scene.general)], "begun");
    assert_eq!(scene.status(), "You are not in #general any more");
    // With its community; a look from outside ends too.
    scene.model.channels.get_mut(&scene.api).unwrap().view.joined = false;
    let mut sync = scene.sync.clone();
    sync.communities.clear();
    resync(&mut scene);
    scene.answer(Ask::Sync, Reply::Sync(Box::new(sync)));
    assert_eq!(scene.model.open.as_ref().unwrap().id, scene.dm);
}

#[test]
fn an_ended_stream_is_not_live_and_is_followed_without_the_guest() {
    let mut scene = Scene::new();
    scene.model.channels.get_mut(&scene.api).unwrap().view.joined = false;
    scene.keys(&["Ctrl-K", "#api", "Enter"]);
    let mut sync = scene.sync.clone();
    sync.communities[0].channels[1].joined = false;
    let mut pauses = Vec::new();
    for _ in 0..2 {
        let problem = ajet_shared::problem::Problem::new(404, "x", "No");
        scene.give(Event::Ended(ClientError::Problem(Box::new(problem))));
        let Connection::Reconnecting { at, .. } = scene.model.connection else { panic!("live?") };
        let pause = at - scene.now;
        pauses.push(pause.whole_seconds());
        scene.effects.clear();
        scene.pass(pause.whole_seconds());
        assert!(scene.asked(|ask| *ask == Ask::Sync));
        scene.answer(Ask::Sync, Reply::Sync(Box::new(sync.clone())));
        assert!(scene.effects.iter().any(|e| matches!(e, Effect::Follow { guest: None, .. })));
    }
    assert!(pauses[1] > pauses[0], "{pauses:?}");
}

#[test]
fn one_refused_call_signs_nobody_out_while_the_stream_stands() {
    let mut scene = Scene::new();
    scene.refuse(Ask::Notifications, 401);
    assert_eq!(scene.model.connection, Connection::Live);
}

#[test]
fn a_channel_left_open_for_weeks_lets_old_messages_go() {
    let mut scene = Scene::new();
    for n in 0..2_100 {
        let message = scene.message(scene.general, &format!("{n}"));
        scene.happen(scene.general, Wire::MessageCreated(message));
    }
    let timeline = timeline(&scene);
    assert!(timeline.messages.len() <= 2_000 && timeline.has_older);
    assert_eq!(timeline.newest().unwrap().body_md, "2099");
}
