//! Which port each part of a stack gets, and which settings each service.

use ajet_faults::toxic::Endpoint;

use crate::cli::Limits;
use crate::info::Info;
use crate::nats::Nats;
use crate::ports::Ports;
use crate::services::{Service, Settings};
use crate::stack::{Options, PortChoice};
use crate::toxic::Edges;
use crate::{s3, secrets};

/// Ports and secrets, settled before anything is started.
pub(crate) struct Plan {
    /// Of Postgres.
    pub(crate) postgres: u16,
    /// Of NATS.
    pub(crate) nats: u16,
    /// Of the object store.
    pub(crate) s3: u16,
    /// Of the sign-in provider.
    pub(crate) provider: u16,
    /// Of every API replica.
    pub(crate) api: Vec<u16>,
    /// Of every web session manager.
    pub(crate) web_sm: Vec<u16>,
    /// Of every terminal session manager.
    pub(crate) tui_sm: Vec<u16>,
    /// Of every gateway.
    pub(crate) auth_gw: Vec<u16>,
    /// Of every gateway's health, readiness and metrics.
    pub(crate) auth_gw_admin: Vec<u16>,
    /// The application as the sign-in provider knows it.
    pub(crate) client_id: String,
    /// And its secret.
    pub(crate) client_secret: String,
    /// What lies between any two of them.
    pub(crate) edges: Edges,
}

impl Plan {
    /// Settles them.
    pub(crate) fn new(options: &Options) -> anyhow::Result<Self> {
        let mut ports = Ports::default();
        let mut port = |wanted, what| match options.ports {
            PortChoice::Standard => ports.prefer(wanted, what),
            PortChoice::Free => ports.any(),
        };
        let (auth_gw, auth_gw_admin) = (port(8080, "auth-gw")?, port(8079, "auth-gw")?);
        let (api, web_sm, tui_sm) =
            (port(8081, "api")?, port(8082, "web-sm")?, port(8083, "tui-sm")?);
        let (postgres, nats) = (port(5432, "postgres")?, port(4222, "nats")?);
        let (s3, provider) = (port(9000, "s3")?, port(8090, "sign-in")?);
        let mut replicas = |first: u16| -> anyhow::Result<Vec<u16>> {
            let others = (1..options.replicas).map(|_| ports.any());
            std::iter::once(Ok(first)).chain(others).collect()
        };
        let mut plan = Self {
            postgres,
            nats,
            s3,
            provider,
            api: replicas(api)?,
            web_sm: replicas(web_sm)?,
            tui_sm: replicas(tui_sm)?,
            auth_gw: replicas(auth_gw)?,
            auth_gw_admin: replicas(auth_gw_admin)?,
            client_id: "ajet-dev".to_owned(),
            client_secret: secrets::random(),
            edges: Edges::default(),
        };
        if options.toxic {
            plan.edges = Edges::plan(&plan, &mut ports)?;
        }
        Ok(plan)
    }

    /// The address that people use: the first gateway.
    pub(crate) fn url(&self) -> String {
        self.public_urls().swap_remove(0)
    }

    /// Where people reach each gateway.
    pub(crate) fn public_urls(&self) -> Vec<String> {
        let client = Endpoint::single("client");
        let ports = self.auth_gw.iter().zip(1..).map(|(port, number)| {
            self.edges.port(&client, &Endpoint::replica("gw", number), *port)
        });
        urls(&ports.collect::<Vec<_>>())
    }

    /// Where `from` reaches every replica of a service.
    fn upstreams(&self, from: &Endpoint, service: &str, direct: &[String]) -> String {
        let through = direct.iter().zip(1..).map(|(url, number)| {
            self.edges.through(from, &Endpoint::replica(service, number), url)
        });
        through.collect::<Vec<_>>().join(",")
    }

    /// Where `from` reaches something that there is one of.
    fn through(&self, from: &Endpoint, to: &str, direct: &str) -> String {
        self.edges.through(from, &Endpoint::single(to), direct)
    }

