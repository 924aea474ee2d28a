//! The folders of Postgres and NATS: copied away and put back, and put on a disk that gets full. Whose folder it is must be down
//! meanwhile, and the owner and the mode of every file stay.

use std::fs;
use std::io::{BufRead as _, BufReader, Write as _};
use std::os::unix::fs::{MetadataExt as _, PermissionsExt as _};
use std::os::unix::net::UnixStream;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context as _, bail, ensure};

use crate::Stack;
use crate::toxic::VARIABLE;

/// What is in the way on a full disk. A folder: Postgres walks through its own, and minds files that are none of its.
const BALLAST: &str = "ballast";
/// A disk is filled in pieces of this size.
const PIECE_BYTES: usize = 64 * 1024;

/// The folder of a process.
#[derive(Clone, Debug)]
pub struct Store {
    /// Whose it is.
    pub process: &'static str,
    folder: PathBuf,
}

/// The content of a folder as it once was. It is gone when this is dropped.
#[derive(Debug)]
pub struct Older {
    folder: PathBuf,
}

impl Drop for Older {
    fn drop(&mut self) {
        drop(fs::remove_dir_all(&self.folder));
    }
}

impl Store {
    /// Where NATS keeps its stream.
    #[must_use]
    pub fn of_nats(stack: &Stack) -> Self {
        Self { process: "nats-1", folder: stack.run_dir.join("data/nats") }
    }

    /// Where Postgres keeps everything; it says so itself, because it may be elsewhere than the rest of the stack.
    pub async fn of_postgres(stack: &Stack) -> anyhow::Result<Self> {
        let pool = ajet_shared::db::pool(&stack.database_url, "ajet-faults")?;
        let folder: String = sqlx::query_scalar("SHOW data_directory").fetch_one(&pool).await?;
        Ok(Self { process: "postgres-1", folder: folder.into() })
    }

    /// A folder inside it.
    #[must_use]
    pub fn inside(&self, name: &str) -> Self {
        Self { folder: self.folder.join(name), ..*self }
    }

    /// Copies it away.
    pub fn copy(&self) -> anyhow::Result<Older> {
        let older = Older { folder: self.beside("older") };
        copy(&self.folder, &older.folder)?;
        Ok(older)
    }

    /// Puts an older copy in its place.
    pub fn put_back(&self, older: &Older) -> anyhow::Result<()> {
        self.empty()?;
        copy(&older.folder, &self.folder)
    }

    /// Removes all that is in it.
    pub fn empty(&self) -> anyhow::Result<()> {
        for entry in fs::read_dir(&self.folder)? {
            let path = entry?.path();
            let removed =
                if path.is_dir() { fs::remove_dir_all(&path) } else { fs::remove_file(&path) };
            removed.with_context(|| path.display().to_string())?;
        }
        Ok(())
    }

    /// Puts it on a disk of its own, in memory, with so much room beside what is there.
    pub fn on_own_disk(&self, room_bytes: u64) -> anyhow::Result<Disk> {
        let size_bytes = used_bytes(&self.folder)? + room_bytes;
        let control = std::env::var(VARIABLE).with_context(|| format!("{VARIABLE} is not set"))?;
        let control = control.strip_prefix("unix://").context(VARIABLE)?.into();
        let about = fs::metadata(&self.folder)?;
        let content = self.copy()?;
        let options = format!(
            "size={size_bytes},mode={:o},uid={},gid={}",
            about.permissions().mode() & 0o7777,
            about.uid(),
            about.gid()
        );
        let mut mount = Command::new("mount");
        mount.args(["-t", "tmpfs", "-o", &options, "ajet-faults"]);
        run(mount.arg(&self.folder)).context("a disk in memory; this needs to be root")?;
        let disk = Disk { store: self.clone(), control, is_mounted: true };
        copy(&content.folder, &self.folder)?;
        Ok(disk)
    }

