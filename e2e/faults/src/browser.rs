//! Somebody who looks at a channel in a browser: as much of Datastar as keeps the list of messages of a page, so that what a page
//! would show can be compared with what was said.

use std::collections::{BTreeMap, HashMap, HashSet};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use ajet_shared::id::{ChannelId, MessageId};
use anyhow::{Context as _, bail};
use futures::StreamExt as _;
use tokio::sync::watch;
use tokio::task::JoinHandle;

use crate::rows::{Row, Rows};
use crate::town::Person;

/// Silence after which a page opens its stream anew. Source: delivery-and-security.md section 2.6.
const SILENCE_MAX: Duration = Duration::from_secs(45);
/// A server that does not answer.
const CONNECT_MAX: Duration = Duration::from_secs(15);
/// The pause of a page that was told none, as in its opener.
const PAUSE: Duration = Duration::from_millis(1_500);

/// What a page has been through.
#[derive(Clone, Debug, Default)]
pub struct Shown {
    /// The messages that came to the list since the page was loaded, as they stand there.
    pub rows: Vec<MessageId>,
    /// When each of them first came.
    pub came: HashMap<MessageId, Instant>,
    /// Those that were there when it was loaded.
    pub before: HashSet<MessageId>,
    /// The oldest message of the list as it was last drawn anew: older ones are a scroll away.
    pub oldest: Option<MessageId>,
    /// What stands in them.
    pub texts: Rows,
    /// How often the page was drawn anew.
    pub resyncs: u32,
    /// Connections after the first.
    pub reconnects: u32,
    /// Since when it has had no stream, if it has none.
    pub lost: Option<Instant>,
    /// From when to when it had none, each time.
    pub gaps: Vec<(Instant, Instant)>,
    /// What the service had to say about itself, and when; nothing when all is well again.
    pub notices: Vec<(Instant, String)>,
    /// What the numbers beside channels, beside the activity and in the title say, by what they stand beside.
    pub badges: BTreeMap<String, String>,
}

impl Shown {
    /// A message comes to the end of the list. One of before comes again when the stream is told anew.
    fn append(&mut self, message: MessageId) {
        if self.before.contains(&message) {
            return;
        }
        self.rows.push(message);
        self.came.entry(message).or_insert_with(Instant::now);
    }

    /// The list is put in place of the one that was there.
    fn draw(&mut self, markup: &str) {
        let drawn: Vec<MessageId> = messages_in(markup).collect();
        self.oldest = drawn.first().copied();
        self.rows.clear();
        for message in drawn {
            self.append(message);
        }
    }
}

/// A page that is open, until dropped.
#[derive(Debug)]
pub struct Browser {
    /// Who looks at it.
    pub person: Person,
    /// The channel it shows.
    pub channel: ChannelId,
    page: Arc<Page>,
    task: JoinHandle<anyhow::Result<()>>,
}

#[derive(Debug, Default)]
struct Page {
    shown: Mutex<Shown>,
    connections: watch::Sender<u32>,
}

impl Drop for Browser {
    fn drop(&mut self) {
        self.task.abort();
    }
}

impl Browser {
    /// Loads the page of a channel, by its path, and opens its stream.
    pub async fn open(person: Person, channel: ChannelId, path: &str) -> anyhow::Result<Self> {
        let http = reqwest::Client::builder().no_proxy().tcp_nodelay(true).build()?;
        let mut tab = Tab {
            person: person.clone(),
            http,
            stream: String::new(),
            last_id: None,
            pause: PAUSE,
        };
        let answer = tab.get(path).send().await?.error_for_status()?;
        let html = answer.text().await?;
        tab.stream = stream_of(&html).context("the page opens no stream")?;
        let page = Arc::new(Page::default());
        page.shown().before = messages_in(&html).collect();
        page.shown().badges = badges_in(&html).collect();
        page.shown().texts = Row::all_in(&html).collect();
        let task = tokio::spawn(tab.run(page.clone()));
        let mut connections = page.connections.subscribe();
        tokio::time::timeout(CONNECT_MAX, connections.wait_for(|count| *count > 0))
            .await
            .with_context(|| format!("the page of {} does not open its stream", person.name))??;
        Ok(Self { person, channel, page, task })
    }

    /// What the page shows.
    #[must_use]
    pub fn shown(&self) -> Shown {
        self.page.shown().clone()
    }
}

impl Page {
    fn shown(&self) -> MutexGuard<'_, Shown> {
        self.shown.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn connected(&self) {
        self.connections.send_modify(|count| *count += 1);
        let mut shown = self.shown();
        shown.reconnects = self.connections.borrow().saturating_sub(1);
        if let Some(lost) = shown.lost.take() {
            shown.gaps.push((lost, Instant::now()));
        }
    }

