//! Edges over real sockets.

use std::io::ErrorKind;
use std::net::SocketAddr;
use std::num::NonZeroU64;
use std::sync::Arc;
use std::time::{Duration, Instant};

use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream};
use tokio::time::timeout;

use super::{Control, Edge, Endpoint, NoProcesses, Proxy, Toxic, Way, serve};

const ANYWHERE: ([u8; 4], u16) = ([127, 0, 0, 1], 0);
/// Longer than anything here takes that does happen.
const LIMIT: Duration = Duration::from_secs(10);
/// How long something is watched that must not happen.
const WATCH: Duration = Duration::from_millis(150);

/// A server that sends back whatever it gets.
async fn echo() -> SocketAddr {
    let listener = TcpListener::bind(SocketAddr::from(ANYWHERE)).await.unwrap();
    let address = listener.local_addr().unwrap();
    tokio::spawn(async move {
        loop {
            let (mut stream, _) = listener.accept().await.unwrap();
            tokio::spawn(async move {
                let (mut reader, mut writer) = stream.split();
                drop(tokio::io::copy(&mut reader, &mut writer).await);
                drop(writer.shutdown().await);
            });
        }
    });
    address
}

async fn edge_to(target: SocketAddr) -> Edge {
    Edge::open(ANYWHERE.into(), target).await.unwrap()
}

async fn connect(edge: &Edge) -> TcpStream {
    TcpStream::connect(edge.listen()).await.unwrap()
}

/// Sends and gets it back; how long that took.
async fn there_and_back(stream: &mut TcpStream, bytes: &[u8]) -> Duration {
    let begun = Instant::now();
    let mut back = vec![0; bytes.len()];
    let exchange = async {
        let (mut reader, mut writer) = stream.split();
        let sent = writer.write_all(bytes);
        let got = reader.read_exact(&mut back);
        tokio::try_join!(async { sent.await.map(|()| 0) }, got).unwrap();
    };
    timeout(LIMIT, exchange).await.expect("nothing comes back");
    assert_eq!(back, bytes);
    begun.elapsed()
}

/// Nothing comes for a while: neither bytes nor an end.
async fn is_silent(stream: &mut TcpStream) -> bool {
    timeout(WATCH, stream.read(&mut [0; 16])).await.is_err()
}

/// What a connection ends with.
async fn breaks(stream: &mut TcpStream) -> ErrorKind {
    let read = timeout(LIMIT, stream.read(&mut [0; 16])).await.expect("it goes on");
    read.expect_err("it has not been broken").kind()
}

async fn set(edge: &Edge, toxic: Toxic, way: Way) {
    edge.disturb(toxic, way).await.unwrap();
}

#[tokio::test]
async fn bytes_and_ends_pass() {
    let edge = edge_to(echo().await).await;
    let mut stream = connect(&edge).await;
    let megabytes: Vec<u8> = (0..3_000_000_u32).map(|number| number.to_le_bytes()[0]).collect();
    there_and_back(&mut stream, &megabytes).await;
    assert_eq!(edge.connections(), 1);
    // The end of one direction leaves the other open.
    stream.write_all(b"last words").await.unwrap();
    stream.shutdown().await.unwrap();
    let mut rest = Vec::new();
    timeout(LIMIT, stream.read_to_end(&mut rest)).await.unwrap().unwrap();
    assert_eq!(rest, b"last words");
}

#[tokio::test]
async fn latency_delays_and_keeps_the_order() {
    let edge = edge_to(echo().await).await;
    let mut stream = connect(&edge).await;
    let (time, jitter) = (Duration::from_millis(60), Duration::from_millis(40));
    set(&edge, Toxic::Latency(time, jitter), Way::Both).await;
    let took = there_and_back(&mut stream, b"slow").await;
    assert!(took >= time * 2, "{took:?}");
    set(&edge, Toxic::Latency(time, jitter), Way::Down).await;
    let (mut reader, mut writer) = stream.split();
    let mut back = Vec::new();
    let writing = async {
        for byte in 0..50_u8 {
            writer.write_all(&[byte]).await.unwrap();
            tokio::time::sleep(Duration::from_millis(1)).await;
        }
    };
    let reading = async {
        while back.len() < 50 {
            assert_ne!(reader.read_buf(&mut back).await.unwrap(), 0);
        }
    };
    timeout(LIMIT, async { tokio::join!(writing, reading) }).await.unwrap();
    assert!(back.is_sorted(), "{back:?}");
    set(&edge, Toxic::Restore, Way::Both).await;
    // What was under way has arrived; from now on nothing waits.
    assert!(there_and_back(&mut stream, b"quick").await < time);
}

#[tokio::test]
async fn bandwidth_narrows_each_connection() {
    let edge = edge_to(echo().await).await;
    let mut stream = connect(&edge).await;
    set(&edge, Toxic::Bandwidth(NonZeroU64::new(100_000).unwrap()), Way::Up).await;
    let took = there_and_back(&mut stream, &vec![7; 50_000]).await;
    assert!(took >= Duration::from_millis(400) && took < Duration::from_secs(2), "{took:?}");
}

#[tokio::test]
async fn a_stall_loses_nothing() {
    let edge = edge_to(echo().await).await;
    let mut stream = connect(&edge).await;
    there_and_back(&mut stream, b"before").await;
    set(&edge, Toxic::Stall, Way::Down).await;
    stream.write_all(b"meanwhile").await.unwrap();
    assert!(is_silent(&mut stream).await);
    // New ones are let in and wait, too.
    let mut other = connect(&edge).await;
    other.write_all(b"me too").await.unwrap();
    assert!(is_silent(&mut other).await);
    set(&edge, Toxic::Restore, Way::Both).await;
    let mut back = [0; 9];
    timeout(LIMIT, stream.read_exact(&mut back)).await.unwrap().unwrap();
    assert_eq!(&back, b"meanwhile");
    let mut back = [0; 6];
    timeout(LIMIT, other.read_exact(&mut back)).await.unwrap().unwrap();
    assert_eq!(&back, b"me too");
}

