//! What each event does to one reader's page.

use ajet_shared::channel::NotifyLevel;
use ajet_shared::events::{
    ChannelChanged, MemberChanged, MemberScope, Notification, NotificationKind, NotificationsRead,
    Typing as TypingEvent, TypingState,
};
use ajet_shared::hub::Renderer as _;
use ajet_shared::id::{MessageId, NotificationId};
use ajet_shared::limits::TYPING_HIDES_AFTER;
use ajet_shared::message::{Mention, ReactionCount};
use ajet_shared::position::Position;
use ajet_shared::user::Author;

use super::*;
use crate::fixtures::{NOON, author, event, message, renderer, world};
use crate::view::activity::Show;

struct Stream {
    viewer: Viewer,
    now: Instant,
}

impl Stream {
    fn new(world: World, start: Start) -> Self {
        Self { viewer: Viewer::new(world, start), now: Instant::now() }
    }

    fn event(&mut self, envelope: &Envelope) -> String {
        // After the sync, which stands at 7.
        self.event_at(8, envelope)
    }

    fn event_at(&mut self, seq: u64, envelope: &Envelope) -> String {
        let (renderer, mut frames) = (renderer(), Frames::default());
        let position = Position { epoch: 1, seq };
        let shared = |lens| renderer.render(Position::default(), envelope, lens);
        self.viewer.event(envelope, position, &shared, self.now, &mut frames);
        String::from_utf8(frames.into_bytes().to_vec()).unwrap()
    }

    fn frames(&mut self, draw: impl FnOnce(&mut Viewer, &mut Frames)) -> String {
        let mut frames = Frames::default();
        draw(&mut self.viewer, &mut frames);
        String::from_utf8(frames.into_bytes().to_vec()).unwrap()
    }

    fn post(&mut self, author: &Author, channel: usize, seq: i64) -> (Message, String) {
        let channel = self.viewer.world.sync.communities[0].channels[channel].clone();
        let post = message(author, &channel, seq, "hello");
        let text =
            self.event(&event(Event::MessageCreated(post.clone()), &channel, seq, author.id));
        (post, text)
    }
}

#[test]
fn a_message_is_appended_once_and_counted() {
    let lena = author("Lena");
    let mut stream =
        Stream::new(world(&["general", "random"]), Start { seen: 10, ..Start::default() });
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
    assert!(
        text.contains("{\"_badge\":3,\"_here\":2}")
            && text.contains("<span class=\"n\" aria-hidden=\"true\">1</span>"),
        "{text}"
    );
    // What the sync knew is counted already.
    let (_, text) = stream.post(&lena, 1, 10);
    assert_eq!(text, "");
}

#[test]
fn after_a_break_rows_are_put_in_place_of_themselves() {
    let mut stream =
        Stream::new(world(&["general"]), Start { resumed: true, seen: 10, ..Start::default() });
    let (post, text) = stream.post(&author("Lena"), 0, 11);
    let remove =
        text.find(&format!("data: selector #message-{}\ndata: mode remove", post.id)).unwrap();
    assert!(remove < text.find("mode append").unwrap());
}

#[test]
fn what_a_page_drawn_anew_shows_is_not_drawn_again() {
    let (lena, mara) = (author("Lena"), author("Mara"));
    let mut stream = Stream::new(world(&["general"]), Start { seen: 10, ..Start::default() });
    stream.post(&lena, 0, 11);
    // While the page is read, Mara's message is written: it is on the page, and then comes from the stream as well.
    let world = world(&["general"]);
    let post = message(&mara, &world.sync.communities[0].channels[0], 12, "hello");
    let tail = Some(Tail::of(&post));
    stream.viewer.redrawn(world, Start { tail, seen: 12, ..Start::default() });
    let (_, text) = stream.post(&mara, 0, 12);
    assert!(!text.contains("#messages"), "Mara's words would stand under Lena's name: {text}");
}