    /// Takes in one event of the stream.
    fn apply(&self, event: &Block) {
        let mut shown = self.shown();
        shown.badges.extend(badges_in(&event.data));
        shown.notices.extend(notice_in(&event.data).map(|text| (Instant::now(), text)));
        match event.name.as_str() {
            "datastar-patch-signals" if event.data.contains("\"_resync\"") => shown.resyncs += 1,
            "datastar-patch-elements" => match (event.field("mode"), event.field("selector")) {
                _ if shown.texts.patch(
                    event.field("mode"),
                    event.field("selector"),
                    &event.data,
                ) => {}
                (Some("append"), Some("#messages")) => {
                    messages_in(&event.data).for_each(|message| shown.append(message));
                }
                (Some("remove"), Some(selector)) => {
                    let gone = selector.strip_prefix("#message-").and_then(|id| id.parse().ok());
                    shown.rows.retain(|row| Some(*row) != gone);
                }
                (Some("inner"), Some("#messages")) => shown.draw(&event.data),
                _ => {}
            },
            _ => {}
        }
    }
}

/// The address of a page's stream, out of the attribute that opens it.
#[must_use]
pub fn stream_of(html: &str) -> Option<String> {
    let rest = &html[html.find("@get('/sse?")? + "@get('".len()..];
    let rest = rest.split("', {").next()?;
    let address = rest.replace("&amp;", "&").replace("&#39;", "'").replace("&#38;", "&");
    (!address.contains('<')).then_some(address)
}

/// The messages that some markup holds.
fn messages_in(markup: &str) -> impl Iterator<Item = MessageId> {
    markup.split(" id=\"message-").skip(1).filter_map(|rest| rest.split('"').next()?.parse().ok())
}

/// The numbers that some markup, or a signal, puts beside things; empty where there is none.
fn badges_in(markup: &str) -> impl Iterator<Item = (String, String)> {
    const COUNTS: [&str; 2] =
        ["class=\"count\" aria-hidden=\"true\">", "class=\"n\" aria-hidden=\"true\">"];
    let beside = |id: &'static str, end: &'static str| {
        markup.split(id).skip(1).map(move |rest| {
            let element = rest.split(end).next().unwrap_or_default();
            let badge = COUNTS.iter().find_map(|count| element.split(count).nth(1));
            let count = badge.and_then(|badge| badge.split('<').next()).unwrap_or_default();
            let name = if end == "</li>" { element.split('"').next() } else { None };
            (name.unwrap_or("activity").to_owned(), count.to_owned())
        })
    };
    let title = ["_badge: ", "\"_badge\":"].into_iter().filter_map(|name| {
        let number = markup.split(name).nth(1)?.split([',', '}']).next()?;
        Some(("title".to_owned(), number.to_owned()))
    });
    beside("<li id=\"channel-", "</li>").chain(beside("<ul id=\"inbox-nav\"", "</ul>")).chain(title)
}

/// What the service says about itself in some markup, without the markup.
fn notice_in(markup: &str) -> Option<String> {
    let banner = markup.split("<div id=\"banner\" role=\"status\">").nth(1)?;
    let text = banner.split("</div>").next().unwrap_or_default();
    Some(text.split_once('>').map_or("", |(_, text)| text).trim().to_owned())
}

/// How a connection ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum End {
    Broken,
    Silent,
}

struct Tab {
    person: Person,
    http: reqwest::Client,
    stream: String,
    last_id: Option<String>,
    pause: Duration,
}

impl Tab {
    fn get(&self, path: &str) -> reqwest::RequestBuilder {
        self.http
            .get(format!("{}{path}", self.person.gateway))
            .header("host", self.person.host.clone())
            .header("cookie", format!("ajet_session={}", self.person.token.expose()))
    }

    async fn run(mut self, page: Arc<Page>) -> anyhow::Result<()> {
        loop {
            let end = self.connection(&page).await?;
            page.shown().lost.get_or_insert_with(Instant::now);
            // The watchdog asks at once; what ended by itself is asked for after a pause.
            if end == End::Broken {
                tokio::time::sleep(self.pause).await;
            }
        }
    }

