//! Thousands of streams on one session manager: what each costs in memory, what opening them and sending to them costs in processor
//! time, and how long it takes until all of them have a message.

use std::time::{Duration, Instant};

use ajet_faults::stream_of;
use anyhow::{Context as _, bail};
use futures::{StreamExt as _, TryStreamExt as _};
use reqwest::RequestBuilder;
use tokio::sync::mpsc;
use tokio::task::JoinSet;

use super::memory::{megabytes, processes, proportional};
use super::room::{Room, client};
use super::table;

/// Streams of one person at most. Source: delivery-and-security.md section 3.7.
const STREAMS_EACH: usize = 16;
/// Streams that are being opened at a time.
const OPENING: usize = 32;
/// Messages that everybody is to have.
const MESSAGES: usize = 40;
/// At least so long between two of them.
const PAUSE: Duration = Duration::from_millis(500);
/// How long everybody is left alone: as long as it takes until every session was looked at anew.
const REST: Duration = Duration::from_secs(35);
/// How long the last one may take to have a message.
const PATIENCE: Duration = Duration::from_secs(30);
/// What every message begins with; its number follows.
const WORDS: &str = "to all streams, number ";
/// The kernel counts processor time in hundredths of a second, whatever its own clock does.
const TICKS_A_SECOND: u32 = 100;

/// That a message, by its number, has come to one stream.
type Arrival = (usize, Instant);

/// A kind of stream.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Door {
    /// A page in a browser.
    Web,
    /// A terminal or a bot.
    Tui,
}

pub(super) async fn run(streams: usize) -> anyhow::Result<()> {
    let room = Room::open(streams.div_ceil(STREAMS_EACH)).await?;
    for door in [Door::Web, Door::Tui] {
        through(door, &room, streams).await?;
    }
    Ok(())
}

/// Opens all streams of one kind, and lets them go at the end.
async fn through(door: Door, room: &Room, streams: usize) -> anyhow::Result<()> {
    let process = door.process();
    let requests = door.requests(room, streams).await?;
    let (before, begun) = (Usage::now()?, Instant::now());
    let (sender, mut arrivals) = mpsc::unbounded_channel();
    let mut readers = JoinSet::new();
    let mut opening = futures::stream::iter(requests).map(open).buffer_unordered(OPENING);
    while let Some(stream) = opening.try_next().await? {
        readers.spawn(read(stream, sender.clone()));
    }
    drop(sender);
    let took = begun.elapsed().as_secs_f64();
    let opened = Usage::now()?;
    table::figure(&format!("{process}: {streams} streams opened in"), &format!("{took:>9.1} s"));
    opened.since(&before).tell("  processor time meanwhile", door);
    opened.memory_of_each(&before, streams, door);

    tokio::time::sleep(REST).await;
    let rested = Usage::now()?;
    rested.since(&opened).tell(&format!("  processor time in {} s of rest", REST.as_secs()), door);

    deliver(door, room, streams, &mut arrivals).await?;
    Usage::now()?.since(&rested).tell(&format!("  processor time of {MESSAGES} messages"), door);
    if readers.try_join_next().is_some() {
        bail!("a stream ended");
    }
    Ok(())
}

/// Posts message after message; each when all have the one before.
async fn deliver(
    door: Door,
    room: &Room,
    streams: usize,
    arrivals: &mut mpsc::UnboundedReceiver<Arrival>,
) -> anyhow::Result<()> {
    let (mut first, mut middle, mut last) = (Vec::new(), Vec::new(), Vec::new());
    let mut tick = tokio::time::interval(PAUSE);
    for number in 0..MESSAGES {
        tick.tick().await;
        let posted = Instant::now();
        room.post(&room.http, &room.tokens[0], &room.channel, &format!("{WORDS}{number}.")).await?;
        let mut delays = Vec::with_capacity(streams);
        while delays.len() < streams {
            let arrival = tokio::time::timeout(PATIENCE, arrivals.recv()).await;
            let missing = || format!("{} of {streams} have message {number}", delays.len());
            let (came, at) = arrival.with_context(missing)?.context("every stream has ended")?;
            if came != number {
                bail!("message {came} came when it was the turn of {number}");
            }
            delays.push(at.duration_since(posted));
        }
        delays.sort_unstable();
        first.push(delays[0]);
        middle.push(delays[streams / 2]);
        last.push(delays[streams - 1]);
    }
    let process = door.process();
    table::times(&format!("{process}: post → the first of {streams}"), first);
    table::times(&format!("{process}: post → half of {streams}"), middle);
    table::times(&format!("{process}: post → the last of {streams}"), last);
    Ok(())
}

impl Door {
    /// The session manager behind it.
    const fn process(self) -> &'static str {
        match self {
            Self::Web => "web-sm-1",
            Self::Tui => "tui-sm-1",
        }
    }

    /// The requests for all streams, by as many people as it takes.
    async fn requests(self, room: &Room, streams: usize) -> anyhow::Result<Vec<RequestBuilder>> {
        let http = client()?;
        let sync = room.get("/api/sync").await?;
        let slug = sync["communities"][0]["slug"].as_str().context("slug")?;
        let mut requests = Vec::with_capacity(streams);
        // The owner writes.
        for token in &room.tokens[1..] {
            let request = match self {
                Self::Web => {
                    let page = |path: &str| {
                        let request = http.get(format!("{}{path}", room.url));
                        request.header("cookie", format!("ajet_session={token}"))
                    };
                    let html = page(&format!("/c/{slug}/channels/general")).send().await?;
                    let html = html.error_for_status()?.text().await?;
                    page(&stream_of(&html).context("the page opens no stream")?)
                }
                Self::Tui => http.get(format!("{}/ws/tui/events", room.url)).bearer_auth(token),
            };
            let some = STREAMS_EACH.min(streams - requests.len());
            requests.extend((0..some).filter_map(|_| request.try_clone()));
        }
        Ok(requests)
    }
}

