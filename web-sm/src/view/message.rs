//! One message: its row, its body, its files.

use std::fmt;

use ajet_shared::id::{MessageId, UserId};
use ajet_shared::limits::GROUP_WITHIN;
use ajet_shared::markdown::{SafeHtml, to_html};
use ajet_shared::message::{Attachment, Mention, MentionKind, Message, MessageKind};
use ajet_shared::user::{Author, UserKind};
use askama::Template;
use time::{Date, OffsetDateTime};

use super::avatar::Avatar;
use super::card::Cards;
use super::names::{self, Directory};
use super::reactions::Reactions;
use super::thread::Summary;
use super::{filters, fragments, times};

/// Pictures shown of one message; more are counted on the last one.
const PICTURES_SHOWN: usize = 3;

/// Where a message is drawn. A thread's root stands in the channel and in the pane, so its ids there have a prefix.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Place {
    /// In the channel.
    Channel,
    /// A reply in the pane.
    Reply,
    /// The root in the pane.
    Root,
}

impl Place {
    /// What stands before the ids of a row's parts.
    pub(crate) const fn prefix(self) -> &'static str {
        match self {
            Self::Channel | Self::Reply => "",
            Self::Root => "root-",
        }
    }
}

/// Whom a message calls, for the style rule that marks "me": ids, and `all` for everybody.
pub(crate) struct Calls<'a>(&'a [Mention]);

impl Calls<'_> {
    fn is_empty(&self) -> bool {
        self.0.is_empty()
    }
}

impl fmt::Display for Calls<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (n, mention) in self.0.iter().enumerate() {
            f.write_str(if n > 0 { " " } else { "" })?;
            match (mention.kind, mention.id) {
                (MentionKind::User, Some(id)) => write!(f, "{id}")?,
                _ => f.write_str("all")?,
            }
        }
        Ok(())
    }
}

/// What decides whether the next message joins a group: design.md section 6, "Grouping".
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Tail {
    author_id: UserId,
    kind: MessageKind,
    at: OffsetDateTime,
}

impl Tail {
    /// After this message.
    pub(crate) fn of(message: &Message) -> Self {
        Self { author_id: message.author.id, kind: message.kind, at: message.created_at }
    }

    /// Its day.
    pub(crate) fn day(self) -> Date {
        self.at.date()
    }

    /// Whether this message continues the group.
    pub(crate) fn continues(self, message: &Message) -> bool {
        self.kind == MessageKind::Text
            && message.kind == MessageKind::Text
            && self.author_id == message.author.id
            && self.day() == message.created_at.date()
            && (message.created_at - self.at).unsigned_abs() < GROUP_WITHIN
    }
}

/// As an address carries it: `<author>.<milliseconds since 1970>`, with `.alone` where nothing continues it.
impl fmt::Display for Tail {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let alone = if self.kind == MessageKind::Text { "" } else { ".alone" };
        write!(f, "{}.{}{alone}", self.author_id, self.at.unix_timestamp_nanos() / 1_000_000)
    }
}

impl std::str::FromStr for Tail {
    type Err = ();

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let (author, rest) = text.split_once('.').ok_or(())?;
        // Which of the kinds that stand alone it is does not matter.
        let (ms, kind) = match rest.strip_suffix(".alone") {
            Some(ms) => (ms, MessageKind::System),
            None => (rest, MessageKind::Text),
        };
        let nanos = ms.parse::<i64>().map_err(|_| ())?;
        let at = OffsetDateTime::from_unix_timestamp_nanos(i128::from(nanos) * 1_000_000)
            .map_err(|_| ())?;
        Ok(Self { author_id: author.parse().map_err(|_| ())?, kind, at })
    }
}

/// A message's row.
#[expect(clippy::struct_excessive_bools, reason = "each is one state that the template asks for")]
#[derive(Template)]
#[template(path = "fragments/message.html")]
pub(crate) struct Row<'a> {
    id: MessageId,
    prefix: &'static str,
    author: &'a Author,
    avatar: Avatar<'a>,
    tag: Option<&'static str>,
    system: bool,
    /// Somebody says what they do: one line that begins with the name.
    act: bool,
    /// The author has a page of their own.
    person: bool,
    icon: &'static str,
    cont: bool,
    target: bool,
    calls: Calls<'a>,
    time: Time,
    edited: Option<Edited>,
    body: Body<'a>,
    text: String,
    reactions: Reactions<'a>,
    summary: Option<Summary<'a>>,
}

/// A point in time: for machines, and at a glance. The page's script adds the whole of it.
pub(crate) struct Time {
    pub(crate) iso: String,
    pub(crate) clock: String,
}

impl Time {
    /// Of an instant.
    pub(crate) fn of(at: OffsetDateTime) -> Self {
        Self { iso: times::iso(at), clock: times::clock(at) }
    }
}

/// The mark of an edited message.
#[derive(Template)]
#[template(path = "fragments/edited.html")]
pub(crate) struct Edited {
    /// When, in full.
    at: String,
}

