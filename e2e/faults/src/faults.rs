//! Faults, drawn from a seed and brought about while others write.

use std::time::{Duration, Instant};

use nix::sys::signal::Signal;
use rand::rngs::StdRng;
use rand::seq::SliceRandom as _;
use rand::{RngExt as _, SeedableRng as _};

use crate::{Ledger, Load, Stack};

/// A process to kill when so many messages have been acknowledged.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Kill {
    /// Messages.
    pub after: usize,
    /// The process.
    pub process: String,
}

/// A process that was killed.
#[derive(Clone, Debug)]
pub struct Killed {
    /// What was planned.
    pub kill: Kill,
    /// When.
    pub at: Instant,
    /// How long until there was a new process.
    pub started_again: Duration,
    /// How long until the next message was acknowledged.
    pub next_answer: Duration,
}

/// Draws `count` kills, spread by chance over a run of `posts` messages. Every process has its turn before one comes again.
#[must_use]
pub fn kills(seed: u64, processes: &[String], count: usize, posts: usize) -> Vec<Kill> {
    let mut random = StdRng::seed_from_u64(seed);
    let mut victims = Vec::with_capacity(count + processes.len());
    while victims.len() < count && !processes.is_empty() {
        let mut round = processes.to_vec();
        round.shuffle(&mut random);
        victims.append(&mut round);
    }
    // Some come close together, some far apart; at the very end nobody writes any more.
    let mut times: Vec<usize> =
        (0..count).map(|_| random.random_range(posts / 50..posts * 19 / 20)).collect();
    times.sort_unstable();
    times.into_iter().zip(victims).map(|(after, process)| Kill { after, process }).collect()
}

/// Kills by plan, with `kill -9`; one need not have recovered when the next one comes.
pub async fn strike(
    stack: &Stack,
    load: &mut Load,
    plan: Vec<Kill>,
) -> anyhow::Result<Vec<Killed>> {
    let ledger = load.ledger.clone();
    let kills = plan.into_iter().map(|kill| one(stack, &ledger, kill));
    load.meanwhile(futures::future::try_join_all(kills)).await
}

async fn one(stack: &Stack, ledger: &Ledger, kill: Kill) -> anyhow::Result<Killed> {
    ledger.reaches(kill.after).await;
    let answered = ledger.posts().len();
    let begun = Instant::now();
    let pid = stack.signal(&kill.process, Signal::SIGKILL)?;
    let started_again = stack.started_again(&kill.process, pid).await?;
    ledger.reaches(answered + 1).await;
    Ok(Killed { kill, at: begun, started_again, next_answer: begun.elapsed() })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_seed_always_draws_the_same_kills_and_everybody_has_a_turn() {
        let processes: Vec<String> = (0..9).map(|number| format!("p{number}")).collect();
        let plan = kills(7, &processes, 10, 2_000);
        assert_eq!(plan, kills(7, &processes, 10, 2_000));
        assert_ne!(plan, kills(8, &processes, 10, 2_000));
        assert_eq!(plan.len(), 10);
        for process in &processes {
            assert!(plan.iter().any(|kill| kill.process == *process), "{process}");
        }
        assert!(plan.iter().all(|kill| kill.after < 2_000));
        assert!(plan.is_sorted_by_key(|kill| kill.after));
    }
}