    /// One connection, to its end. Whatever ends it: Datastar comes back.
    async fn connection(&mut self, page: &Page) -> anyhow::Result<End> {
        let mut request = self.get(&self.stream);
        if let Some(id) = &self.last_id {
            request = request.header("last-event-id", id);
        }
        let Ok(Ok(answer)) = tokio::time::timeout(CONNECT_MAX, request.send()).await else {
            return Ok(End::Broken);
        };
        if !answer.status().is_success() {
            return Ok(End::Broken);
        }
        let kind = answer.headers().get("content-type").and_then(|kind| kind.to_str().ok());
        if kind.is_none_or(|kind| !kind.starts_with("text/event-stream")) {
            bail!("{} was signed out", self.person.name);
        }
        let mut bytes = answer.bytes_stream();
        let mut text = Vec::new();
        let mut connected = false;
        loop {
            let piece = match tokio::time::timeout(SILENCE_MAX, bytes.next()).await {
                Ok(Some(Ok(piece))) => piece,
                Ok(_) => return Ok(End::Broken),
                Err(_) => return Ok(End::Silent),
            };
            text.extend_from_slice(&piece);
            while let Some(end) = text.windows(2).position(|two| two == b"\n\n") {
                let block: Vec<u8> = text.drain(..end + 2).collect();
                let block = Block::parse(&String::from_utf8_lossy(&block));
                page.apply(&block);
                self.pause = block.retry.unwrap_or(self.pause);
                if block.id.is_some() {
                    self.last_id = block.id;
                    // The first position says that the stream stands.
                    if !std::mem::replace(&mut connected, true) {
                        page.connected();
                    }
                }
            }
        }
    }
}

/// One event of a stream.
#[derive(Clone, Debug, Default)]
pub struct Block {
    /// Its name.
    pub name: String,
    /// Its lines of data.
    pub data: String,
    /// Where the stream stands after it.
    pub id: Option<String>,
    /// The pause before coming back.
    pub retry: Option<Duration>,
}

impl Block {
    /// Reads one, without the empty line that ends it.
    #[must_use]
    pub fn parse(text: &str) -> Self {
        let mut block = Self::default();
        for line in text.lines() {
            let (name, value) = line.split_once(": ").unwrap_or((line, ""));
            match name {
                "event" => value.clone_into(&mut block.name),
                "id" => block.id = Some(value.to_owned()),
                "retry" => block.retry = value.parse().ok().map(Duration::from_millis),
                "data" => {
                    block.data.push_str(value);
                    block.data.push('\n');
                }
                _ => {}
            }
        }
        block
    }

    /// What stands behind one of Datastar's words.
    fn field(&self, name: &str) -> Option<&str> {
        self.data.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(' '))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_page_keeps_its_list() {
        let (page, one, two) = (Page::default(), MessageId::new(), MessageId::new());
        let append = |id| {
            format!(
                "event: datastar-patch-elements\ndata: selector #messages\ndata: mode append\ndata: elements <li class=\"msg\" id=\"message-{id}\">\n\n"
            )
        };
        let remove = format!(
            "event: datastar-patch-elements\ndata: selector #message-{one}\ndata: mode remove\n\n"
        );
        for text in [
            append(one),
            append(two),
            remove,
            append(one),
            "event: datastar-patch-signals\ndata: signals {\"_resync\":7}\n\n".to_owned(),
        ] {
            page.apply(&Block::parse(&text));
        }
        let shown = page.shown().clone();
        assert_eq!((shown.rows, shown.resyncs), (vec![two, one], 1));
        assert_eq!(Block::parse("id: 1.7\n\n").id.as_deref(), Some("1.7"));
    }

    #[test]
    fn the_numbers_of_a_page_are_found() {
        let html = r#"<div data-signals="{_badge: 4, _here: 0}"><ul id="channel-list"><li id="channel-1"><a>one<span class="count" aria-hidden="true">3</span></a></li><li id="channel-2"><a>two</a></li></ul><ul id="inbox-nav"><li><a>Activity<span class="count" aria-hidden="true">9</span></a></li></ul>"#;
        let badges: BTreeMap<_, _> = badges_in(html).collect();
        let found: Vec<_> = badges.iter().map(|(name, count)| format!("{name}={count}")).collect();
        assert_eq!(found, ["1=3", "2=", "activity=9", "title=4"]);
        let signal: Vec<_> = badges_in("signals {\"_badge\":5,\"_here\":1}").collect();
        assert_eq!(signal, [("title".to_owned(), "5".to_owned())]);
    }

    #[test]
    fn what_the_service_says_about_itself_is_found() {
        let paused =
            r#"elements <div id="banner" role="status"><div class="banner">Paused.</div></div>"#;
        assert_eq!(notice_in(paused).as_deref(), Some("Paused."));
        let well = r#"elements <div id="banner" role="status"></div>"#;
        assert_eq!(notice_in(well).as_deref(), Some(""));
        assert_eq!(notice_in("<p>"), None);
    }

    #[test]
    fn the_stream_of_a_page_is_found() {
        let html = r#"<div data-init="@get('/sse?cursor=1.2&amp;seen=3', {retry: 'always'})">"#;
        assert_eq!(stream_of(html).as_deref(), Some("/sse?cursor=1.2&seen=3"));
        assert_eq!(stream_of("<p>"), None);
    }
}
