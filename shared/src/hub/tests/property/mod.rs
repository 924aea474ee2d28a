//! Nobody ever gets what they may not see, and everybody gets all the rest, once and in order: over random towns, and with the hub's own
//! pump, connections and keepers. Only the server is not there: the stream is put in by hand.
//!
//! `town` is the truth and the oracle, `reader` a client and what it has a right to expect; neither knows how the hub does it. A world
//! that fails names its seed: `AJET_FAULT_SEED=<seed>` begins with that one.

mod reader;
mod town;

use std::collections::HashSet;
use std::sync::{Arc, Mutex};

use futures::channel::oneshot;
use rand::RngExt as _;
use rand::seq::IndexedRandom as _;
use tokio::runtime::Runtime;

use super::following::{delivered, hub};
use super::world::Plain;
use crate::bus::{Delivered, StreamState};
use crate::hub::pump::Pump;
use crate::hub::shared::Shared;
use crate::id::UserId;
use crate::position::Position;
use crate::sync::Reach;
use reader::Client;
use town::Town;

const WORLDS: u64 = 60;
const STEPS: usize = 300;

#[test]
fn readers_see_what_they_may_and_nothing_else() {
    let seed = std::env::var("AJET_FAULT_SEED").ok();
    let first: u64 =
        seed.map_or(0, |seed| seed.parse().expect("AJET_FAULT_SEED is a whole number"));
    for seed in first..first + WORLDS {
        Play::new(seed).run();
    }
}

/// A question to the api under way: its cursor is read first, then what is true, and then the answer travels.
struct Ask {
    user: UserId,
    cursor: Option<Position>,
    reach: Option<Reach>,
    answer: oneshot::Sender<Reach>,
}

type Asks = Arc<Mutex<Vec<Ask>>>;

struct Play {
    runtime: Runtime,
    shared: Arc<Shared<Plain>>,
    pump: Pump<Plain>,
    town: Town,
    /// What the stream holds, each event with the epoch it was published in.
    stream: Vec<(i32, usize)>,
    epoch: i32,
    /// What the pump reads next.
    next: usize,
    /// Missing events that the pump waits for no longer.
    skipped: HashSet<usize>,
    clients: Vec<Client>,
    asks: Asks,
}

impl Play {
    fn new(seed: u64) -> Self {
        let (runtime, shared) = hub();
        let mut play = Self {
            pump: Pump::new(shared.clone()),
            runtime,
            shared,
            town: Town::new(seed),
            stream: Vec::new(),
            epoch: 1,
            next: 1,
            skipped: HashSet::new(),
            clients: Vec::new(),
            asks: Asks::default(),
        };
        play.begin();
        play
    }

    fn run(mut self) {
        for _ in 0..STEPS {
            self.step();
            self.settle();
        }
        self.come_to_rest();
        for client in &self.clients {
            client.expect_everything(&self.town, self.epoch == 1);
        }
    }

    fn step(&mut self) {
        self.town.step += 1;
        match self.town.random.random_range(0..100) {
            0..30 => self.town.act(),
            30..50 => self.publish(),
            50..68 => self.take(),
            68..70 => self.give_up_gap(),
            70 => self.lose(),
            71 => self.begin(),
            72..80 => self.answer(),
            80..84 if self.clients.len() < 8 => {
                let at = self.shared.position();
                let cursor = self.end();
                self.clients.push(Client::load(&mut self.town, at, cursor));
            }
            84..88 => {
                if let Some(n) = self.any_client() {
                    self.clients[n].leave();
                }
            }
            88..94 => {
                if let Some(n) = self.any_client() {
                    self.clients[n].open(&self.town, &self.runtime, &self.shared, &self.asks);
                }
            }
            _ => {
                if let Some(n) = self.any_client() {
                    self.clients[n].read(&self.town);
                }
            }
        }
    }

    fn any_client(&mut self) -> Option<usize> {
        let all: Vec<usize> = (0..self.clients.len()).collect();
        all.choose(&mut self.town.random).copied()
    }

    /// The end of the stream: the cursor of whoever asks the api now.
    fn end(&self) -> Position {
        Position { epoch: self.epoch, seq: self.stream.len() as u64 }
    }

    /// The relay publishes something.
    fn publish(&mut self) {
        for _ in 0..self.town.random.random_range(1..4) {
            if let Some(fact) = self.town.next_to_publish(self.epoch) {
                self.stream.push((self.epoch, fact));
            }
        }
    }

    /// The pump gets something.
    fn take(&mut self) {
        for _ in 0..self.town.random.random_range(1..6) {
            self.take_one();
        }
    }

    fn take_one(&mut self) {
        let Some((epoch, fact)) = self.stream.get(self.next - 1).copied() else { return };
        let of = &self.town.facts[fact];
        let event = delivered(self.next as u64, epoch, of.subject, &of.envelope);
        self.pump.take(&Delivered { again: of.again, ..event });
        self.next += 1;
        self.note_processed();
    }

