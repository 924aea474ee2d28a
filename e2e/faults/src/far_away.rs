//! Clients at the end of a cable that can be pulled.
//!
//! A proxy cannot show what becomes of a client that vanishes: the proxy's kernel goes on to answer for it. Here the clients live in a
//! network namespace, and after [`FarAway::vanish`] nothing answers any more.

use std::fs;
use std::net::{Ipv4Addr, SocketAddr};
use std::process::{Child, Command, Stdio};

use anyhow::{Context as _, bail};

use crate::machine::run;

/// Opens streams and keeps them without reading.
const CLIENTS: &str = r#"for _ in $(seq "$COUNT"); do exec {stream}<>"/dev/tcp/$HOST/$PORT" && printf %s "$REQUEST" >&"$stream" || exit 1; done; exec sleep infinity"#;

/// A namespace with a cable to this machine, until dropped.
#[derive(Debug)]
pub struct FarAway {
    name: String,
    clients: Option<Child>,
}

impl FarAway {
    /// Makes the namespace and plugs the cable in. From there, this machine's loopback address is this machine.
    pub fn plugged_in() -> anyhow::Result<Self> {
        // Names of interfaces may have 15 characters.
        let name = format!("ajet{}", std::process::id());
        let far_away = Self { name, clients: None };
        far_away.plug_in().context(
            "this test pulls a cable between two network namespaces: it needs root, `ip netns` and veth devices",
        )?;
        Ok(far_away)
    }

    fn plug_in(&self) -> anyhow::Result<()> {
        let Self { name, .. } = self;
        let (here, there) = (self.here(), self.there());
        let network = std::process::id() % (256 * 64);
        let address =
            |host| Ipv4Addr::from(u32::from(Ipv4Addr::new(10, 199, 0, 0)) + network * 4 + host);
        let (near, far) = (address(1), address(2));
        ip(&format!("netns add {name}"))?;
        ip(&format!("link add {here} type veth peer name {there} netns {name}"))?;
        ip(&format!("addr add {near}/30 dev {here}"))?;
        ip(&format!("link set {here} up"))?;
        ip(&format!("-n {name} addr add {far}/30 dev {there}"))?;
        ip(&format!("-n {name} link set {there} up"))?;
        ip(&format!("-n {name} route add 127.0.0.1/32 via {near}"))?;
        fs::write(local_routes(&here), "1").with_context(|| local_routes(&here))?;
        let local_routes = format!("echo 1 > {}", local_routes(&there));
        run(Command::new("ip").args(["netns", "exec", name, "sh", "-c", &local_routes]))?;
        Ok(())
    }

    /// Connects `count` clients to `address`, which say `request` and then only listen.
    pub fn connect(
        &mut self,
        address: SocketAddr,
        request: &str,
        count: usize,
    ) -> anyhow::Result<()> {
        let clients = Command::new("ip")
            .args(["netns", "exec", &self.name, "bash", "-c", CLIENTS])
            .env("COUNT", count.to_string())
            .env("HOST", address.ip().to_string())
            .env("PORT", address.port().to_string())
            .env("REQUEST", request)
            .stdin(Stdio::null())
            .spawn()?;
        if self.clients.replace(clients).is_some() {
            bail!("there are clients already");
        }
        Ok(())
    }

    /// Pulls the cable: the clients are gone, and nobody is told.
    pub fn vanish(&self) -> anyhow::Result<()> {
        ip(&format!("-n {} link set {} down", self.name, self.there()))
    }

    fn here(&self) -> String {
        format!("{}h", self.name)
    }

    fn there(&self) -> String {
        format!("{}t", self.name)
    }
}

impl Drop for FarAway {
    fn drop(&mut self) {
        if let Some(clients) = &mut self.clients {
            drop(clients.kill());
            drop(clients.wait());
        }
        // What was not made cannot be removed.
        drop(ip(&format!("link del {}", self.here())));
        drop(ip(&format!("netns del {}", self.name)));
    }
}

/// The file that says whether a device may carry loopback addresses.
fn local_routes(device: &str) -> String {
    format!("/proc/sys/net/ipv4/conf/{device}/route_localnet")
}

fn ip(arguments: &str) -> anyhow::Result<()> {
    run(Command::new("ip").args(arguments.split(' '))).map(drop)
}
