//! Settings of the terminal session manager.

use std::net::SocketAddr;

use ajet_shared::secret::Secret;
use url::Url;

/// Settings of the terminal session manager. There are no other sources and no globals; each variable may also come as `…_FILE`.
#[derive(Clone, Debug, clap::Parser)]
#[command(
    name = "ajet-tui-sm",
    version,
    about = "Live events of ajet-chat for terminals and programs: JSON over server-sent events"
)]
pub struct Config {
    /// Address to listen on; only the gateway needs to reach it.
    #[arg(
        long,
        env = "AJET_TUI_SM_LISTEN",
        value_name = "127.0.0.1:8083",
        default_value = "127.0.0.1:8083"
    )]
    pub listen: SocketAddr,
    /// The address people use.
    #[arg(long, env = "AJET_PUBLIC_URL", value_name = "https://chat.example.org")]
    pub public_url: String,
    /// NATS with `JetStream`, version 2.10 or newer.
    #[arg(
        long,
        env = "AJET_NATS_URL",
        value_name = "nats://tuism:password@127.0.0.1:4222",
        hide_env_values = true
    )]
    pub nats_url: Secret,
    /// The replicas of the api, separated by commas.
    #[arg(
        long,
        env = "AJET_API_UPSTREAMS",
        value_name = "http://127.0.0.1:8081",
        value_delimiter = ',',
        required = true
    )]
    pub api_upstreams: Vec<Url>,
    /// What callers must send as `X-Ajet-Edge`; the same for all services.
    #[arg(long, env = "AJET_EDGE_SECRET", value_name = "32-random-bytes", hide_env_values = true)]
    pub edge_secret: Secret,
    /// The live side.
    #[command(flatten)]
    pub hub: ajet_shared::hub::Settings,
}
