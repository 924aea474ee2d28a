//! What each event does to one reader's page.

use ajet_shared::events::{
    ChannelChanged, MemberChanged, MemberScope, Typing as TypingEvent, TypingState,
};
use ajet_shared::hub::Renderer as _;
use ajet_shared::limits::TYPING_HIDES_AFTER;
use ajet_shared::message::{Mention, ReactionCount};
use ajet_shared::position::Position;
use ajet_shared::user::Author;

use super::*;
use crate::fixtures::{NOON, author, event, message, renderer, world};

struct Stream {
    viewer: Viewer,
    now: Instant,
}

impl Stream {
    fn new(world: World, start: Start) -> Self {
        Self { viewer: Viewer::new(world, start), now: Instant::now() }
    }

    fn event(&mut self, envelope: &Envelope) -> String {
        let (renderer, mut frames) = (renderer(), Frames::default());
        let shared = |lens| renderer.render(Position::default(), envelope, lens);
        self.viewer.event(envelope, &shared, self.now, &mut frames);
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
    let state =
        ReadState { channel_id: channel.channel.id, last_read_seq: 11, unread: 0, mentions: 0 };
    let text = stream.event(&Envelope::new(Event::ReadUpdated(state), None, NOON));
    assert!(
        text.contains(&format!("id=\"channel-{}\"", channel.channel.id))
            && !text.contains("class=\"count\""),
        "{text}"
    );
    assert!(text.contains("{\"_badge\":0,\"_here\":0}"));
}

#[test]
fn many_messages_are_spoken_as_a_number() {
    let lena = author("Lena");
    let mut stream = Stream::new(world(&["general"]), Start::default());
    let spoken: Vec<_> = (11..16).map(|seq| stream.post(&lena, 0, seq).1).collect();
    assert!(spoken[2].contains("<p>Lena: hello</p>") && !spoken[3].contains("<p>Lena: hello</p>"));
    assert!(spoken[4].contains("<p>5 new messages</p>"));
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
    assert_eq!(mine.matches("aria-pressed=\"true\"").count(), 1, "{mine}");
    assert!(mine.rfind("aria-pressed=\"true\"") > mine.rfind("aria-pressed=\"false\""));
}

#[test]
fn replies_reach_the_open_thread_only() {
    let lena = author("Lena");
    let world = world(&["general"]);
    let channel = world.here.clone().unwrap();
    let root = message(&lena, &channel, 1, "root");
    let mut reply = message(&lena, &channel, 11, "reply");
    reply.parent_id = Some(root.id);
    let envelope = event(Event::MessageCreated(reply), &channel, 11, lena.id);
    let mut with = Stream::new(world, Start { thread: Some(root.id), ..Start::default() });
    assert!(with.event(&envelope).contains("#thread-messages"));
    let mut without = Stream::new(crate::fixtures::world(&["general"]), Start::default());
    without.viewer.world.here = Some(channel);
    assert_eq!(without.event(&envelope), "");
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
