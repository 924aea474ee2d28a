//! Instances that answer, refuse, hang, break off and say that they are not ready.

use std::sync::atomic::AtomicBool;

use ajet_shared::http::{Health, health_routes, unready_first};
use axum::http::StatusCode;
use http::Method;
use tokio::io::AsyncReadExt as _;
use tokio::net::TcpListener;
use tokio_util::sync::CancellationToken;

use super::*;

fn upstreams(ports: &[u16]) -> Arc<Upstreams> {
    let urls: Vec<Url> =
        ports.iter().map(|port| format!("http://127.0.0.1:{port}").parse().unwrap()).collect();
    Arc::new(Upstreams::new("test", &urls, client(), Arc::default()).unwrap())
}

fn ports(instances: &[&Instance]) -> Vec<u16> {
    instances.iter().rev().map(|instance| instance.authority.port_u16().unwrap()).collect()
}

/// A service that answers everything, and says by itself whether it is ready.
async fn serve() -> (u16, Arc<AtomicBool>) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let port = listener.local_addr().unwrap().port();
    let ready = Arc::new(AtomicBool::new(true));
    let said = ready.clone();
    let readiness = async move || {
        if said.load(Ordering::Relaxed) { StatusCode::OK } else { StatusCode::SERVICE_UNAVAILABLE }
    };
    let router = axum::Router::new()
        .route("/readyz", axum::routing::get(readiness))
        .fallback(async move || port.to_string());
    tokio::spawn(async move { axum::serve(listener, router).await });
    (port, ready)
}

/// A server that reads what comes and then closes, or says nothing for ever. Counts the requests that change something.
async fn mute(closes: bool) -> (u16, Arc<AtomicUsize>) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let port = listener.local_addr().unwrap().port();
    let count = Arc::<AtomicUsize>::default();
    let seen = count.clone();
    tokio::spawn(async move {
        let mut held = Vec::new();
        while let Ok((mut stream, _)) = listener.accept().await {
            let mut bytes = [0; 1024];
            let length = stream.read(&mut bytes).await.unwrap_or_default();
            if bytes[..length].starts_with(b"POST") {
                seen.fetch_add(1, Ordering::Relaxed);
            }
            if !closes {
                held.push(stream);
            }
        }
    });
    (port, count)
}

/// Who answered.
async fn asked(upstreams: &Upstreams, method: Method) -> Result<u16, ForwardError> {
    let request = http::Request::builder().method(&method).uri("/x").body(()).unwrap();
    let (head, ()) = request.into_parts();
    let body = if method == Method::POST { body::full("hello") } else { body::empty() };
    let answer = upstreams.forward(&head, body, None).await?;
    let port = body::gather(answer.into_body(), 10).await.unwrap();
    Ok(std::str::from_utf8(&port).unwrap().parse().unwrap())
}

#[tokio::test]
async fn instances_take_turns_and_those_away_come_last() {
    let upstreams = upstreams(&[1, 2, 3]);
    assert_eq!(ports(&upstreams.tries(None)), [1, 2, 3]);
    assert_eq!(ports(&upstreams.tries(None)), [2, 3, 1]);
    upstreams.instances[2].refused();
    assert_eq!(ports(&upstreams.tries(None)), [1, 2, 3]);
    assert_eq!(ports(&upstreams.tries(None)), [1, 2, 3], "starts behind the one that is away");
}

#[tokio::test]
async fn who_has_a_home_comes_back_to_it_from_every_gateway() {
    let (one, other) = (upstreams(&[1, 2, 3]), upstreams(&[11, 12, 13]));
    let mut homes = [0; 3];
    for _ in 0..300 {
        let home = Some(Uuid::now_v7());
        let order = ports(&one.tries(home));
        assert_eq!(ports(&one.tries(home)), order, "always");
        let there: Vec<u16> = ports(&other.tries(home)).iter().map(|port| port - 10).collect();
        assert_eq!(there, order, "by other addresses");
        homes[usize::from(order[0]) - 1] += 1;
    }
    assert!(homes.iter().all(|count| (50..150).contains(count)), "{homes:?}");
}

#[tokio::test]
async fn who_has_a_home_moves_only_while_it_is_away() {
    let upstreams = upstreams(&[1, 2, 3]);
    for _ in 0..50 {
        let home = Some(Uuid::now_v7());
        let order = ports(&upstreams.tries(home));
        let instance = &upstreams.instances[usize::from(order[0]) - 1];
        instance.refused();
        assert_eq!(ports(&upstreams.tries(home)), [order[1], order[2], order[0]]);
        instance.answered();
        assert_eq!(ports(&upstreams.tries(home)), order);
    }
}

#[test]
fn homes_stay_the_same_from_build_to_build() {
    let home = Uuid::from_u128(0x0123_4567_89ab_cdef_0123_4567_89ab_cdef);
    assert_eq!([drawn(home, 0), drawn(home, 1)], [0x67c7_ab68_f89b_4aa8, 0xd2b5_4e3f_d446_b720]);
}

#[tokio::test]
async fn nobody_there_is_said_at_once() {
    let began = Instant::now();
    let answer = asked(&upstreams(&[1, 2, 3]), Method::GET).await;
    assert!(matches!(answer, Err(ForwardError::Away)));
    assert!(began.elapsed() < Duration::from_secs(2));
}

