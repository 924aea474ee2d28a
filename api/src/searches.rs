//! Who is searching: two searches of one person at a time (delivery-and-security.md section 3.7), so that nobody takes all connections
//! to the database.

use std::collections::HashMap;
use std::collections::hash_map::Entry;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use ajet_shared::id::UserId;

/// Searches of one person at a time.
const AT_ONCE_MAX: u8 = 2;

/// The searches under way.
#[derive(Clone, Debug, Default)]
pub(crate) struct Searches(Arc<Mutex<HashMap<UserId, u8>>>);

/// A search under way; dropping it ends it.
#[derive(Debug)]
pub(crate) struct Turn {
    searches: Searches,
    user_id: UserId,
}

impl Searches {
    /// Begins a search, unless there are enough.
    pub(crate) fn begin(&self, user_id: UserId) -> Option<Turn> {
        let mut under_way = self.lock();
        let count = under_way.entry(user_id).or_default();
        if *count >= AT_ONCE_MAX {
            return None;
        }
        *count += 1;
        drop(under_way);
        Some(Turn { searches: self.clone(), user_id })
    }

    fn lock(&self) -> MutexGuard<'_, HashMap<UserId, u8>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Drop for Turn {
    fn drop(&mut self) {
        if let Entry::Occupied(mut entry) = self.searches.lock().entry(self.user_id) {
            *entry.get_mut() -= 1;
            if *entry.get() == 0 {
                entry.remove();
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn two_at_a_time_for_each_and_nothing_stays_behind() {
        let searches = Searches::default();
        let (ann, ben) = (UserId::new(), UserId::new());
        let (first, second) = (searches.begin(ann).unwrap(), searches.begin(ann).unwrap());
        assert!(searches.begin(ann).is_none());
        assert!(searches.begin(ben).is_some(), "somebody else is not held up");
        drop(first);
        assert!(searches.begin(ann).is_some());
        drop(second);
        assert!(searches.lock().is_empty());
    }
}
