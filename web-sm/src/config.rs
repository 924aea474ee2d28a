//! Settings of the web session manager.

use std::net::SocketAddr;

use ajet_shared::secret::Secret;
use anyhow::ensure;
use url::Url;

/// Bytes that a secret of the configuration must have. Source: delivery-and-security.md section 3.8.
const SECRET_BYTES_MIN: usize = 32;

/// Settings of the web session manager. Each variable may also come as `…_FILE`.
#[derive(Clone, Debug, clap::Parser)]
#[command(
    name = "ajet-web-sm",
    version,
    about = "The web session manager of ajet-chat: pages and their live updates"
)]
pub struct Config {
    /// Address to listen on.
    #[arg(
        long,
        env = "AJET_WEB_SM_LISTEN",
        value_name = "127.0.0.1:8082",
        default_value = "127.0.0.1:8082"
    )]
    pub listen: SocketAddr,
    /// The address people use.
    #[arg(long, env = "AJET_PUBLIC_URL", value_name = "https://chat.example.org")]
    pub public_url: Url,
    /// NATS, with user and password.
    #[arg(
        long,
        env = "AJET_NATS_URL",
        value_name = "nats://websm:password@127.0.0.1:4222",
        hide_env_values = true
    )]
    pub nats_url: Secret,
    /// Addresses of the api, separated by commas.
    #[arg(
        long,
        env = "AJET_API_UPSTREAMS",
        value_name = "http://127.0.0.1:8081",
        value_delimiter = ',',
        default_value = "http://127.0.0.1:8081"
    )]
    pub api_upstreams: Vec<Url>,
    /// What the gateway proves itself with, in `X-Ajet-Edge`; the same for all services, 32 bytes or more.
    #[arg(long, env = "AJET_EDGE_SECRET", value_name = "32-random-bytes", hide_env_values = true)]
    pub edge_secret: Secret,
    /// The live side.
    #[command(flatten)]
    pub hub: ajet_shared::hub::Settings,
}

impl Config {
    /// Refuses what clap cannot see.
    pub(crate) fn check(&self) -> anyhow::Result<()> {
        ensure!(
            self.edge_secret.expose().len() >= SECRET_BYTES_MIN,
            "AJET_EDGE_SECRET is shorter than {SECRET_BYTES_MIN} bytes; for example take the output of `openssl rand -hex 32`"
        );
        Ok(())
    }
}