#[test]
fn my_own_message_takes_the_place_of_the_waiting_one() {
    let mut stream = Stream::new(world(&["general"]), Start { seen: 10, ..Start::default() });
    let me = stream.viewer.world.me.clone();
    let (post, text) = stream.post(&me, 0, 11);
    let pending = text
        .find(&format!(
            "data: selector #pending-{}\ndata: mode remove",
            post.client_msg_id.unwrap()
        ))
        .unwrap();
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
    assert!(
        text.contains(
            "<span class=\"count\" aria-hidden=\"true\">1</span><span class=\"vh\">1 mention</span>"
        ),
        "{text}"
    );
    // Read elsewhere: the badge goes.
    let state = ReadState {
        channel_id: channel.channel.id,
        last_read_seq: 11,
        unread: 0,
        mentions: 0,
        notify_level: None,
    };
    let text = stream.event(&Envelope::new(Event::ReadUpdated(state), None, NOON));
    assert!(
        text.contains(&format!("id=\"channel-{}\"", channel.channel.id))
            && !text.contains("class=\"count\""),
        "{text}"
    );
    assert!(text.contains("{\"_badge\":0,\"_here\":0}"));
}

#[test]
fn a_call_in_a_thread_is_counted_until_it_was_seen_there() {
    let lena = author("Lena");
    let mut stream = Stream::new(world(&["general", "random"]), Start::default());
    let channel = stream.viewer.world.sync.communities[0].channels[1].clone();
    let mut reply = message(&lena, &channel, 11, "@ola");
    reply.parent_id = Some(MessageId::new());
    reply.mentions = vec![Mention { kind: MentionKind::User, id: Some(stream.viewer.world.me.id) }];
    let text = stream.event(&event(Event::MessageCreated(reply), &channel, 11, lena.id));
    assert!(text.contains("<span class=\"vh\">1 mention</span>"), "{text}");
    // The mark stays where it is: only the call is gone.
    let state = |mentions| {
        let state = ReadState {
            channel_id: channel.channel.id,
            last_read_seq: 10,
            unread: 0,
            mentions,
            notify_level: None,
        };
        Envelope::new(Event::ReadUpdated(state), None, NOON)
    };
    assert_eq!(stream.event_at(7, &state(0)), "", "the sync is newer than this");
    let text = stream.event(&state(0));
    assert!(text.contains(&format!("id=\"channel-{}\"", channel.channel.id)), "{text}");
    assert!(!text.contains("class=\"count\""), "{text}");
}

#[test]
fn who_may_invite_is_shown_at_once() {
    let mut world = world(&["general"]);
    world.sync.communities[0].role = ajet_shared::community::Role::Member;
    let mut community = world.sync.communities[0].community.clone();
    let me = world.me.id;
    let mut stream = Stream::new(world, Start::default());
    for (may, hidden) in [(true, false), (false, true)] {
        community.members_may_invite = may;
        let change = ajet_shared::events::CommunityChanged { community: community.clone() };
        let text = stream.event(&Envelope::new(Event::CommunityUpdated(change), Some(me), NOON));
        assert!(text.contains("id=\"invite-entry\""), "{text}");
        assert_eq!(text.contains("href=\"/c/labs/invite\" hidden"), hidden, "{text}");
    }
}

#[test]
fn many_messages_are_spoken_as_a_number() {
    let lena = author("Lena");
    let mut stream = Stream::new(world(&["general"]), Start::default());
    let spoken: Vec<_> = (11..16).map(|seq| stream.post(&lena, 0, seq).1).collect();
    assert!(spoken[2].contains("<p>Lena: hello</p>"));
    assert!(spoken[3..].iter().all(|text| !text.contains("#announcer")), "{spoken:?}");
    let end = stream.viewer.wakes_at().unwrap();
    let text = stream.frames(|viewer, frames| viewer.tick(end, frames));
    assert!(text.contains("<p>2 new messages</p>") && stream.viewer.wakes_at().is_none());
    stream.now = end;
    assert!(stream.post(&lena, 0, 16).1.contains("<p>Lena: hello</p>"), "calm again");
}