/// Opens a stream; it stands when it says where it is.
async fn open(request: RequestBuilder) -> anyhow::Result<Pieces> {
    let answer = request.send().await?.error_for_status()?;
    let mut pieces = Pieces { bytes: answer.bytes_stream().boxed(), waiting: Vec::new() };
    loop {
        let whole = pieces.next().await.context("a stream ended before it stood")?;
        if whole.lines().any(|line| line.starts_with("id: ")) {
            return Ok(pieces);
        }
    }
}

/// Notes when each message comes.
async fn read(mut pieces: Pieces, arrivals: mpsc::UnboundedSender<Arrival>) {
    let mut newest = None;
    while let Some(text) = pieces.next().await {
        let now = Instant::now();
        for number in numbers_in(&text) {
            // A page draws a message in more than one place.
            if newest < Some(number) {
                newest = Some(number);
                // Nobody counts any more.
                let _ = arrivals.send((number, now));
            }
        }
    }
}

/// The messages that some text holds.
fn numbers_in(text: &str) -> impl Iterator<Item = usize> {
    let rests = text.split(WORDS).skip(1);
    rests
        .filter_map(|rest| rest.split(|letter: char| !letter.is_ascii_digit()).next()?.parse().ok())
}

/// A stream in pieces of whole blocks.
struct Pieces {
    bytes: futures::stream::BoxStream<'static, reqwest::Result<axum::body::Bytes>>,
    /// The beginning of a block whose end has not come.
    waiting: Vec<u8>,
}

impl Pieces {
    async fn next(&mut self) -> Option<String> {
        loop {
            let piece = self.bytes.next().await?.ok()?;
            self.waiting.extend_from_slice(&piece);
            if let Some(end) = self.waiting.windows(2).rposition(|two| two == b"\n\n") {
                let rest = self.waiting.split_off(end + 2);
                let whole = std::mem::replace(&mut self.waiting, rest);
                return Some(String::from_utf8_lossy(&whole).into_owned());
            }
        }
    }
}

/// What the processes have used so far, by name.
#[derive(Debug)]
struct Usage {
    kib: std::collections::BTreeMap<String, u64>,
    processor: std::collections::BTreeMap<String, Duration>,
}

impl Usage {
    fn now() -> anyhow::Result<Self> {
        let time = |(name, pid): (String, u32)| Ok((name, processor_time(pid)?));
        let processor = processes()?.into_iter().map(time).collect::<anyhow::Result<_>>()?;
        Ok(Self { kib: proportional()?, processor })
    }

    /// Processor time between two moments.
    fn since(&self, before: &Self) -> Spent {
        let spent = |(name, time): (&String, &Duration)| {
            let before = before.processor.get(name).copied().unwrap_or_default();
            (name.clone(), time.saturating_sub(before))
        };
        Spent(self.processor.iter().map(spent).collect())
    }

    /// What one stream takes of each process on its way.
    fn memory_of_each(&self, before: &Self, streams: usize, door: Door) {
        // What the gateway took for the first kind of streams it keeps for the second.
        let gateway = (door == Door::Web).then_some("auth-gw-1");
        for name in gateway.into_iter().chain([door.process()]) {
            let size = |usage: &Self| megabytes(usage.kib.get(name).copied().unwrap_or_default());
            let (idle, open) = (size(before), size(self));
            #[expect(clippy::cast_precision_loss, reason = "a figure for people")]
            let each = (open - idle) * 1024.0 / streams as f64;
            let figure = format!("{idle:>9.1} {open:>9.1}   {each:.1} KiB for each stream");
            table::figure(&format!("  {name}: PSS in MB, idle and open"), &figure);
        }
    }
}

/// Processor time by process.
struct Spent(std::collections::BTreeMap<String, Duration>);

impl Spent {
    fn tell(&self, what: &str, door: Door) {
        let each = [door.process(), "auth-gw-1", "api-1", "nats-1"].map(|name| {
            let time = self.0.get(name).copied().unwrap_or_default();
            format!("{name} {:.2} s", time.as_secs_f64())
        });
        table::figure(what, &format!("  {}", each.join(", ")));
    }
}

/// Processor time that a process has used, its own and the kernel's for it.
fn processor_time(pid: u32) -> anyhow::Result<Duration> {
    let stat = std::fs::read_to_string(format!("/proc/{pid}/stat"))?;
    // A name may hold anything, also spaces and brackets.
    let fields = stat.rsplit_once(") ").context("no name")?.1;
    let mut times = fields.split(' ').skip(11).take(2).map(str::parse::<u32>);
    let (own, kernel) = (times.next().context("no time")??, times.next().context("no time")??);
    Ok(Duration::from_secs((own + kernel).into()) / TICKS_A_SECOND)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn messages_are_found_wherever_they_are_drawn() {
        let text = format!("data: <p>{WORDS}17.</p>\ndata: {{\"body\":\"{WORDS}18.\"}}\n\n");
        assert_eq!(numbers_in(&text).collect::<Vec<_>>(), [17, 18]);
        assert_eq!(numbers_in("event: heartbeat\n\n").count(), 0);
    }

    #[test]
    fn the_kernel_counts_what_we_do() {
        let (before, begun) = (processor_time(std::process::id()).unwrap(), Instant::now());
        // As often as it takes on a machine that has little time for us.
        while processor_time(std::process::id()).unwrap() == before {
            assert!(begun.elapsed() < Duration::from_mins(1), "it counts nothing");
        }
    }
}
