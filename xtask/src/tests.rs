//! `cargo xtask test`: the tiers of tests.
//!
//! Plain `cargo test` does the work, so that nothing has to be built or installed before; what the integration tests
//! need around them (one Postgres, one NATS, one S3) and the stack of the browser tests are started here.

use std::ffi::OsString;
use std::path::Path;
use std::process::{ExitCode, ExitStatus, Stdio};
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use ajet_faults::{Home, MATRIX};
use anyhow::{Context as _, bail};
use nix::sys::signal::Signal;
use tokio::io::{AsyncBufReadExt as _, AsyncRead, BufReader};
use tokio::process::{Child, Command};

use crate::cli::{TestOptions, Tier};
use crate::nats::Nats;
use crate::ports::Ports;
use crate::postgres::{Durability, Postgres};
use crate::process::{self, Abandoned};
use crate::s3::{self, S3};
use crate::signals::{Signals, exit_status};
use crate::ui::{self, Step};
use crate::{child, install, paths, stack};

/// How long the faults may take, in their short form: far longer than they should. What does not end has gone wrong, too.
const FAULTS_LIMIT: Duration = Duration::from_hours(1);

/// What came of a tier.
struct Report {
    tier: &'static str,
    passed: u64,
    failed: u64,
    /// Names of those that failed, where they are told one by one.
    failures: Vec<String>,
    /// The command's own verdict; also false when it has not come to run any test.
    success: bool,
    took: Duration,
}