#[test]
fn a_replay_is_spoken_once_at_its_end() {
    let lena = author("Lena");
    let start = Start { replaying: true, ..Start::default() };
    let mut stream = Stream::new(world(&["general"]), start);
    for seq in 11..16 {
        assert!(!stream.post(&lena, 0, seq).1.contains("#announcer"));
    }
    let text = stream.frames(Viewer::resumed);
    assert!(text.contains("<p>5 new messages</p>"), "{text}");
    assert!(stream.post(&lena, 0, 16).1.contains("<p>Lena: hello</p>"));
}

#[test]
fn an_old_read_mark_changes_nothing() {
    let mut stream = Stream::new(world(&["general"]), Start::default());
    let (post, _) = stream.post(&author("Lena"), 0, 11);
    let state = ReadState {
        channel_id: post.channel_id,
        last_read_seq: 10,
        unread: 0,
        mentions: 0,
        notify_level: None,
    };
    assert_eq!(stream.event(&Envelope::new(Event::ReadUpdated(state), None, NOON)), "");
    assert_eq!(stream.viewer.world.badge().total, 1);
}

#[test]
fn a_channel_muted_elsewhere_is_muted_here() {
    let mut stream = Stream::new(world(&["general", "random"]), Start::default());
    let (post, _) = stream.post(&author("Lena"), 1, 11);
    let level = |notify_level| {
        let state = ReadState {
            channel_id: post.channel_id,
            last_read_seq: 10,
            unread: 1,
            mentions: 0,
            notify_level: Some(notify_level),
        };
        Envelope::new(Event::ReadUpdated(state), None, NOON)
    };
    // The sync is newer than this.
    assert_eq!(stream.event_at(7, &level(NotifyLevel::Nothing)), "");
    let text = stream.event(&level(NotifyLevel::Nothing));
    assert!(text.contains(&format!("id=\"channel-{}\"", post.channel_id)), "{text}");
    assert_eq!(stream.viewer.world.badge().total, 0);
    stream.event(&level(NotifyLevel::Mentions));
    assert_eq!(stream.viewer.world.badge().total, 1);
}

#[test]
fn an_unread_message_that_is_deleted_is_not_unread() {
    let (lena, mut stream) =
        (author("Lena"), Stream::new(world(&["general", "random"]), Start::default()));
    let (post, _) = stream.post(&lena, 1, 11);
    let channel = stream.viewer.world.sync.communities[0].channels[1].clone();
    let gone = Event::MessageDeleted(MessageDeleted {
        message_id: post.id,
        parent_id: None,
        message_seq: 11,
        author_id: lena.id,
        deleted_at: NOON,
    });
    let text = stream.event(&event(gone.clone(), &channel, 12, lena.id));
    assert!(text.contains("{\"_badge\":0,\"_here\":0}"), "{text}");
    assert!(text.contains(&format!("id=\"channel-{}\"", channel.channel.id)));
    assert_eq!(stream.event(&event(gone, &channel, 12, lena.id)), "", "known by now");
}

#[test]
fn a_page_that_cannot_be_mended_is_left() {
    let goto = |world, start| Stream::new(world, start).frames(Viewer::ready);
    let mut without = world(&["general"]);
    without.here = None;
    let text = goto(without, Start { gone: true, ..Start::default() });
    assert!(text.contains("{\"_goto\":\"/c/labs\"}"), "{text}");
    let of = |face: &str| Start { face: Some(face.to_owned()), ..Start::default() };
    let text = goto(world(&["general"]), of("write.general"));
    assert!(!text.contains("_goto") && text.contains("id=\"channel-header\""), "{text}");
    for before in ["write.before", "archived.general", "join.general"] {
        let text = goto(world(&["general"]), of(before));
        assert!(text.contains("{\"_goto\":\"/c/labs/channels/general\"}"), "{before}: {text}");
    }
}

fn came_or_went(user: &Author, scope: MemberScope) -> MemberChanged {
    MemberChanged { scope, user_id: user.id, user: user.clone(), role: None, channel: None }
}

