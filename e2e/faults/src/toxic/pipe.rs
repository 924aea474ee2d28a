//! One direction of one connection: bytes are taken on one side and given on the other, as the conditions allow.
//!
//! A state machine that only ever waits for one of: other conditions, something to take, the time and the room to give. So it can be
//! dropped at any await without losing count.

use std::collections::VecDeque;
use std::io;
use std::num::NonZeroU64;
use std::time::Duration;

use tokio::io::AsyncWriteExt as _;
use tokio::net::tcp::{ReadHalf, WriteHalf};
use tokio::sync::watch;
use tokio::time::{Instant, sleep_until};

use super::Way;
use super::edge::Line;

/// Bytes taken at once.
const PIECE: usize = 16 * 1024;
/// Bytes that are under way inside an edge before nothing more is taken.
const WINDOW: usize = 256 * 1024;

/// What moves.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) enum Flow {
    /// Everything.
    #[default]
    Open,
    /// Nothing; it waits.
    Stalled,
    /// Nothing; it vanishes.
    Dropped,
}

/// The conditions in one direction.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Lane {
    pub(super) latency: Duration,
    pub(super) jitter: Duration,
    pub(super) bandwidth: Option<NonZeroU64>,
    pub(super) flow: Flow,
}

impl Lane {
    /// Bytes under way at most: with little bandwidth those of a quarter of a second, lest the edge hide from the sender how slow it is.
    fn window(&self) -> usize {
        self.bandwidth.map_or(WINDOW, |rate| {
            usize::try_from(rate.get() / 4).map_or(WINDOW, |bytes| bytes.clamp(1_024, WINDOW))
        })
    }

    fn delay(&self) -> Duration {
        if self.jitter.is_zero() {
            self.latency
        } else {
            self.latency + self.jitter.mul_f64(rand::random::<f64>())
        }
    }
}

/// The connection is broken, and which way the news of it travels.
#[derive(Clone, Copy, Debug)]
pub(super) struct Broken(pub(super) Way);

/// Bytes under way; none for the end.
struct Piece {
    due: Instant,
    bytes: Vec<u8>,
    given: usize,
}

/// One direction.
pub(super) struct Pipe<'a> {
    from: ReadHalf<'a>,
    to: WriteHalf<'a>,
    way: Way,
    line: watch::Receiver<Line>,
    queue: VecDeque<Piece>,
    queued: usize,
    /// The sender has ended.
    ended: bool,
    /// Something has vanished: this connection cannot go on as if nothing had been.
    lost: bool,
    /// When the bandwidth allows the next bytes.
    free_at: Instant,
}

impl<'a> Pipe<'a> {
    pub(super) fn new(
        from: ReadHalf<'a>,
        to: WriteHalf<'a>,
        way: Way,
        line: watch::Receiver<Line>,
    ) -> Self {
        let free_at = Instant::now();
        let queue = VecDeque::new();
        Self { from, to, way, line, queue, queued: 0, ended: false, lost: false, free_at }
    }

    /// Runs until the end has been passed on.
    pub(super) async fn run(mut self) -> Result<(), Broken> {
        loop {
            let lane = self.line.borrow_and_update().lane(self.way);
            match lane.flow {
                Flow::Dropped => self.lose(),
                _ if self.lost => return Err(Broken(self.way)),
                _ => {}
            }
            let takes = !self.ended
                && match lane.flow {
                    Flow::Open => self.queued < lane.window(),
                    Flow::Stalled => false,
                    Flow::Dropped => true,
                };
            let gives_at = match lane.flow {
                Flow::Open => self.queue.front().map(|piece| piece.due.max(self.free_at)),
                _ => None,
            };
            tokio::select! {
                // The edge is gone, and this connection with it.
                changed = self.line.changed() => if changed.is_err() { return Ok(()) },
                ready = self.from.readable(), if takes => self.take(lane, ready)?,
                ready = writable(&self.to, gives_at), if gives_at.is_some() => {
                    if self.give(lane, ready).await? {
                        return Ok(());
                    }
                }
            }
        }
    }