#[tokio::test]
async fn what_may_be_made_twice_is_asked_elsewhere_when_it_broke_off() {
    let ((closing, posts), (alive, _)) = (mute(true).await, serve().await);
    let upstreams = upstreams(&[closing, alive]);
    for method in [Method::GET, Method::DELETE, Method::GET] {
        assert_eq!(asked(&upstreams, method).await.unwrap(), alive);
    }
    let answers = [asked(&upstreams, Method::POST).await, asked(&upstreams, Method::POST).await];
    assert_eq!(answers.iter().filter(|answer| answer.is_ok()).count(), 1, "each had its turn");
    assert_eq!(posts.load(Ordering::Relaxed), 1, "what it did is not known, so once");
}

#[tokio::test]
async fn one_that_hangs_is_found_out_and_left() {
    let ((hanging, posts), (alive, _)) = (mute(false).await, serve().await);
    let upstreams = upstreams(&[hanging, alive]);
    let began = Instant::now();
    let watched = upstreams.clone();
    let watching = tokio::spawn(async move { watched.watch().await });
    assert_eq!(asked(&upstreams, Method::GET).await.unwrap(), alive);
    for _ in 0..6 {
        assert_eq!(asked(&upstreams, Method::POST).await.unwrap(), alive);
    }
    watching.abort();
    assert!(began.elapsed() < ANSWER_WITHIN / 2, "{:?}", began.elapsed());
    assert_eq!(posts.load(Ordering::Relaxed), 0);
}

#[tokio::test(start_paused = true)]
async fn who_has_sent_everything_is_not_kept_waiting_as_if_more_would_come() {
    let (mut sent, progress) = Watched::new(body::full("hello"), BODY_IDLE);
    let begun = Instant::now();
    let hangs = async {
        while sent.frame().await.is_some() {}
        std::future::pending::<Result<(), Error>>().await
    };
    assert!(answer_in_time(hangs, &progress).await.is_none());
    assert!(begun.elapsed() <= ANSWER_WITHIN + LOOK_EVERY, "{:?}", begun.elapsed());
}

#[tokio::test]
async fn one_that_is_not_ready_gets_nothing_until_it_is() {
    let ((first, ready), (second, _)) = (serve().await, serve().await);
    let upstreams = upstreams(&[first, second]);
    let instance = &upstreams.instances[0];
    let watched = upstreams.clone();
    let watching = tokio::spawn(async move { watched.watch().await });
    for says in [false, true] {
        ready.store(says, Ordering::Relaxed);
        let known = async {
            while instance.is_away() == says {
                tokio::time::sleep(Duration::from_millis(10)).await;
            }
        };
        tokio::time::timeout(ASK_EVERY * 5, known).await.expect("it is noticed");
        let mut firsts = 0;
        for _ in 0..4 {
            firsts += usize::from(asked(&upstreams, Method::POST).await.unwrap() == first);
        }
        assert_eq!(firsts, if says { 2 } else { 0 });
    }
    watching.abort();
}

/// A service that stops as ours do.
struct Ours {
    port: u16,
    shutdown: CancellationToken,
    served: tokio::task::JoinHandle<()>,
}

impl Ours {
    async fn start(port: u16) -> Self {
        // Somebody's outgoing connection may have the port of the one before for a moment.
        let listener = tokio::time::timeout(Duration::from_secs(10), async {
            loop {
                match TcpListener::bind(("127.0.0.1", port)).await {
                    Ok(listener) => return listener,
                    Err(_) => tokio::time::sleep(Duration::from_millis(20)).await,
                }
            }
        });
        let listener = listener.await.expect("the port is free again");
        let port = listener.local_addr().unwrap().port();
        let (health, shutdown) = (Health::default(), CancellationToken::new());
        health.set_ready(true);
        let work = async move || {
            tokio::time::sleep(Duration::from_millis(20)).await;
            port.to_string()
        };
        let router = axum::Router::new().fallback(work).merge(health_routes(health.clone()));
        let stop = unready_first(&health, None, shutdown.clone());
        let served = tokio::spawn(ajet_shared::http::serve(listener, router, health, stop));
        Self { port, shutdown, served }
    }

    async fn restart(self) -> Self {
        self.shutdown.cancel();
        self.served.await.unwrap();
        Self::start(self.port).await
    }
}

#[tokio::test]
async fn nothing_fails_while_every_instance_is_restarted() {
    let (first, second) = (Ours::start(0).await, Ours::start(0).await);
    let upstreams = upstreams(&[first.port, second.port]);
    for instance in &upstreams.instances {
        assert_eq!(upstreams.condition(instance).await, Condition::Ready);
    }
    let watched = upstreams.clone();
    let watching = tokio::spawn(async move { watched.watch().await });
    let done = CancellationToken::new();
    let load = futures::future::join_all((0..8).map(async |_| {
        let mut posts = 0;
        while !done.is_cancelled() {
            asked(&upstreams, Method::POST).await.expect("no post fails");
            posts += 1;
        }
        posts
    }));
    let restarts = async {
        let mut running = Vec::new();
        for (instance, old) in upstreams.instances.iter().zip([first, second]) {
            running.push(old.restart().await);
            let back = async {
                while instance.is_away() {
                    tokio::time::sleep(Duration::from_millis(10)).await;
                }
            };
            tokio::time::timeout(ASK_EVERY * 5, back).await.expect("it is back");
        }
        done.cancel();
        running
    };
    let (posts, _running) = tokio::join!(load, restarts);
    assert!(posts.iter().sum::<usize>() > 100, "{posts:?}");
    watching.abort();
}