/// Runs one tier or all of them, and ends with one plain line of totals.
pub(crate) async fn run(options: &TestOptions) -> anyhow::Result<ExitCode> {
    let begun = Instant::now();
    let mut signals = Signals::listen()?;
    let outcome = tokio::select! {
        outcome = tiers(options) => outcome,
        signal = signals.next() => {
            process::settled().await;
            return Ok(ExitCode::from(exit_status(signal)));
        }
    };
    let reports = outcome?;
    eprintln!();
    for Report { tier, failures, .. } in &reports {
        for failure in failures {
            println!("{tier:<12} FAILED {failure}");
        }
    }
    for Report { tier, passed, failed, success, took, .. } in &reports {
        let verdict = if *success { "" } else { "  FAILED" };
        println!("{tier:<12} {passed} passed, {failed} failed in {}{verdict}", ui::seconds(*took));
    }
    let passed: u64 = reports.iter().map(|report| report.passed).sum();
    let failed: u64 = reports.iter().map(|report| report.failed).sum();
    println!("{:<12} {}", "in all", ui::seconds(begun.elapsed()));
    println!("{passed} passed, {failed} failed");
    let success = failed == 0 && reports.iter().all(|report| report.success);
    Ok(if success { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

async fn tiers(options: &TestOptions) -> anyhow::Result<Vec<Report>> {
    // What is missing comes first: whoever must install something by hand should not have to wait for a build.
    if options.tier != Tier::Unit {
        install::postgres().await?;
        install::nats().await?;
    }
    if matches!(options.tier, Tier::E2e | Tier::All) {
        install::browser_tests().await?;
    }
    if matches!(options.tier, Tier::Faults | Tier::All) {
        install::shell_tools().await?;
    }
    build(options.tier).await?;
    Ok(match options.tier {
        Tier::Unit => vec![unit(options).await?],
        Tier::Integration => vec![integration(options).await?],
        Tier::E2e => vec![end_to_end(options).await?],
        Tier::Faults => vec![faults(options).await?],
        Tier::All => {
            let unit = unit(options).await?;
            // Two browsers and a database per test want all of a small machine, and neither tier is lenient with time.
            let side_by_side =
                std::thread::available_parallelism().is_ok_and(|count| count.get() >= 4);
            let (integration, end_to_end) = if side_by_side {
                tokio::try_join!(integration(options), end_to_end(options))?
            } else {
                (integration(options).await?, end_to_end(options).await?)
            };
            // Alone, because what it measures is how long a recovery takes.
            vec![unit, integration, end_to_end, faults(options).await?]
        }
    })
}

/// Builds everything at once, so that no tier builds while another is being timed.
async fn build(tier: Tier) -> anyhow::Result<()> {
    let step = Step::announced("build", "cargo build --workspace --bins, cargo test --no-run");
    // The end-to-end tests use the programs, the integration tests may.
    let programs: &[&str] = &["build", "--workspace", "--bins"];
    let tests: &[&str] = &["test", "--workspace", "--no-run"];
    let wanted: &[&[&str]] = match tier {
        Tier::Unit => &[&["test", "--workspace", "--lib", "--bins", "--no-run"]],
        Tier::Integration | Tier::All => &[programs, tests],
        Tier::E2e => {
            &[programs, &["test", "--workspace", "--test", "nets", "--test", "sweeps", "--no-run"]]
        }
        Tier::Faults => &[programs, &["test", "--workspace", "--test", "faults", "--no-run"]],
    };
    for arguments in wanted {
        let mut cargo = command(&paths::cargo());
        let cargo = cargo.args(*arguments).current_dir(paths::root()).spawn()?;
        if !process::wait(cargo, Abandoned::End).await?.success() {
            bail!("`cargo {}` failed", arguments.join(" "));
        }
    }
    step.done("built");
    Ok(())
}

/// Pure tests of libraries and programs.
async fn unit(options: &TestOptions) -> anyhow::Result<Report> {
    let mut cargo = command(&paths::cargo());
    cargo.args(["test", "--workspace", "--lib", "--bins", "--no-fail-fast"]);
    run_tier("unit", with_arguments(cargo, options), cargo_counts, options, None).await
}

/// Tests against real servers, which they find by `AJET_TEST_*`.
async fn integration(options: &TestOptions) -> anyhow::Result<Report> {
    let programs = install::postgres().await?;
    let nats_program = install::nats().await?;
    // In memory where there is some: databases by the hundred are made and thrown away.
    let memory = Path::new("/dev/shm");
    let parent = if memory.is_dir() { memory.to_owned() } else { std::env::temp_dir() };
    let folder = stack::temporary_folder(&parent)?;
    let mut ports = Ports::default();
    let run_dir = folder.path();
    let step = Step::quiet("servers");
    let postgres = Postgres::start(
        &programs,
        &run_dir.join("postgres"),
        run_dir,
        ports.any()?,
        Durability::None,
    )
    .await?;
    let nats = Nats::start(&nats_program, &run_dir.join("nats"), run_dir, ports.any()?).await?;
    let s3 = S3::start(&run_dir.join("s3"), ports.any()?).await?;
    step.done("Postgres, NATS and S3 are up");
    let mut cargo = command(&paths::cargo());
    cargo
        .args(["test", "--workspace", "--test", "*", "--no-fail-fast"])
        // They have a whole stack around them, in tiers of their own.
        .args(["--exclude", "ajet-nets", "--exclude", "ajet-faults"])
        .env("AJET_TEST_DATABASE_URL", postgres.url("postgres"))
        .env("AJET_TEST_NATS_URL", nats.url("admin"))
        // For tests that break one of their own.
        .env("AJET_TEST_NATS_SERVER", &nats_program.path)
        // For tests that need a stream of their own: the relay of one database must not meet that of another.
        .env("AJET_TEST_NATS_SERVER", &nats_program.path)
        .env("AJET_TEST_S3_URL", &s3.url)
        .env("AJET_TEST_S3_BUCKET", s3::BUCKET)
        .env("AJET_TEST_S3_REGION", s3::REGION)
        .env("AJET_TEST_S3_ACCESS_KEY", &s3.access_key)
        .env("AJET_TEST_S3_SECRET_KEY", &s3.secret_key);
    let report =
        run_tier("integration", with_arguments(cargo, options), cargo_counts, options, None).await;
    tokio::join!(postgres.stop(), nats.stop(), s3.stop());
    if let Err(error) = folder.close() {
        ui::note(format_args!("the servers' folder cannot be removed: {error}"));
    }
    report
}

/// Nets, browsers and terminals against a whole stack, and a sweep over what they left behind; `ajet-nets` has the
/// order.
async fn end_to_end(options: &TestOptions) -> anyhow::Result<Report> {
    let chromium = install::browser_tests().await?;
    let npm = paths::find_program("npm").context("npm is not to be found")?;
    let nets = paths::bin_dir()?.join("ajet-nets");
    let mut with_stack = command(&paths::bin_dir()?.join("xtask"));
    with_stack.args(["with-stack", "--seed", "demo", "--"]).arg(nets).args(&options.arguments);
    with_stack
        .env("AJET_CARGO", paths::cargo())
        .env("AJET_NPM", npm)
        .env("AJET_CHROMIUM", chromium)
        // As much as our services ever say: the sweep is to find what any of it should not hold.
        .env("AJET_LOG", "info,async_nats=warn,s3s=warn,s3s_fs=warn,ajet_shared=debug,ajet_api=debug,ajet_auth_gw=debug,ajet_web_sm=debug,ajet_tui_sm=debug")
        .current_dir(paths::root());
    run_tier("e2e", with_stack, either_counts, options, None).await
}

/// Faults, against a stack of separate processes that nothing else uses, in their short form: those of the matrix that are chosen for it,
/// what they stand on, and the bots of the documentation. `cargo xtask faults` has all of them.
async fn faults(options: &TestOptions) -> anyhow::Result<Report> {
    let mut with_stack = command(&paths::bin_dir()?.join("xtask"));
    with_stack
        .args(["with-stack", "--separate", "--replicas", "2", "--toxic", "--no-build", "--"])
        .arg(paths::cargo())
        .args(["test", "--workspace", "--test", "faults", "--", "--test-threads", "1"]);
    // Whoever names tests wants those, whoever only says how they shall run wants the usual ones.
    if options.arguments.iter().all(|argument| argument.to_string_lossy().starts_with('-')) {
        with_stack.args(short_set());
    }
    with_stack.args(&options.arguments).current_dir(paths::root());
    run_tier("faults", with_stack, cargo_counts, options, Some(FAULTS_LIMIT)).await
}

/// What the names of those tests begin with.
fn short_set() -> Vec<String> {
    let chosen = MATRIX.iter().filter(|fault| fault.short && fault.home == Home::Faults);
    let beside = ["toxic::", "bots::"].map(str::to_owned);
    chosen.map(ajet_faults::Fault::prefix).chain(beside).collect()
}

fn with_arguments(mut cargo: Command, options: &TestOptions) -> Command {
    if !options.arguments.is_empty() {
        cargo.arg("--").args(options.arguments.iter().map(OsString::as_os_str));
    }
    cargo.current_dir(paths::root());
    cargo
}

fn command(program: &Path) -> Command {
    child::async_command(program, Signal::SIGTERM, None)
}

/// Runs a tier's command: its output is shown as it comes and counted on the way. What has a limit is ended when it takes longer.
async fn run_tier(
    tier: &'static str,
    mut command: Command,
    count: fn(&str) -> (u64, u64),
    options: &TestOptions,
    limit: Option<Duration>,
) -> anyhow::Result<Report> {
    eprintln!("\n{tier} tests");
    let begun = Instant::now();
    let (passed, failed) = (AtomicU64::new(0), AtomicU64::new(0));
    let mut child = command
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .with_context(|| format!("the {tier} tests do not start"))?;
    let (out, err) = (child.stdout.take(), child.stderr.take());
    let mut failures = Vec::new();
    let show = |line: &str| {
        let name =
            line.trim_end().strip_prefix("test ").and_then(|line| line.strip_suffix(" ... FAILED"));
        failures.extend(name.map(str::to_owned));
        let (more_passed, more_failed) = count(line);
        passed.fetch_add(more_passed, Ordering::Relaxed);
        failed.fetch_add(more_failed, Ordering::Relaxed);
    };
    let (status, (), ()) =
        tokio::join!(wait(child, limit), lines(tier, out, show), lines(tier, err, |_| ()));
    let status = status?;
    if let (None, Some(limit)) = (status, limit) {
        failures.push(format!("not done after {} min", limit.as_secs() / 60));
    }
    let is_success = status.is_some_and(|status| status.success());
    let passed = passed.into_inner();
    if is_success && passed == 0 {
        ui::note(format_args!("{tier}: nothing was run"));
    }
    // A part of a name may be in one tier only; a tier without any test has gone missing.
    let is_complete = passed > 0 || !options.arguments.is_empty();
    Ok(Report {
        tier,
        passed,
        failures,
        failed: failed.into_inner(),
        success: is_success && is_complete,
        took: begun.elapsed(),
    })
}

/// Waits for a child; there is no status when it had to be ended for taking too long.
async fn wait(child: Child, limit: Option<Duration>) -> anyhow::Result<Option<ExitStatus>> {
    match limit {
        Some(limit) => process::wait_at_most(child, limit).await,
        None => process::wait(child, Abandoned::End).await.map(Some),
    }
}

/// Shows a tier's output, each line under its name, because two tiers may run side by side.
async fn lines(tier: &str, stream: Option<impl AsyncRead + Unpin>, mut each: impl FnMut(&str)) {
    let Some(stream) = stream else { return };
    let mut stream = BufReader::new(stream);
    let mut line = Vec::new();
    // Bytes, because a test may print anything.
    while stream.read_until(b'\n', &mut line).await.is_ok_and(|read| read > 0) {
        let text = String::from_utf8_lossy(&line);
        eprint!("{tier:<11} | {text}");
        each(&text);
        line.clear();
    }
}

/// `test result: ok. 12 passed; 0 failed; …`, once per test program.
pub(crate) fn cargo_counts(line: &str) -> (u64, u64) {
    let Some(result) = line.strip_prefix("test result: ") else { return (0, 0) };
    let number = |word: &str| {
        let before = result.split(word).next()?;
        before.rsplit([' ', ';', '.']).find(|part| !part.is_empty())?.parse().ok()
    };
    (number(" passed").unwrap_or(0), number(" failed").unwrap_or(0))
}

/// `  12 passed (30.1s)`, `  1 failed`: the closing lines of Playwright and of runners that speak like it.
fn playwright_counts(line: &str) -> (u64, u64) {
    let mut words = line.split_whitespace();
    let (Some(Ok(number)), Some(word)) = (words.next().map(str::parse), words.next()) else {
        return (0, 0);
    };
    match (word.trim_end_matches(','), words.next()) {
        ("passed", None) => (number, 0),
        ("passed", Some(rest)) if rest.starts_with('(') => (number, 0),
        ("failed", None) => (0, number),
        _ => (0, 0),
    }
}

/// What cargo or Playwright says, where both speak.
pub(crate) fn either_counts(line: &str) -> (u64, u64) {
    let (cargo, playwright) = (cargo_counts(line), playwright_counts(line));
    (cargo.0 + playwright.0, cargo.1 + playwright.1)
}

/// For tests of this module only.
#[cfg(test)]
mod counting {
    use super::{cargo_counts, either_counts, playwright_counts};

    #[test]
    fn cargo_is_understood() {
        let line = "test result: FAILED. 12 passed; 3 failed; 1 ignored; 0 measured; 2 filtered out; finished in 0.01s";
        assert_eq!(cargo_counts(line), (12, 3));
        assert_eq!(cargo_counts("test passes ... ok"), (0, 0));
    }

    #[test]
    fn playwright_is_understood() {
        assert_eq!(playwright_counts("  41 passed (1.2m)\n"), (41, 0));
        assert_eq!(playwright_counts("  2 failed\n"), (0, 2));
        assert_eq!(playwright_counts("  2 failed attempts were made\n"), (0, 0));
    }

    #[test]
    fn both_are_understood_where_both_speak() {
        assert_eq!(either_counts("test result: ok. 12 passed; 0 failed; 0 ignored"), (12, 0));
        assert_eq!(either_counts("  41 passed (1.2m)\n"), (41, 0));
        assert_eq!(either_counts("test passes ... ok"), (0, 0));
    }
}
