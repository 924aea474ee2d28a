//! Bodies on their way through: never gathered, only watched.

use std::pin::Pin;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::task::{Context, Poll};
use std::time::Duration;

use bytes::{Bytes, BytesMut};
use http_body::{Body as _, Frame, SizeHint};
use http_body_util::combinators::UnsyncBoxBody;
use http_body_util::{BodyExt as _, Full};
use tokio::time::{Instant, Sleep};
use tokio_util::sync::CancellationToken;

use crate::limits::OpenStream;

/// Any error on the way.
pub(crate) type BoxError = Box<dyn std::error::Error + Send + Sync>;
/// Any body on the way.
pub(crate) type Body = UnsyncBoxBody<Bytes, BoxError>;

/// A body that is there as a whole.
pub(crate) fn full(bytes: impl Into<Bytes>) -> Body {
    Full::new(bytes.into()).map_err(|never| match never {}).boxed_unsync()
}

/// No body.
pub(crate) fn empty() -> Body {
    full(Bytes::new())
}

/// Why a body could not be gathered.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum GatherError {
    /// It has more bytes than allowed.
    TooLarge,
    /// It stopped coming, or its connection broke.
    Broken,
}

/// The whole of a small body, for the forms of the gateway itself.
pub(crate) async fn gather(mut body: Body, max_bytes: usize) -> Result<Bytes, GatherError> {
    let mut gathered = BytesMut::new();
    while let Some(frame) = body.frame().await {
        let frame = frame.map_err(|_| GatherError::Broken)?;
        let Ok(data) = frame.into_data() else { continue };
        if gathered.len() + data.len() > max_bytes {
            return Err(GatherError::TooLarge);
        }
        gathered.extend_from_slice(&data);
    }
    Ok(gathered.freeze())
}

/// What is seen of a request body while it is forwarded.
#[derive(Debug)]
pub(crate) struct Progress {
    began: Instant,
    /// Milliseconds after `began` of the last frame.
    last_ms: AtomicU64,
    /// All of it has come.
    finished: AtomicBool,
    /// It stopped coming.
    stalled: AtomicBool,
}

impl Progress {
    fn note(&self) {
        let ms = u64::try_from(self.began.elapsed().as_millis()).unwrap_or(u64::MAX);
        self.last_ms.store(ms, Ordering::Relaxed);
    }

    /// Since when nothing moved.
    pub(crate) fn last(&self) -> Instant {
        self.began + Duration::from_millis(self.last_ms.load(Ordering::Relaxed))
    }

    /// All of the body has come.
    pub(crate) fn is_finished(&self) -> bool {
        self.finished.load(Ordering::Relaxed)
    }

    /// The client stopped sending.
    pub(crate) fn stalled(&self) -> bool {
        self.stalled.load(Ordering::Relaxed)
    }
}

/// The client sent no byte of its body for too long.
#[derive(Clone, Copy, Debug, thiserror::Error)]
#[error("the request body stopped coming")]
pub(crate) struct Stalled;

/// A request body that fails when nothing comes for too long (A11).
pub(crate) struct Watched {
    inner: Body,
    patience: Duration,
    sleep: Option<Pin<Box<Sleep>>>,
    progress: Arc<Progress>,
}

impl Watched {
    /// Watches a body.
    pub(crate) fn new(inner: Body, patience: Duration) -> (Self, Arc<Progress>) {
        let finished = AtomicBool::new(inner.is_end_stream());
        let progress = Arc::new(Progress {
            began: Instant::now(),
            last_ms: AtomicU64::new(0),
            finished,
            stalled: AtomicBool::new(false),
        });
        (Self { inner, patience, sleep: None, progress: progress.clone() }, progress)
    }
}

impl http_body::Body for Watched {
    type Data = Bytes;
    type Error = BoxError;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, BoxError>>> {
        if let Poll::Ready(frame) = Pin::new(&mut self.inner).poll_frame(cx) {
            self.sleep = None;
            self.progress.note();
            if frame.is_none() || self.inner.is_end_stream() {
                self.progress.finished.store(true, Ordering::Relaxed);
            }
            return Poll::Ready(frame);
        }
        let patience = self.patience;
        let sleep = self.sleep.get_or_insert_with(|| Box::pin(tokio::time::sleep(patience)));
        if sleep.as_mut().poll(cx).is_ready() {
            self.progress.stalled.store(true, Ordering::Relaxed);
            return Poll::Ready(Some(Err(Stalled.into())));
        }
        Poll::Pending
    }

