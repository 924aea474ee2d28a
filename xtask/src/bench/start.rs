//! From starting a service to its being ready, from starting the command line to its answer, beside `/bin/true`.

use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::time::{Duration, Instant};

use anyhow::{Context as _, bail};
use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;

use super::room::{Room, client, surrounding};
use super::table;

/// Starts of each service.
const STARTS: usize = 10;
/// Runs of each command.
const RUNS: usize = 50;
const PATIENCE: Duration = Duration::from_secs(20);

pub(super) async fn run() -> anyhow::Result<()> {
    let room = Room::open(0).await?;
    let stack = surrounding()?;
    let services = [
        ("api-1", &stack.api),
        ("web-sm-1", &stack.web_sm),
        ("tui-sm-1", &stack.tui_sm),
        ("auth-gw-1", &stack.auth_gw_admin),
    ];
    for (name, urls) in services {
        let url = format!("{}/readyz", urls.first().context("no address")?);
        let file = stack.run_dir.join(format!("{name}.pid"));
        let mut times = Vec::with_capacity(STARTS);
        for _ in 0..STARTS {
            times.push(restart(&file, &url).await?);
        }
        table::times(&format!("{name}: started → ready"), times);
    }
    let program = bin_dir()?.join("ajet-chat");
    let home = tempfile::tempdir()?;
    let run = |program: &Path, arguments: &[&str]| {
        let mut command = std::process::Command::new(program);
        command
            .args(arguments)
            .env("HOME", home.path())
            .env("AJET_SERVER", &room.url)
            .env("AJET_TOKEN", &room.tokens[0]);
        times(command)
    };
    table::times("bare: /bin/true", run(Path::new("/bin/true"), &[])?);
    table::times("ajet-chat --version", run(&program, &["--version"])?);
    let mut answers = Vec::with_capacity(RUNS);
    for _ in 0..RUNS {
        let started = Instant::now();
        room.post(&room.http, &room.tokens[0], &room.channel, "by an open connection").await?;
        answers.push(started.elapsed());
    }
    table::times("bare: POST by an open connection", answers);
    table::times("ajet-chat send", run(&program, &["send", "general", "by the command line"])?);
    Ok(())
}

fn bin_dir() -> anyhow::Result<PathBuf> {
    Ok(std::env::var_os("AJET_BIN_DIR").context("AJET_BIN_DIR")?.into())
}

/// Kills a service and waits until its successor is ready; gives the time from the start of that.
async fn restart(pid_file: &Path, readiness: &str) -> anyhow::Result<Duration> {
    let http = client()?;
    let old = pid(pid_file)?;
    kill(Pid::from_raw(old), Signal::SIGKILL)?;
    let begun = Instant::now();
    while pid(pid_file)? == old {
        wait(begun, readiness).await?;
    }
    let started = Instant::now();
    loop {
        let answer = http.get(readiness).timeout(Duration::from_secs(1)).send().await;
        if answer.is_ok_and(|answer| answer.status().is_success()) {
            break;
        }
        wait(begun, readiness).await?;
    }
    let took = started.elapsed();
    // A service that ends right after its start is given time by its supervisor, which would be counted here.
    tokio::time::sleep(Duration::from_millis(1_100)).await;
    Ok(took)
}

async fn wait(begun: Instant, what: &str) -> anyhow::Result<()> {
    if begun.elapsed() > PATIENCE {
        bail!("{what} is not ready after {PATIENCE:?}");
    }
    tokio::time::sleep(Duration::from_millis(1)).await;
    Ok(())
}

fn pid(file: &Path) -> anyhow::Result<i32> {
    let text = std::fs::read_to_string(file).with_context(|| file.display().to_string())?;
    Ok(text.trim().parse()?)
}

/// Runs a command again and again.
fn times(mut command: std::process::Command) -> anyhow::Result<Vec<Duration>> {
    command.stdin(Stdio::null()).stdout(Stdio::null());
    (0..RUNS)
        .map(|_| {
            let started = Instant::now();
            let status = command.status()?;
            if !status.success() {
                bail!("{} failed", command.get_program().display());
            }
            Ok(started.elapsed())
        })
        .collect()
}
