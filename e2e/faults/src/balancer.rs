//! What stands in front of several gateways where there are several (nginx, haproxy): it asks each of them again and again whether it
//! is ready, takes new connections to those only that are, by turns, and leaves the connections alone that there are.

use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::time::Duration;

use anyhow::Context as _;
use tokio::io::copy_bidirectional;
use tokio::net::{TcpListener, TcpStream};
use tokio::task::{JoinHandle, JoinSet};

use crate::Stack;

/// How often each gateway is asked.
const ASK_EVERY: Duration = Duration::from_millis(500);
/// One that says nothing for this long is not ready.
const ASK_PATIENCE: Duration = Duration::from_secs(1);

/// A balancer over TCP, until dropped.
#[derive(Debug)]
pub struct Balancer {
    address: SocketAddr,
    targets: Arc<[Target]>,
    serving: JoinHandle<()>,
}

impl Drop for Balancer {
    fn drop(&mut self) {
        self.serving.abort();
    }
}

/// One gateway.
#[derive(Debug)]
struct Target {
    address: String,
    /// Where it says whether it is ready.
    admin: String,
    is_ready: AtomicBool,
}

impl Balancer {
    /// Between all gateways of a stack.
    pub async fn open(stack: &Stack) -> anyhow::Result<Self> {
        let gateways = stack.gateways.iter().zip(&stack.gateway_admins);
        let targets: Arc<[Target]> = gateways
            .map(|(gateway, admin)| Target {
                address: gateway.trim_start_matches("http://").trim_end_matches('/').to_owned(),
                admin: format!("{}/readyz", admin.trim_end_matches('/')),
                is_ready: AtomicBool::new(true),
            })
            .collect();
        let listener = TcpListener::bind("127.0.0.1:0").await?;
        let address = listener.local_addr()?;
        let http = reqwest::Client::builder().no_proxy().timeout(ASK_PATIENCE).build()?;
        let serving = tokio::spawn(serve(listener, targets.clone(), http));
        Ok(Self { address, targets, serving })
    }

    /// Its address; calls must bring the authority of the public one.
    #[must_use]
    pub fn url(&self) -> String {
        format!("http://{}", self.address)
    }

    /// Waits until it takes connections to every gateway: who stops one before that may leave none.
    pub async fn takes_all(&self) {
        while !self.targets.iter().all(|target| target.is_ready.load(Ordering::Relaxed)) {
            tokio::time::sleep(ASK_EVERY / 20).await;
        }
    }
}

async fn serve(listener: TcpListener, targets: Arc<[Target]>, http: reqwest::Client) {
    let mut tasks = JoinSet::new();
    for number in 0..targets.len() {
        tasks.spawn(watch(targets.clone(), number, http.clone()));
    }
    let turn = Arc::new(AtomicUsize::new(0));
    loop {
        tokio::select! {
            accepted = listener.accept() => match accepted {
                Ok((client, _)) => { tasks.spawn(join(client, targets.clone(), turn.clone())); }
                Err(_) => tokio::time::sleep(ASK_EVERY / 10).await,
            },
            Some(_) = tasks.join_next() => {}
        }
    }
}

async fn watch(targets: Arc<[Target]>, number: usize, http: reqwest::Client) {
    let target = &targets[number];
    loop {
        let answer = http.get(&target.admin).send().await;
        let is_ready = answer.is_ok_and(|answer| answer.status().is_success());
        target.is_ready.store(is_ready, Ordering::Relaxed);
        tokio::time::sleep(ASK_EVERY).await;
    }
}

/// One connection, to its end. A client that finds no gateway is sent away.
async fn join(mut client: TcpStream, targets: Arc<[Target]>, turn: Arc<AtomicUsize>) {
    let Ok(mut gateway) = connect(&targets, &turn).await else { return };
    let _ = (client.set_nodelay(true), gateway.set_nodelay(true));
    // However it ends, both ends are closed then.
    let _ = copy_bidirectional(&mut client, &mut gateway).await;
}

/// The next gateway that is ready; the one after it when it takes no connection, of which nobody has heard yet.
async fn connect(targets: &[Target], turn: &AtomicUsize) -> anyhow::Result<TcpStream> {
    let first = turn.fetch_add(1, Ordering::Relaxed);
    let in_turn = (0..targets.len()).map(|n| &targets[first.wrapping_add(n) % targets.len()]);
    for target in in_turn.filter(|target| target.is_ready.load(Ordering::Relaxed)) {
        if let Ok(stream) = TcpStream::connect(&target.address).await {
            return Ok(stream);
        }
        target.is_ready.store(false, Ordering::Relaxed);
    }
    None.context("no gateway is ready")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn connections_go_to_those_that_are_ready() {
        let (one, two) = (
            TcpListener::bind("127.0.0.1:0").await.unwrap(),
            TcpListener::bind("127.0.0.1:0").await.unwrap(),
        );
        let target = |address: SocketAddr, is_ready| Target {
            address: address.to_string(),
            admin: String::new(),
            is_ready: AtomicBool::new(is_ready),
        };
        let (first, second) = (one.local_addr().unwrap(), two.local_addr().unwrap());
        let targets = [target(first, true), target(second, true)];
        let turn = AtomicUsize::new(0);
        let next =
            async || connect(&targets, &turn).await.map(|stream| stream.peer_addr().unwrap());
        assert_eq!([next().await.unwrap(), next().await.unwrap()], [first, second], "by turns");
        targets[0].is_ready.store(false, Ordering::Relaxed);
        assert_eq!([next().await.unwrap(), next().await.unwrap()], [second; 2]);
        targets[0].is_ready.store(true, Ordering::Relaxed);
        drop(one);
        assert_eq!([next().await.unwrap(), next().await.unwrap()], [second; 2], "it is away");
        drop(two);
        assert!(next().await.is_err());
    }
}
