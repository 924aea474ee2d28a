//! A private Postgres cluster.
//!
//! Postgres refuses to run as root; then it runs as the user `postgres`, or else `nobody`.

use std::ffi::OsString;
use std::fs;
use std::io;
use std::os::unix::fs::{DirBuilderExt as _, MetadataExt as _, chown};
use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::time::Duration;

use anyhow::{Context as _, bail};
use nix::sys::signal::Signal;
use nix::unistd::{User, geteuid};
use sqlx::{AssertSqlSafe, Connection as _, PgConnection};

use crate::child::{self, RunAs};
use crate::install::PostgresPrograms;
use crate::process::{Process, Spec, bare_environment, tail};
use crate::secrets::sha256;
use crate::supervisor::Handle;
use crate::ui;

/// The superuser of the private cluster.
const USER: &str = "ajet";

/// What a power cut may cost.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Durability {
    /// Nothing that was acknowledged.
    Full,
    /// Everything: for tests that throw the cluster away.
    None,
}

/// A running cluster.
#[derive(Debug)]
pub(crate) struct Postgres {
    process: Process,
    port: u16,
}

impl Postgres {
    /// Starts a cluster in `folder`, which is made when it is not there.
    pub(crate) async fn start(
        programs: &PostgresPrograms,
        folder: &Path,
        run_dir: &Path,
        port: u16,
        durability: Durability,
    ) -> anyhow::Result<Self> {
        let run_as = run_as()?;
        let folder = reachable(folder, run_as).await?;
        let data = folder.join("data");
        if !data.exists() {
            create(programs, &folder, &data, run_dir, run_as).await?;
        }
        let bin = programs.for_cluster(&data)?;
        wait_for_predecessor(&data).await?;
        let process = Process::start(Spec {
            name: "postgres-1".to_owned(),
            program: bin.join("postgres"),
            arguments: server_arguments(&data, port, durability),
            environment: bare_environment(),
            run_as,
            folder: folder.clone(),
            run_dir: run_dir.to_owned(),
            // "Fast": connections are cut, everything is written.
            stop: if durability == Durability::Full { Signal::SIGINT } else { Signal::SIGQUIT },
            grace: Duration::from_secs(20),
            on_our_death: Signal::SIGINT,
        })
        .await?;
        let mut this = Self { process, port };
        let state = data.join("postmaster.pid");
        // Line 8 of this file is the state of the server. After a crash it replays its log first.
        let probe = async || {
            let text = fs::read_to_string(&state).unwrap_or_default();
            text.lines().nth(7).is_some_and(|line| line.trim() == "ready")
        };
        if let Err(error) = this.process.ready(Duration::from_mins(1), probe).await {
            this.stop().await;
            return Err(error);
        }
        Ok(this)
    }

    /// Address of a database of this cluster.
    pub(crate) fn url(&self, database: &str) -> String {
        format!("postgres://{USER}@127.0.0.1:{}/{database}", self.port)
    }

    /// Makes a database unless it is there.
    pub(crate) async fn ensure_database(&self, name: &str) -> anyhow::Result<()> {
        let mut connection = PgConnection::connect(&self.url("postgres")).await?;
        let found: Option<i32> = sqlx::query_scalar("select 1 from pg_database where datname = $1")
            .bind(name)
            .fetch_optional(&mut connection)
            .await?;
        if found.is_none() {
            let create = format!(r#"create database "{name}""#);
            sqlx::query(AssertSqlSafe(create)).execute(&mut connection).await?;
        }
        connection.close().await?;
        Ok(())
    }

    /// Its process.
    pub(crate) fn handle(&self) -> Handle {
        self.process.handle()
    }

    /// Stops it.
    pub(crate) async fn stop(self) {
        self.process.stop().await;
    }
}

/// Removes a cluster that is not running, wherever [`Postgres::start`] has put it.
pub(crate) fn remove(folder: &Path) -> anyhow::Result<()> {
    for folder in [folder.to_owned(), fallback(folder)] {
        match fs::remove_dir_all(&folder) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => {
                return Err(error)
                    .with_context(|| format!("{} cannot be removed", folder.display()));
            }
            _ => {}
        }
    }
    Ok(())
}

fn server_arguments(data: &Path, port: u16, durability: Durability) -> Vec<OsString> {
    let mut settings = vec![
        "listen_addresses=127.0.0.1".to_owned(),
        format!("port={port}"),
        "unix_socket_directories=".to_owned(),
        "max_connections=300".to_owned(),
        "timezone=UTC".to_owned(),
        "log_timezone=UTC".to_owned(),
        // One server without replicas: the write-ahead log is for crashes only.
        "wal_level=minimal".to_owned(),
        "max_wal_senders=0".to_owned(),
        // Compiling costs more than every query of ours.
        "jit=off".to_owned(),
    ];
    if durability == Durability::None {
        settings.extend(
            ["fsync=off", "synchronous_commit=off", "full_page_writes=off"].map(Into::into),
        );
    }
    let mut arguments = vec![OsString::from("-D"), data.into()];
    for setting in settings {
        arguments.extend(["-c".into(), setting.into()]);
    }
    arguments
}