    /// What is under way vanishes.
    fn lose(&mut self) {
        self.lost |= !self.queue.is_empty();
        self.queue.clear();
        self.queued = 0;
    }

    fn take(&mut self, lane: Lane, ready: io::Result<()>) -> Result<(), Broken> {
        let room = lane.window().saturating_sub(self.queued).clamp(1, PIECE);
        let mut bytes = vec![0; room];
        match ready.and_then(|()| self.from.try_read(&mut bytes)) {
            Ok(count) => {
                bytes.truncate(count);
                self.ended = count == 0;
            }
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => return Ok(()),
            // Also how it broke off is not to be heard of at the other side.
            Err(_) if lane.flow == Flow::Dropped => {
                self.ended = true;
                bytes.clear();
            }
            Err(_) => return Err(Broken(self.way)),
        }
        if lane.flow == Flow::Dropped {
            self.lost = true;
            return Ok(());
        }
        // Nothing overtakes.
        let due = Instant::now() + lane.delay();
        let due = self.queue.back().map_or(due, |last| last.due.max(due));
        self.queued += bytes.len();
        self.queue.push_back(Piece { due, bytes, given: 0 });
        Ok(())
    }

    /// Gives what may be given now. True when that was the end.
    async fn give(&mut self, lane: Lane, ready: io::Result<()>) -> Result<bool, Broken> {
        // The news comes from the receiver.
        let broken = |_| Broken(self.way.opposite());
        ready.map_err(broken)?;
        let Some(piece) = self.queue.front_mut() else { return Ok(false) };
        if piece.bytes.is_empty() {
            self.to.shutdown().await.map_err(broken)?;
            return Ok(true);
        }
        let rest = &piece.bytes[piece.given..];
        // In steps of a twentieth of a second.
        let step = lane.bandwidth.map_or(rest.len(), |rate| {
            usize::try_from(rate.get() / 20).map_or(rest.len(), |step| step.clamp(1, rest.len()))
        });
        match self.to.try_write(&rest[..step]) {
            Ok(count) => {
                piece.given += count;
                self.queued -= count;
                if piece.given == piece.bytes.len() {
                    self.queue.pop_front();
                }
                self.pay(lane, count);
                Ok(false)
            }
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => Ok(false),
            Err(error) => Err(broken(error)),
        }
    }

    fn pay(&mut self, lane: Lane, count: usize) {
        let Some(rate) = lane.bandwidth else { return };
        #[expect(clippy::cast_precision_loss, reason = "a duration needs no more")]
        let cost = Duration::from_secs_f64(count as f64 / rate.get() as f64);
        self.free_at = self.free_at.max(Instant::now()) + cost;
    }
}

/// Waits for a time that is not yet, then for room. A timer that is due already would still wait for the next whole millisecond.
async fn writable(to: &WriteHalf<'_>, at: Option<Instant>) -> io::Result<()> {
    if let Some(at) = at.filter(|at| *at > Instant::now()) {
        sleep_until(at).await;
    }
    to.writable().await
}

#[cfg(test)]
mod tests {
    use futures::FutureExt as _;
    use tokio::net::{TcpListener, TcpStream};

    use super::*;

    #[tokio::test]
    async fn what_is_due_goes_at_once() {
        let listener = TcpListener::bind(("127.0.0.1", 0)).await.unwrap();
        let mut stream = TcpStream::connect(listener.local_addr().unwrap()).await.unwrap();
        let (_, to) = stream.split();
        to.writable().await.unwrap();
        assert!(writable(&to, Some(Instant::now())).now_or_never().is_some());
        let later = Instant::now() + Duration::from_mins(1);
        assert!(writable(&to, Some(later)).now_or_never().is_none());
    }
}
