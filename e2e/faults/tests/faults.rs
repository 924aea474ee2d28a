//! All fault tests, in one program. Each bears the number of its row in delivery-and-security.md section 4.

use std::error::Error;
use std::sync::Arc;
use std::time::{Duration, Instant};

use ajet_faults::{
    Audience, Killed, Ledger, Report, Stack, Town, Truth, Writer, Written, kills, seed, strike,
};
use futures::future::try_join_all;

const WRITERS: usize = 5;
const READERS: usize = 6;
const BROWSERS: usize = 4;
/// Messages and kills of a run, and of a long one (`AJET_FAULT_LONG` is set). Source: delivery-and-security.md F1.
const SHORT: (usize, usize) = (2_000, 10);
const LONG: (usize, usize) = (10_000, 50);
/// About fifty messages a second in all: a busy team, and every kill meets some that are under way.
const PACE: Duration = Duration::from_millis(100);

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn f01_random_kills_of_everything_lose_nothing() -> Result<(), Box<dyn Error>> {
    let seed = seed()?;
    println!("seed {seed}");
    let stack = Stack::surrounding()?;
    let town = Town::found(&stack, WRITERS, READERS + BROWSERS).await?;
    let mut audience = Audience::open(&town, BROWSERS).await?;
    let since = Truth::read(&stack).await?.so_far(&town.channels);

    let ledger = Arc::new(Ledger::default());
    let begun = Instant::now();
    let (written, killed) = write_under_fire(&stack, &town, &ledger, seed).await?;
    let took = begun.elapsed();

    let truth = Truth::read(&stack).await?;
    let witness = audience.testify(&ledger, &truth, &since).await?;
    println!(
        "{}",
        Report { seed, took, killed, posts: ledger.posts(), written, truth, witness: &witness }
    );
    if !witness.findings.are_none() {
        let logs = std::env::temp_dir().join(format!("ajet-faults-{seed}"));
        stack.keep_logs(&logs)?;
        panic!("seed {seed}: see above; the logs are in {}", logs.display());
    }
    stack.verify().await?;
    Ok(())
}

/// Everybody writes while processes are killed.
async fn write_under_fire(
    stack: &Stack,
    town: &Town,
    ledger: &Arc<Ledger>,
    seed: u64,
) -> anyhow::Result<(Vec<Written>, Vec<Killed>)> {
    let (posts, faults) = if std::env::var_os("AJET_FAULT_LONG").is_some() { LONG } else { SHORT };
    let plan = kills(seed, &stack.processes()?, faults, posts);
    let writing = try_join_all(writers(town, ledger, seed).into_iter().map(async |writer| {
        let writing = tokio::spawn(writer.write(posts / WRITERS, PACE));
        writing.await?
    }));
    let outcome = tokio::try_join!(writing, strike(stack, ledger, plan))?;
    assert_eq!(ledger.posts().len(), posts);
    Ok(outcome)
}

fn writers(town: &Town, ledger: &Arc<Ledger>, seed: u64) -> Vec<Writer> {
    let names: Vec<String> = town.readers.iter().map(|reader| reader.name.clone()).collect();
    let writers = town.writers.iter().zip(1..).map(|(person, number): (_, u64)| {
        let (channels, names) = (town.channels.clone(), names.clone());
        Writer::new(person.clone(), channels, names, ledger.clone(), seed ^ (number << 32))
    });
    writers.collect()
}