#[test]
fn what_the_sync_knew_does_not_happen_twice() {
    let mut stream = Stream::new(world(&["general"]), Start::default());
    let (me, channel) = (stream.viewer.world.me.clone(), stream.viewer.world.here.clone().unwrap());
    let lena = author("Lena");
    let came = |seq| {
        let change = came_or_went(&lena, MemberScope::Channel);
        event(Event::MemberJoined(change), &channel, seq, lena.id)
    };
    // Committed before the sync was read, and published after its cursor: the sync stands at 10 in the channel.
    assert_eq!(stream.event_at(8, &came(10)), "");
    assert!(stream.event_at(9, &came(11)).contains("3 members"));
    assert_eq!(stream.event_at(10, &came(11)), "");
    let left = Event::MemberLeft(came_or_went(&me, MemberScope::Channel));
    let left = event(left, &channel, 9, me.id);
    assert_eq!(stream.event_at(6, &left), "", "the reader came back after that");
}

/// It travels under the cursor before it.
#[test]
fn what_comes_late_is_drawn_whatever_its_cursor_is() {
    let mut stream = Stream::new(world(&["general"]), Start::default());
    let (me, channel) = (stream.viewer.world.me.clone(), stream.viewer.world.here.clone().unwrap());
    let lena = author("Lena");
    let came = Event::MemberJoined(came_or_went(&lena, MemberScope::Channel));
    assert!(stream.event_at(7, &event(came, &channel, 11, lena.id)).contains("3 members"));
    // What the next stream begins with stands at that cursor, and gets it once more at its place.
    let known = stream.viewer.into_knowledge(Some(Position { epoch: 1, seq: 7 })).unwrap();
    let view = &known.sync.communities[0].channels[0];
    assert_eq!((known.sync.cursor.seq, view.channel.last_seq, view.member_count), (7, 11, 3));
    // The reader is let in.
    let mut stream = Stream::new(World { me: me.clone(), ..world(&["general"]) }, Start::default());
    let home = stream.viewer.world.sync.communities[0].community.id;
    let secret = crate::fixtures::channel("secret", home);
    let joined = MemberChanged {
        channel: Some(secret.channel.clone()),
        ..came_or_went(&me, MemberScope::Channel)
    };
    let text = stream.event_at(7, &event(Event::MemberJoined(joined), &secret, 10, me.id));
    assert!(text.contains("id=\"channel-list\"") && text.contains("secret"), "{text}");
    // A guest has the channel on show only.
    let mut world = world(&["general"]);
    world.sync.communities[0].channels.clear();
    let mut stream = Stream::new(world, Start::default());
    let channel = stream.viewer.world.here.clone().unwrap();
    for (seq, members) in [(10, None), (11, Some("3 members")), (11, None)] {
        let came = Event::MemberJoined(came_or_went(&lena, MemberScope::Channel));
        let text = stream.event_at(7, &event(came, &channel, seq, lena.id));
        assert_eq!(text.contains("members"), members.is_some(), "{seq}: {text}");
        assert!(text.contains(members.unwrap_or_default()), "{seq}: {text}");
    }
}

#[test]
fn a_new_direct_message_is_named() {
    let mut stream = Stream::new(world(&["general"]), Start::default());
    let me = stream.viewer.world.me.clone();
    let mut dm = stream.viewer.world.here.clone().unwrap();
    dm.channel.id = ChannelId::new();
    dm.channel.kind = ajet_shared::channel::ChannelKind::Dm;
    (dm.channel.name, dm.channel.community_id) = (None, None);
    let change = ChannelChanged { channel: dm.channel.clone(), member_ids: vec![me.id] };
    let created = event(Event::ChannelCreated(change), &dm, 1, me.id);
    stream.event(&created);
    assert_eq!(stream.viewer.nameless(&created), Some(dm.channel.id));
    dm.members = vec![me, author("Lena")];
    let text = stream.frames(|viewer, frames| viewer.introduced(dm, frames));
    assert!(text.contains("Lena") && stream.viewer.nameless(&created).is_none(), "{text}");
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
    let theirs =
        stream.event(&event(Event::ReactionAdded(change(lena.id, 1)), &channel, 12, lena.id));
    assert!(!theirs.contains("aria-pressed=\"true\""));
    let me = stream.viewer.world.me.id;
    let mine = stream.event(&event(Event::ReactionAdded(change(me, 2)), &channel, 13, me));
    // In the channel, and as the root of a thread in the pane.
    assert_eq!(mine.matches("aria-pressed=\"true\"").count(), 2, "{mine}");
    assert!(mine.rfind("aria-pressed=\"true\"") > mine.rfind("aria-pressed=\"false\""));
}

