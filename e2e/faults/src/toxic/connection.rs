//! One connection through an edge.

use std::io;
use std::net::SocketAddr;

use socket2::SockRef;
use tokio::net::TcpStream;
use tokio::sync::{Notify, watch};

use super::Way;
use super::edge::Line;
use super::pipe::{Broken, Flow, Pipe};

/// Bytes that wait here for somebody who does not read. A wire keeps nothing; the kernel would keep megabytes, and who is slow
/// would not be found out.
const KEPT_BYTES: u32 = 16 * 1024;

/// Carries a connection until it ends, breaks, or is told to break. `resets` is how often the edge had been reset before it came;
/// `suspect` is told when there may be nobody behind the edge any more.
pub(super) async fn carry(
    mut client: TcpStream,
    target: SocketAddr,
    mut line: watch::Receiver<Line>,
    resets: u64,
    suspect: &Notify,
) {
    let mut orders = line.clone();
    let told = async move {
        // An edge that is gone tells its connections the same.
        drop(orders.wait_for(|line| line.resets != resets).await);
    };
    tokio::pin!(told);
    let connected = tokio::select! {
        connected = TcpStream::connect(target) => connected,
        () = &mut told => Err(io::ErrorKind::ConnectionAborted.into()),
    };
    let Ok(mut server) = connected else {
        suspect.notify_one();
        return reset(client);
    };
    for socket in [&client, &server] {
        // Small writes wait for nothing, as they would without us.
        drop(socket.set_nodelay(true));
        drop(SockRef::from(socket).set_tcp_notsent_lowat(KEPT_BYTES));
    }
    let is_clean = tokio::select! {
        ended = both(&mut client, &mut server, &line, suspect) => match ended {
            Ok(()) => true,
            Err(Broken(way)) => {
                arrived(&mut line, way, resets).await;
                false
            }
        },
        () = &mut told => false,
    };
    if !is_clean {
        reset(client);
        reset(server);
    }
}

/// Both directions, until both have ended.
async fn both(
    client: &mut TcpStream,
    server: &mut TcpStream,
    line: &watch::Receiver<Line>,
    suspect: &Notify,
) -> Result<(), Broken> {
    let (from_client, to_client) = client.split();
    let (from_server, to_server) = server.split();
    let up = Pipe::new(from_client, to_server, Way::Up, line.clone());
    let down = Pipe::new(from_server, to_client, Way::Down, line.clone());
    let down = async {
        let ended = down.run().await;
        // Whoever closes first has often been killed.
        suspect.notify_one();
        ended
    };
    let ended = tokio::try_join!(up.run(), down).map(|_| ());
    if ended.is_err() {
        suspect.notify_one();
    }
    ended
}

/// Waits until the news that a connection broke can pass.
async fn arrived(line: &mut watch::Receiver<Line>, way: Way, resets: u64) {
    let passes = |line: &Line| line.lane(way).flow == Flow::Open || line.resets != resets;
    drop(line.wait_for(passes).await);
}

/// Closes with an RST.
pub(super) fn reset(socket: TcpStream) {
    // Where that cannot be had, closing is the next best.
    drop(socket.set_zero_linger());
    drop(socket);
}
