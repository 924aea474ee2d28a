//! One event on its way to many readers.

use std::fmt;
use std::slice;
use std::sync::{Arc, OnceLock};

use bytes::Bytes;

use super::Renderer;
use crate::channel::Visibility;
use crate::events::{Envelope, Event, Subject};
use crate::id::{ChannelId, CommunityId, UserId};
use crate::position::Position;

/// A durable event and what it looks like. One `Arc` of it sits in the ring and in every queue; the bytes that readers share are made
/// when the first of them asks.
pub struct Delivery<R: Renderer> {
    /// The cursor a reader holds after this event.
    pub position: Position,
    /// The event.
    pub envelope: Envelope,
    pub(super) scope: Scope,
    /// Bytes it had on the bus: what queues are bounded by.
    pub(super) size_bytes: usize,
    renderer: Arc<R>,
    renderings: Box<[OnceLock<Option<Bytes>>]>,
}

impl<R: Renderer> Delivery<R> {
    pub(super) fn new(
        renderer: Arc<R>,
        position: Position,
        scope: Scope,
        envelope: Envelope,
        size_bytes: usize,
    ) -> Self {
        let renderings = (0..R::LENSES).map(|_| OnceLock::new()).collect();
        Self { position, envelope, scope, size_bytes, renderer, renderings }
    }

    /// Its channel and its place there.
    pub(super) fn place(&self) -> Option<(ChannelId, i64)> {
        self.scope.place(&self.envelope)
    }

    /// The same event, for a reader who holds another cursor after it.
    pub(super) fn at(&self, position: Position) -> Self {
        let (scope, size_bytes) = (self.scope, self.size_bytes);
        Self::new(self.renderer.clone(), position, scope, self.envelope.clone(), size_bytes)
    }

    /// What all readers with this lens share of it; none when the lens shows nothing of it.
    #[must_use]
    pub fn bytes(&self, lens: usize) -> Option<&Bytes> {
        self.renderings
            .get(lens)?
            .get_or_init(|| self.renderer.render(self.position, &self.envelope, lens))
            .as_ref()
    }
}

impl<R: Renderer> fmt::Debug for Delivery<R> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Delivery")
            .field("position", &self.position)
            .field("event", &self.envelope.event.name())
            .finish_non_exhaustive()
    }
}

/// Whom an event concerns.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Scope {
    /// Everybody in a community.
    Community(CommunityId),
    /// Everybody who has joined a channel.
    Channel(Option<CommunityId>, ChannelId),
    /// One person.
    Person(UserId),
}

impl Scope {
    /// The subject says who may read, the envelope only narrows it. None for subjects the stream does not hold.
    pub(super) fn of(subject: Subject, envelope: &Envelope) -> Option<Self> {
        match subject {
            Subject::Notifications(user) => Some(Self::Person(user)),
            Subject::Dm(channel) => Some(Self::Channel(None, channel)),
            Subject::Events(community) => Some(match envelope.channel_id {
                None => Self::Community(community),
                Some(_) if is_about_public_channel(&envelope.event) => Self::Community(community),
                Some(channel) => Self::Channel(Some(community), channel),
            }),
            Subject::Typing(..) | Subject::TypingDm(_) | Subject::Presence(_) => None,
        }
    }

    /// The channel of an event and its place there; none for what has no place in a channel.
    pub(super) fn place(self, envelope: &Envelope) -> Option<(ChannelId, i64)> {
        envelope.channel_id.zip(envelope.seq).filter(|_| !matches!(self, Self::Person(_)))
    }
}

/// Public channels are listed for the whole community, so their life concerns all of it.
fn is_about_public_channel(event: &Event) -> bool {
    match event {
        Event::ChannelCreated(change)
        | Event::ChannelUpdated(change)
        | Event::ChannelArchived(change)
        | Event::ChannelUnarchived(change) => change.channel.visibility == Visibility::Public,
        _ => false,
    }
}

/// Whom an event names: membership events reach these people in any case.
pub(super) fn named(event: &Event) -> &[UserId] {
    match event {
        Event::MemberJoined(change)
        | Event::MemberLeft(change)
        | Event::MemberRemoved(change)
        | Event::MemberUpdated(change) => slice::from_ref(&change.user_id),
        Event::ChannelCreated(change) => &change.member_ids,
        _ => &[],
    }
}