    fn is_end_stream(&self) -> bool {
        self.inner.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.inner.size_hint()
    }
}

/// Lends a body to one attempt after the other: an attempt that could not even connect has not touched it.
#[derive(Clone)]
pub(crate) struct Lender {
    slot: Arc<Mutex<Option<Body>>>,
    size_hint: SizeHint,
    is_end_stream: bool,
}

impl Lender {
    /// Lends this body.
    pub(crate) fn new(body: Body) -> Self {
        let (size_hint, is_end_stream) = (body.size_hint(), body.is_end_stream());
        Self { slot: Arc::new(Mutex::new(Some(body))), size_hint, is_end_stream }
    }

    /// Nobody has read any of it, so that another attempt may.
    pub(crate) fn is_untouched(&self) -> bool {
        self.is_end_stream || self.slot.lock().unwrap_or_else(PoisonError::into_inner).is_some()
    }

    /// The body for one attempt.
    pub(crate) fn lend(&self) -> Body {
        Loan { lender: self.clone(), taken: None }.boxed_unsync()
    }
}

struct Loan {
    lender: Lender,
    taken: Option<Body>,
}

impl http_body::Body for Loan {
    type Data = Bytes;
    type Error = BoxError;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, BoxError>>> {
        if self.taken.is_none() {
            let body = self.lender.slot.lock().unwrap_or_else(PoisonError::into_inner).take();
            self.taken = body;
        }
        match &mut self.taken {
            Some(body) => Pin::new(body).poll_frame(cx),
            None => {
                Poll::Ready(Some(Err("the request body has been sent to another upstream".into())))
            }
        }
    }

    fn is_end_stream(&self) -> bool {
        self.taken.as_ref().map_or(self.lender.is_end_stream, http_body::Body::is_end_stream)
    }

    fn size_hint(&self) -> SizeHint {
        self.taken.as_ref().map_or_else(|| self.lender.size_hint, http_body::Body::size_hint)
    }
}

/// Over how long the streams of a gateway that stops end. Source: delivery-and-security.md section 2.10.
const END_OVER: Duration = Duration::from_secs(5);
/// When their clients come back, in milliseconds. Source: delivery-and-security.md section 2.10.
const RETRY_MS: std::ops::Range<u32> = 500..5_000;
/// What ends an event.
const EVENT_END: &[u8] = b"\n\n";

/// A stream of events to a client: counts as open while it lives, and ends cleanly when the gateway shuts down.
pub(crate) struct Stream {
    inner: Body,
    /// When this stream is to end: not all at once, or all would come back at once.
    end: Pin<Box<dyn Future<Output = ()> + Send>>,
    /// The last bytes that went out, of which an event's end is to be seen.
    tail: [u8; 2],
    ended: bool,
    _open: Option<OpenStream>,
    _gauge: Gauge,
}

/// Counts up now and down when dropped.
pub(crate) struct Gauge(Arc<AtomicU64>);

impl Gauge {
    pub(crate) fn raise(value: &Arc<AtomicU64>) -> Self {
        value.fetch_add(1, Ordering::Relaxed);
        Self(value.clone())
    }
}

impl Drop for Gauge {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::Relaxed);
    }
}

impl Stream {
    /// A stream until some time after `shutdown`.
    pub(crate) fn new(
        inner: Body,
        shutdown: CancellationToken,
        open: Option<OpenStream>,
        gauge: Gauge,
    ) -> Self {
        let end = Box::pin(async move {
            shutdown.cancelled().await;
            tokio::time::sleep(END_OVER.mul_f64(rand::random())).await;
        });
        Self { inner, end, tail: [b'\n'; 2], ended: false, _open: open, _gauge: gauge }
    }

    fn note(&mut self, data: &[u8]) {
        match *data {
            [] => {}
            [last] => self.tail = [self.tail[1], last],
            [.., before, last] => self.tail = [before, last],
        }
    }