/// Makes the cluster beside its place and moves it there, so that an interrupted start leaves none or a whole one.
async fn create(
    programs: &PostgresPrograms,
    folder: &Path,
    data: &Path,
    run_dir: &Path,
    run_as: Option<RunAs>,
) -> anyhow::Result<()> {
    let new = folder.join("data.new");
    if new.exists() {
        fs::remove_dir_all(&new)?;
    }
    let log = run_dir.join("initdb.log");
    let output = fs::File::create(&log)?;
    let status = child::async_command(&programs.newest().join("initdb"), Signal::SIGKILL, run_as)
        .args(["-U", USER, "-A", "trust", "-E", "UTF8", "--locale=C.UTF-8"])
        .args(["--no-sync", "--no-instructions", "-D"])
        .arg(&new)
        .current_dir(folder)
        .env_clear()
        .envs(bare_environment())
        .stdin(Stdio::null())
        .stdout(output.try_clone()?)
        .stderr(output)
        .kill_on_drop(true)
        .status()
        .await?;
    if !status.success() {
        bail!("initdb failed ({status}):\n{}", tail(&log));
    }
    fs::rename(&new, data)?;
    fs::remove_file(log)?;
    Ok(())
}

/// Whom Postgres runs as: ourselves, unless we are root.
fn run_as() -> anyhow::Result<Option<RunAs>> {
    if !geteuid().is_root() {
        return Ok(None);
    }
    for name in ["postgres", "nobody"] {
        if let Some(user) = User::from_name(name)? {
            return Ok(Some(RunAs { uid: user.uid.as_raw(), gid: user.gid.as_raw() }));
        }
    }
    bail!(
        "Postgres does not run as root, and there is neither a user `postgres` nor `nobody` to run it as"
    );
}

/// Makes `folder` for the user that Postgres runs as, or, where that user cannot get there, its fallback.
async fn reachable(folder: &Path, run_as: Option<RunAs>) -> anyhow::Result<PathBuf> {
    make(folder, run_as)?;
    if enters(folder, run_as).await? {
        return Ok(folder.to_owned());
    }
    let other = fallback(folder);
    make(&other, run_as)?;
    let owner = fs::symlink_metadata(&other)?;
    let expected = run_as.map_or_else(|| geteuid().as_raw(), |run_as| run_as.uid);
    if !owner.is_dir() || owner.uid() != expected || !enters(&other, run_as).await? {
        bail!("{} is not ours; remove it", other.display());
    }
    ui::note(format_args!(
        "{:<12} its user cannot reach {}; the data is in {}",
        "postgres",
        folder.display(),
        other.display()
    ));
    Ok(other)
}

fn make(folder: &Path, run_as: Option<RunAs>) -> anyhow::Result<()> {
    if let Some(parent) = folder.parent() {
        fs::create_dir_all(parent)
            .with_context(|| format!("{} cannot be made", parent.display()))?;
    }
    // Recursive only for "it is there already".
    let made = fs::DirBuilder::new().recursive(true).mode(0o700).create(folder);
    made.with_context(|| format!("{} cannot be made", folder.display()))?;
    if let Some(RunAs { uid, gid }) = run_as
        && !fs::symlink_metadata(folder)?.is_symlink()
    {
        chown(folder, Some(uid), Some(gid))?;
    }
    Ok(())
}

async fn enters(folder: &Path, run_as: Option<RunAs>) -> anyhow::Result<bool> {
    let status = child::async_command(Path::new("/bin/sh"), Signal::SIGKILL, run_as)
        .args([OsString::from("-c"), r#"cd "$0" && test -w ."#.into(), folder.into()])
        .current_dir("/")
        .stdin(Stdio::null())
        .stderr(Stdio::null())
        .status()
        .await?;
    Ok(status.success())
}

/// The place for a cluster whose own place its user cannot reach: one per place, outside every home.
fn fallback(folder: &Path) -> PathBuf {
    let name = sha256(folder.as_os_str().as_encoded_bytes());
    Path::new("/var/tmp").join(format!("ajet-dev-{}", &name[..12]))
}

/// After `kill -9` of xtask its Postgres is still closing down: wait for that.
async fn wait_for_predecessor(data: &Path) -> anyhow::Result<()> {
    let state = data.join("postmaster.pid");
    for _ in 0..200 {
        let Some(pid) = fs::read_to_string(&state)
            .ok()
            .and_then(|text| text.lines().next()?.parse::<u32>().ok())
        else {
            return Ok(());
        };
        let name = fs::read_to_string(format!("/proc/{pid}/comm")).unwrap_or_default();
        if name.trim() != "postgres" {
            return Ok(());
        }
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
    bail!("another Postgres is running on {}; stop it first", data.display());
}
