//! What hyper does not check on a connection: that a client speaks at all, that it takes what it is sent, and that an HTTP/1 head is
//! unambiguous.
//!
//! hyper waits for ever for the first byte (it wants to know the version first), takes a bare line feed for a line end, and silently
//! prefers `Transfer-Encoding` over `Content-Length`. Two servers that read one head differently are how requests are smuggled
//! (delivery-and-security.md A7, A8), so heads are looked at here before hyper parses them.

use std::io;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::task::{Context, Poll};
use std::time::Duration;

use ajet_shared::http::Stallable;
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::TcpStream;
use tokio::time::Sleep;

/// How long a client may be silent at first. Source: delivery-and-security.md section 3.5.
const FIRST_HEAD_WITHIN: Duration = Duration::from_secs(10);
/// What HTTP/2 begins with.
const PREFACE: &[u8] = b"PRI * HTTP/2.0\r\n";
/// Bytes of a head that are looked at; hyper refuses longer ones itself.
const HEAD_BYTES_MAX: usize = 64 * 1024;

/// What the guard tells the service of its connection.
#[derive(Debug, Default)]
pub(crate) struct Findings {
    ambiguous: AtomicBool,
    unwatched: AtomicBool,
}

impl Findings {
    /// A head could be read in two ways.
    pub(crate) fn is_ambiguous(&self) -> bool {
        self.ambiguous.load(Ordering::Relaxed)
    }

    /// The guard has lost sight of where heads begin, so that the connection must not take another request.
    pub(crate) fn is_unwatched(&self) -> bool {
        self.unwatched.load(Ordering::Relaxed)
    }
}

/// A client's connection under guard.
pub(crate) struct Guarded {
    stream: Stallable<TcpStream>,
    deadline: Option<Pin<Box<Sleep>>>,
    watch: Watch,
}

impl Guarded {
    /// Guards a connection. A client that takes nothing for as long as `patience` loses it, and with it its streams' places.
    pub(crate) fn new(stream: TcpStream, patience: Duration) -> (Self, Arc<Findings>) {
        let findings = Arc::<Findings>::default();
        let deadline = Some(Box::pin(tokio::time::sleep(FIRST_HEAD_WITHIN)));
        (
            Self {
                stream: Stallable::new(stream, patience),
                deadline,
                watch: Watch { place: Place::Head(Vec::new()), findings: findings.clone() },
            },
            findings,
        )
    }
}

/// Follows the bytes of a connection.
struct Watch {
    place: Place,
    findings: Arc<Findings>,
}

enum Place {
    /// In a head; its bytes so far.
    Head(Vec<u8>),
    /// In a body of so many further bytes.
    Body(u64),
    /// HTTP/2, or behind a chunked body: no longer followed.
    Off,
}

impl Watch {
    /// Takes note of bytes. Returns true when the first head is complete.
    fn see(&mut self, mut bytes: &[u8]) -> bool {
        let mut complete = matches!(self.place, Place::Off);
        while !bytes.is_empty() {
            match &mut self.place {
                Place::Off => return true,
                Place::Body(left) => {
                    let here = usize::try_from(*left).unwrap_or(usize::MAX).min(bytes.len());
                    *left -= here as u64;
                    bytes = &bytes[here..];
                    if *left == 0 {
                        self.place = Place::Head(Vec::new());
                    }
                }
                Place::Head(head) => {
                    if head.is_empty() {
                        bytes = without_empty_lines(bytes);
                    }
                    let before = head.len();
                    head.extend_from_slice(bytes);
                    if head.starts_with(PREFACE) {
                        self.place = Place::Off;
                        return true;
                    }
                    let Some(end) = end_of_head(head, before) else {
                        if head.len() > HEAD_BYTES_MAX {
                            self.place = Place::Off;
                        }
                        return complete;
                    };
                    complete = true;
                    bytes = &bytes[end - before..];
                    let head = std::mem::take(head);
                    self.place = match read_head(&head[..end]) {
                        Head::Sized(0) => Place::Head(Vec::new()),
                        Head::Sized(size) => Place::Body(size),
                        Head::Chunked => {
                            self.findings.unwatched.store(true, Ordering::Relaxed);
                            Place::Off
                        }
                        Head::Ambiguous => {
                            self.findings.ambiguous.store(true, Ordering::Relaxed);
                            Place::Off
                        }
                    };
                }
            }
        }
        complete
    }
}

