//! What others do, and what the server says.

use ajet_shared::channel::NotifyLevel;
use ajet_shared::client::Received;
use ajet_shared::events::{
    Event as Wire, MessageDeleted, Notification, NotificationKind, ReactionChanged, Typing,
};
use ajet_shared::id::{ChannelId, MessageId, NotificationId};
use ajet_shared::message::{MessageKind, ReactionCount, ReadState};

use super::super::super::event::{Ask, Effect, Event, Part, Reply};
use super::super::super::model::{Pane, Zone};
use super::super::super::places::Place;
use super::super::super::timeline::{RowKey, Scroll};
use super::super::next_due;
use super::super::testing::{Scene, channel, page};
use super::{bodies, selected};

#[test]
fn idle_means_nothing_is_due_but_the_heartbeat() {
    let mut scene = Scene::new();
    scene.pass(30);
    let due = next_due(&scene.model).unwrap();
    assert!(due - scene.now >= time::Duration::seconds(20), "{due}");
}

#[test]
fn unread_messages_count_once_whatever_is_replayed() {
    let mut scene = Scene::new();
    let mut system = scene.message(scene.api, "mara changed the topic");
    system.kind = MessageKind::System;
    scene.happen(scene.api, Wire::MessageCreated(system));
    assert_eq!(scene.model.channels[&scene.api].view.unread, 0);
    let message = scene.message(scene.api, "hello");
    scene.happen(scene.api, Wire::MessageCreated(message.clone()));
    scene.happen(scene.api, Wire::MessageCreated(message.clone()));
    assert_eq!(scene.model.channels[&scene.api].view.unread, 1);
    assert_eq!(scene.model.title(), "(1) #general · ajet-chat");
    let deleted = MessageDeleted {
        message_id: message.id,
        parent_id: None,
        message_seq: message.seq,
        author_id: message.author.id,
        deleted_at: scene.now,
    };
    scene.happen(scene.api, Wire::MessageDeleted(deleted));
    assert_eq!(scene.model.channels[&scene.api].view.unread, 0);
    let read = all_read(scene.api);
    scene.happen(scene.api, Wire::ReadUpdated(read));
    assert!(!scene.model.channels[&scene.api].is_unread());
    let muted = ReadState { notify_level: Some(NotifyLevel::Nothing), ..read };
    scene.happen(scene.api, Wire::ReadUpdated(muted));
    scene.happen(scene.api, Wire::ReadUpdated(read));
    assert!(scene.model.channels[&scene.api].is_muted());
}

/// Everything in a channel was read, somewhere.
fn all_read(channel_id: ChannelId) -> ReadState {
    ReadState { channel_id, last_read_seq: 99, unread: 0, mentions: 0, notify_level: None }
}

#[test]
fn a_mark_that_has_not_moved_has_read_nothing() {
    let mut scene = Scene::new();
    let read = all_read(scene.api);
    scene.happen(scene.api, Wire::ReadUpdated(read));
    // What was read from the server knows of it, and of a message since; then the stream tells the same once more.
    let entry = scene.model.channels.get_mut(&scene.api).unwrap();
    entry.view.unread = 1;
    scene.happen(scene.api, Wire::ReadUpdated(read));
    assert_eq!(scene.model.channels[&scene.api].view.unread, 1);
}

#[test]
fn what_is_seen_is_marked_read_once_and_only_while_somebody_looks() {
    let mut scene = Scene::new();
    scene.give(Event::Focus(false));
    let message = scene.message(scene.general, "news");
    scene.happen(scene.general, Wire::MessageCreated(message.clone()));
    scene.draw();
    assert!(!scene.asked(|ask| matches!(ask, Ask::Read(..))));
    scene.give(Event::Focus(true));
    scene.draw();
    let marks = scene
        .effects
        .iter()
        .filter(|e| matches!(e, Effect::Ask(Ask::Read(_, id)) if *id == message.id));
    assert_eq!(marks.count(), 1);
}

#[test]
fn a_conversation_somebody_opens_with_me_appears() {
    let mut scene = Scene::new();
    let mut view =
        channel(None, None, vec![scene.me.clone(), super::super::testing::author("lena", "Lena")]);
    let id = view.channel.id;
    let message = scene.message(id, "hi");
    scene.happen(id, Wire::MessageCreated(message));
    assert!(scene.asked(|ask| *ask == Ask::Channel(id)));
    view.unread = 1;
    scene.answer(Ask::Channel(id), Reply::Channel(Box::new(view)));
    assert!(scene.model.channels[&id].is_unread());
}

