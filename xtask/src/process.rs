//! Processes that are kept alive until they are told to stop.

use std::ffi::OsString;
use std::fs::{self, OpenOptions};
use std::io;
use std::path::{Path, PathBuf};
use std::process::{ExitStatus, Stdio};
use std::sync::{LazyLock, mpsc};
use std::time::{Duration, Instant};

use anyhow::{Context as _, bail};
use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use tokio::process::{Child, Command};
use tokio::runtime::Handle;
use tokio::sync::{oneshot, watch};
use tokio::task::JoinHandle;
use tokio_util::sync::{CancellationToken, DropGuard};
use tokio_util::task::TaskTracker;

use crate::child::{self, RunAs};
use crate::supervisor::{self, Supervisor};

/// How long a command that is given up may take to end: it may be a stack, which stops its services one layer after the other.
const ABANDONED_GRACE: Duration = Duration::from_secs(90);
/// Everything that must come to its end before we may: supervisors, and children that are being waited for.
static BACKGROUND: LazyLock<TaskTracker> = LazyLock::new(TaskTracker::new);

/// Waits until every process is gone that has been told to stop, also those whose owner was dropped on the way.
pub(crate) async fn settled() {
    BACKGROUND.close();
    BACKGROUND.wait().await;
}

/// What to run and how to end it.
#[derive(Clone, Debug)]
pub(crate) struct Spec {
    /// `<service>-<n>`; names the log and pid files.
    pub(crate) name: String,
    /// The program.
    pub(crate) program: PathBuf,
    /// Its arguments.
    pub(crate) arguments: Vec<OsString>,
    /// Its whole environment.
    pub(crate) environment: Vec<(OsString, OsString)>,
    /// Whom it runs as, when not as ourselves.
    pub(crate) run_as: Option<RunAs>,
    /// Its working folder.
    pub(crate) folder: PathBuf,
    /// Where its log and pid files go.
    pub(crate) run_dir: PathBuf,
    /// The signal that asks it to end.
    pub(crate) stop: Signal,
    /// How long it may take to.
    pub(crate) grace: Duration,
    /// The signal it gets when we die without having stopped it.
    pub(crate) on_our_death: Signal,
}

impl Spec {
    fn log(&self) -> PathBuf {
        self.run_dir.join(format!("{}.log", self.name))
    }

    /// Where its process id is to be read.
    pub(crate) fn pid_file(&self) -> PathBuf {
        self.run_dir.join(format!("{}.pid", self.name))
    }

    /// Starts it once.
    pub(crate) async fn spawn(&self) -> anyhow::Result<Child> {
        let log = OpenOptions::new().create(true).append(true).open(self.log());
        let log = log.with_context(|| format!("{} cannot be written", self.log().display()))?;
        let mut command = child::command(&self.program, self.on_our_death, self.run_as);
        command
            .args(&self.arguments)
            .env_clear()
            .envs(self.environment.iter().map(|(name, value)| (name, value)))
            .current_dir(&self.folder)
            .stdin(Stdio::null())
            .stdout(log.try_clone()?)
            .stderr(log);
        // Its own group: Ctrl-C at the terminal reaches us alone, and we stop everything in the right order.
        std::os::unix::process::CommandExt::process_group(&mut command, 0);
        let child = spawn_lasting(command.into()).await;
        let child = child.with_context(|| format!("{} does not start", self.program.display()))?;
        if let Some(pid) = child.id() {
            // Renamed into place, so that nobody reads half a number.
            let new = self.pid_file().with_extension("pid.new");
            fs::write(&new, format!("{pid}\n"))?;
            fs::rename(new, self.pid_file())?;
        }
        Ok(child)
    }
}

/// A process under supervision: one that dies is started again at once, with the same settings. Dropping this stops
/// it, too; [`settled`] waits for that.
#[derive(Debug)]
pub(crate) struct Process {
    name: String,
    log: PathBuf,
    handle: supervisor::Handle,
    stop: DropGuard,
    supervisor: JoinHandle<()>,
    deaths: watch::Receiver<Option<ExitStatus>>,
}

impl Process {
    /// Starts it.
    pub(crate) async fn start(spec: Spec) -> anyhow::Result<Self> {
        let (name, log) = (spec.name.clone(), spec.log());
        // That of the run before; it need not be there.
        drop(fs::remove_file(&log));
        let child = spec.spawn().await?;
        let stop = CancellationToken::new();
        let (died, deaths) = watch::channel(None);
        let (supervisor, handle) = Supervisor::new(spec, child, stop.clone(), died);
        let supervisor = BACKGROUND.spawn(supervisor.run());
        Ok(Self { name, log, handle, stop: stop.drop_guard(), supervisor, deaths })
    }