/// Servers skip empty lines before a head.
fn without_empty_lines(bytes: &[u8]) -> &[u8] {
    let begin = bytes.iter().position(|byte| !matches!(byte, b'\r' | b'\n'));
    &bytes[begin.unwrap_or(bytes.len())..]
}

/// Behind the empty line, whichever line ends were used. The first `seen` bytes were looked at before: only what began in their last
/// three can end behind them.
fn end_of_head(bytes: &[u8], seen: usize) -> Option<usize> {
    let mut at = seen.saturating_sub(3);
    while let Some(feed) = bytes[at..].iter().position(|byte| *byte == b'\n') {
        let next = at + feed + 1;
        match bytes[next..] {
            [b'\n', ..] => return Some(next + 1),
            [b'\r', b'\n', ..] => return Some(next + 2),
            _ => at = next,
        }
    }
    None
}

#[derive(Debug, PartialEq, Eq)]
enum Head {
    /// Followed by a body of this size.
    Sized(u64),
    /// Followed by chunks.
    Chunked,
    /// Not to be trusted.
    Ambiguous,
}

fn read_head(head: &[u8]) -> Head {
    let head = head.trim_ascii_start();
    let bare_feed = head
        .iter()
        .enumerate()
        .any(|(at, byte)| *byte == b'\n' && (at == 0 || head[at - 1] != b'\r'));
    let bare_return = head
        .iter()
        .enumerate()
        .any(|(at, byte)| *byte == b'\r' && head.get(at + 1) != Some(&b'\n'));
    let folded = head.windows(2).any(|pair| pair[0] == b'\n' && matches!(pair[1], b' ' | b'\t'));
    if bare_feed || bare_return || folded || head.contains(&0) {
        return Head::Ambiguous;
    }
    let (mut size, mut sizes, mut chunked) = (0, 0, 0);
    for line in head.split(|byte| *byte == b'\n').skip(1) {
        let Some(colon) = line.iter().position(|byte| *byte == b':') else { continue };
        let (name, value) = (&line[..colon], line[colon + 1..].trim_ascii());
        if name.eq_ignore_ascii_case(b"content-length") {
            let digits = !value.is_empty() && value.iter().all(u8::is_ascii_digit);
            let parsed = std::str::from_utf8(value)
                .ok()
                .filter(|_| digits)
                .and_then(|text| text.parse().ok());
            let Some(parsed) = parsed else { return Head::Ambiguous };
            size = parsed;
            sizes += 1;
        } else if name.eq_ignore_ascii_case(b"transfer-encoding") {
            if !value.eq_ignore_ascii_case(b"chunked") {
                return Head::Ambiguous;
            }
            chunked += 1;
        }
    }
    match (sizes, chunked) {
        (0 | 1, 0) => Head::Sized(size),
        (0, 1) => Head::Chunked,
        _ => Head::Ambiguous,
    }
}

impl AsyncRead for Guarded {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let before = buf.filled().len();
        match Pin::new(&mut self.stream).poll_read(cx, buf) {
            Poll::Ready(Ok(())) => {
                if self.watch.see(&buf.filled()[before..]) {
                    self.deadline = None;
                }
                Poll::Ready(Ok(()))
            }
            Poll::Pending => {
                let Some(deadline) = &mut self.deadline else { return Poll::Pending };
                deadline
                    .as_mut()
                    .poll(cx)
                    .map(|()| Err(io::Error::new(io::ErrorKind::TimedOut, "no request came")))
            }
            error @ Poll::Ready(Err(_)) => error,
        }
    }
}

