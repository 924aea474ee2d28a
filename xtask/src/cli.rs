//! The command line.

use std::ffi::OsString;

use clap::{Args, Parser, Subcommand, ValueEnum};

/// Chores of this repository: start the stack, sign in, test, lint.
#[derive(Debug, Parser)]
#[command(bin_name = "cargo xtask", max_term_width = 100)]
pub(crate) struct Cli {
    /// What to do.
    #[command(subcommand)]
    pub(crate) command: Command,
}

/// The chores.
#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    /// Start everything with a demo community and stay until Ctrl-C.
    Dev(DevOptions),
    /// Run a command against a fresh, empty stack of its own, then leave nothing behind.
    WithStack(WithStackOptions),
    /// Sign in at the running stack as NAME and print a session token.
    Login(LoginOptions),
    /// Run the tests: unit, integration, e2e, faults, or all of them.
    Test(TestOptions),
    /// Do harm to stacks, row by row of the fault matrix, and see whether what is promised holds.
    Faults(FaultOptions),
    /// Check formatting, lints and documentation, as strictly as CI does.
    Lint,
    /// Fetch the browser assets that a build takes from outside, check them and say how large they are.
    Assets,
    /// Measure: the surrounding stack, or a fresh one of release builds.
    Bench(BenchOptions),
}

/// Options of `dev`.
#[derive(Debug, Args)]
pub(crate) struct DevOptions {
    /// Empty the data folder first.
    #[arg(long)]
    pub(crate) fresh: bool,
}

/// Options of `with-stack`.
#[derive(Debug, Args)]
#[expect(clippy::struct_excessive_bools, reason = "flags of a command line")]
pub(crate) struct WithStackOptions {
    /// What the database holds at the start; empty without this option.
    #[arg(long, value_enum)]
    pub(crate) seed: Option<Seed>,
    /// Run each service as its own supervised process (with pid and log files in the run folder).
    #[arg(long)]
    pub(crate) separate: bool,
    /// How many of each service.
    #[arg(long, default_value_t = 1, value_parser = clap::value_parser!(u8).range(1..=16))]
    pub(crate) replicas: u8,
    /// Lead every connection between its parts through a proxy that tests control, and let them stop, start and freeze
    /// its processes: see `AJET_TOXIC_URL` in e2e/faults/src/toxic.
    #[arg(long)]
    pub(crate) toxic: bool,
    /// Rate limits: those of production, or out of the way.
    #[arg(long, value_enum, default_value_t = Limits::Relaxed)]
    pub(crate) limits: Limits,
    /// Use the release build of the services.
    #[arg(long, conflicts_with = "no_build")]
    pub(crate) release: bool,
    /// The programs are built already, beside this one: run them as they are.
    #[arg(long)]
    pub(crate) no_build: bool,
    /// The command and its arguments.
    #[arg(last = true, required = true, value_name = "CMD")]
    pub(crate) command: Vec<OsString>,
}

/// Contents of a new database.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum Seed {
    /// One community with five people, six channels and two weeks of talk.
    Demo,
}

/// Which rate limits are applied.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum Limits {
    /// Those of production.
    Default,
    /// So high that no test meets them.
    Relaxed,
}

impl Limits {
    /// The value of `AJET_LIMITS`.
    pub(crate) const fn name(self) -> &'static str {
        match self {
            Self::Default => "default",
            Self::Relaxed => "relaxed",
        }
    }
}

/// Options of `login`.
#[derive(Debug, Args)]
pub(crate) struct LoginOptions {
    /// Login name at the development provider, for example `mara`.
    pub(crate) name: String,
    /// While no community exists: create this one, with NAME as its owner.
    #[arg(long, value_name = "TITLE")]
    pub(crate) community: Option<String>,
}

/// Options of `test`.
#[derive(Debug, Args)]
pub(crate) struct TestOptions {
    /// Which tier.
    #[arg(value_enum, default_value_t = Tier::All)]
    pub(crate) tier: Tier,
    /// Passed on to the test programs, for example a part of a test's name.
    #[arg(last = true, value_name = "ARGS")]
    pub(crate) arguments: Vec<OsString>,
}

