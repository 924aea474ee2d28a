//! The messages of a channel in order, with what stands between them.

use std::fmt;

use ajet_shared::channel::ChannelView;
use ajet_shared::id::{ChannelId, MessageId, UserId};
use ajet_shared::message::{Message, MessageKind};
use ajet_shared::page::Page;
use askama::Template;
use time::Date;

use super::divider::{Day, Unread};
use super::header::title_of;
use super::message::{Place, Row, Tail};
use super::names::Directory;
use super::{filters, fragments, times};

/// What stands in `#messages`.
pub(crate) enum Item<'a> {
    /// The place where older messages come in.
    Top(Top),
    /// The start of the channel.
    Intro(Intro<'a>),
    /// A new day.
    Day(Day),
    /// What is new begins here.
    Unread(Unread),
    /// A message.
    Row(Box<Row<'a>>),
    /// The place where newer messages come in, when the page is around an old one.
    Bottom(Bottom),
}

impl fmt::Display for Item<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Top(part) => part.fmt(f),
            Self::Intro(part) => part.fmt(f),
            Self::Day(part) => part.fmt(f),
            Self::Unread(part) => part.fmt(f),
            Self::Row(part) => part.fmt(f),
            Self::Bottom(part) => part.fmt(f),
        }
    }
}

/// `#history-top`: when it comes into view, older messages are fetched.
#[derive(Template)]
#[template(path = "fragments/history-top.html")]
pub(crate) struct Top {
    channel_id: ChannelId,
    before: MessageId,
    /// The day of the first message below; its divider moves up when older messages of that day come in.
    day: i64,
}

/// `#history-bottom`: when it comes into view, newer messages are fetched. What the stream brings meanwhile waits behind it.
#[derive(Template)]
#[template(path = "fragments/history-bottom.html")]
pub(crate) struct Bottom {
    channel_id: ChannelId,
    after: MessageId,
    /// The day of the last message above.
    day: i64,
}

/// The first words of a channel.
#[derive(Template)]
#[template(path = "fragments/intro.html")]
pub(crate) struct Intro<'a> {
    title: String,
    topic: &'a str,
    direct: bool,
    empty: bool,
}

fragments!(Item<'_>, Top, Bottom, Intro<'_>);

/// How a list of messages is drawn.
#[derive(Clone, Copy)]
pub(crate) struct Look<'a> {
    /// The reader.
    pub(crate) me: UserId,
    /// Today, in UTC.
    pub(crate) today: Date,
    /// Whose handles are whose.
    pub(crate) directory: &'a Directory,
    /// The message an address points at.
    pub(crate) target: Option<MessageId>,
}

/// The inside of `#messages`.
pub(crate) fn whole<'a>(
    view: &'a ChannelView,
    page: &'a Page<Message>,
    look: Look<'a>,
) -> Vec<Item<'a>> {
    let mut items = Vec::with_capacity(page.items.len() + 8);
    match page.items.first().filter(|_| page.prev.is_some()) {
        Some(first) => items.push(Item::Top(Top::new(view.channel.id, first))),
        None => items.push(Item::Intro(Intro::new(view, look.me, page.items.is_empty()))),
    }
    let unread = Boundary { me: look.me, last_read_seq: view.last_read_seq, unread: view.unread };
    let unread = (view.joined && view.unread > 0)
        .then_some(unread)
        .and_then(|bound| bound.within(&page.items));
    rows(&mut items, &page.items, look, unread);
    if let Some(last) = page.items.last().filter(|_| page.next.is_some()) {
        items.push(Item::Bottom(Bottom::new(view.channel.id, last)));
    }
    items
}

/// A part of the list that is put in between: no top, no bottom. `above`: the day that the rows above it end with.
pub(crate) fn part<'a>(
    messages: &'a [Message],
    look: Look<'a>,
    above: Option<Date>,
) -> Vec<Item<'a>> {
    let mut items = Vec::with_capacity(messages.len() + 4);
    rows(&mut items, messages, look, None);
    if matches!((items.first(), above, messages.first()), (Some(Item::Day(_)), Some(day), Some(first)) if first.created_at.date() == day)
    {
        items.remove(0);
    }
    items
}

/// The ids of what stands in the list, as a selector.
pub(crate) fn selector(items: &[Item<'_>]) -> String {
    let ids = items.iter().filter_map(|item| match item {
        Item::Day(day) => Some(format!("#day-{}", day.id())),
        Item::Row(row) => Some(format!("#message-{}", row.id())),
        _ => None,
    });
    ids.collect::<Vec<_>>().join(",")
}

/// Where the reader stopped reading.
#[derive(Clone, Copy)]
struct Boundary {
    me: UserId,
    last_read_seq: i64,
    unread: i64,
}

impl Boundary {
    fn is_unread(self, message: &Message) -> bool {
        message.seq > self.last_read_seq
            && message.author.id != self.me
            && message.kind != MessageKind::System
    }

    /// None when unread messages lie above these, where the line then belongs.
    fn within(self, messages: &[Message]) -> Option<Self> {
        let here = messages.iter().filter(|message| self.is_unread(message)).count();
        (i64::try_from(here).unwrap_or(i64::MAX) >= self.unread).then_some(self)
    }
}

fn rows<'a>(
    items: &mut Vec<Item<'a>>,
    messages: &'a [Message],
    look: Look<'a>,
    mut unread: Option<Boundary>,
) {
    let mut above: Option<&Message> = None;
    for message in messages {
        let mut tail = above.map(Tail::of);
        if tail.is_none_or(|tail| tail.day() != message.created_at.date()) {
            items.push(Item::Day(Day::new(message.created_at.date(), look.today)));
            tail = None;
        }
        if let Some(bound) = unread.take_if(|bound| bound.is_unread(message)) {
            items.push(Item::Unread(Unread::new(bound.unread, above)));
            tail = None;
        }
        let cont = tail.is_some_and(|tail| tail.continues(message));
        let row = Row::new(message, Place::Channel, cont, look.directory)
            .with_target(look.target == Some(message.id));
        items.push(Item::Row(Box::new(row)));
        above = Some(message);
    }
}

impl Top {
    /// Above this message.
    pub(crate) fn new(channel_id: ChannelId, first: &Message) -> Self {
        Self { channel_id, before: first.id, day: times::day_number(first.created_at.date()) }
    }
}

impl Bottom {
    /// Below this message.
    pub(crate) fn new(channel_id: ChannelId, last: &Message) -> Self {
        Self { channel_id, after: last.id, day: times::day_number(last.created_at.date()) }
    }
}

impl<'a> Intro<'a> {
    /// Of a channel.
    pub(crate) fn new(view: &'a ChannelView, me: UserId, empty: bool) -> Self {
        Self {
            title: title_of(view, me),
            topic: view.channel.topic.as_deref().unwrap_or_default(),
            direct: view.channel.name.is_none(),
            empty,
        }
    }
}

/// All of it as markup.
pub(crate) fn markup(items: &[Item<'_>]) -> String {
    use fmt::Write as _;
    items.iter().fold(String::new(), |mut html, item| {
        if let Err(error) = write!(html, "{item}") {
            tracing::error!(%error, "a template refused");
        }
        html
    })
}