impl AsyncWrite for Guarded {
    fn poll_write(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &[u8],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.stream).poll_write(cx, buf)
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_shutdown(cx)
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bufs: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.stream).poll_write_vectored(cx, bufs)
    }

    fn is_write_vectored(&self) -> bool {
        self.stream.is_write_vectored()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn heads_are_read_one_way_or_refused() {
        let cases: [(&str, Head); 12] = [
            ("GET / HTTP/1.1\r\nHost: a\r\n\r\n", Head::Sized(0)),
            ("POST / HTTP/1.1\r\nContent-Length: 5\r\n\r\n", Head::Sized(5)),
            ("POST / HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n", Head::Chunked),
            (
                "POST / HTTP/1.1\r\nContent-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n",
                Head::Ambiguous,
            ),
            (
                "POST / HTTP/1.1\r\nTransfer-Encoding: chunked\r\nContent-Length: 5\r\n\r\n",
                Head::Ambiguous,
            ),
            ("POST / HTTP/1.1\r\nContent-Length: 5\r\nContent-Length: 5\r\n\r\n", Head::Ambiguous),
            ("POST / HTTP/1.1\r\nContent-Length: +5\r\n\r\n", Head::Ambiguous),
            ("POST / HTTP/1.1\r\nTransfer-Encoding: xchunked\r\n\r\n", Head::Ambiguous),
            ("GET / HTTP/1.1\nHost: a\n\n", Head::Ambiguous),
            ("GET / HTTP/1.1\r\nA: b\r\n c\r\n\r\n", Head::Ambiguous),
            ("GET / HTTP/1.1\r\nA: b\rc\r\n\r\n", Head::Ambiguous),
            ("GET / HTTP/1.1\r\nA: b\0c\r\n\r\n", Head::Ambiguous),
        ];
        for (head, expected) in cases {
            assert_eq!(end_of_head(head.as_bytes(), 0), Some(head.len()), "{head:?}");
            assert_eq!(read_head(head.as_bytes()), expected, "{head:?}");
        }
    }

    #[test]
    fn the_end_of_a_head_is_found_wherever_it_was_cut() {
        for head in ["GET / HTTP/1.1\r\nHost: a\r\n\r\n", "GET / HTTP/1.1\nHost: a\n\n"] {
            for cut in 0..head.len() {
                let (first, both) = (&head.as_bytes()[..cut], head.as_bytes());
                assert_eq!(end_of_head(first, 0), None, "{head:?} {cut}");
                assert_eq!(end_of_head(both, cut), Some(head.len()), "{head:?} {cut}");
            }
        }
        let mut watch = watch();
        assert!(!watch.see(b"\r\n\r\n\n"), "nothing has come yet");
        assert!(watch.see(b"\r\nGET / HTTP/1.1\r\n\r\n"));
        assert!(!watch.findings.is_ambiguous());
    }

    fn watch() -> Watch {
        Watch { place: Place::Head(Vec::new()), findings: Arc::default() }
    }

    #[test]
    fn a_body_is_not_taken_for_a_head() {
        let mut watch = watch();
        let requests =
            "POST / HTTP/1.1\r\nContent-Length: 4\r\n\r\n\n\n\n\nGET / HTTP/1.1\r\nHost: a\r\n\r\n";
        for byte in requests.as_bytes() {
            watch.see(std::slice::from_ref(byte));
        }
        assert!(!watch.findings.is_ambiguous());
        watch.see(b"GET / HTTP/1.1\nHost: a\n\n");
        assert!(watch.findings.is_ambiguous());
    }

    #[test]
    fn behind_chunks_the_watch_ends() {
        let mut watch = watch();
        assert!(watch.see(b"POST / HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n"));
        assert!(watch.findings.is_unwatched());
    }

    #[tokio::test]
    async fn a_client_that_stops_reading_is_let_go_with_its_stream() {
        use std::sync::atomic::AtomicU64;

        use bytes::Bytes;
        use http_body_util::StreamBody;
        use hyper::body::Frame;
        use hyper_util::rt::TokioIo;
        use tokio::io::AsyncWriteExt as _;

        use crate::body::{BoxError, Gauge};

        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let mut client = TcpStream::connect(listener.local_addr().unwrap()).await.unwrap();
        let (guarded, _) =
            Guarded::new(listener.accept().await.unwrap().0, Duration::from_millis(100));
        let open = Arc::<AtomicU64>::default();
        let streams = open.clone();
        let service = hyper::service::service_fn(move |_| {
            let place = Gauge::raise(&streams);
            let chunks = futures::stream::repeat_with(move || {
                let _held = &place;
                Ok::<_, BoxError>(Frame::data(Bytes::from_static(&[b'x'; 16 * 1024])))
            });
            async move { Ok::<_, BoxError>(http::Response::new(StreamBody::new(chunks))) }
        });
        client.write_all(b"GET /sse HTTP/1.1\r\nHost: a\r\n\r\n").await.unwrap();
        let connection = hyper::server::conn::http1::Builder::new()
            .serve_connection(TokioIo::new(guarded), service);
        let ended = tokio::time::timeout(Duration::from_secs(10), connection).await;
        assert!(ended.expect("let go").is_err());
        assert_eq!(open.load(Ordering::Relaxed), 0, "the place of its stream is free");
        drop(client);
    }

    #[test]
    fn the_first_head_ends_the_deadline() {
        let mut watch = watch();
        assert!(!watch.see(b"GET / HT"));
        assert!(watch.see(b"TP/1.1\r\n\r\n"));
        assert!(self::watch().see(b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"));
    }
}
