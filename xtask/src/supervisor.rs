//! Keeps one process alive: one that dies is started again at once. Or down, or frozen, as it is told.

use std::ffi::OsString;
use std::fs;
use std::io;
use std::os::unix::process::ExitStatusExt as _;
use std::process::ExitStatus;
use std::time::{Duration, Instant};

use ajet_faults::toxic::Order;
use anyhow::{Context as _, bail};
use nix::sys::signal::Signal;
use tokio::process::Child;
use tokio::sync::{mpsc, oneshot, watch};
use tokio_util::sync::CancellationToken;

use crate::family;
use crate::process::{Spec, gone, send};

/// What is asked of a supervisor.
#[derive(Debug)]
enum Request {
    Obey(Order, oneshot::Sender<anyhow::Result<()>>),
    Describe(oneshot::Sender<String>),
}

/// Speaks to a supervisor.
#[derive(Clone, Debug)]
pub(crate) struct Handle {
    name: String,
    requests: mpsc::Sender<Request>,
}

impl Handle {
    /// The name of its process.
    pub(crate) fn name(&self) -> &str {
        &self.name
    }

    /// Has an order carried out.
    pub(crate) async fn order(&self, order: Order) -> anyhow::Result<()> {
        let (reply, done) = oneshot::channel();
        let sent = self.requests.send(Request::Obey(order, reply)).await;
        sent.ok().with_context(|| self.is_stopping())?;
        done.await.with_context(|| self.is_stopping())?
    }

    /// `process <name> <running|altered|frozen|down> <pid or ->`.
    pub(crate) async fn describe(&self) -> anyhow::Result<String> {
        let (reply, line) = oneshot::channel();
        let sent = self.requests.send(Request::Describe(reply)).await;
        sent.ok().with_context(|| self.is_stopping())?;
        line.await.with_context(|| self.is_stopping())
    }

    fn is_stopping(&self) -> String {
        format!("{} is being stopped with its stack", self.name)
    }
}

/// The keeper of one process.
#[derive(Debug)]
pub(crate) struct Supervisor {
    spec: Spec,
    /// How many of its variables are its own; the others came with an order.
    own_variables: usize,
    child: Option<Child>,
    started: Instant,
    pause: Duration,
    frozen: bool,
    stop: CancellationToken,
    died: watch::Sender<Option<ExitStatus>>,
    requests: mpsc::Receiver<Request>,
}

impl Supervisor {
    /// The supervisor of a process that has just been started.
    pub(crate) fn new(
        spec: Spec,
        child: Child,
        stop: CancellationToken,
        died: watch::Sender<Option<ExitStatus>>,
    ) -> (Self, Handle) {
        let (sender, requests) = mpsc::channel(1);
        let handle = Handle { name: spec.name.clone(), requests: sender };
        let supervisor = Self {
            own_variables: spec.environment.len(),
            spec,
            child: Some(child),
            started: Instant::now(),
            pause: Duration::ZERO,
            frozen: false,
            stop,
            died,
            requests,
        };
        (supervisor, handle)
    }

    /// Runs until it is told to stop.
    pub(crate) async fn run(mut self) {
        let stop = self.stop.clone();
        loop {
            tokio::select! {
                () = stop.cancelled() => break,
                Some(request) = self.requests.recv() => self.answer(request).await,
                status = ended(&mut self.child) => {
                    if !self.start_again(status).await {
                        break;
                    }
                }
            }
        }
        self.end(self.spec.stop).await;
    }

    /// Starts one again that has ended by itself. False if it is time to go.
    async fn start_again(&mut self, status: io::Result<ExitStatus>) -> bool {
        tracing::warn!(process = %self.spec.name, ?status, "ended and is started again");
        let killed = status.as_ref().is_ok_and(|status| status.signal().is_some());
        self.died.send_replace(status.ok());
        (self.child, self.frozen) = (None, false);
        // At once for one that ran; one that ends as soon as it starts is given time to find what it misses, unless it was killed.
        self.pause = if self.started.elapsed() > Duration::from_secs(1) {
            Duration::ZERO
        } else if killed {
            Duration::from_millis(50)
        } else {
            (self.pause * 2).clamp(Duration::from_millis(50), Duration::from_secs(1))
        };
        let mut pause = self.pause;
        loop {
            if self.stop.run_until_cancelled(tokio::time::sleep(pause)).await.is_none() {
                return false;
            }
            match self.spawn().await {
                Ok(()) => return true,
                Err(error) => tracing::error!(process = %self.spec.name, "{error:#}"),
            }
            pause = Duration::from_secs(1);
        }
    }

    async fn spawn(&mut self) -> anyhow::Result<()> {
        self.child = Some(self.spec.spawn().await?);
        self.started = Instant::now();
        Ok(())
    }

    async fn answer(&mut self, request: Request) {
        // Whoever asked may have gone.
        match request {
            Request::Obey(order, reply) => drop(reply.send(self.obey(order).await)),
            Request::Describe(reply) => drop(reply.send(self.describe())),
        }
    }

    async fn obey(&mut self, order: Order) -> anyhow::Result<()> {
        let name = self.spec.name.clone();
        tracing::info!(process = %name, ?order, "is told");
        match (order, self.pid()) {
            (Order::Start(variables), None) => {
                let variables = variables.into_iter();
                self.spec.environment.truncate(self.own_variables);
                self.spec.environment.extend(
                    variables.map(|(name, value)| (OsString::from(name), OsString::from(value))),
                );
                self.spawn().await?;
            }
            (Order::Start(_), Some(_)) => bail!("{name} is not down"),
            (_, None) => bail!("{name} is down"),
            (Order::Stop, Some(_)) => self.end(self.spec.stop).await,
            (Order::Kill, Some(_)) => self.end(Signal::SIGKILL).await,
            (Order::Freeze, Some(pid)) => {
                family::freeze(pid);
                self.frozen = true;
            }
            (Order::Thaw, Some(pid)) => {
                family::thaw(pid);
                self.frozen = false;
            }
        }
        Ok(())
    }

    /// Ends it and keeps it down.
    async fn end(&mut self, signal: Signal) {
        let pid = self.pid();
        if let Some(mut child) = self.child.take() {
            send(&child, signal);
            // Frozen processes hear nothing but SIGKILL.
            if let Some(pid) = pid.filter(|_| self.frozen) {
                family::thaw(pid);
            }
            gone(&mut child, self.spec.grace).await;
        }
        self.frozen = false;
        // It may be gone with its folder.
        drop(fs::remove_file(self.spec.pid_file()));
    }

    fn pid(&self) -> Option<i32> {
        i32::try_from(self.child.as_ref()?.id()?).ok()
    }

    fn describe(&self) -> String {
        let name = &self.spec.name;
        match self.pid() {
            Some(pid) if self.frozen => format!("process {name} frozen {pid}"),
            // With variables that are not its own.
            Some(pid) if self.spec.environment.len() > self.own_variables => {
                format!("process {name} altered {pid}")
            }
            Some(pid) => format!("process {name} running {pid}"),
            None => format!("process {name} down -"),
        }
    }
}

/// Returns when a child has ended; never while there is none.
async fn ended(child: &mut Option<Child>) -> io::Result<ExitStatus> {
    match child {
        Some(child) => child.wait().await,
        None => std::future::pending().await,
    }
}
