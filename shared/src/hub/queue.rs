//! What waits for one connection. Bounded, and the pump never waits for it.

use std::collections::VecDeque;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use tokio::sync::Notify;
use tokio::sync::futures::Notified;

use super::{CloseReason, Delivery, Renderer, ResyncReason};
use crate::events::{Envelope, PresenceChanged};

/// Events one connection may be behind. Source: delivery-and-security.md section 2.5.
pub(super) const EVENTS_MAX: usize = 256;
/// Bytes one connection may be behind. Source: delivery-and-security.md section 2.5.
pub(super) const BYTES_MAX: usize = 1024 * 1024;

pub(super) enum Item<R: Renderer> {
    Event(Arc<Delivery<R>>),
    Typing(Arc<Envelope>),
    Presence(Vec<PresenceChanged>),
}

impl<R: Renderer> Item<R> {
    fn size_bytes(&self) -> usize {
        match self {
            Self::Event(delivery) => delivery.size_bytes,
            Self::Typing(_) => size_of::<Envelope>(),
            Self::Presence(changes) => size_of_val(changes.as_slice()),
        }
    }

    /// Losing it loses nothing that a later one does not tell again.
    fn is_ephemeral(&self) -> bool {
        !matches!(self, Self::Event(_))
    }
}

/// What the reader has to do next.
pub(super) enum Next<R: Renderer> {
    Item(Item<R>),
    Resync(ResyncReason),
    Close(CloseReason),
    Nothing,
}

pub(super) struct Queue<R: Renderer> {
    inner: Mutex<Inner<R>>,
    news: Notify,
}

struct Inner<R: Renderer> {
    items: VecDeque<Item<R>>,
    bytes: usize,
    /// Once set, everything is dropped until the reader has been told.
    resync: Option<ResyncReason>,
    /// Nothing is handed out for now, so that the reader's cursor stays where it is.
    held: bool,
    closed: Option<CloseReason>,
}

impl<R: Renderer> Queue<R> {
    pub(super) fn new() -> Self {
        Self {
            inner: Mutex::new(Inner {
                items: VecDeque::new(),
                bytes: 0,
                resync: None,
                held: false,
                closed: None,
            }),
            news: Notify::new(),
        }
    }

    /// Queues something. Returns false when it did not fit: then everything that waited is dropped and the reader will be told to
    /// draw everything anew.
    pub(super) fn push(&self, item: Item<R>) -> bool {
        let mut inner = self.lock();
        if inner.closed.is_some() || inner.resync.is_some() {
            return true;
        }
        let size = item.size_bytes();
        if inner.items.len() >= EVENTS_MAX || inner.bytes + size > BYTES_MAX {
            if item.is_ephemeral() {
                return true;
            }
            inner.drop_for(ResyncReason::Overflow);
            drop(inner);
            self.news.notify_one();
            return false;
        }
        inner.bytes += size;
        inner.items.push_back(item);
        drop(inner);
        self.news.notify_one();
        true
    }

    /// Drops what waits: the reader has to draw everything anew.
    pub(super) fn resync(&self, reason: ResyncReason) {
        let mut inner = self.lock();
        if inner.closed.is_none() && inner.resync.is_none() {
            inner.drop_for(reason);
            drop(inner);
            self.news.notify_one();
        }
    }

    /// Drops what waits and ends the connection; the first reason stands.
    pub(super) fn close(&self, reason: CloseReason) {
        let mut inner = self.lock();
        inner.clear();
        inner.closed.get_or_insert(reason);
        drop(inner);
        self.news.notify_one();
    }

    /// Hands out nothing until [`Self::release`]: neither events nor a word that the reader has to draw anew.
    pub(super) fn hold(&self) {
        self.lock().held = true;
    }

    pub(super) fn is_held(&self) -> bool {
        self.lock().held
    }

    /// Goes on with what still may be seen.
    pub(super) fn release(&self, may_see: impl Fn(&Delivery<R>) -> bool) {
        let mut inner = self.lock();
        if !inner.held {
            return;
        }
        inner.held = false;
        inner.items.retain(|item| match item {
            Item::Event(delivery) => may_see(delivery),
            // Whether it may still be heard cannot be told, and whoever types says so again.
            Item::Typing(_) => false,
            Item::Presence(_) => true,
        });
        inner.bytes = inner.items.iter().map(Item::size_bytes).sum();
        drop(inner);
        self.news.notify_one();
    }

    pub(super) fn closed(&self) -> Option<CloseReason> {
        self.lock().closed
    }

    pub(super) fn next(&self) -> Next<R> {
        let mut inner = self.lock();
        if let Some(reason) = inner.closed {
            return Next::Close(reason);
        }
        if inner.held {
            return Next::Nothing;
        }
        if let Some(reason) = inner.resync.take() {
            return Next::Resync(reason);
        }
        let Some(item) = inner.items.pop_front() else { return Next::Nothing };
        inner.bytes -= item.size_bytes();
        Next::Item(item)
    }

    /// How much waits: items and bytes.
    pub(super) fn depth(&self) -> (usize, usize) {
        let inner = self.lock();
        (inner.items.len(), inner.bytes)
    }

    /// The reader need not be told to draw anew.
    pub(super) fn is_whole(&self) -> bool {
        self.lock().resync.is_none()
    }

    /// Nothing waits.
    pub(super) fn is_idle(&self) -> bool {
        let inner = self.lock();
        inner.items.is_empty() && inner.resync.is_none() && inner.closed.is_none() && !inner.held
    }

    /// Resolves when something was queued since the last look.
    pub(super) fn news(&self) -> Notified<'_> {
        self.news.notified()
    }

    fn lock(&self) -> MutexGuard<'_, Inner<R>> {
        self.inner.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl<R: Renderer> Inner<R> {
    fn drop_for(&mut self, reason: ResyncReason) {
        self.clear();
        self.resync = Some(reason);
    }

    fn clear(&mut self) {
        self.items = VecDeque::new();
        self.bytes = 0;
    }
}
