//! What the names of a community's members look like, remembered for a minute: senders bring a name with every delivery, and reading
//! all members for each would take longer than the rest of it.
//!
//! Whoever comes or takes another name meanwhile is protected a minute later.

use std::collections::{HashMap, HashSet};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use ajet_shared::db::webhooks;
use ajet_shared::id::CommunityId;
use ajet_shared::lookalike::skeleton;
use sqlx::PgPool;

/// How long a community's names are remembered.
const KEPT: Duration = Duration::from_mins(1);

/// The communities whose webhooks brought a name of late.
#[derive(Clone, Debug, Default)]
pub(crate) struct Looks(Arc<Mutex<HashMap<CommunityId, Seen>>>);

#[derive(Clone, Debug)]
struct Seen {
    at: Instant,
    looks: Arc<HashSet<String>>,
}

impl Looks {
    /// A name that looks like one of a member.
    pub(crate) async fn resembles_member(
        &self,
        db: &PgPool,
        community_id: CommunityId,
        name: &str,
    ) -> Result<bool, sqlx::Error> {
        let look = skeleton(name);
        if look.is_empty() {
            return Ok(false);
        }
        if let Some(looks) = self.known(community_id, Instant::now()) {
            return Ok(looks.contains(&look));
        }
        let names = webhooks::member_names(&mut *db.acquire().await?, community_id).await?;
        // Thousands of names keep a thread busy for a while.
        let looks = tokio::task::spawn_blocking(move || {
            names.iter().map(|name| skeleton(name)).collect::<HashSet<_>>()
        });
        let looks = looks.await.map_err(|error| sqlx::Error::Io(std::io::Error::other(error)))?;
        let resembles = looks.contains(&look);
        self.learn(community_id, looks, Instant::now());
        Ok(resembles)
    }

    fn known(&self, community_id: CommunityId, now: Instant) -> Option<Arc<HashSet<String>>> {
        let seen = self.lock().get(&community_id).cloned()?;
        (now.duration_since(seen.at) < KEPT).then_some(seen.looks)
    }

    /// Remembers a community's names, and forgets those that are too old.
    fn learn(&self, community_id: CommunityId, looks: HashSet<String>, now: Instant) {
        let mut all = self.lock();
        all.retain(|_, seen| now.duration_since(seen.at) < KEPT);
        all.insert(community_id, Seen { at: now, looks: Arc::new(looks) });
    }

    fn lock(&self) -> MutexGuard<'_, HashMap<CommunityId, Seen>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_known_for_a_minute_and_then_forgotten() {
        let (looks, now) = (Looks::default(), Instant::now());
        let (one, other) = (CommunityId::new(), CommunityId::new());
        looks.learn(one, HashSet::from([skeleton("Ann")]), now);
        assert!(looks.known(one, now).unwrap().contains(&skeleton("ANN")));
        assert!(looks.known(other, now).is_none());
        let later = now + KEPT;
        assert!(looks.known(one, later).is_none());
        looks.learn(other, HashSet::new(), later);
        assert_eq!(looks.lock().len(), 1, "what is old takes no room");
    }
}
