//! What counts as read and what is for my eyes: mentions, threads, the activity pane, secrets that are shown once.

use ajet_shared::command::{AnswerKind, CommandAnswer};
use ajet_shared::events::{Event as Wire, Notification, NotificationKind, NotificationsRead};
use ajet_shared::id::{ClientMessageId, MessageId, NotificationId};
use ajet_shared::message::ReadState;
use ajet_shared::unread::Unread;

use super::super::super::event::{Ask, Event, Reply};
use super::super::super::places::Place;
use super::super::testing::Scene;
use super::bodies;

pub(super) fn notification(
    scene: &Scene,
    kind: NotificationKind,
    message: MessageId,
) -> Notification {
    Notification {
        id: NotificationId::new(),
        kind,
        community_id: Some(scene.community),
        channel_id: Some(scene.general),
        message_id: Some(message),
        actor: Some(scene.mara.clone()),
        read: false,
        created_at: scene.now,
    }
}

fn mentions(scene: &Scene) -> i64 {
    scene.model.channels[&scene.general].view.mentions
}

#[test]
fn reading_a_thread_reads_what_i_was_told_of_it() {
    let mut scene = Scene::new();
    scene.keys(&["Esc", "r"]);
    let place = scene.model.thread().unwrap().place();
    let mut reply = scene.message(scene.general, "@ola");
    reply.parent_id = place.parent;
    let called = notification(&scene, NotificationKind::Mention, reply.id);
    let answered = notification(&scene, NotificationKind::ThreadReply, reply.id);
    let elsewhere = notification(&scene, NotificationKind::ThreadReply, MessageId::new());
    for one in [&called, &answered, &elsewhere] {
        scene.happen(scene.general, Wire::NotificationCreated(one.clone()));
    }
    assert_eq!((mentions(&scene), scene.model.activity.unread.total()), (1, 3));
    scene.happen(scene.general, Wire::MessageCreated(reply.clone()));
    scene.loaded(place, vec![reply]);
    scene.give(Event::Focus(false));
    scene.draw();
    assert!(!scene.asked(|ask| matches!(ask, Ask::ReadNotifications(_))), "nobody looks");
    scene.give(Event::Focus(true));
    let marks: Vec<Ask> = scene
        .effects
        .iter()
        .filter_map(|effect| match effect {
            super::super::super::event::Effect::Ask(ask @ Ask::ReadNotifications(_)) => {
                Some(ask.clone())
            }
            _ => None,
        })
        .collect();
    assert_eq!(marks, [Ask::ReadNotifications(Some(vec![answered.id, called.id]))]);
    assert_eq!((mentions(&scene), scene.model.activity.unread.total()), (0, 1));
}

#[test]
fn what_was_counted_at_the_start_is_not_counted_when_it_comes() {
    let mut scene = Scene::new();
    let before = notification(&scene, NotificationKind::Mention, MessageId::new());
    let fresh = notification(&scene, NotificationKind::Mention, MessageId::new());
    // Committed before the first answer was read, told after its place in the stream.
    scene.model.activity.unread = Unread::new(1, &[before.id]);
    scene.model.channels.get_mut(&scene.general).unwrap().view.mentions = 1;
    for one in [&before, &fresh, &fresh] {
        scene.happen(scene.general, Wire::NotificationCreated(one.clone()));
    }
    assert_eq!((mentions(&scene), scene.model.activity.unread.total()), (2, 2));
    assert_eq!(scene.model.activity.items.len(), 2, "the list has both");
}

#[test]
fn a_mention_that_is_withdrawn_or_read_elsewhere_leaves_no_mark() {
    let mut scene = Scene::new();
    scene.give(Event::Focus(false));
    let one = notification(&scene, NotificationKind::Mention, MessageId::new());
    let two = notification(&scene, NotificationKind::Mention, MessageId::new());
    scene.happen(scene.general, Wire::NotificationCreated(one.clone()));
    scene.happen(scene.general, Wire::NotificationCreated(two));
    assert_eq!(mentions(&scene), 2);
    // The counters come absolute, and then the notification that they know of.
    let state = ReadState {
        channel_id: scene.general,
        last_read_seq: 50,
        unread: 1,
        mentions: 1,
        notify_level: None,
    };
    scene.happen(scene.general, Wire::ReadUpdated(state));
    let read = NotificationsRead { ids: Some(vec![one.id]), unread: 1 };
    scene.happen(scene.general, Wire::NotificationRead(read));
    assert_eq!(mentions(&scene), 1);
    let read = NotificationsRead { ids: None, unread: 0 };
    scene.happen(scene.general, Wire::NotificationRead(read));
    assert_eq!(mentions(&scene), 0);
}