/// What a message says: replaced when it is edited or deleted, without touching the row around it.
#[derive(Template)]
#[template(path = "fragments/body.html")]
pub(crate) struct Body<'a> {
    deleted: bool,
    html: SafeHtml,
    cards: Option<Cards>,
    pictures: Vec<Picture<'a>>,
    files: Vec<File<'a>>,
}

struct Picture<'a> {
    file: &'a Attachment,
    source: &'a str,
    /// How many more there are, on the last one shown.
    more: usize,
}

struct File<'a> {
    file: &'a Attachment,
    about: String,
}

fragments!(Row<'_>, Edited, Body<'_>);

impl<'a> Row<'a> {
    /// A row. `cont`: it continues the group above.
    pub(crate) fn new(
        message: &'a Message,
        place: Place,
        cont: bool,
        directory: &Directory,
    ) -> Self {
        let system = message.kind == MessageKind::System;
        Self {
            id: message.id,
            prefix: place.prefix(),
            author: &message.author,
            avatar: Avatar::of(&message.author),
            tag: match (message.kind, message.author.kind) {
                (MessageKind::Webhook, _) => Some("webhook"),
                (_, UserKind::Bot) => Some("bot"),
                _ => None,
            },
            system,
            act: message.kind == MessageKind::Me,
            person: message.kind != MessageKind::Webhook,
            icon: if message
                .metadata
                .get("action")
                .and_then(serde_json::Value::as_str)
                .is_some_and(|action| action.contains("topic"))
            {
                "edit"
            } else {
                "join"
            },
            cont,
            target: false,
            calls: Calls(&message.mentions),
            time: Time::of(message.created_at),
            edited: Edited::of(message),
            body: Body::of(message, directory),
            text: if system {
                ajet_shared::markdown::plain(&message.body_md, 500)
            } else {
                String::new()
            },
            reactions: Reactions::new(message.id, place, &message.reactions),
            summary: Summary::of(message).filter(|_| place == Place::Channel && !system),
        }
    }

    /// Of which message.
    pub(crate) const fn id(&self) -> MessageId {
        self.id
    }

    /// The row an address points at: it flashes.
    pub(crate) fn with_target(mut self, target: bool) -> Self {
        self.target = target;
        self
    }
}

impl Edited {
    /// Of a message, if it was edited and is still there.
    pub(crate) fn of(message: &Message) -> Option<Self> {
        let at = message.edited_at.filter(|_| message.deleted_at.is_none())?;
        Some(Self { at: times::full(at) })
    }
}

impl<'a> Body<'a> {
    /// Of a message.
    pub(crate) fn of(message: &'a Message, directory: &Directory) -> Self {
        if message.deleted_at.is_some() {
            return Self::deleted();
        }
        // Only whom the api has recorded: a handle that names nobody here stays text.
        let mentioned =
            |id: &UserId| message.mentions.iter().any(|mention| mention.id == Some(*id));
        let text = |md: &str| to_html(md, &|name| directory.find(name).filter(mentioned));
        let (html, cards) = match Cards::of(message) {
            Some((text_md, cards)) => (text(&text_md), Some(cards)),
            None => (text(&message.body_md), None),
        };
        let (pictures, files): (Vec<_>, Vec<_>) =
            message.attachments.iter().partition(|file| is_picture(file));
        let more = pictures.len().saturating_sub(PICTURES_SHOWN);
        let last = pictures.len().min(PICTURES_SHOWN).saturating_sub(1);
        let pictures = pictures.into_iter().take(PICTURES_SHOWN).enumerate();
        Self {
            deleted: false,
            html,
            cards,
            pictures: pictures
                .map(|(n, file)| Picture {
                    file,
                    source: file.thumb_url.as_deref().unwrap_or(&file.url),
                    more: if n == last { more } else { 0 },
                })
                .collect(),
            files: files.into_iter().map(|file| File { file, about: about(file) }).collect(),
        }
    }

    /// Of Markdown that is no message: only handles that are known anyway become mentions.
    pub(crate) fn of_markdown(text: &str, directory: &Directory) -> Self {
        let html = to_html(text, &|name| directory.find(name));
        Self { deleted: false, html, cards: None, pictures: Vec::new(), files: Vec::new() }
    }

    /// Of a message that is gone.
    pub(crate) fn deleted() -> Self {
        Self {
            deleted: true,
            html: SafeHtml::default(),
            cards: None,
            pictures: Vec::new(),
            files: Vec::new(),
        }
    }
}

/// What browsers show and cannot run code in.
fn is_picture(file: &Attachment) -> bool {
    matches!(file.content_type.as_str(), "image/png" | "image/jpeg" | "image/gif" | "image/webp")
}

/// `CSV, 184 KB`.
fn about(file: &Attachment) -> String {
    let extension = file
        .filename
        .rsplit_once('.')
        .map(|(_, extension)| extension.to_uppercase())
        .filter(|extension| extension.len() <= 5);
    let size = names::size(file.size_bytes);
    extension.map_or_else(|| size.clone(), |extension| format!("{extension}, {size}"))
}

impl Picture<'_> {
    fn width(&self) -> i32 {
        self.file.width.unwrap_or(640)
    }

    fn height(&self) -> i32 {
        self.file.height.unwrap_or(400)
    }
}
