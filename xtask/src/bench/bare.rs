//! The baselines: the least that could do the same work.

use std::convert::Infallible;
use std::time::{Duration, Instant};

use anyhow::Context as _;
use axum::Router;
use axum::body::{Body, Bytes};
use axum::extract::State;
use axum::routing::{get, post};
use eventsource_stream::Eventsource as _;
use futures::StreamExt as _;
use sqlx::{Connection as _, PgConnection};
use tokio::sync::{broadcast, mpsc};
use uuid::Uuid;

use super::room::{Sighting, client};

/// A table with nothing but a key and a text: what a message costs Postgres at least.
pub(super) struct Table {
    url: String,
}

impl Table {
    pub(super) async fn make() -> anyhow::Result<Self> {
        let url = std::env::var("AJET_DATABASE_URL").context("AJET_DATABASE_URL")?;
        let mut conn = PgConnection::connect(&url).await?;
        sqlx::query("drop table if exists bench_bare").execute(&mut conn).await?;
        sqlx::query("create table bench_bare (id uuid primary key, channel_id uuid not null, body text not null)")
            .execute(&mut conn)
            .await?;
        Ok(Self { url })
    }

    /// As many connections as senders, each inserting one row after the other, a commit each, for `time`.
    pub(super) async fn insert(
        &self,
        senders: usize,
        time: Duration,
    ) -> anyhow::Result<Vec<Duration>> {
        let mut tasks = Vec::with_capacity(senders);
        for _ in 0..senders {
            let mut conn = PgConnection::connect(&self.url).await?;
            tasks.push(tokio::spawn(async move {
                let (begun, mut times) = (Instant::now(), Vec::new());
                while begun.elapsed() < time {
                    let started = Instant::now();
                    sqlx::query("insert into bench_bare values ($1, $2, $3)")
                        .bind(Uuid::now_v7())
                        .bind(Uuid::now_v7())
                        .bind("a message of the usual length, as people write them all day")
                        .execute(&mut conn)
                        .await?;
                    times.push(started.elapsed());
                }
                anyhow::Ok(times)
            }));
        }
        let mut times = Vec::new();
        for task in tasks {
            times.extend(task.await??);
        }
        Ok(times)
    }
}

/// A server that gives to everybody what is posted to it: no rights, no database, no bus.
pub(super) struct Server {
    pub(super) url: String,
    task: tokio::task::JoinHandle<std::io::Result<()>>,
}

impl Drop for Server {
    fn drop(&mut self) {
        self.task.abort();
    }
}

impl Server {
    pub(super) async fn start() -> anyhow::Result<Self> {
        let (sender, _) = broadcast::channel::<Bytes>(1024);
        let router = Router::new()
            .route("/post", post(tell))
            .route("/events", get(events))
            .with_state(sender);
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await?;
        let url = format!("http://{}", listener.local_addr()?);
        let listener = axum::serve::ListenerExt::tap_io(listener, |stream| {
            let _ = stream.set_nodelay(true);
        });
        let task = tokio::spawn(async move { axum::serve(listener, router).await });
        Ok(Self { url, task })
    }

    pub(super) async fn post(&self, http: &reqwest::Client, body: &str) -> anyhow::Result<()> {
        let request = http.post(format!("{}/post", self.url)).body(body.to_owned());
        request.send().await?.error_for_status()?;
        Ok(())
    }

    pub(super) async fn follow(&self, seen: mpsc::UnboundedSender<Sighting>) -> anyhow::Result<()> {
        let answer = client()?.get(format!("{}/events", self.url)).send().await?;
        let mut events = answer.bytes_stream().eventsource();
        tokio::spawn(async move {
            while let Some(Ok(event)) = events.next().await {
                // Nobody counts any more.
                let _ = seen.send((event.data, Instant::now()));
            }
        });
        Ok(())
    }
}

async fn tell(State(sender): State<broadcast::Sender<Bytes>>, body: String) {
    // Without readers nobody minds.
    let _ = sender.send(format!("data: {body}\n\n").into());
}

async fn events(
    State(sender): State<broadcast::Sender<Bytes>>,
) -> ([(&'static str, &'static str); 1], Body) {
    let stream = futures::stream::unfold(sender.subscribe(), |mut receiver| async {
        let bytes = receiver.recv().await.ok()?;
        Some((Ok::<_, Infallible>(bytes), receiver))
    });
    ([("content-type", "text/event-stream")], Body::from_stream(stream))
}
