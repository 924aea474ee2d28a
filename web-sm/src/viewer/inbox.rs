//! What the reader is told of: the number beside "Activity", and the list where it is on show.

use std::collections::VecDeque;

use ajet_shared::events::{Envelope, Event, Notification, NotificationsRead};
use ajet_shared::id::{MessageId, NotificationId};
use ajet_shared::message::Message;

use super::Viewer;
use crate::frames::{Frames, Mode};
use crate::view::activity::Note;
use crate::view::render;

/// The newest notifications that were counted. They have no place in a channel by which one that comes twice could be told, and after a
/// loss in the stream it may come twice.
#[derive(Debug, Default)]
pub(super) struct Counted(VecDeque<NotificationId>);

impl Counted {
    const MAX: usize = 200;

    /// Takes one in; false where it is known.
    fn is_new(&mut self, id: NotificationId) -> bool {
        if self.0.contains(&id) {
            return false;
        }
        if self.0.len() == Self::MAX {
            self.0.pop_front();
        }
        self.0.push_back(id);
        true
    }
}

impl Viewer {
    /// One more.
    pub(super) fn notified(&mut self, notification: &Notification, frames: &mut Frames) {
        if self.counted.is_new(notification.id) && !notification.read {
            self.world.sync.unread_notifications += 1;
            frames.outer(&self.world.inbox());
        }
    }

    /// So many there are.
    pub(crate) fn recounted(&mut self, unread: i64, frames: &mut Frames) {
        if self.world.sync.unread_notifications != unread {
            self.world.sync.unread_notifications = unread;
            frames.outer(&self.world.inbox());
        }
    }

    /// Some were seen, here or elsewhere.
    pub(super) fn seen(&mut self, read: &NotificationsRead, frames: &mut Frames) {
        self.world.sync.unread_notifications = read.unread;
        frames.outer(&self.world.inbox());
        if self.world.activity.is_none() {
            return;
        }
        match &read.ids {
            Some(ids) => {
                for id in ids {
                    frames.remove(format_args!("#notification-{id} .dot"));
                }
            }
            None => {
                frames.remove("#notification-list .dot");
            }
        }
    }

    /// A message is gone: the list does not go on quoting it.
    pub(super) fn withdrawn(&self, id: MessageId, frames: &mut Frames) {
        if self.world.activity.is_some() {
            frames.remove(format_args!("#notification-list > [data-message=\"{id}\"]"));
        }
    }

    /// The notification that this event has brought, where the list shows its kind. Its text is not in the event.
    pub(crate) fn news<'e>(&self, envelope: &'e Envelope) -> Option<&'e Notification> {
        let Event::NotificationCreated(notification) = &envelope.event else { return None };
        self.world.activity.filter(|show| show.has(notification.kind)).map(|_| notification)
    }

    /// Puts it on top of the list.
    pub(crate) fn noted(
        &self,
        notification: &Notification,
        message: Option<&Message>,
        frames: &mut Frames,
    ) {
        let note = Note::new(&self.world, notification, message);
        // A replay brings what the page has already.
        frames.remove(format_args!("#notification-{}", notification.id));
        frames.remove("#notification-none");
        frames.patch(Mode::Prepend, "#notification-list", &render(&note));
    }
}