    /// What the hub has handed out by now.
    fn note_processed(&mut self) {
        let position = self.shared.position();
        let up_to = usize::try_from(position.seq).unwrap();
        for (_, fact) in self.stream.iter().take(up_to).rev() {
            if !self.skipped.contains(fact) {
                self.town.processed(*fact);
            }
        }
    }

    fn give_up_gap(&mut self) {
        let Some((channel, missing)) = self.pump.missing() else { return };
        let place = |fact: usize| {
            let envelope = &self.town.facts[fact].envelope;
            envelope.seq.filter(|_| envelope.channel_id == Some(channel))
        };
        let position = usize::try_from(self.shared.position().seq).unwrap();
        let waits = self.stream[position..self.next - 1].iter().find_map(|(_, fact)| place(*fact));
        let late = |fact: &usize| {
            place(*fact).is_some_and(|seq| seq >= missing && waits.is_some_and(|waits| seq < waits))
        };
        self.skipped.extend((0..self.town.facts.len()).filter(late));
        self.pump.give_up_gap();
        self.note_processed();
    }

    /// The stream loses its end, or everything; the relay begins a new epoch and publishes it again.
    fn lose(&mut self) {
        let held = self.stream.len();
        let kept = match self.town.random.random_range(0..4) {
            0 => 0,
            1 => held,
            _ => self.town.random.random_range(held.saturating_sub(20)..=held),
        };
        let lost: Vec<usize> = self.stream.split_off(kept).iter().map(|(_, fact)| *fact).collect();
        // The relay may die before it has noted the last of what it published.
        let mut noted = lost.len();
        if self.town.random.random_bool(0.3) {
            noted = self.town.random.random_range(0..=noted);
        }
        self.town.lose(&lost, noted);
        self.epoch += 1;
        if kept < held || self.town.random.random_bool(0.5) {
            self.publish();
            self.begin();
        }
    }

    /// The pump's connection breaks, and it looks where the stream is.
    fn begin(&mut self) {
        self.pump.forget_held();
        let was = self.shared.position();
        let last_seq = self.stream.len() as u64;
        let state = StreamState { epoch: Some(self.epoch), first_seq: 1, last_seq };
        self.next = usize::try_from(self.pump.begin(&state)).unwrap();
        // Nobody tells the hub what it goes past here.
        if self.shared.position() != was {
            let passed = self.stream[..self.next - 1].iter().map(|(_, fact)| *fact);
            self.skipped = passed.collect();
        }
    }

    /// A question to the api gets a step further.
    fn answer(&mut self) {
        let (end, mut asks) = (self.end(), self.asks.lock().unwrap());
        if asks.is_empty() {
            return;
        }
        let n = self.town.random.random_range(0..asks.len());
        let ask = &mut asks[n];
        match (ask.cursor, &ask.reach) {
            (None, _) => ask.cursor = Some(end),
            (Some(cursor), None) => ask.reach = Some(self.town.reach(ask.user, cursor)),
            (Some(_), Some(_)) => {
                let ask = asks.swap_remove(n);
                // Whoever asked may be gone.
                let _ = ask.answer.send(ask.reach.unwrap());
            }
        }
    }

    /// Whatever the hub has to do, it does; and whatever it hands out, somebody looks at.
    fn settle(&mut self) {
        self.runtime.block_on(async {
            for _ in 0..12 {
                tokio::task::yield_now().await;
            }
        });
        for client in &mut self.clients {
            client.look(&self.runtime, &self.town);
        }
    }

    /// Everything arrives everywhere, and then two more messages in each room.
    fn come_to_rest(&mut self) {
        for _ in 0..2 {
            self.bring_all();
            self.town.write_everywhere();
        }
        self.bring_all();
    }

    /// Whoever was sent away comes back, every question is answered, and nothing is left of the stream.
    fn bring_all(&mut self) {
        while let Some(fact) = self.town.next_to_publish(self.epoch) {
            self.stream.push((self.epoch, fact));
        }
        // More than enough: each round takes an event, and what does not come is given up in the same.
        for _ in 0..10 * (self.stream.len() + 100) {
            self.town.step += 1;
            self.take_one();
            self.settle();
            if self.next > self.stream.len() {
                self.give_up_gap();
            }
            for client in &mut self.clients {
                client.open(&self.town, &self.runtime, &self.shared, &self.asks);
            }
            self.settle();
            // An answer takes three steps, and whoever gets one may ask again.
            for _ in 0..1_000 {
                self.answer();
                self.settle();
                if self.asks.lock().unwrap().is_empty() {
                    break;
                }
            }
            self.clients.iter_mut().for_each(|client| client.read(&self.town));
            let is_here = |client: &Client| client.is_here();
            if self.next > self.stream.len()
                && self.pump.missing().is_none()
                && self.clients.iter().all(is_here)
            {
                return;
            }
        }
        let away = self.clients.iter().filter(|client| !client.is_here()).count();
        panic!(
            "seed {}: no rest: {} of {} events taken, {:?} missing, {away} clients away",
            self.town.seed,
            self.next - 1,
            self.stream.len(),
            self.pump.missing(),
        );
    }
}
