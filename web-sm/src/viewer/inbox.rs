//! What the reader is told of: the number beside "Activity", and the list where it is on show.

use ajet_shared::events::{Envelope, Event, Notification, NotificationsRead};
use ajet_shared::id::MessageId;
use ajet_shared::message::Message;

use super::Viewer;
use crate::frames::{Frames, Mode};
use crate::view::activity::Note;
use crate::view::render;

impl Viewer {
    /// One more.
    pub(super) fn notified(&mut self, notification: &Notification, frames: &mut Frames) {
        if self.unread.created(notification) {
            self.number(frames);
        }
    }

    /// So many there are.
    fn number(&mut self, frames: &mut Frames) {
        self.world.sync.unread_notifications = self.unread.total();
        frames.outer(&self.world.inbox());
    }

    /// Some were seen, here or elsewhere.
    pub(super) fn seen(&mut self, read: &NotificationsRead, frames: &mut Frames) {
        self.unread.read(read);
        self.number(frames);
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
