//! The summary of a run, for people.

use crate::Witness;
use crate::faults::Killed;
use crate::load::Ended;
use std::fmt;

/// Sentences of one kind that are worth printing.
const SENTENCES_MAX: usize = 12;

/// What happened in a run, and what is wrong.
#[derive(Debug)]
pub struct Report<'a>(pub(crate) &'a Ended);

impl fmt::Display for Report<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Ended { seed, took, killed, posts, written, truth, witness } = self.0;
        let Witness { seen, shown, findings } = witness;
        writeln!(f, "faults, seed {seed}: AJET_FAULT_SEED={seed} draws the same again")?;
        for Killed { kill, at, started_again, next_answer } in killed {
            writeln!(
                f,
                "  kill -9 {:<12} after {:>5} posts, started again in {:>4} ms, next post answered in {:>5} ms, seen by all in {:>5} ms",
                kill.process,
                kill.after,
                started_again.as_millis(),
                next_answer.as_millis(),
                self.0.recovery(*at).as_millis()
            )?;
        }
        let repeated: u32 = written.iter().map(|writer| writer.repeated).sum();
        let replayed: u32 = written.iter().map(|writer| writer.replayed).sum();
        let slowest = posts.iter().map(|posted| posted.took).max().unwrap_or_default();
        writeln!(
            f,
            "  {} posts by {} writers in {:.1} s, {repeated} requests repeated, {replayed} answered as posted before, slowest {:.1} s",
            posts.len(),
            written.len(),
            took.as_secs_f64(),
            slowest.as_secs_f64()
        )?;
        let reconnects: u32 = seen.iter().map(|seen| seen.reconnects).sum();
        let reloads: u32 = shown.iter().map(|shown| shown.reconnects).sum();
        let replays: u64 = seen.iter().map(|seen| seen.replayed).sum();
        writeln!(
            f,
            "  {} readers, {reconnects} reconnects, {replays} events by replay; {} pages, {reloads} reconnects; {} events in the outbox, {} in the stream, epoch {}",
            seen.len(),
            shown.len(),
            truth.events.len(),
            truth.stream.len(),
            truth.epoch.unwrap_or_default()
        )?;
        let counts = findings.kinds().map(|(kind, found)| format!("{} {kind}", found.len()));
        writeln!(f, "  {}", counts.join(", "))?;
        for (kind, found) in findings.kinds() {
            for sentence in found.iter().take(SENTENCES_MAX) {
                writeln!(f, "    {kind}: {sentence}")?;
            }
        }
        Ok(())
    }
}
