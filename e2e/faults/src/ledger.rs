//! What the server has said yes to.

use std::collections::HashMap;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use ajet_shared::id::{ChannelId, ClientMessageId, MessageId, UserId};
use tokio::sync::watch;

/// An acknowledged message.
#[derive(Clone, Debug)]
pub struct Posted {
    /// The author's key.
    pub key: ClientMessageId,
    /// The id it got.
    pub message: MessageId,
    /// Its channel.
    pub channel: ChannelId,
    /// The place it got there.
    pub seq: i64,
    /// Who wrote it.
    pub author: UserId,
    /// What it said first.
    pub body: String,
    /// The message it replies to.
    pub parent: Option<MessageId>,
    /// Requests it took.
    pub tries: u32,
    /// Time from the first request to the answer that counted.
    pub took: Duration,
    /// When that answer came.
    pub at: Instant,
}

impl Posted {
    /// When the first request was sent.
    #[must_use]
    pub fn begun(&self) -> Instant {
        self.at.checked_sub(self.took).unwrap_or(self.at)
    }
}

/// An acknowledged change of a message.
#[derive(Clone, Debug)]
pub struct Edited {
    /// The message.
    pub message: MessageId,
    /// What it says now.
    pub body: String,
}

/// Every acknowledged write, in the order of the acknowledgements.
#[derive(Debug)]
pub struct Ledger {
    book: Mutex<Book>,
    count: watch::Sender<usize>,
    enough: AtomicBool,
}

#[derive(Debug, Default)]
struct Book {
    posts: Vec<Posted>,
    /// The last acknowledged text of a changed message: each is changed by one writer, one request after the other.
    edits: HashMap<MessageId, String>,
    unexpected: Vec<String>,
}

impl Default for Ledger {
    fn default() -> Self {
        Self {
            book: Mutex::default(),
            count: watch::Sender::new(0),
            enough: AtomicBool::new(false),
        }
    }
}

impl Ledger {
    /// Notes a message.
    pub fn post(&self, posted: Posted) {
        let count = {
            let mut book = self.book();
            book.posts.push(posted);
            book.posts.len()
        };
        self.count.send_replace(count);
    }

    /// Notes a change.
    pub fn edit(&self, edited: Edited) {
        self.book().edits.insert(edited.message, edited.body);
    }

    /// Notes an answer that no fault excuses.
    pub fn unexpected(&self, answer: String) {
        self.book().unexpected.push(answer);
    }

    /// Lets everybody stop after the message they are at: for tests that go on until something has happened so many times.
    pub fn enough(&self) {
        self.enough.store(true, Ordering::Relaxed);
    }

    /// Whether they have been told to stop.
    #[must_use]
    pub fn is_enough(&self) -> bool {
        self.enough.load(Ordering::Relaxed)
    }

    /// All messages.
    #[must_use]
    pub fn posts(&self) -> Vec<Posted> {
        self.book().posts.clone()
    }

    /// The last text of every changed message.
    #[must_use]
    pub fn edits(&self) -> HashMap<MessageId, String> {
        self.book().edits.clone()
    }

    /// Answers that no fault excuses.
    #[must_use]
    pub fn unexpected_answers(&self) -> Vec<String> {
        self.book().unexpected.clone()
    }

    /// Waits until so many messages have been acknowledged.
    pub async fn reaches(&self, posts: usize) {
        // The sender lives as long as this borrow.
        let _ = self.count.subscribe().wait_for(|count| *count >= posts).await;
    }

    fn book(&self) -> MutexGuard<'_, Book> {
        self.book.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
