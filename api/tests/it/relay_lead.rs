//! Who leads: a relay that hangs or that cannot reach NATS makes room for one that can publish.

use std::sync::Arc;

use ajet_shared::secret::Secret;
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::watch;

use crate::harness::{App, eventually};
use crate::relay::{published, say};

/// What a wire does with what is sent over it.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Wire {
    Open,
    /// Connections live on and nothing comes through.
    Stalled,
    /// Connections end and new ones are refused.
    Cut,
}

/// A TCP connection in between that can be stalled or cut.
struct Proxy {
    address: String,
    wire: Arc<watch::Sender<Wire>>,
}

impl Proxy {
    async fn to(target: String) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap().to_string();
        let wire = Arc::new(watch::Sender::new(Wire::Open));
        let state = wire.clone();
        tokio::spawn(async move {
            while let Ok((near, _)) = listener.accept().await {
                if *state.borrow() == Wire::Open
                    && let Ok(far) = TcpStream::connect(&target).await
                {
                    tokio::spawn(forward(near, far, state.subscribe()));
                }
            }
        });
        Self { address, wire }
    }
}

async fn forward(mut near: TcpStream, mut far: TcpStream, mut wire: watch::Receiver<Wire>) {
    tokio::select! {
        _ = tokio::io::copy_bidirectional(&mut near, &mut far) => {}
        _ = wire.wait_for(|wire| *wire != Wire::Open) => {}
    }
    // The sockets stay open and silent; the far side may end, and the near side must not learn of it.
    let _ = wire.wait_for(|wire| *wire == Wire::Cut).await;
}

/// `host:port` of an address.
fn authority(url: &str) -> String {
    let rest = url.split_once("://").map_or(url, |(_, rest)| rest);
    let rest = rest.rsplit_once('@').map_or(rest, |(_, rest)| rest);
    rest.split('/').next().unwrap().to_owned()
}

/// Who has the lead, as Postgres knows: the process of its connection.
async fn leader(app: &App) -> Option<i32> {
    sqlx::query_scalar(
        "SELECT pid FROM pg_locks WHERE locktype = 'advisory' AND granted AND objid = $1::bigint::oid \
         AND database = (SELECT oid FROM pg_database WHERE datname = current_database())",
    )
    .bind(0x7265_6c79_i64)
    .fetch_optional(&app.db)
    .await
    .unwrap()
}

/// Gives the lead to an instance that reaches a server only through the proxy; then that wire breaks while another one writes.
async fn the_other_one_leads(through: &str, breaks: Wire) {
    let mut app = App::start().await;
    let ann = app.user("ann").await;
    let (_, general) = app.community(&ann, "Team").await;
    eventually("all is published", async || published(&app.db).await).await;
    let target = if through == "nats" { app.nats_url() } else { app.database_url() };
    let proxy = Proxy::to(authority(target)).await;
    let proxied = target.replace(&authority(target), &proxy.address);
    let _bad = app
        .another(|config| match through {
            "nats" => config.nats_url = Secret::from(proxied),
            _ => config.database_url = Secret::from(proxied),
        })
        .await;
    let first = leader(&app).await;
    app.end().await;
    eventually("the second one leads", async || {
        let now = leader(&app).await;
        now.is_some() && now != first
    })
    .await;
    let good = app.another(|_| {}).await;
    proxy.wire.send_replace(breaks);
    say(&ann.at(&good), &general, "hello").await;
    eventually("the third one publishes", async || published(&app.db).await).await;
}

#[tokio::test]
async fn a_standby_forgets_the_backlog_that_the_leader_has_published() {
    let mut app = App::start().await;
    let ann = app.user("ann").await;
    let (_, general) = app.community(&ann, "Team").await;
    let other = app.another(|_| {}).await;
    eventually("all is published", async || published(&app.db).await).await;
    app.stop_nats();
    for n in 0..3 {
        say(&ann, &general, &n.to_string()).await;
    }
    let both = async |name: &str| (app.metric(name).await, app.metric_at(&other, name).await);
    eventually("both see it", async || both("chat_outbox_pending").await == (3, 3)).await;
    app.restart_nats().await;
    let both = async |name: &str| (app.metric(name).await, app.metric_at(&other, name).await);
    eventually("one of them leads", async || {
        matches!(both("chat_relay_leader").await, (0, 1) | (1, 0))
    })
    .await;
    eventually("and neither sees it any more", async || {
        both("chat_outbox_pending").await == (0, 0)
            && both("chat_outbox_lag_milliseconds").await == (0, 0)
    })
    .await;
}

#[tokio::test]
async fn a_leader_that_is_stalled_loses_the_lead() {
    the_other_one_leads("postgres", Wire::Stalled).await;
}

#[tokio::test]
async fn a_leader_that_cannot_reach_nats_gives_up_the_lead() {
    the_other_one_leads("nats", Wire::Cut).await;
}