#[test]
fn a_reply_goes_to_its_thread_and_stands_there_once() {
    let lena = author("Lena");
    let mut stream = Stream::new(world(&["general", "random"]), Start::default());
    let channel = stream.viewer.world.here.clone().unwrap();
    let root = message(&lena, &channel, 1, "root");
    let mut reply = message(&lena, &channel, 11, "reply");
    reply.parent_id = Some(root.id);
    let text = stream.event(&event(Event::MessageCreated(reply.clone()), &channel, 11, lena.id));
    // The page takes it where it shows that thread; it may be there already.
    let thread = format!("data: selector #thread-messages[data-thread=\"{}\"]", root.id);
    let remove = format!("data: selector #message-{}\ndata: mode remove", reply.id);
    assert!(text.find(&remove).unwrap() < text.find(&thread).unwrap(), "{text}");
    assert!(!text.contains("selector #messages") && !text.contains("#announcer"), "{text}");
    assert!(!text.contains("_badge"), "a reply is not unread in the channel: {text}");
    // Somewhere else it is nothing.
    let other = stream.viewer.world.sync.communities[0].channels[1].clone();
    assert_eq!(stream.event(&event(Event::MessageCreated(reply), &other, 11, lena.id)), "");
}

#[test]
fn what_one_is_told_of_is_counted_and_listed() {
    let lena = author("Lena");
    let mut world = world(&["general"]);
    let channel = world.here.take().unwrap();
    world.activity = Some(Show::Mentions);
    let mut stream = Stream::new(world, Start::default());
    let told = |kind| Notification {
        id: NotificationId::new(),
        kind,
        community_id: channel.channel.community_id,
        channel_id: Some(channel.channel.id),
        message_id: None,
        actor: Some(lena.clone()),
        read: false,
        created_at: NOON,
    };
    let of = |notification: &Notification| {
        Envelope::new(Event::NotificationCreated(notification.clone()), Some(lena.id), NOON)
    };
    let (mention, reply) = (told(NotificationKind::Mention), told(NotificationKind::ThreadReply));
    let text = stream.event(&of(&mention));
    assert!(text.contains("id=\"inbox-nav\"") && text.contains(">1 unread<"), "{text}");
    assert!(stream.event(&of(&reply)).contains(">2 unread<"));
    // After a loss in the stream it may come twice.
    assert_eq!(stream.event(&of(&reply)), "");
    // What the sync has counted is not counted again.
    assert_eq!(stream.event_at(7, &of(&mention)), "");
    assert!(stream.viewer.news(&of(&reply)).is_none(), "only mentions are on show");
    let envelope = of(&mention);
    assert_eq!(stream.viewer.news(&envelope), Some(&mention));
    let text = stream.frames(|viewer, frames| viewer.noted(&mention, None, frames));
    assert!(text.contains("selector #notification-list\ndata: mode prepend"), "{text}");
    assert!(text.contains(&format!("id=\"notification-{}\"", mention.id)));

    let read = NotificationsRead { ids: Some(vec![mention.id]), unread: 1 };
    let text = stream.event(&Envelope::new(Event::NotificationRead(read), None, NOON));
    assert!(text.contains(&format!("selector #notification-{} .dot", mention.id)), "{text}");
    assert!(text.contains(">1 unread<"));
    let all = NotificationsRead { ids: None, unread: 0 };
    let text = stream.event(&Envelope::new(Event::NotificationRead(all), None, NOON));
    assert!(text.contains("selector #notification-list .dot") && !text.contains("unread<"));
    // What is deleted is quoted no more.
    let gone = Event::MessageDeleted(MessageDeleted {
        message_id: MessageId::new(),
        parent_id: None,
        message_seq: 11,
        author_id: lena.id,
        deleted_at: NOON,
    });
    let text = stream.event(&event(gone, &channel, 12, lena.id));
    assert!(text.contains("selector #notification-list > [data-message="), "{text}");
    // On another page the list is not drawn.
    stream.viewer.world.activity = None;
    assert!(stream.viewer.news(&envelope).is_none());
}