    fn beside(&self, what: &str) -> PathBuf {
        let name = self.folder.file_name().unwrap_or_default().to_string_lossy();
        self.folder.with_file_name(format!("{name}.{what}"))
    }
}

/// A folder on a small disk of its own. Dropping it, also in a panic, stops its process, puts everything back where it was, and starts
/// the process again.
#[derive(Debug)]
pub struct Disk {
    store: Store,
    control: PathBuf,
    is_mounted: bool,
}

impl Disk {
    /// Fills it up to so many bytes.
    pub fn fill(&self, left_bytes: u64) -> anyhow::Result<()> {
        let folder = self.store.folder.join(BALLAST);
        fs::create_dir_all(&folder)?;
        fs::set_permissions(&folder, fs::Permissions::from_mode(0o755))?;
        let path = folder.join(BALLAST);
        let mut ballast = fs::OpenOptions::new().create(true).append(true).open(path)?;
        let mut piece = vec![1; PIECE_BYTES];
        // Smaller and smaller pieces, to the last page.
        while !piece.is_empty() {
            if ballast.write_all(&piece).is_err() {
                piece.truncate(piece.len() / 2);
            }
        }
        let length = ballast.metadata()?.len();
        ensure!(length >= left_bytes, "the disk is full without a ballast");
        ballast.set_len(length - left_bytes)?;
        Ok(())
    }

    /// Makes room again.
    pub fn clear(&self) -> anyhow::Result<()> {
        let folder = self.store.folder.join(BALLAST);
        if folder.exists() {
            fs::remove_dir_all(folder)?;
        }
        Ok(())
    }

    /// Takes the disk away and leaves what was on it; the process is up again then.
    pub async fn take_away(mut self) -> anyhow::Result<()> {
        tokio::task::spawn_blocking(move || self.undo()).await?
    }

    fn undo(&mut self) -> anyhow::Result<()> {
        if !self.is_mounted {
            return Ok(());
        }
        self.clear()?;
        // It may be down already.
        drop(self.ask("stop"));
        let content = self.store.copy()?;
        run(Command::new("umount").arg(&self.store.folder))?;
        self.is_mounted = false;
        self.store.put_back(&content)?;
        self.ask("start")
    }

    /// What [`crate::toxic::Control`] does, without waiting for anybody: a panic cannot.
    fn ask(&self, order: &str) -> anyhow::Result<()> {
        let mut stream = UnixStream::connect(&self.control)?;
        writeln!(stream, "{order} {}", self.store.process)?;
        let mut answer = String::new();
        BufReader::new(stream).read_line(&mut answer)?;
        ensure!(answer.trim() == "ok", "{order} {}: {answer}", self.store.process);
        Ok(())
    }
}

impl Drop for Disk {
    fn drop(&mut self) {
        if let Err(error) = self.undo() {
            eprintln!("{} stays on its small disk: {error:#}", self.store.folder.display());
        }
    }
}

/// Copies what is in a folder, with owners and modes.
fn copy(from: &Path, to: &Path) -> anyhow::Result<()> {
    if !to.exists() {
        fs::create_dir(to)?;
    }
    run(Command::new("cp").arg("-a").arg(from.join(".")).arg(to))
}

fn used_bytes(folder: &Path) -> anyhow::Result<u64> {
    let mut bytes = 0;
    for entry in fs::read_dir(folder)? {
        let entry = entry?;
        let about = entry.metadata()?;
        // Whole pages, and one for the name.
        bytes += 4096 + about.blocks() * 512;
        if about.is_dir() {
            bytes += used_bytes(&entry.path())?;
        }
    }
    Ok(bytes)
}

fn run(command: &mut Command) -> anyhow::Result<()> {
    let output = command.output().with_context(|| format!("{command:?}"))?;
    if !output.status.success() {
        bail!("{command:?}: {}", String::from_utf8_lossy(&output.stderr).trim());
    }
    Ok(())
}
