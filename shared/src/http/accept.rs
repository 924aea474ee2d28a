//! The one way in which our servers take connections: a peer that vanishes is noticed, and a process that is out of file descriptors
//! refuses at once instead of letting people wait.

use std::io;
use std::net::SocketAddr;
use std::pin::pin;
use std::time::{Duration, Instant};

use futures::FutureExt as _;
use socket2::{SockRef, Socket, TcpKeepalive};
use tokio::net::{TcpListener, TcpStream};

/// A connection that is silent for this long is asked whether its peer is there. Source: delivery-and-security.md section 2.6.
const KEEP_ALIVE: Duration = Duration::from_secs(20);
/// How often it is asked.
const ASK_EVERY: Duration = Duration::from_secs(5);
/// How often it is asked in vain before the peer is taken for gone.
const ASK_TIMES: u32 = 3;
/// A peer that confirms nothing of what it was sent for this long is gone. A stream says something every 15 s at the latest, and both
/// together are to be less than 45 s (delivery-and-security.md F22). So is one that is there and reads nothing: the kernel does not
/// tell a window that stays closed from silence. It comes back like everybody whose connection broke.
const UNCONFIRMED: Duration = Duration::from_secs(25);
/// Bytes that wait in the kernel for a peer before a write has to wait. More is of no use to anybody: a reader that is slow gets its
/// events later, is found out later to be too slow, and the memory is gone meanwhile (delivery-and-security.md F24, F25).
const UNSENT_BYTES: u32 = 128 * 1024;
/// How long a listener rests when it can neither take a connection nor refuse one.
const REST: Duration = Duration::from_millis(100);
/// Whoever reads the log needs to know of it once, not a thousand times.
const TELL_EVERY: Duration = Duration::from_secs(5);

/// A listener that goes on whatever happens.
#[derive(Debug)]
pub struct Acceptor {
    listener: TcpListener,
    /// A file descriptor to be given up when there is no other, so that a connection can be taken and closed: else the client would
    /// wait for an answer that nobody is going to give.
    spare: Option<Socket>,
    refused: u64,
    told: Option<Instant>,
}

impl Acceptor {
    /// Takes connections from this listener.
    #[must_use]
    pub fn new(listener: TcpListener) -> Self {
        let spare = spare(&listener).ok();
        Self { listener, spare, refused: 0, told: None }
    }

    /// The next connection, set up to be noticed when its peer vanishes. Safe to cancel.
    pub async fn next(&mut self) -> (TcpStream, SocketAddr) {
        loop {
            match self.listener.accept().await {
                Ok((stream, peer)) => match self.provide() {
                    Ok(()) => {
                        tend(&stream);
                        return (stream, peer);
                    }
                    // It has the last descriptor. Somebody else took the spare one, and without it those who come next would wait in
                    // vain.
                    Err(error) => {
                        drop(stream);
                        self.spare = spare(&self.listener).ok();
                        self.refused += 1;
                        self.tell(&error);
                    }
                },
                Err(error) if is_of_one_connection(&error) => {}
                Err(error) => {
                    if self.turn_away() {
                        self.refused += 1;
                    } else {
                        tokio::time::sleep(REST).await;
                    }
                    self.tell(&error);
                }
            }
        }
    }

    /// Sees to it that there is a spare descriptor.
    fn provide(&mut self) -> io::Result<()> {
        if self.spare.is_none() {
            self.spare = Some(spare(&self.listener)?);
        }
        Ok(())
    }

    /// Takes the connection that waits and closes it. False if even that cannot be.
    fn turn_away(&mut self) -> bool {
        drop(self.spare.take());
        let accepted = pin!(self.listener.accept()).now_or_never();
        let taken = matches!(&accepted, Some(Ok(_)));
        drop(accepted);
        self.spare = spare(&self.listener).ok();
        taken
    }

    fn tell(&mut self, error: &io::Error) {
        if self.told.is_none_or(|told| told.elapsed() >= TELL_EVERY) {
            tracing::warn!(%error, refused = self.refused, "cannot accept connections");
            (self.refused, self.told) = (0, Some(Instant::now()));
        }
    }
}

/// A file descriptor that is good for nothing: of what is there in any case, so that nothing but a lack of descriptors can fail it.
fn spare(listener: &TcpListener) -> io::Result<Socket> {
    SockRef::from(listener).try_clone()
}

/// The connection ended before it was taken; the listener is fine.
fn is_of_one_connection(error: &io::Error) -> bool {
    use io::ErrorKind::{ConnectionAborted, ConnectionRefused, ConnectionReset, Interrupted};

    matches!(error.kind(), ConnectionAborted | ConnectionRefused | ConnectionReset | Interrupted)
}

/// Sets a connection up. None of it can fail on a socket that is one, and the connection works without it.
fn tend(stream: &TcpStream) {
    let _ = stream.set_nodelay(true);
    let socket = SockRef::from(stream);
    let keep_alive =
        TcpKeepalive::new().with_time(KEEP_ALIVE).with_interval(ASK_EVERY).with_retries(ASK_TIMES);
    let _ = socket.set_tcp_keepalive(&keep_alive);
    #[cfg(target_os = "linux")]
    {
        let _ = socket.set_tcp_user_timeout(Some(UNCONFIRMED));
        let _ = socket.set_tcp_notsent_lowat(UNSENT_BYTES);
    }
}

#[cfg(test)]
mod tests {
    use tokio::io::AsyncReadExt as _;

    use super::*;

    async fn listening() -> (Acceptor, SocketAddr) {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        (Acceptor::new(listener), address)
    }

    #[tokio::test]
    async fn a_peer_that_vanishes_is_noticed() {
        let (mut acceptor, address) = listening().await;
        let (client, (stream, _)) = tokio::join!(TcpStream::connect(address), acceptor.next());
        let socket = SockRef::from(&stream);
        assert!(socket.keepalive().unwrap() && stream.nodelay().unwrap());
        assert_eq!(socket.tcp_keepalive_time().unwrap(), KEEP_ALIVE);
        assert_eq!(socket.tcp_keepalive_interval().unwrap(), ASK_EVERY);
        assert_eq!(socket.tcp_keepalive_retries().unwrap(), ASK_TIMES);
        #[cfg(target_os = "linux")]
        {
            assert_eq!(socket.tcp_user_timeout().unwrap(), Some(UNCONFIRMED));
            assert_eq!(socket.tcp_notsent_lowat().unwrap(), UNSENT_BYTES);
        }
        drop(client);
    }

    #[tokio::test]
    async fn who_cannot_be_served_is_told_at_once() {
        let (mut acceptor, address) = listening().await;
        let mut client = TcpStream::connect(address).await.unwrap();
        let refused = async {
            while !acceptor.turn_away() {
                tokio::task::yield_now().await;
            }
        };
        tokio::time::timeout(Duration::from_secs(5), refused).await.unwrap();
        assert_eq!(client.read(&mut [0; 8]).await.unwrap_or(0), 0, "closed");
        assert!(acceptor.spare.is_some(), "and so will be the next");
        let (client, (_, peer)) = tokio::join!(TcpStream::connect(address), acceptor.next());
        assert_eq!(client.unwrap().local_addr().unwrap(), peer);
    }
}