#[test]
fn what_was_counted_before_it_came_is_not_counted_again() {
    let mut world = world(&["general"]);
    let told = |read| Notification {
        id: NotificationId::new(),
        kind: NotificationKind::Mention,
        community_id: None,
        channel_id: None,
        message_id: None,
        actor: None,
        read,
        created_at: NOON,
    };
    let of = |notification: &Notification| {
        Envelope::new(Event::NotificationCreated(notification.clone()), None, NOON)
    };
    // Committed before the page was read, published after its place in the stream.
    let (counted, fresh) = (told(false), told(false));
    world.sync.unread_notifications = 1;
    world.sync.unread_notification_ids = vec![counted.id];
    let mut stream = Stream::new(world, Start::default());
    assert_eq!(stream.event(&of(&counted)), "");
    assert!(stream.event(&of(&fresh)).contains(">2 unread<"));
    // What the next stream of the page begins with.
    let known = stream.viewer.into_knowledge(Some(Position { epoch: 1, seq: 9 })).unwrap();
    assert_eq!(known.sync.unread_notification_ids, [fresh.id, counted.id]);
    assert_eq!((known.sync.unread_notifications, known.sync.cursor.seq), (2, 9));
    let mut stream = Stream::new(World::new(known.sync), Start::default());
    assert_eq!(stream.event_at(10, &of(&fresh)), "");
    assert!(stream.viewer.into_knowledge(Some(Position { epoch: 2, seq: 1 })).is_none());
}

#[test]
fn what_was_guessed_is_not_handed_on() {
    let lena = author("Lena");
    let after_deletion = |mentions, parent_id| {
        let mut world = world(&["general"]);
        let view = &mut world.sync.communities[0].channels[0];
        (view.unread, view.mentions, view.last_read_seq, view.channel.last_seq) =
            (3, mentions, 1, 5);
        let mut stream = Stream::new(world, Start::default());
        let channel = stream.viewer.world.here.clone().unwrap();
        let deleted = MessageDeleted {
            message_id: MessageId::new(),
            message_seq: 4,
            parent_id,
            author_id: lena.id,
            deleted_at: NOON,
        };
        stream.event(&event(Event::MessageDeleted(deleted), &channel, 6, lena.id));
        stream.viewer.into_knowledge(Some(Position { epoch: 1, seq: 6 })).is_some()
    };
    assert!(after_deletion(0, None), "nothing to guess");
    assert!(after_deletion(0, Some(MessageId::new())));
    assert!(!after_deletion(1, None), "perhaps it was the one that called");
    assert!(!after_deletion(1, Some(MessageId::new())), "replies call, too");
    let mut stream = Stream::new(world(&["general"]), Start::default());
    stream.viewer.guessed();
    assert!(stream.viewer.into_knowledge(None).is_none());
}

