//! The stack's side of the toxic proxy (`with-stack --toxic`): which edges there are, and the processes to be stopped and started.
//!
//! xtask depends on `ajet-faults` and not the other way round: the proxy must live where the processes are kept, the fault tests need
//! nothing of xtask, and whatever that crate depends on is in the graph of xtask already.

use std::net::{Ipv4Addr, SocketAddr};
use std::path::Path;
use std::sync::Arc;

use ajet_faults::toxic::{Endpoint, Keeper, Order, Proxy, Toxic, Way, serve};
use anyhow::{Context as _, bail};
use tokio::task::JoinHandle;
use url::Url;

use crate::plan::Plan;
use crate::ports::Ports;
use crate::supervisor::Handle;

/// An edge that is to be opened.
#[derive(Clone, Debug)]
struct Edge {
    from: Endpoint,
    to: Endpoint,
    listen: u16,
    target: u16,
}

/// The edges of a stack; none without `--toxic`.
#[derive(Clone, Debug, Default)]
pub(crate) struct Edges(Vec<Edge>);

impl Edges {
    /// Every edge of every replica, each on a port of its own.
    pub(crate) fn plan(plan: &Plan, ports: &mut Ports) -> anyhow::Result<Self> {
        let (api, gateways) = (numbered("api", &plan.api), numbered("gw", &plan.auth_gw));
        let (web, tui) = (numbered("web-sm", &plan.web_sm), numbered("tui-sm", &plan.tui_sm));
        let postgres = [(Endpoint::single("postgres"), plan.postgres)];
        let nats = [(Endpoint::single("nats"), plan.nats)];
        let s3 = [(Endpoint::single("s3"), plan.s3)];
        let provider = [(Endpoint::single("provider"), plan.provider)];
        let clients = [(Endpoint::single("client"), 0)];
        let mut edges = Self::default();
        let mut connect = |from: &[Side], to: &[Side]| -> anyhow::Result<()> {
            for (from, _) in from {
                for (to, target) in to {
                    let (from, to, listen) = (from.clone(), to.clone(), ports.any()?);
                    edges.0.push(Edge { from, to, listen, target: *target });
                }
            }
            Ok(())
        };
        connect(&clients, &gateways)?;
        for to in [&api[..], &web, &tui, &postgres, &provider] {
            connect(&gateways, to)?;
        }
        for session_managers in [&web, &tui] {
            connect(session_managers, &api)?;
            connect(session_managers, &nats)?;
        }
        for to in [&postgres, &nats, &s3] {
            connect(&api, to)?;
        }
        Ok(edges)
    }

    /// The port at which `from` reaches `to`, which itself listens on `direct`.
    pub(crate) fn port(&self, from: &Endpoint, to: &Endpoint, direct: u16) -> u16 {
        let edge = self.0.iter().find(|edge| edge.from == *from && edge.to == *to);
        edge.map_or(direct, |edge| edge.listen)
    }

    /// The address by which `from` reaches `to`, whose own one is `direct`.
    pub(crate) fn through(&self, from: &Endpoint, to: &Endpoint, direct: &str) -> String {
        let Ok(mut url) = Url::parse(direct) else { return direct.to_owned() };
        let own = url.port_or_known_default().unwrap_or_default();
        let port = self.port(from, to, own);
        if port == own || url.set_port(Some(port)).is_err() {
            return direct.to_owned();
        }
        // Parsing gives every address of HTTP a path.
        let url = String::from(url);
        if direct.ends_with('/') { url } else { url.trim_end_matches('/').to_owned() }
    }
}

/// A side of an edge and its port.
type Side = (Endpoint, u16);

fn numbered(service: &str, ports: &[u16]) -> Vec<Side> {
    let numbered = ports.iter().zip(1..);
    numbered.map(|(port, number)| (Endpoint::replica(service, number), *port)).collect()
}

/// The processes of a stack, as the control protocol sees them.
#[derive(Debug)]
struct Processes(Vec<Handle>);

impl Keeper for Processes {
    async fn describe(&self) -> Vec<String> {
        let mut lines = Vec::new();
        for handle in &self.0 {
            // One that is being stopped with its stack is none any more.
            lines.extend(handle.describe().await);
        }
        lines
    }

    async fn order(&self, name: &str, order: Order) -> anyhow::Result<()> {
        let Some(handle) = self.0.iter().find(|handle| handle.name() == name) else {
            let known: Vec<_> = self.0.iter().map(Handle::name).collect();
            bail!("there is no process {name}, but {}", known.join(", "));
        };
        handle.order(order).await
    }
}

/// The open edges of a running stack.
#[derive(Debug)]
pub(crate) struct OpenEdges {
    proxy: Arc<Proxy>,
    control: Option<JoinHandle<()>>,
}

impl OpenEdges {
    /// Opens them. Each refuses until somebody listens behind it.
    pub(crate) async fn open(edges: &Edges) -> anyhow::Result<Self> {
        let local = |port| SocketAddr::from((Ipv4Addr::LOCALHOST, port));
        let mut proxy = Proxy::default();
        for Edge { from, to, listen, target } in &edges.0 {
            proxy.open(from, to, local(*listen), local(*target)).await?;
        }
        Ok(Self { proxy: Arc::new(proxy), control: None })
    }

    /// Begins to listen to who wants to control them and these processes.
    pub(crate) fn listen(&mut self, socket: &Path, processes: Vec<Handle>) -> anyhow::Result<()> {
        let serving = serve(socket, self.proxy.clone(), Arc::new(Processes(processes)))?;
        self.control = Some(tokio::spawn(serving));
        Ok(())
    }

    /// Listens to nobody any more and makes all well, so that services can end in peace.
    pub(crate) async fn restore(&mut self) {
        if let Some(control) = self.control.take() {
            control.abort();
        }
        let restored = self.proxy.disturb("all", Toxic::Restore, Way::Both).await;
        if let Err(error) = restored.context("the edges") {
            tracing::warn!("{error:#}");
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_address_changes_its_port_and_nothing_else() {
        let (api, nats) = (Endpoint::replica("api", 1), Endpoint::single("nats"));
        let edge = Edge { from: api.clone(), to: nats.clone(), listen: 20_001, target: 4_222 };
        let edges = Edges(vec![edge]);
        for (direct, through) in [
            ("nats://api:4222-api@127.0.0.1:4222", "nats://api:4222-api@127.0.0.1:20001"),
            ("http://127.0.0.1:4222", "http://127.0.0.1:20001"),
            ("http://localhost:4222/", "http://localhost:20001/"),
            ("postgres://ajet@127.0.0.1:4222/ajet", "postgres://ajet@127.0.0.1:20001/ajet"),
        ] {
            assert_eq!(edges.through(&api, &nats, direct), through);
            // The way back is no edge.
            assert_eq!(edges.through(&nats, &api, direct), direct);
            assert_eq!(Edges::default().through(&api, &nats, direct), direct);
        }
    }
}
