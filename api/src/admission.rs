//! Who may hold a connection to post: a few for each channel, so that one channel that is locked, or merely busy, does not take all
//! connections to the database from the others (delivery-and-security.md F15).
//!
//! Posts of one channel are written one after the other anyway: each holds the channel's row until it is committed.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use ajet_shared::id::ChannelId;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};

/// Posts of one channel that hold a connection at a time: one that writes, and some whose rights are looked up meanwhile.
const AT_ONCE_MAX: usize = 4;
/// Posts of one channel that are here at a time, most of them waiting.
const HERE_MAX: usize = 256;
/// How long one waits. With twice the second that a post waits for its row (`db::posting`) that is less than what a page waits for
/// the api.
const PATIENCE: Duration = Duration::from_millis(900);

/// The posts that are under way.
#[derive(Clone, Debug, Default)]
pub(crate) struct Posts(Arc<Mutex<HashMap<ChannelId, Queue>>>);

/// Those of one channel.
#[derive(Debug)]
struct Queue {
    here: usize,
    turns: Arc<Semaphore>,
}

/// A post that may hold a connection; dropping it lets the next one.
#[derive(Debug)]
pub(crate) struct Turn {
    _permit: OwnedSemaphorePermit,
    _place: Place,
}

/// A post that is here; dropping it takes it away.
#[derive(Debug)]
struct Place {
    posts: Posts,
    channel_id: ChannelId,
}

impl Posts {
    /// Waits for a turn; none if too many wait, or it takes too long.
    pub(crate) async fn admit(&self, channel_id: ChannelId) -> Option<Turn> {
        let (place, turns) = self.enter(channel_id)?;
        let permit = tokio::time::timeout(PATIENCE, turns.acquire_owned()).await.ok()?.ok()?;
        Some(Turn { _permit: permit, _place: place })
    }

    fn enter(&self, channel_id: ChannelId) -> Option<(Place, Arc<Semaphore>)> {
        let mut queues = self.lock();
        let queue = queues
            .entry(channel_id)
            .or_insert_with(|| Queue { here: 0, turns: Arc::new(Semaphore::new(AT_ONCE_MAX)) });
        if queue.here >= HERE_MAX {
            return None;
        }
        queue.here += 1;
        Some((Place { posts: self.clone(), channel_id }, queue.turns.clone()))
    }

    fn lock(&self) -> MutexGuard<'_, HashMap<ChannelId, Queue>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        let mut queues = self.posts.lock();
        if let Some(queue) = queues.get_mut(&self.channel_id) {
            queue.here -= 1;
            if queue.here == 0 {
                queues.remove(&self.channel_id);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test(start_paused = true)]
    async fn a_channel_has_its_turns_and_leaves_those_of_others_alone() {
        let posts = Posts::default();
        let (busy, quiet) = (ChannelId::new(), ChannelId::new());
        let mut turns = Vec::new();
        for _ in 0..AT_ONCE_MAX {
            turns.push(posts.admit(busy).await.unwrap());
        }
        assert!(posts.admit(busy).await.is_none(), "waited in vain");
        assert!(posts.admit(quiet).await.is_some());
        let (next, ()) = tokio::join!(posts.admit(busy), async { drop(turns.pop()) });
        assert!(next.is_some(), "the next one has its turn");
        drop((next, turns));
        assert!(posts.lock().is_empty(), "nothing stays behind");
    }

    #[tokio::test(start_paused = true)]
    async fn a_crowd_is_sent_away_at_once() {
        let posts = Posts::default();
        let channel_id = ChannelId::new();
        let all = futures::future::join_all((0..HERE_MAX + 10).map(|_| async {
            let begun = tokio::time::Instant::now();
            (posts.admit(channel_id).await, begun.elapsed())
        }));
        let all = all.await;
        let at_once = all.iter().filter(|(turn, took)| turn.is_none() && took.is_zero()).count();
        assert_eq!(at_once, 10);
        assert_eq!(all.iter().filter(|(turn, _)| turn.is_some()).count(), AT_ONCE_MAX);
    }
}