#[test]
fn what_an_event_does_not_tell_of_a_new_place_is_not_handed_on() {
    let after = |change: &dyn Fn(&World) -> Envelope| {
        let mut stream = Stream::new(world(&["general"]), Start::default());
        let envelope = change(&stream.viewer.world);
        stream.event(&envelope);
        stream.viewer.into_knowledge(Some(Position { epoch: 1, seq: 8 }))
    };
    // How many people are in a channel that the reader joins.
    let joined = after(&|world| {
        let other = crate::fixtures::channel("apples", world.sync.communities[0].community.id);
        let change = MemberChanged {
            channel: Some(other.channel.clone()),
            ..came_or_went(&world.me, MemberScope::Channel)
        };
        event(Event::MemberJoined(change), &other, 10, world.me.id)
    });
    assert!(joined.is_none());
    // A community with all its channels, and another role in one.
    let of_community = |made: fn(MemberChanged) -> Event, is_elsewhere| {
        after(&move |world| {
            let change = came_or_went(&world.me, MemberScope::Community);
            let here = world.sync.communities[0].community.id;
            let community = if is_elsewhere { ajet_shared::id::CommunityId::new() } else { here };
            Envelope::new(made(change), None, NOON).in_community(community)
        })
    };
    assert!(of_community(Event::MemberJoined, true).is_none());
    assert!(of_community(Event::MemberUpdated, false).is_none());
    // Of a channel that came to be now, and of somebody else, everything is told.
    let created = after(&|world| {
        let mut other = crate::fixtures::channel("apples", world.sync.communities[0].community.id);
        other.channel.last_seq = 1;
        let me = world.me.id;
        let change = ChannelChanged { channel: other.channel.clone(), member_ids: vec![me] };
        event(Event::ChannelCreated(change), &other, 1, me)
    });
    assert!(created.is_some());
    let lena = after(&|world| {
        let (lena, general) = (author("Lena"), world.here.clone().unwrap());
        let change = came_or_went(&lena, MemberScope::Channel);
        event(Event::MemberJoined(change), &general, 11, lena.id)
    });
    assert_eq!(lena.unwrap().sync.communities[0].channels[0].member_count, 3);
}

#[test]
fn typing_is_shown_and_forgotten() {
    let (lena, mut stream) = (author("Lena"), Stream::new(world(&["general"]), Start::default()));
    let channel = stream.viewer.world.here.clone().unwrap();
    let mut typing = |state| {
        let typing =
            TypingEvent { channel_id: channel.channel.id, parent_id: None, user: lena.clone() };
        let kind = if state == TypingState::Started {
            Event::TypingStarted(typing)
        } else {
            Event::TypingStopped(typing)
        };
        let mut frames = Frames::default();
        let now = stream.now;
        stream.viewer.typing(&event(kind, &channel, 0, lena.id), now, &mut frames);
        String::from_utf8(frames.into_bytes().to_vec()).unwrap()
    };
    assert!(typing(TypingState::Started).contains("<b>Lena</b> is typing"));
    assert_eq!(typing(TypingState::Started), "", "nothing new to draw");
    assert!(
        typing(TypingState::Stopped)
            .contains("data: selector #typing\ndata: mode inner\ndata: elements \n")
    );
    typing(TypingState::Started);
    let mut frames = Frames::default();
    stream.viewer.expire_typing(stream.now + TYPING_HIDES_AFTER, &mut frames);
    assert!(!frames.is_empty() && stream.viewer.typing_until().is_none());
}

#[test]
fn who_has_said_it_writes_no_more() {
    let (lena, mut stream) = (author("Lena"), Stream::new(world(&["general"]), Start::default()));
    let channel = stream.viewer.world.here.clone().unwrap();
    let typing =
        TypingEvent { channel_id: channel.channel.id, parent_id: None, user: lena.clone() };
    let (now, started) = (stream.now, event(Event::TypingStarted(typing), &channel, 0, lena.id));
    stream.frames(|viewer, frames| viewer.typing(&started, now, frames));
    let silent = "data: selector #typing\ndata: mode inner\ndata: elements \n";
    assert!(stream.post(&lena, 0, 11).1.contains(silent));
    assert!(stream.frames(Viewer::ready).contains(silent));
}

#[test]
fn a_kick_leads_out_of_the_channel() {
    let mut stream = Stream::new(world(&["general", "random"]), Start::default());
    let (me, channel) = (stream.viewer.world.me.clone(), stream.viewer.world.here.clone().unwrap());
    let change = MemberChanged {
        scope: MemberScope::Channel,
        user_id: me.id,
        user: me.clone(),
        role: None,
        channel: None,
    };
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
    assert!(
        text.contains("id=\"channel-topic\" title=\"New topic\"") && !text.contains("_goto"),
        "{text}"
    );
    let other = crate::fixtures::channel("apples", channel.channel.community_id.unwrap());
    let change = ChannelChanged { channel: other.channel.clone(), member_ids: vec![me] };
    let text = stream.event(&event(Event::ChannelCreated(change), &other, 1, me));
    assert!(text.find("apples") < text.find("general"), "sorted by name: {text}");
}