    /// The last frame: when to come back, unless that would end up inside of an event.
    fn farewell(&self) -> Option<Frame<Bytes>> {
        let retry = format!("retry: {}\n\n", rand::random_range(RETRY_MS));
        (self.tail == EVENT_END).then(|| Frame::data(retry.into()))
    }
}

impl http_body::Body for Stream {
    type Data = Bytes;
    type Error = BoxError;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, BoxError>>> {
        if self.ended {
            return Poll::Ready(None);
        }
        if let Poll::Ready(frame) = Pin::new(&mut self.inner).poll_frame(cx) {
            if let Some(data) = frame.as_ref().and_then(|frame| frame.as_ref().ok()?.data_ref()) {
                self.note(data);
            }
            return Poll::Ready(frame);
        }
        // What has arrived goes out first; then the end is a clean one, which clients answer by coming back.
        std::task::ready!(self.end.as_mut().poll(cx));
        self.ended = true;
        Poll::Ready(self.farewell().map(Ok))
    }
}

#[cfg(test)]
mod tests {
    use futures::StreamExt as _;
    use http_body_util::StreamBody;

    use super::*;

    fn stuck() -> Body {
        let first = futures::stream::once(async { Ok(Frame::data(Bytes::from_static(b"x"))) });
        StreamBody::new(first.chain(futures::stream::pending())).boxed_unsync()
    }

    #[tokio::test]
    async fn a_body_that_stops_coming_fails() {
        let (watched, progress) = Watched::new(stuck(), Duration::from_millis(30));
        let mut body = watched.boxed_unsync();
        assert!(body.frame().await.unwrap().is_ok());
        assert!(!progress.stalled() && !progress.is_finished());
        assert!(body.frame().await.unwrap().unwrap_err().is::<Stalled>());
        assert!(progress.stalled());
    }

    #[tokio::test]
    async fn a_body_is_lent_until_somebody_reads_it() {
        let lender = Lender::new(full("hello"));
        drop(lender.lend());
        assert!(lender.is_untouched());
        assert_eq!(lender.lend().size_hint().exact(), Some(5));
        assert_eq!(gather(lender.lend(), 10).await.unwrap(), "hello");
        assert!(!lender.is_untouched());
        assert_eq!(gather(lender.lend(), 10).await, Err(GatherError::Broken));
    }

    /// The end of a stream of these pieces when the gateway stops: what is added to it, and how long that takes.
    async fn ended(pieces: &'static [&'static str]) -> (String, Duration) {
        let pieces = futures::stream::iter(pieces)
            .map(|piece| Ok(Frame::data(Bytes::from_static(piece.as_bytes()))));
        let inner = StreamBody::new(pieces.chain(futures::stream::pending())).boxed_unsync();
        let (shutdown, count) = (CancellationToken::new(), Arc::default());
        shutdown.cancel();
        let begun = Instant::now();
        let mut body = Stream::new(inner, shutdown, None, Gauge::raise(&count)).boxed_unsync();
        let mut text = String::new();
        while let Some(frame) = body.frame().await {
            text.push_str(std::str::from_utf8(&frame.unwrap().into_data().unwrap()).unwrap());
        }
        drop(body);
        assert_eq!(count.load(Ordering::Relaxed), 0);
        (text, begun.elapsed())
    }

    #[tokio::test(start_paused = true)]
    async fn streams_end_one_after_the_other_between_two_events() {
        let mut ends = Vec::new();
        for _ in 0..40 {
            let (text, end) = ended(&["data: 1\n", "\n"]).await;
            let retry = text.strip_prefix("data: 1\n\nretry: ").unwrap().trim_end();
            assert!(RETRY_MS.contains(&retry.parse().unwrap()), "{text}");
            ends.push(end);
        }
        ends.sort();
        assert!(ends[39] <= END_OVER + Duration::from_millis(5));
        assert!(ends[39] > ends[0] + END_OVER / 2, "{ends:?}");
        assert_eq!(ended(&["data: 1\n"]).await.0, "data: 1\n", "nothing into an event");
    }

    #[tokio::test]
    async fn a_body_that_is_too_large_is_not_gathered() {
        assert_eq!(gather(full("hello"), 4).await, Err(GatherError::TooLarge));
    }
}
