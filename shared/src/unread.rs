//! How many notifications somebody has not seen, whatever order the news about them comes in.
//!
//! A number alone cannot be kept right by events: what was committed before it was read may come by the stream after it, and of two
//! events that were written side by side either may be told first. Ids can: each is counted once, and never again after it was seen.

use std::collections::{HashSet, VecDeque};

use crate::events::{Notification, NotificationsRead};
use crate::id::NotificationId;

/// Ids that are remembered after they were seen or counted, so that late news of them changes nothing.
const KNOWN_MAX: usize = 400;

/// The unread notifications of one reader, as one client knows them.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Unread {
    total: i64,
    /// Those that are known by name: all of them, or the newest ones where there are very many.
    named: HashSet<NotificationId>,
    known: VecDeque<NotificationId>,
}

impl Unread {
    /// What the server answered: how many, and which are the newest of them.
    #[must_use]
    pub fn new(total: i64, newest: &[NotificationId]) -> Self {
        let mut unread = Self { total, named: newest.iter().copied().collect(), ..Self::default() };
        for id in newest.iter().rev() {
            unread.note(*id);
        }
        unread
    }

    /// How many there are.
    #[must_use]
    pub const fn total(&self) -> i64 {
        self.total
    }

    /// The newest of them, the newest first.
    pub fn newest(&self) -> impl Iterator<Item = NotificationId> {
        self.known.iter().rev().filter(|id| self.named.contains(id)).copied()
    }

    /// There is one more; false if it is known already, counted or seen.
    pub fn created(&mut self, notification: &Notification) -> bool {
        let is_new = self.note(notification.id);
        if is_new && !notification.read {
            self.named.insert(notification.id);
            self.total += 1;
        }
        is_new
    }

    /// Some, or all, were seen.
    pub fn read(&mut self, read: &NotificationsRead) {
        let all_named = self.is_whole();
        let Some(ids) = &read.ids else {
            self.named.clear();
            self.total = read.unread;
            return;
        };
        for id in ids {
            self.named.remove(id);
            self.note(*id);
        }
        // The number in the event was counted beside others that were being written: where every one is known by name it is not needed.
        self.total =
            if all_named { i64::try_from(self.named.len()).unwrap_or(0) } else { read.unread };
    }

    fn is_whole(&self) -> bool {
        usize::try_from(self.total).is_ok_and(|total| total == self.named.len())
    }

    fn note(&mut self, id: NotificationId) -> bool {
        if self.known.contains(&id) {
            return false;
        }
        if self.known.len() == KNOWN_MAX {
            // One that is forgotten is not known by name any more: from here on the server's numbers count.
            if let Some(forgotten) = self.known.pop_front() {
                self.named.remove(&forgotten);
            }
        }
        self.known.push_back(id);
        true
    }
}

#[cfg(test)]
mod tests {
    use time::OffsetDateTime;

    use super::*;
    use crate::events::NotificationKind;

    fn told(id: NotificationId) -> Notification {
        Notification {
            id,
            kind: NotificationKind::Mention,
            community_id: None,
            channel_id: None,
            message_id: None,
            actor: None,
            read: false,
            created_at: OffsetDateTime::UNIX_EPOCH,
        }
    }

    fn seen(ids: &[NotificationId], unread: i64) -> NotificationsRead {
        NotificationsRead { ids: Some(ids.to_vec()), unread }
    }

    #[test]
    fn what_the_first_answer_holds_is_not_counted_when_it_comes_by_the_stream() {
        let [one, two] = [(); 2].map(|()| NotificationId::new());
        let mut unread = Unread::new(1, &[one]);
        assert!(!unread.created(&told(one)));
        assert_eq!(unread.total(), 1);
        assert!(unread.created(&told(two)) && !unread.created(&told(two)));
        assert_eq!(unread.total(), 2);
        assert_eq!(unread.newest().collect::<Vec<_>>(), [two, one]);
    }

    #[test]
    fn of_two_events_written_side_by_side_either_may_come_first() {
        let [old, new] = [(); 2].map(|()| NotificationId::new());
        // The reader sees `old` while `new` is being written. The event of the one may hold the other's count, or not.
        for counted in [0, 1] {
            for read_first in [false, true] {
                let mut unread = Unread::new(1, &[old]);
                if read_first {
                    unread.read(&seen(&[old], counted));
                }
                unread.created(&told(new));
                if !read_first {
                    unread.read(&seen(&[old], counted));
                }
                assert_eq!(unread.total(), 1, "counted {counted}, read first {read_first}");
            }
        }
        let mut unread = Unread::default();
        unread.read(&seen(&[new], 0));
        assert!(!unread.created(&told(new)), "seen elsewhere before it was told here");
        assert_eq!(unread.total(), 0);
    }

    #[test]
    fn of_very_many_the_server_keeps_the_number() {
        let ids: Vec<_> = (0..200).map(|_| NotificationId::new()).collect();
        let mut unread = Unread::new(700, &ids);
        unread.read(&seen(&ids[..10], 690));
        assert_eq!(unread.total(), 690);
        unread.created(&told(NotificationId::new()));
        assert_eq!(unread.total(), 691);
        unread.read(&NotificationsRead { ids: None, unread: 0 });
        assert_eq!((unread.total(), unread.newest().count()), (0, 0));
        let mut many = Unread::default();
        for _ in 0..500 {
            many.created(&told(NotificationId::new()));
        }
        assert_eq!(many.total(), 500);
        many.read(&seen(&[], 500));
        assert_eq!(many.total(), 500, "not all are known by name");
    }
}