#[test]
fn reactions_know_which_are_mine() {
    let mut scene = Scene::new();
    scene.keys(&["Esc", "+", "1"]);
    let id = scene.model.open.as_ref().unwrap().timeline.newest().unwrap().id;
    assert!(scene.asked(|ask| *ask == Ask::React { message: id, emoji: "👍".into(), add: true }));
    let counts = |count| vec![ReactionCount { emoji: "👍".into(), count, reacted_by_me: None }];
    let changed = |user_id, count| ReactionChanged {
        message_id: id,
        user_id,
        emoji: "👍".into(),
        count,
        reactions: counts(count),
    };
    scene.happen(scene.general, Wire::ReactionAdded(changed(scene.me.id, 1)));
    scene.happen(scene.general, Wire::ReactionAdded(changed(scene.mara.id, 2)));
    let mine = |scene: &Scene| {
        scene.model.open.as_ref().unwrap().timeline.newest().unwrap().reactions[0].clone()
    };
    assert_eq!((mine(&scene).count, mine(&scene).reacted_by_me), (2, Some(true)));
    scene.keys(&["+", "1"]);
    assert!(scene.asked(|ask| *ask == Ask::React { message: id, emoji: "👍".into(), add: false }));
    scene.happen(scene.general, Wire::ReactionRemoved(changed(scene.me.id, 1)));
    assert_eq!(mine(&scene).reacted_by_me, Some(false));
    scene.keys(&["+", "tad", "Enter"]);
    assert!(scene.asked(|ask| *ask == Ask::React { message: id, emoji: "🎉".into(), add: true }));
}

#[test]
fn a_reader_in_the_past_is_not_moved_by_what_comes() {
    let mut scene = Scene::new();
    let first = scene.model.open.as_ref().unwrap().timeline.messages[0].id;
    let place = Scroll::At { row: RowKey::Message(first), offset: -2 };
    scene.model.open.as_mut().unwrap().timeline.scroll = place;
    let message = scene.message(scene.general, "below");
    scene.happen(scene.general, Wire::MessageCreated(message));
    assert_eq!(scene.model.open.as_ref().unwrap().timeline.scroll, place);
    // After a resync the page around the place is read again.
    scene.live(Received::Resync { reason: "window".to_owned() });
    assert!(scene.asked(|ask| *ask == Ask::Sync));
}

#[test]
fn older_messages_are_read_when_the_oldest_is_in_sight() {
    let mut scene = Scene::started();
    let place = Place::channel(scene.general);
    let items = vec![scene.message(scene.general, "a"), scene.message(scene.general, "b")];
    let (first, mut older) = (items[0].id, scene.message(scene.general, "older"));
    older.seq = 0;
    let with_prev = ajet_shared::page::Page { items, next: None, prev: Some(first.uuid()) };
    scene.answer(Ask::Page(place, Part::Newest), Reply::Page(with_prev));
    scene.draw();
    scene.draw();
    let asked = scene
        .effects
        .iter()
        .filter(|e| **e == Effect::Ask(Ask::Page(place, Part::Before(first))))
        .count();
    assert_eq!(asked, 1, "once, while it is on its way");
    scene.answer(Ask::Page(place, Part::Before(first)), Reply::Page(page(vec![older])));
    assert_eq!(bodies(&scene), ["older", "a", "b"]);
    assert!(!scene.model.open.as_ref().unwrap().timeline.has_older);
}

#[test]
fn messages_stand_in_the_order_of_the_channel() {
    let mut scene = Scene::new();
    let first = scene.message(scene.general, "first");
    let second = scene.message(scene.general, "second");
    scene.happen(scene.general, Wire::MessageCreated(second));
    scene.happen(scene.general, Wire::MessageCreated(first));
    assert_eq!(bodies(&scene)[3..], ["first", "second"]);
}

#[test]
fn typing_of_others_hides_by_itself_and_by_their_message() {
    let mut scene = Scene::new();
    let typing = Typing { channel_id: scene.general, parent_id: None, user: scene.mara.clone() };
    scene.happen(scene.general, Wire::TypingStarted(typing.clone()));
    assert_eq!(scene.model.typing(Place::channel(scene.general)), ["Mara Voss"]);
    let message = scene.message(scene.general, "done");
    scene.happen(scene.general, Wire::MessageCreated(message));
    assert!(scene.model.typing(Place::channel(scene.general)).is_empty());
    scene.happen(scene.general, Wire::TypingStarted(typing));
    scene.pass(15);
    assert!(scene.model.typists.is_empty());
}