#[test]
fn a_list_that_is_read_late_brings_nothing_back() {
    let mut scene = Scene::new();
    let one = notification(&scene, NotificationKind::Mention, MessageId::new());
    let two = notification(&scene, NotificationKind::Mention, MessageId::new());
    scene.happen(scene.general, Wire::NotificationCreated(one.clone()));
    scene.happen(scene.general, Wire::NotificationCreated(two.clone()));
    let read = NotificationsRead { ids: Some(vec![one.id]), unread: 1 };
    scene.happen(scene.general, Wire::NotificationRead(read));
    // Read from the server before the second came and the first was read.
    scene.answer(Ask::Notifications, Reply::Notifications(vec![one]));
    assert_eq!(scene.model.activity.items.len(), 2);
    assert_eq!((mentions(&scene), scene.model.activity.unread.total()), (1, 1));
    assert!(!scene.model.activity.items[0].notification.read);
}

#[test]
fn the_cursor_of_the_activity_pane_stays_on_its_entry() {
    let mut scene = Scene::new();
    let [first, second] =
        [0, 1].map(|_| notification(&scene, NotificationKind::ThreadReply, MessageId::new()));
    scene.happen(scene.general, Wire::NotificationCreated(first.clone()));
    scene.keys(&["Ctrl-N"]);
    scene.happen(scene.general, Wire::NotificationCreated(second));
    scene.keys(&["x"]);
    assert!(scene.asked(|ask| *ask == Ask::ReadNotifications(Some(vec![first.id]))));
    // One that is not shown moves nothing either.
    scene.model.activity.threads_only = true;
    let before = scene.model.activity.selected;
    let direct = notification(&scene, NotificationKind::Dm, MessageId::new());
    scene.happen(scene.general, Wire::NotificationCreated(direct));
    assert_eq!(scene.model.activity.selected, before);
}

/// What `/token create` answers.
fn secret(scene: &mut Scene) {
    let answer = CommandAnswer {
        kind: AnswerKind::Ephemeral,
        body_md: "ajt_only_once".to_owned(),
        message: None,
        channel_id: None,
        secret: true,
    };
    let place = Place::channel(scene.general);
    let ask = Ask::Run { place, text: "/token create ci".to_owned(), key: ClientMessageId::new() };
    scene.answer(ask, Reply::Ran(Box::new(answer)));
}

#[test]
fn a_secret_stays_until_i_take_it_away() {
    let mut scene = Scene::new();
    secret(&mut scene);
    scene.keys(&["Alt-Up", "Alt-Down"]);
    let message = scene.message(scene.general, "below");
    scene.loaded(Place::channel(scene.general), vec![message]);
    assert_eq!(bodies(&scene), ["note ajt_only_once", "below"]);
    scene.model.open.as_mut().unwrap().timeline.selected =
        Some(scene.rows().first().unwrap().key());
    scene.keys(&["Esc"]);
    scene.model.open.as_mut().unwrap().timeline.selected =
        Some(scene.rows().first().unwrap().key());
    scene.keys(&["x", "i", "Alt-Up", "Alt-Down"]);
    assert!(bodies(&scene).is_empty());
}

#[test]
fn a_secret_that_comes_early_or_elsewhere_is_in_sight() {
    let mut scene = Scene::new();
    scene.keys(&["Alt-Up"]);
    secret(&mut scene);
    let message = scene.message(scene.api, "old");
    scene.loaded(Place::channel(scene.api), vec![message]);
    assert_eq!(bodies(&scene), ["old", "note ajt_only_once"]);
    // The activity pane has the focus, and the place of the command is closed.
    scene.keys(&["Ctrl-N"]);
    secret(&mut scene);
    assert_eq!(bodies(&scene).len(), 3);
    // The channel goes away under it.
    super::super::channels::gone(&mut scene.model, scene.api);
    assert_eq!(bodies(&scene).iter().filter(|body| body.contains("ajt_only_once")).count(), 2);
}
