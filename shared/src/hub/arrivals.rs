//! Questions to the api about readers who arrive: one at a time for one token, few at once for all.
//!
//! When another instance dies, all of its readers come here together. The first with a token asks; those who come with it meanwhile wait
//! and find what the first has learned.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, Weak};
use std::time::Duration;

use tokio::sync::{Mutex as Turn, OwnedMutexGuard, OwnedSemaphorePermit, Semaphore};
use tokio::time::timeout;

use super::sessions::Token;
use super::shared::lock;

/// Questions at once: enough to keep the api busy, too few to take all of its database connections.
pub(super) const AT_ONCE_MAX: usize = 12;
/// How long somebody waits for a turn.
const PATIENCE: Duration = Duration::from_secs(8);

/// The right to ask, until it is dropped.
#[derive(Debug)]
pub struct Arrival {
    _turn: OwnedMutexGuard<()>,
    permit: Option<OwnedSemaphorePermit>,
}

impl Arrival {
    /// The api has answered: others may ask. Those with the same token wait until this is dropped.
    pub fn answered(&mut self) {
        self.permit = None;
    }
}

pub(super) struct Arrivals {
    turns: Mutex<HashMap<Token, Weak<Turn<()>>>>,
    places: Arc<Semaphore>,
}

impl Default for Arrivals {
    fn default() -> Self {
        Self { turns: Mutex::default(), places: Arc::new(Semaphore::new(AT_ONCE_MAX)) }
    }
}

impl Arrivals {
    /// Waits for this token's turn. None if that takes too long.
    pub(super) async fn turn(&self, token: &Token) -> Option<Arrival> {
        let turn = {
            let mut turns = lock(&self.turns);
            turns.retain(|_, turn| turn.strong_count() > 0);
            let known = turns.get(token).and_then(Weak::upgrade);
            known.unwrap_or_else(|| {
                let turn = Arc::default();
                turns.insert(token.clone(), Arc::downgrade(&turn));
                turn
            })
        };
        let turn = timeout(PATIENCE, turn.lock_owned()).await.ok()?;
        Some(Arrival { _turn: turn, permit: None })
    }

    /// Waits for a place among those who ask. False if that takes too long.
    pub(super) async fn place(&self, arrival: &mut Arrival) -> bool {
        let place = timeout(PATIENCE, self.places.clone().acquire_owned()).await;
        arrival.permit = place.ok().and_then(Result::ok);
        arrival.permit.is_some()
    }
}
