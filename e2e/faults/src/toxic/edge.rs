//! One edge: a port, what is behind it, and the conditions on the way.

use std::collections::BTreeMap;
use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context as _, bail};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{Notify, watch};
use tokio::task::{JoinHandle, JoinSet};
use tokio::time::{sleep, timeout};

use super::connection::{carry, reset};
use super::pipe::{Flow, Lane};
use super::{Toxic, Way};

/// How often it is tried whether somebody listens behind an edge again.
const LOOK_EVERY: Duration = Duration::from_millis(10);
/// How long a probe may take; on this machine one is refused at once.
const PROBE: Duration = Duration::from_millis(100);
/// How long a change may take to be in force.
const CHANGE: Duration = Duration::from_secs(5);

/// The conditions, as connections see them.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Line {
    up: Lane,
    down: Lane,
    cut: bool,
    /// How often everything was broken off. Counted, so that nobody misses one.
    pub(super) resets: u64,
}

impl Line {
    /// The conditions in one direction.
    pub(super) const fn lane(&self, way: Way) -> Lane {
        match way {
            Way::Down => self.down,
            _ => self.up,
        }
    }

    fn change(&mut self, toxic: Toxic, way: Way) {
        let mut lanes = |change: &dyn Fn(&mut Lane)| {
            if way != Way::Down {
                change(&mut self.up);
            }
            if way != Way::Up {
                change(&mut self.down);
            }
        };
        match toxic {
            Toxic::Latency(time, jitter) => {
                lanes(&|lane| (lane.latency, lane.jitter) = (time, jitter));
            }
            Toxic::Bandwidth(rate) => lanes(&|lane| lane.bandwidth = Some(rate)),
            Toxic::Stall => lanes(&|lane| lane.flow = Flow::Stalled),
            Toxic::Drop => lanes(&|lane| lane.flow = Flow::Dropped),
            Toxic::Reset => self.resets += 1,
            Toxic::Cut => {
                self.resets += 1;
                self.cut = true;
            }
            Toxic::Restore => *self = Self { resets: self.resets, ..Self::default() },
        }
    }

    /// In words without spaces.
    fn conditions(&self) -> String {
        let mut words = Vec::new();
        if self.cut {
            words.push("cut".to_owned());
        }
        for (way, lane) in [("up", self.up), ("down", self.down)] {
            if !lane.latency.is_zero() || !lane.jitter.is_zero() {
                let (time, jitter) = (lane.latency.as_millis(), lane.jitter.as_millis());
                words.push(format!("{way}:latency={time}+{jitter}"));
            }
            if let Some(rate) = lane.bandwidth {
                words.push(format!("{way}:bandwidth={rate}"));
            }
            match lane.flow {
                Flow::Open => {}
                Flow::Stalled => words.push(format!("{way}:stall")),
                Flow::Dropped => words.push(format!("{way}:drop")),
            }
        }
        if words.is_empty() { "well".to_owned() } else { words.join(",") }
    }
}

impl Way {
    /// The other one.
    pub(super) const fn opposite(self) -> Self {
        match self {
            Self::Up => Self::Down,
            Self::Down => Self::Up,
            Self::Both => Self::Both,
        }
    }
}

/// What an edge is doing.
#[derive(Debug, Default)]
struct State {
    listens: bool,
    /// Connections by how often the edge had been reset when they came.
    connections: BTreeMap<u64, usize>,
}

/// What the parts of an edge share.
#[derive(Debug)]
struct Shared {
    listen: SocketAddr,
    target: SocketAddr,
    line: watch::Sender<Line>,
    state: watch::Sender<State>,
    /// Perhaps nobody listens behind it any more.
    suspect: Notify,
}

/// An edge. Dropping it closes its port and breaks its connections.
#[derive(Debug)]
pub struct Edge {
    shared: Arc<Shared>,
    serving: JoinHandle<()>,
}

impl Edge {
    /// Opens an edge from `listen` to `target`. Port 0 means any free one.
    pub async fn open(listen: SocketAddr, target: SocketAddr) -> anyhow::Result<Self> {
        let listener = TcpListener::bind(listen)
            .await
            .with_context(|| format!("an edge cannot listen at {listen}"))?;
        let shared = Arc::new(Shared {
            listen: listener.local_addr()?,
            target,
            line: watch::Sender::default(),
            state: watch::Sender::new(State { listens: true, connections: BTreeMap::new() }),
            suspect: Notify::new(),
        });
        // Nobody may be there yet.
        shared.suspect.notify_one();
        let serving = tokio::spawn(serve(shared.clone(), Some(listener)));
        Ok(Self { shared, serving })
    }

