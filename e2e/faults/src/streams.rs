//! Hundreds of pages and terminals that listen: for what only shows when there are many.

use std::collections::{HashMap, HashSet};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use anyhow::bail;
use futures::{StreamExt as _, TryStreamExt as _, stream};
use tokio::task::JoinHandle;

use crate::{Ask, Heard, Person, Wire};

/// What stands before the number of a message that is listened for.
const WORD: &str = "tidings-";
/// How many pages are loaded at a time.
const LOADING: usize = 8;
/// Silence after which a client opens its stream anew. Source: delivery-and-security.md section 2.6.
const SILENCE_MAX: Duration = Duration::from_secs(45);
/// The pause of a client that was told none, milliseconds.
const PAUSE_MS: std::ops::Range<u64> = 1_000..5_000;
/// How often it is looked.
const LOOK_EVERY: Duration = Duration::from_millis(20);

/// Open streams, until dropped.
#[derive(Debug)]
pub struct Streams {
    board: Arc<Board>,
    tasks: Vec<JoinHandle<anyhow::Result<()>>>,
}

impl Drop for Streams {
    fn drop(&mut self) {
        for task in &self.tasks {
            task.abort();
        }
    }
}

/// What all of them note.
#[derive(Debug, Default)]
struct Board {
    live: AtomicUsize,
    connections: AtomicUsize,
    resyncs: AtomicUsize,
    doubled: AtomicUsize,
    heard: Mutex<HashMap<u64, usize>>,
}

impl Streams {
    /// Opens so many streams for each person, by turns that of the page at `path` and that of a terminal, and waits until all stand.
    pub async fn open(people: &[Person], each: usize, path: &str) -> anyhow::Result<Self> {
        Self::ask(people, each, path, &[Ask::Page, Ask::Events]).await
    }

    /// The same, all of them pages.
    pub async fn pages(people: &[Person], each: usize, path: &str) -> anyhow::Result<Self> {
        Self::ask(people, each, path, &[Ask::Page]).await
    }

    async fn ask(people: &[Person], each: usize, path: &str, asks: &[Ask]) -> anyhow::Result<Self> {
        let http = reqwest::Client::builder().no_proxy().tcp_nodelay(true).build()?;
        let pages: Vec<String> = stream::iter(people)
            .map(|person| person.page_stream(&http, path))
            .buffered(LOADING)
            .try_collect()
            .await?;
        let board = Arc::<Board>::default();
        let mut tasks = Vec::with_capacity(people.len() * each);
        for (person, page) in people.iter().zip(&pages) {
            for ask in asks.iter().cycle().take(each) {
                let (ask, path) = match ask {
                    Ask::Page => (Ask::Page, page.clone()),
                    Ask::Events => (Ask::Events, "/ws/tui/events".to_owned()),
                };
                let (person, http, board) = (person.clone(), http.clone(), board.clone());
                let listener = Listener::new(person, http, ask, path, board);
                tasks.push(tokio::spawn(listener.run()));
            }
        }
        let mut streams = Self { board, tasks };
        streams.all_live(Duration::from_mins(2)).await?;
        Ok(streams)
    }

    /// How many there are.
    #[must_use]
    pub fn count(&self) -> usize {
        self.tasks.len()
    }

    /// Connections so far.
    #[must_use]
    pub fn connections(&self) -> usize {
        self.board.connections.load(Ordering::Relaxed)
    }

    /// How many stand now.
    #[must_use]
    pub fn live(&self) -> usize {
        self.board.live.load(Ordering::Relaxed)
    }

    /// How often one of them had to draw everything anew.
    #[must_use]
    pub fn resyncs(&self) -> usize {
        self.board.resyncs.load(Ordering::Relaxed)
    }

    /// How often one of them heard a message again.
    #[must_use]
    pub fn doubled(&self) -> usize {
        self.board.doubled.load(Ordering::Relaxed)
    }

    /// How many have heard the message with [`Streams::text`] of this number.
    #[must_use]
    pub fn heard(&self, number: u64) -> usize {
        let heard = self.board.heard.lock().unwrap_or_else(PoisonError::into_inner);
        heard.get(&number).copied().unwrap_or(0)
    }

    /// A message that they listen for.
    #[must_use]
    pub fn text(number: u64) -> String {
        format!("{WORD}{number}.")
    }

    /// Waits until so many connections have stood in all, and all stand; gives how long that took.
    pub async fn connected(
        &mut self,
        connections: usize,
        patience: Duration,
    ) -> anyhow::Result<Duration> {
        let begun = Instant::now();
        self.wait(patience, |streams| streams.connections() >= connections).await?;
        self.all_live(patience.saturating_sub(begun.elapsed())).await?;
        Ok(begun.elapsed())
    }