#[test]
fn notifications_ring_while_nobody_looks_and_lead_to_their_message() {
    let mut scene = Scene::new();
    scene.give(Event::Focus(false));
    let target = scene.model.open.as_ref().unwrap().timeline.messages[1].id;
    let notification = Notification {
        id: NotificationId::new(),
        kind: NotificationKind::Mention,
        community_id: Some(scene.community),
        channel_id: Some(scene.general),
        message_id: Some(target),
        actor: Some(scene.mara.clone()),
        read: false,
        created_at: scene.now,
    };
    scene.happen(scene.general, Wire::NotificationCreated(notification.clone()));
    assert!(scene.effects.contains(&Effect::Bell));
    assert_eq!(scene.model.activity.unread.total(), 1);
    scene.keys(&["Ctrl-N"]);
    assert!(matches!(scene.model.pane, Some(Pane::Activity)));
    scene.answer(Ask::Notifications, Reply::Notifications(vec![notification.clone()]));
    scene.keys(&["Enter"]);
    assert!(scene.asked(|ask| *ask == Ask::ReadNotifications(Some(vec![notification.id]))));
    assert_eq!(scene.model.activity.unread.total(), 0);
    assert_eq!(selected(&scene).as_deref(), Some("message 2"));
}

#[test]
fn a_notification_of_an_answer_opens_its_thread() {
    let mut scene = Scene::new();
    let mut parent = scene.message(scene.api, "parent");
    parent.reply_count = 1;
    let mut reply = scene.message(scene.api, "reply");
    reply.parent_id = Some(parent.id);
    super::super::seek::open_at(&mut scene.model, scene.api, reply.id);
    scene.give(Event::Tick);
    scene.loaded(Place::channel(scene.api), Vec::new());
    scene.answer(Ask::Message(reply.id), Reply::Message(Box::new(reply.clone())));
    assert!(scene.asked(|ask| *ask == Ask::Message(parent.id)));
    scene.answer(Ask::Message(parent.id), Reply::Message(Box::new(parent.clone())));
    let place = Place::thread(scene.api, parent.id);
    scene.loaded(place, vec![reply.clone()]);
    assert_eq!(scene.model.thread().unwrap().timeline.selected, Some(RowKey::Message(reply.id)));
    assert_eq!(scene.model.focus, Zone::Pane);
}

#[test]
fn losing_a_channel_goes_on_elsewhere() {
    let mut scene = Scene::new();
    scene.keys(&["begun"]);
    super::super::channels::gone(&mut scene.model, scene.general);
    assert_eq!(scene.model.open.as_ref().unwrap().id, scene.api);
    assert_eq!(scene.status(), "You are not in #general any more");
    assert_eq!(scene.model.drafts[&Place::channel(scene.general)], "begun");
}

#[test]
fn status_lines_end_and_hold_no_escape() {
    let mut scene = Scene::new();
    scene.model.say(super::super::super::model::Tone::Bad, "a\u{1b}]0;x\u{7}\nb");
    assert_eq!(scene.status(), "a␛]0;x␇ b");
    scene.pass(5);
    assert_eq!(scene.status(), "");
}

#[test]
fn a_message_that_is_not_there_any_more_is_said() {
    let mut scene = Scene::new();
    let id = MessageId::new();
    super::super::seek::open_at(&mut scene.model, scene.general, id);
    scene.refuse(Ask::Message(id), 404);
    assert_eq!(scene.status(), "It is not there any more");
}

#[test]
fn a_sign_in_that_does_not_hold_ends_it_before_it_begins() {
    let mut scene = Scene::started();
    scene.effects.clear();
    scene.refuse(Ask::Sync, 401);
    assert!(!scene.effects.contains(&Effect::NotSignedIn), "what is on the screen stays there");
    scene.model.me = None;
    scene.refuse(Ask::Sync, 401);
    assert!(scene.effects.contains(&Effect::NotSignedIn));
}

#[test]
fn after_a_gap_the_place_of_the_reader_is_read_again() {
    let mut scene = Scene::new();
    let sync = scene.sync.clone();
    let first = scene.model.open.as_ref().unwrap().timeline.messages[0].clone();
    let place = Scroll::At { row: RowKey::Message(first.id), offset: 1 };
    scene.model.open.as_mut().unwrap().timeline.scroll = place;
    scene.live(Received::Resync { reason: "window".to_owned() });
    scene.answer(Ask::Sync, Reply::Sync(Box::new(sync)));
    let (here, part) = (Place::channel(scene.general), Part::Around(first.id));
    assert!(scene.asked(|ask| *ask == Ask::Page(here, part)));
    let missed = scene.message(scene.general, "missed");
    scene.answer(Ask::Page(here, part), Reply::Page(page(vec![first, missed])));
    assert_eq!(bodies(&scene), ["message 1", "missed"]);
    assert_eq!(scene.model.open.as_ref().unwrap().timeline.scroll, place);
}