    /// Where it listens.
    #[must_use]
    pub fn listen(&self) -> SocketAddr {
        self.shared.listen
    }

    /// Changes the conditions; done when they are in force.
    pub async fn disturb(&self, toxic: Toxic, way: Way) -> anyhow::Result<()> {
        self.shared.line.send_modify(|line| line.change(toxic, way));
        let Line { resets, cut, .. } = *self.shared.line.borrow();
        let mut state = self.shared.state.subscribe();
        let in_force = async {
            let old_ones_are_gone =
                |state: &State| state.connections.range(..resets).next().is_none();
            state.wait_for(|state| old_ones_are_gone(state) && !(cut && state.listens)).await?;
            // One that leads nowhere stays closed.
            if toxic == Toxic::Restore && !is_refused(self.shared.target).await {
                state.wait_for(|state| state.listens).await?;
            }
            anyhow::Ok(())
        };
        match timeout(CHANGE, in_force).await {
            Ok(done) => done,
            Err(_) => bail!("the edge at {} did not change in time", self.shared.listen),
        }
    }

    /// How many connections go through it.
    #[must_use]
    pub fn connections(&self) -> usize {
        self.shared.state.borrow().connections.values().sum()
    }

    /// `<listens at> <leads to> <connections> <conditions>`.
    pub(super) fn describe(&self) -> String {
        let Shared { listen, target, line, .. } = &*self.shared;
        format!("{listen} {target} {} {}", self.connections(), line.borrow().conditions())
    }
}

impl Drop for Edge {
    fn drop(&mut self) {
        // Takes its connections along.
        self.serving.abort();
    }
}

/// Listens while it is not cut and somebody listens behind it.
async fn serve(shared: Arc<Shared>, mut listener: Option<TcpListener>) {
    let mut connections = JoinSet::new();
    let mut line = shared.line.subscribe();
    loop {
        let open = match listener.take() {
            Some(open) => open,
            None => reopen(&shared, &mut line).await,
        };
        shared.state.send_modify(|state| state.listens = true);
        accept(&shared, &open, &mut line, &mut connections).await;
        drop(open);
        shared.state.send_modify(|state| state.listens = false);
    }
}

/// Accepts until there is a reason not to.
async fn accept(
    shared: &Arc<Shared>,
    listener: &TcpListener,
    line: &mut watch::Receiver<Line>,
    connections: &mut JoinSet<()>,
) {
    while !line.borrow_and_update().cut {
        tokio::select! {
            accepted = listener.accept() => match accepted {
                Ok((client, _)) => { connections.spawn(connection(shared.clone(), client)); }
                // Out of file handles, most likely: let others finish.
                Err(_) => sleep(LOOK_EVERY).await,
            },
            () = shared.suspect.notified() => if is_refused(shared.target).await { return },
            _ = line.changed() => {}
            Some(_) = connections.join_next() => {}
        }
    }
}

/// Waits until it may listen again, and does.
async fn reopen(shared: &Shared, line: &mut watch::Receiver<Line>) -> TcpListener {
    loop {
        // Both ends of this channel are ours.
        drop(line.wait_for(|line| !line.cut).await);
        if !is_refused(shared.target).await
            && let Ok(listener) = TcpListener::bind(shared.listen).await
        {
            return listener;
        }
        sleep(LOOK_EVERY).await;
    }
}

/// Nobody listens there.
async fn is_refused(target: SocketAddr) -> bool {
    let connected = timeout(PROBE, TcpStream::connect(target)).await;
    matches!(connected, Ok(Err(error)) if error.kind() == io::ErrorKind::ConnectionRefused)
}

async fn connection(shared: Arc<Shared>, client: TcpStream) {
    let line = shared.line.subscribe();
    let (resets, cut) = {
        let line = line.borrow();
        (line.resets, line.cut)
    };
    // It was waiting to be accepted when the edge was cut.
    if cut {
        return reset(client);
    }
    let _counted = Counted::new(shared.clone(), resets);
    carry(client, shared.target, line, resets, &shared.suspect).await;
}

/// A connection while it is counted.
struct Counted {
    shared: Arc<Shared>,
    resets: u64,
}

impl Counted {
    fn new(shared: Arc<Shared>, resets: u64) -> Self {
        shared.state.send_modify(|state| *state.connections.entry(resets).or_default() += 1);
        Self { shared, resets }
    }
}

impl Drop for Counted {
    fn drop(&mut self) {
        self.shared.state.send_modify(|state| {
            if let Some(count) = state.connections.get_mut(&self.resets) {
                *count -= 1;
                if *count == 0 {
                    state.connections.remove(&self.resets);
                }
            }
        });
    }
}