    /// Waits until all of them stand.
    pub async fn all_live(&mut self, patience: Duration) -> anyhow::Result<Duration> {
        self.wait(patience, |streams| streams.live() == streams.count()).await
    }

    /// Waits until all have heard the message with [`Streams::text`] of this number.
    pub async fn all_hear(&mut self, number: u64, patience: Duration) -> anyhow::Result<Duration> {
        self.wait(patience, |streams| streams.heard(number) == streams.count()).await
    }

    async fn wait(
        &mut self,
        patience: Duration,
        done: impl Fn(&Self) -> bool,
    ) -> anyhow::Result<Duration> {
        let begun = Instant::now();
        while !done(self) {
            if begun.elapsed() > patience {
                let (live, count) = (self.live(), self.count());
                let heard = self.board.heard.lock().unwrap_or_else(PoisonError::into_inner);
                bail!("after {patience:?} {live} of {count} are live; heard: {heard:?}");
            }
            if let Some(over) = self.tasks.iter_mut().find(|task| task.is_finished()) {
                return Err(over.await?.err().unwrap_or_else(|| anyhow::anyhow!("one ended")));
            }
            tokio::time::sleep(LOOK_EVERY).await;
        }
        Ok(begun.elapsed())
    }
}

/// One of them.
struct Listener {
    person: Person,
    http: reqwest::Client,
    ask: Ask,
    path: String,
    board: Arc<Board>,
    last_id: Option<String>,
    pause: Duration,
    heard: HashSet<u64>,
}

impl Listener {
    fn new(
        person: Person,
        http: reqwest::Client,
        ask: Ask,
        path: String,
        board: Arc<Board>,
    ) -> Self {
        let pause = Duration::from_millis(rand::random_range(PAUSE_MS));
        Self { person, http, ask, path, board, last_id: None, pause, heard: HashSet::new() }
    }

    async fn run(mut self) -> anyhow::Result<()> {
        loop {
            let opened =
                Wire::open(&self.http, &self.person, self.ask, &self.path, self.last_id.as_deref());
            if let Ok(wire) = opened.await {
                self.read(wire).await?;
            }
            tokio::time::sleep(self.pause).await;
        }
    }

    /// One connection, to its end.
    async fn read(&mut self, mut wire: Wire) -> anyhow::Result<()> {
        if wire.status == 401 || wire.content_type.starts_with("text/html") {
            bail!("{} was signed out", self.person.name);
        }
        let board = self.board.clone();
        let mut live = None;
        while let Heard::Event(event) = wire.next(SILENCE_MAX).await {
            self.pause = event.retry.unwrap_or(self.pause);
            if event.name == "resync" || event.data.contains("\"_resync\"") {
                board.resyncs.fetch_add(1, Ordering::Relaxed);
            }
            // What is said to screen readers is the message once more.
            if !event.data.contains("#announcer") {
                self.listen(&event.data);
            }
            if event.id.is_some() {
                self.last_id = event.id;
                live.get_or_insert_with(|| Live::new(&board));
            }
        }
        Ok(())
    }

    fn listen(&mut self, data: &str) {
        let Some(number) = number_in(data) else { return };
        if self.heard.insert(number) {
            let mut heard = self.board.heard.lock().unwrap_or_else(PoisonError::into_inner);
            *heard.entry(number).or_default() += 1;
        } else {
            self.board.doubled.fetch_add(1, Ordering::Relaxed);
        }
    }
}

/// The number of the message that some data brings.
fn number_in(data: &str) -> Option<u64> {
    data.split_once(WORD)?.1.split_once('.')?.0.parse().ok()
}

/// A connection that stands.
struct Live<'a>(&'a Board);

impl<'a> Live<'a> {
    fn new(board: &'a Board) -> Self {
        board.connections.fetch_add(1, Ordering::Relaxed);
        board.live.fetch_add(1, Ordering::Relaxed);
        Self(board)
    }
}

impl Drop for Live<'_> {
    fn drop(&mut self) {
        self.0.live.fetch_sub(1, Ordering::Relaxed);
    }
}

#[cfg(test)]
mod tests {
    use super::{Streams, number_in};

    #[test]
    fn the_number_of_a_message_is_found() {
        let data = format!("elements <p>{}</p>", Streams::text(7));
        assert_eq!(number_in(&data), Some(7));
        assert_eq!(number_in("nothing"), None);
    }
}