#[tokio::test]
async fn half_open_keeps_the_connection_and_swallows_even_its_end() {
    let listener = TcpListener::bind(SocketAddr::from(ANYWHERE)).await.unwrap();
    let edge = edge_to(listener.local_addr().unwrap()).await;
    let mut client = connect(&edge).await;
    client.write_all(b"hello").await.unwrap();
    // The edge's own look at what is behind it comes first.
    let mut server = loop {
        let (mut server, _) = listener.accept().await.unwrap();
        let mut hello = [0; 5];
        if server.read_exact(&mut hello).await.is_ok() {
            break server;
        }
    };
    set(&edge, Toxic::Drop, Way::Down).await;
    // The other way is fine.
    client.write_all(b"up").await.unwrap();
    let mut up = [0; 2];
    timeout(LIMIT, server.read_exact(&mut up)).await.unwrap().unwrap();
    server.write_all(b"down").await.unwrap();
    assert!(is_silent(&mut client).await);
    drop(server);
    assert!(is_silent(&mut client).await, "the end has come through");
    // It has missed something, so it cannot go on.
    set(&edge, Toxic::Restore, Way::Both).await;
    assert_eq!(breaks(&mut client).await, ErrorKind::ConnectionReset);
}

#[tokio::test]
async fn a_reset_breaks_what_is_there_and_nothing_after() {
    let edge = edge_to(echo().await).await;
    let mut stream = connect(&edge).await;
    there_and_back(&mut stream, b"before").await;
    set(&edge, Toxic::Reset, Way::Both).await;
    assert_eq!(edge.connections(), 0);
    assert_eq!(breaks(&mut stream).await, ErrorKind::ConnectionReset);
    there_and_back(&mut connect(&edge).await, b"after").await;
}

#[tokio::test]
async fn a_cut_breaks_and_refuses_until_it_is_restored() {
    let edge = edge_to(echo().await).await;
    let mut stream = connect(&edge).await;
    there_and_back(&mut stream, b"before").await;
    set(&edge, Toxic::Cut, Way::Both).await;
    assert_eq!(breaks(&mut stream).await, ErrorKind::ConnectionReset);
    for _ in 0..3 {
        let refused = TcpStream::connect(edge.listen()).await.unwrap_err();
        assert_eq!(refused.kind(), ErrorKind::ConnectionRefused);
    }
    set(&edge, Toxic::Restore, Way::Both).await;
    there_and_back(&mut connect(&edge).await, b"after").await;
}

#[tokio::test]
async fn an_edge_refuses_while_nobody_listens_behind_it() {
    let listener = TcpListener::bind(SocketAddr::from(ANYWHERE)).await.unwrap();
    let behind = listener.local_addr().unwrap();
    drop(listener);
    let edge = edge_to(behind).await;
    let refused = || async {
        let connected = TcpStream::connect(edge.listen()).await;
        connected.is_err_and(|error| error.kind() == ErrorKind::ConnectionRefused)
    };
    let settles = async |wanted: bool| {
        let settled = async {
            while refused().await != wanted {
                tokio::time::sleep(Duration::from_millis(5)).await;
            }
        };
        timeout(LIMIT, settled).await.expect("the edge does not follow");
    };
    settles(true).await;
    let listener = TcpListener::bind(behind).await.unwrap();
    settles(false).await;
    // It goes away together with its connections.
    drop(listener);
    settles(true).await;
}

#[tokio::test]
async fn everything_can_be_said_over_the_socket() {
    let folder = std::env::temp_dir().join(format!("ajet-toxic-{}", uuid::Uuid::now_v7()));
    std::fs::create_dir(&folder).unwrap();
    let socket = folder.join("toxic.sock");
    let mut proxy = Proxy::default();
    let (api, nats) = (Endpoint::replica("api", 1), Endpoint::single("nats"));
    let at = proxy.open(&api, &nats, ANYWHERE.into(), echo().await).await.unwrap();
    let serving = serve(&socket, Arc::new(proxy), Arc::new(NoProcesses)).unwrap();
    let serving = tokio::spawn(serving);
    let control = Control::at(&format!("unix://{}", socket.display())).unwrap();
    control.cut("api-nats").await.unwrap();
    assert!(TcpStream::connect(at).await.is_err());
    let edges = control.edges().await.unwrap();
    assert_eq!((edges.len(), edges[0].name.as_str()), (1, "api-1-nats"));
    assert_eq!((edges[0].connections, edges[0].conditions.as_str()), (0, "cut"));
    control.restore("all").await.unwrap();
    control.latency("all", Duration::from_millis(5), Duration::from_millis(2)).await.unwrap();
    control.disturb("api-1-nats", Toxic::Stall, Way::Up).await.unwrap();
    let edges = control.edges().await.unwrap();
    assert_eq!(edges[0].conditions, "up:latency=5+2,up:stall,down:latency=5+2");
    let error = format!("{:#}", control.cut("api-2-nats").await.unwrap_err());
    assert_eq!(error, "`cut api-2-nats`: there is no edge api-2-nats, but api-1-nats");
    let error = format!("{:#}", control.stop("api-1").await.unwrap_err());
    assert_eq!(error, "`stop api-1`: there is no process api-1");
    assert!(control.processes().await.unwrap().is_empty());
    serving.abort();
    std::fs::remove_dir_all(folder).unwrap();
}