    /// Waits until `probe` says that it can be used.
    pub(crate) async fn ready(
        &mut self,
        limit: Duration,
        mut probe: impl AsyncFnMut() -> bool,
    ) -> anyhow::Result<()> {
        let begun = Instant::now();
        while !probe().await {
            if let Some(status) = *self.deaths.borrow() {
                bail!("{} ended at once ({status}); its log ends:\n{}", self.name, tail(&self.log));
            }
            if begun.elapsed() > limit {
                let limit = limit.as_secs();
                bail!(
                    "{} is not ready after {limit} s; its log ends:\n{}",
                    self.name,
                    tail(&self.log)
                );
            }
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
        Ok(())
    }

    /// By which it is stopped, started and frozen while its stack goes on.
    pub(crate) fn handle(&self) -> supervisor::Handle {
        self.handle.clone()
    }

    /// Stops it and waits until it is gone.
    pub(crate) async fn stop(self) {
        drop(self.stop);
        // A panic in the supervisor has been reported already, and the process dies with us.
        drop(self.supervisor.await);
    }
}

/// What becomes of a child when nobody waits for it any more, for example after Ctrl-C.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Abandoned {
    /// It is asked to end.
    End,
    /// It may finish: stopping it half way would do damage.
    Finish,
}

/// Waits for a child. [`settled`] does so, too, when this has been given up.
pub(crate) async fn wait(mut child: Child, abandoned: Abandoned) -> anyhow::Result<ExitStatus> {
    let given_up = CancellationToken::new();
    let _guard = given_up.clone().drop_guard();
    let waiting = BACKGROUND.spawn(async move {
        tokio::select! {
            status = child.wait() => status,
            () = given_up.cancelled(), if abandoned == Abandoned::End => {
                end(&mut child, Signal::SIGTERM, ABANDONED_GRACE).await;
                child.wait().await
            }
        }
    });
    Ok(waiting.await??)
}

/// The same for at most `limit`; then it is ended, and there is no status.
pub(crate) async fn wait_at_most(
    mut child: Child,
    limit: Duration,
) -> anyhow::Result<Option<ExitStatus>> {
    let given_up = CancellationToken::new();
    let _guard = given_up.clone().drop_guard();
    let waiting = BACKGROUND.spawn(async move {
        tokio::select! {
            status = child.wait() => status.map(Some),
            () = tokio::time::sleep(limit) => {
                end(&mut child, Signal::SIGTERM, ABANDONED_GRACE).await;
                Ok(None)
            }
            () = given_up.cancelled() => {
                end(&mut child, Signal::SIGTERM, ABANDONED_GRACE).await;
                Ok(None)
            }
        }
    });
    Ok(waiting.await??)
}

/// Asks a child to end, then insists.
pub(crate) async fn end(child: &mut Child, signal: Signal, grace: Duration) {
    send(child, signal);
    gone(child, grace).await;
}

/// Waits until a child that has been asked to end is gone, and insists when it takes too long.
pub(crate) async fn gone(child: &mut Child, grace: Duration) {
    if tokio::time::timeout(grace, child.wait()).await.is_err() {
        send(child, Signal::SIGKILL);
        drop(child.wait().await);
    }
}

/// Sends a signal to a child that has not been waited for.
pub(crate) fn send(child: &Child, signal: Signal) {
    if let Some(pid) = child.id().and_then(|pid| i32::try_from(pid).ok()) {
        // The only possible failure is that it has just ended.
        let _ = kill(Pid::from_raw(pid), signal);
    }
}

/// A command that is waiting to be started by the thread that lasts.
struct Job {
    command: Command,
    runtime: Handle,
    reply: oneshot::Sender<io::Result<Child>>,
}

/// Starts a command from a thread that lives as long as we do: the kernel sends the signal of "parent death" when the
/// *thread* ends that started the child, and threads of the runtime may end earlier.
async fn spawn_lasting(command: Command) -> io::Result<Child> {
    static JOBS: LazyLock<mpsc::Sender<Job>> = LazyLock::new(|| {
        let (sender, jobs) = mpsc::channel::<Job>();
        std::thread::spawn(move || {
            for Job { mut command, runtime, reply } in jobs {
                let _inside = runtime.enter();
                // Nobody waits for it any more: then it is dropped, and dies with us.
                drop(reply.send(command.spawn()));
            }
        });
        sender
    });
    let (reply, answer) = oneshot::channel();
    let gone = || io::Error::other("the thread that starts processes is gone");
    JOBS.send(Job { command, runtime: Handle::current(), reply }).map_err(|_| gone())?;
    answer.await.map_err(|_| gone())?
}

/// The last lines of a log, for an error message.
pub(crate) fn tail(log: &Path) -> String {
    let text = fs::read(log).map(|bytes| String::from_utf8_lossy(&bytes).into_owned());
    let text = text.unwrap_or_default();
    let lines: Vec<_> = text.lines().collect();
    let last = &lines[lines.len().saturating_sub(15)..];
    format!("    {}", last.join("\n    "))
}

/// The environment for programs that need none of ours.
pub(crate) fn bare_environment() -> Vec<(OsString, OsString)> {
    let keep = |name: &str| Some((OsString::from(name), std::env::var_os(name)?));
    ["PATH", "HOME", "TMPDIR", "TZ"].into_iter().filter_map(keep).collect()
}