    /// Settings of an API replica.
    pub(crate) fn api_settings(
        &self,
        index: usize,
        info: &Info,
        nats: &Nats,
        limits: Limits,
    ) -> Settings {
        let own = Endpoint::replica("api", index + 1);
        settings([
            ("AJET_API_LISTEN", address(self.api[index])),
            ("AJET_PUBLIC_URL", info.url.clone()),
            ("AJET_DATABASE_URL", self.through(&own, "postgres", &info.database_url)),
            ("AJET_NATS_URL", self.through(&own, "nats", &nats.url("api"))),
            ("AJET_S3_URL", self.through(&own, "s3", &info.s3_url)),
            ("AJET_S3_BUCKET", s3::BUCKET.to_owned()),
            ("AJET_S3_REGION", s3::REGION.to_owned()),
            ("AJET_S3_ACCESS_KEY", info.s3_access_key.clone()),
            ("AJET_S3_SECRET_KEY", info.s3_secret_key.clone()),
            ("AJET_EDGE_SECRET", info.edge_secret.clone()),
            ("AJET_LIMITS", limits.name().to_owned()),
        ])
    }

    /// Settings of a session manager.
    pub(crate) fn session_manager_settings(
        &self,
        service: Service,
        index: usize,
        info: &Info,
        nats: &Nats,
    ) -> Settings {
        let (listen, port, user) = match service {
            Service::WebSm => ("AJET_WEB_SM_LISTEN", self.web_sm[index], "websm"),
            _ => ("AJET_TUI_SM_LISTEN", self.tui_sm[index], "tuism"),
        };
        let own = Endpoint::replica(service.name(), index + 1);
        settings([
            (listen, address(port)),
            ("AJET_PUBLIC_URL", info.url.clone()),
            ("AJET_NATS_URL", self.through(&own, "nats", &nats.url(user))),
            ("AJET_API_UPSTREAMS", self.upstreams(&own, "api", &info.api)),
            ("AJET_EDGE_SECRET", info.edge_secret.clone()),
        ])
    }

    /// Settings of a gateway.
    pub(crate) fn gateway_settings(&self, index: usize, info: &Info, limits: Limits) -> Settings {
        let own = Endpoint::replica("gw", index + 1);
        settings([
            ("AJET_AUTH_GW_LISTEN", address(self.auth_gw[index])),
            ("AJET_AUTH_GW_ADMIN_LISTEN", address(self.auth_gw_admin[index])),
            ("AJET_PUBLIC_URL", info.url.clone()),
            ("AJET_DATABASE_URL", self.through(&own, "postgres", &info.database_url)),
            ("AJET_EDGE_SECRET", info.edge_secret.clone()),
            ("AJET_API_UPSTREAMS", self.upstreams(&own, "api", &info.api)),
            ("AJET_WEB_SM_UPSTREAMS", self.upstreams(&own, "web-sm", &info.web_sm)),
            ("AJET_TUI_SM_UPSTREAMS", self.upstreams(&own, "tui-sm", &info.tui_sm)),
            ("AJET_OAUTH_PROVIDERS", "dev".to_owned()),
            ("AJET_OAUTH_DEV_KIND", "dev".to_owned()),
            ("AJET_OAUTH_DEV_TITLE", "the development provider".to_owned()),
            ("AJET_OAUTH_DEV_CLIENT_ID", self.client_id.clone()),
            ("AJET_OAUTH_DEV_CLIENT_SECRET", self.client_secret.clone()),
            ("AJET_OAUTH_DEV_BASE_URL", self.through(&own, "provider", &info.oauth_url)),
            ("AJET_SETUP_TOKEN", info.setup_token.clone()),
            ("AJET_LIMITS", limits.name().to_owned()),
            ("AJET_DEV", "true".to_owned()),
        ])
    }
}

fn settings<const N: usize>(pairs: [(&str, String); N]) -> Settings {
    pairs.into_iter().map(|(name, value)| (name.to_owned(), value)).collect()
}

/// An address to listen on.
fn address(port: u16) -> String {
    format!("127.0.0.1:{port}")
}

/// The addresses of servers on these ports.
pub(crate) fn urls(ports: &[u16]) -> Vec<String> {
    ports.iter().map(|port| format!("http://{}", address(*port))).collect()
}
