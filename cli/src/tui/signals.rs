//! The signals that ask to end or to stop for a while.

/// What is asked.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Signal {
    /// SIGTERM, SIGHUP.
    End,
    /// SIGINT, SIGQUIT: what keys send where the terminal is not ours. An editor has its own use for them.
    Interrupt,
    /// SIGTSTP.
    Suspend,
}

/// Listens for the whole run: none is lost between two waits.
#[cfg(unix)]
#[derive(Debug)]
pub(crate) struct Signals {
    ends: [tokio::signal::unix::Signal; 4],
    stops: tokio::signal::unix::Signal,
}

#[cfg(unix)]
impl Signals {
    pub(crate) fn listen() -> std::io::Result<Self> {
        use tokio::signal::unix::{SignalKind, signal};
        /// SIGTSTP, which has no name in tokio.
        const STOP: i32 = if cfg!(target_os = "linux") { 20 } else { 18 };
        Ok(Self {
            ends: [
                signal(SignalKind::terminate())?,
                signal(SignalKind::hangup())?,
                signal(SignalKind::interrupt())?,
                signal(SignalKind::quit())?,
            ],
            stops: signal(SignalKind::from_raw(STOP))?,
        })
    }

    pub(crate) async fn next(&mut self) -> Signal {
        let [term, hangup, interrupt, quit] = &mut self.ends;
        tokio::select! {
            _ = term.recv() => Signal::End,
            _ = hangup.recv() => Signal::End,
            _ = interrupt.recv() => Signal::Interrupt,
            _ = quit.recv() => Signal::Interrupt,
            _ = self.stops.recv() => Signal::Suspend,
        }
    }
}

/// Elsewhere only Ctrl-C is told, and that is a key here.
#[cfg(not(unix))]
#[derive(Debug)]
pub(crate) struct Signals;

#[cfg(not(unix))]
impl Signals {
    pub(crate) fn listen() -> std::io::Result<Self> {
        Ok(Self)
    }

    pub(crate) async fn next(&mut self) -> Signal {
        std::future::pending().await
    }
}