/// The tiers of tests.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum Tier {
    /// Pure tests, no services, seconds.
    Unit,
    /// Against a real Postgres, NATS and S3.
    Integration,
    /// The whole stack from outside: nets, browsers, terminals, and a sweep over what they left behind.
    E2e,
    /// The whole stack as separate processes that are killed under load.
    Faults,
    /// One after the other.
    All,
}

/// Options of `faults`.
#[derive(Debug, Args)]
pub(crate) struct FaultOptions {
    /// What chance is drawn from; may be given several times. Without it one is drawn, with --long three.
    #[arg(long = "seed", value_name = "N")]
    pub(crate) seeds: Vec<u64>,
    /// Only this row of the matrix (F12, f12 or 12); may be given several times.
    #[arg(long, value_name = "F12", value_parser = fault_number)]
    pub(crate) only: Vec<u8>,
    /// In full length and with optimized programs, what chance has a part in with every seed; the results become docs/reliability.md.
    #[arg(long)]
    pub(crate) long: bool,
}

/// `F12`, `f12` or `12`.
fn fault_number(text: &str) -> Result<u8, String> {
    let number = text.strip_prefix(['F', 'f']).unwrap_or(text).parse().ok();
    let known = |number: &u8| ajet_faults::MATRIX.iter().any(|fault| fault.number == *number);
    let last = ajet_faults::MATRIX.last().map_or_else(String::new, ajet_faults::Fault::id);
    number.filter(known).ok_or_else(|| format!("the faults are F1 to {last}"))
}

/// Options of `bench`.
#[derive(Debug, Args)]
pub(crate) struct BenchOptions {
    /// What to measure.
    #[arg(value_enum, default_value_t = BenchName::All)]
    pub(crate) name: BenchName,
    /// Messages that `history` and `search` look through.
    #[arg(long, default_value_t = 1_000_000, value_parser = clap::value_parser!(i64).range(200_000..=100_000_000))]
    pub(crate) messages: i64,
    /// Streams that `streams` opens.
    #[arg(long, default_value_t = 2_000, value_parser = clap::value_parser!(u16).range(16..=4_000))]
    pub(crate) streams: u16,
}

/// The benches.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum BenchName {
    /// Messages a second, by 1, 16 and 64 people at once.
    Post,
    /// From posting a message to its being seen by 50 readers.
    Deliver,
    /// A page of 50 messages out of many.
    History,
    /// Searches over many messages.
    Search,
    /// The first page of a browser: time and size; and what hostile text costs to draw.
    Page,
    /// Memory of each process, idle and with 100 open streams.
    Memory,
    /// 2,000 streams on one session manager: memory, processor time, and from posting to all of them having it.
    Streams,
    /// From the start of each program to its being ready.
    Start,
    /// One after the other.
    All,
}

impl BenchName {
    /// Each of them, in the order in which they do not disturb each other: memory before anything was done, the data last.
    pub(crate) const EACH: [Self; 8] = [
        Self::Memory,
        Self::Streams,
        Self::Deliver,
        Self::Start,
        Self::Page,
        Self::Post,
        Self::History,
        Self::Search,
    ];

    /// As it is typed.
    pub(crate) const fn as_str(self) -> &'static str {
        match self {
            Self::Post => "post",
            Self::Deliver => "deliver",
            Self::History => "history",
            Self::Search => "search",
            Self::Page => "page",
            Self::Memory => "memory",
            Self::Streams => "streams",
            Self::Start => "start",
            Self::All => "all",
        }
    }
}

#[cfg(test)]
mod tests {
    use super::fault_number;

    #[test]
    fn a_fault_has_three_names_and_the_matrix_an_end() {
        for name in ["F12", "f12", "12"] {
            assert_eq!(fault_number(name), Ok(12));
        }
        for name in ["F0", "46", "F", "", "F1x", "-1", "300"] {
            assert_eq!(fault_number(name), Err("the faults are F1 to F45".to_owned()), "{name}");
        }
    }
}
