//! Settings of the gateway.

use std::collections::HashMap;
use std::net::{IpAddr, SocketAddr};
use std::str::FromStr;
use std::time::Duration;

use ajet_shared::rate::LimitMode;
use ajet_shared::secret::Secret;
use anyhow::{Context as _, bail, ensure};
use url::Url;

use crate::oauth::{ProviderKind, ProviderSettings};
use crate::policy::LimitSettings;

/// Bytes that a secret of the configuration must have. Source: delivery-and-security.md section 3.8.
const SECRET_BYTES_MIN: usize = 32;
/// Long enough for whoever asks every second or two.
const STOP_NOTICE_SECONDS: u16 = 3;

/// Settings of the gateway. Each variable may also come as `…_FILE`.
///
/// Beside these, each name in `AJET_OAUTH_PROVIDERS` has its own: `AJET_OAUTH_<NAME>_KIND` (`github`, `gitea` or `dev`), `…_CLIENT_ID`,
/// `…_CLIENT_SECRET` (or `…_CLIENT_SECRET_FILE`), `…_BASE_URL` (not for GitHub itself), and optionally `…_TITLE`, `…_AUTHORIZE_URL`,
/// `…_TOKEN_URL`, `…_USER_URL`.
#[derive(Clone, Debug, clap::Parser)]
#[command(
    name = "ajet-auth-gw",
    version,
    about = "The gateway of ajet-chat: sign-in, sessions, limits and the reverse proxy"
)]
pub struct Config {
    /// Address to listen on for browsers, terminals and bots.
    #[arg(
        long,
        env = "AJET_AUTH_GW_LISTEN",
        value_name = "127.0.0.1:8080",
        default_value = "127.0.0.1:8080"
    )]
    pub listen: SocketAddr,
    /// Address of `/healthz`, `/readyz` and `/metrics`; not for the public.
    #[arg(
        long,
        env = "AJET_AUTH_GW_ADMIN_LISTEN",
        value_name = "127.0.0.1:8079",
        default_value = "127.0.0.1:8079"
    )]
    pub admin_listen: SocketAddr,
    /// The address people use; requests for any other host are refused.
    #[arg(long, env = "AJET_PUBLIC_URL", value_name = "https://chat.example.org")]
    pub public_url: Url,
    /// Postgres, version 15 or newer.
    #[arg(
        long,
        env = "AJET_DATABASE_URL",
        value_name = "postgres://ajet:password@127.0.0.1:5432/ajet",
        hide_env_values = true
    )]
    pub database_url: Secret,
    /// What the services behind the gateway demand as `X-Ajet-Edge`; the same for all, 32 bytes or more.
    #[arg(long, env = "AJET_EDGE_SECRET", value_name = "32-random-bytes", hide_env_values = true)]
    pub edge_secret: Secret,
    /// Addresses of the api, separated by commas.
    #[arg(
        long,
        env = "AJET_API_UPSTREAMS",
        value_name = "http://127.0.0.1:8081",
        value_delimiter = ',',
        default_value = "http://127.0.0.1:8081"
    )]
    pub api_upstreams: Vec<Url>,
    /// Addresses of the web session managers, separated by commas.
    #[arg(
        long,
        env = "AJET_WEB_SM_UPSTREAMS",
        value_name = "http://127.0.0.1:8082",
        value_delimiter = ',',
        default_value = "http://127.0.0.1:8082"
    )]
    pub web_sm_upstreams: Vec<Url>,
    /// Addresses of the terminal session managers, separated by commas.
    #[arg(
        long,
        env = "AJET_TUI_SM_UPSTREAMS",
        value_name = "http://127.0.0.1:8083",
        value_delimiter = ',',
        default_value = "http://127.0.0.1:8083"
    )]
    pub tui_sm_upstreams: Vec<Url>,
    /// Names of the sign-in providers, in the order of their buttons, separated by commas; letters, digits and hyphens.
    #[arg(long, env = "AJET_OAUTH_PROVIDERS", value_name = "github", value_delimiter = ',')]
    pub oauth_providers: Vec<String>,
    /// A setting of a provider as `VARIABLE=value`; counts instead of the variable. May be given several times.
    #[arg(long = "oauth-setting", value_name = "AJET_OAUTH_GITHUB_KIND=github")]
    pub oauth_settings: Vec<String>,
    /// Opens the first-run set-up, 32 bytes or more. Without it the gateway makes one and prints the link.
    #[arg(long, env = "AJET_SETUP_TOKEN", value_name = "32-random-bytes", hide_env_values = true)]
    pub setup_token: Option<Secret>,
    /// Proxies in front whose `X-Forwarded-For` counts: addresses or networks, separated by commas.
    #[arg(long, env = "AJET_TRUSTED_PROXIES", value_name = "10.0.0.0/8", value_delimiter = ',')]
    pub trusted_proxies: Vec<Network>,
    /// Seconds for which it says that it is not ready before it stops taking connections, so that whoever balances between gateways
    /// sends people elsewhere; 3 unless this says otherwise, in development as long as somebody needs who asks, and none if nobody does.
    #[arg(long, env = "AJET_AUTH_GW_STOP_NOTICE", value_name = "3", value_parser = clap::value_parser!(u16).range(0..=15))]
    pub stop_notice: Option<u16>,
    /// Development: allows plain HTTP on loopback, with cookies that browsers accept there.
    #[arg(long, env = "AJET_DEV", value_parser = clap::builder::FalseyValueParser::new())]
    pub dev: bool,
    /// `default`, or `relaxed`: every limit below a thousand times higher, for tests and benches.
    #[arg(long, env = "AJET_LIMITS", value_name = "default", default_value = "default")]
    pub limits: LimitMode,
    /// The limits one by one.
    #[command(flatten)]
    pub limit: LimitSettings,
}

impl Config {
    /// For how long it says that it is not ready before it stops taking connections; none to go by who asks.
    pub(crate) fn stop_notice(&self) -> Option<Duration> {
        let unset = (!self.dev).then_some(STOP_NOTICE_SECONDS);
        self.stop_notice.or(unset).map(|seconds| Duration::from_secs(seconds.into()))
    }

    /// Refuses settings that would be unsafe, with one line that says why.
    pub(crate) fn check(&self) -> anyhow::Result<()> {
        ensure!(
            self.edge_secret.expose().len() >= SECRET_BYTES_MIN,
            "AJET_EDGE_SECRET is shorter than {SECRET_BYTES_MIN} bytes, make one by `openssl rand -hex 32`"
        );
        if let Some(token) = &self.setup_token {
            ensure!(
                token.expose().len() >= SECRET_BYTES_MIN,
                "AJET_SETUP_TOKEN is shorter than {SECRET_BYTES_MIN} bytes, make one by `openssl rand -hex 32`"
            );
        }
        let url = &self.public_url;
        ensure!(
            matches!(url.scheme(), "http" | "https")
                && url.host().is_some()
                && url.path() == "/"
                && url.query().is_none(),
            "AJET_PUBLIC_URL is not the root of a site, for example AJET_PUBLIC_URL=https://chat.example.org"
        );
        if self.dev {
            ensure!(
                self.listen.ip().is_loopback(),
                "AJET_DEV is only for a gateway that listens on loopback, for example 127.0.0.1:8080"
            );
        } else {
            ensure!(
                url.scheme() == "https",
                "AJET_PUBLIC_URL must be https (plain http is only for AJET_DEV=true on loopback)"
            );
        }
        for upstream in
            self.api_upstreams.iter().chain(&self.web_sm_upstreams).chain(&self.tui_sm_upstreams)
        {
            ensure!(
                upstream.scheme() == "http" && upstream.host().is_some(),
                "{upstream} is not the address of a service, for example http://127.0.0.1:8081"
            );
        }
        Ok(())
    }

    /// The settings of the sign-in providers.
    pub(crate) fn providers(&self) -> anyhow::Result<Vec<ProviderSettings>> {
        let given: HashMap<&str, &str> =
            self.oauth_settings.iter().filter_map(|setting| setting.split_once('=')).collect();
        let lookup = |name: &str| {
            given.get(name).map(|value| (*value).to_owned()).or_else(|| std::env::var(name).ok())
        };
        self.oauth_providers.iter().map(|name| provider(name.trim(), &lookup)).collect()
    }
}

fn provider(
    name: &str,
    lookup: &dyn Fn(&str) -> Option<String>,
) -> anyhow::Result<ProviderSettings> {
    ensure!(
        (1..=32).contains(&name.len())
            && name.bytes().all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'-'),
        "AJET_OAUTH_PROVIDERS holds {name:?}, a name is lower-case letters, digits and hyphens, for example github"
    );
    // These would be taken for another route: /auth/callback/…, /auth/cli/…
    ensure!(
        !matches!(name, "callback" | "cli" | "device" | "logout"),
        "AJET_OAUTH_PROVIDERS may not hold the name {name}"
    );
    let variable =
        |field: &str| format!("AJET_OAUTH_{}_{field}", name.to_ascii_uppercase().replace('-', "_"));
    let optional = |field: &str| lookup(&variable(field)).filter(|value| !value.is_empty());
    let required = |field: &str, example: &str| {
        optional(field)
            .with_context(|| format!("{0} is not set, for example {0}={example}", variable(field)))
    };
    let url = |field: &str| -> anyhow::Result<Option<Url>> {
        let Some(text) = optional(field) else { return Ok(None) };
        let url: Url = text.parse().with_context(|| format!("{} is not a URL", variable(field)))?;
        if matches!(url.scheme(), "http" | "https") {
            Ok(Some(url))
        } else {
            bail!("{} is not a web address", variable(field))
        }
    };
    let kind: ProviderKind =
        required("KIND", "github")?.parse().with_context(|| variable("KIND"))?;
    let base_url = url("BASE_URL")?;
    if kind != ProviderKind::Github && base_url.is_none() {
        bail!("{0} is not set, for example {0}=https://git.example.org", variable("BASE_URL"));
    }
    let client_secret = match optional("CLIENT_SECRET_FILE") {
        Some(file) => std::fs::read_to_string(&file)
            .with_context(|| format!("{}: {file}", variable("CLIENT_SECRET_FILE")))?
            .trim_end_matches(['\n', '\r'])
            .to_owned(),
        None => required("CLIENT_SECRET", "…")?,
    };
    Ok(ProviderSettings {
        name: name.to_owned(),
        kind,
        title: optional("TITLE").unwrap_or_else(|| kind.title().to_owned()),
        client_id: required("CLIENT_ID", "…")?,
        client_secret: Secret::from(client_secret),
        base_url,
        authorize_url: url("AUTHORIZE_URL")?,
        token_url: url("TOKEN_URL")?,
        user_url: url("USER_URL")?,
    })
}

/// An address or a network of addresses.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Network {
    address: IpAddr,
    prefix_bits: u8,
}

/// The text is not an address or network.
#[derive(Clone, Copy, Debug, thiserror::Error)]
#[error("not an address like 10.0.0.7 or a network like 10.0.0.0/8")]
pub struct NetworkError;

impl FromStr for Network {
    type Err = NetworkError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let (address, prefix) = text
            .trim()
            .split_once('/')
            .map_or((text.trim(), None), |(address, prefix)| (address, Some(prefix)));
        let address: IpAddr = address.parse().map_err(|_| NetworkError)?;
        let bits_max = if address.is_ipv4() { 32 } else { 128 };
        let prefix_bits =
            prefix.map_or(Ok(bits_max), |prefix| prefix.parse().map_err(|_| NetworkError))?;
        if prefix_bits <= bits_max { Ok(Self { address, prefix_bits }) } else { Err(NetworkError) }
    }
}

impl Network {
    /// The address lies in this network.
    #[must_use]
    pub fn contains(&self, address: IpAddr) -> bool {
        match (self.address, address.to_canonical()) {
            (IpAddr::V4(own), IpAddr::V4(other)) => {
                let differ = u32::from(own) ^ u32::from(other);
                differ.checked_shr(32 - u32::from(self.prefix_bits)).unwrap_or(0) == 0
            }
            (IpAddr::V6(own), IpAddr::V6(other)) => {
                let differ = u128::from(own) ^ u128::from(other);
                differ.checked_shr(128 - u32::from(self.prefix_bits)).unwrap_or(0) == 0
            }
            _ => false,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn networks_hold_their_addresses() {
        let cases = [
            ("10.0.0.0/8", "10.9.8.7", true),
            ("10.0.0.0/8", "11.0.0.1", false),
            ("127.0.0.1", "127.0.0.1", true),
            ("127.0.0.1", "::ffff:127.0.0.1", true),
            ("0.0.0.0/0", "8.8.8.8", true),
            ("fd00::/8", "fd12::1", true),
            ("fd00::/8", "10.0.0.1", false),
        ];
        for (network, address, inside) in cases {
            assert_eq!(
                network.parse::<Network>().unwrap().contains(address.parse().unwrap()),
                inside,
                "{network} {address}"
            );
        }
        for bad in ["", "10.0.0.0/33", "ten", "10.0.0.0/x"] {
            assert!(bad.parse::<Network>().is_err(), "{bad}");
        }
    }

    fn settings<'a>(pairs: &'a [(&'a str, &'a str)]) -> impl Fn(&str) -> Option<String> + 'a {
        |name| pairs.iter().find(|(key, _)| *key == name).map(|(_, value)| (*value).to_owned())
    }

    #[test]
    fn a_provider_needs_its_settings_and_says_which() {
        let complete = [
            ("AJET_OAUTH_WORK_GITEA_KIND", "gitea"),
            ("AJET_OAUTH_WORK_GITEA_CLIENT_ID", "id"),
            ("AJET_OAUTH_WORK_GITEA_CLIENT_SECRET", "secret"),
            ("AJET_OAUTH_WORK_GITEA_BASE_URL", "https://git.example.org"),
        ];
        let parsed = provider("work-gitea", &settings(&complete)).unwrap();
        assert_eq!((parsed.kind, parsed.title.as_str()), (ProviderKind::Gitea, "Gitea"));
        for missing in 0..complete.len() {
            let mut some = complete.to_vec();
            let (name, _) = some.remove(missing);
            let error = provider("work-gitea", &settings(&some)).unwrap_err();
            assert!(error.to_string().starts_with(name), "{error}");
        }
        assert!(provider("callback", &settings(&complete)).is_err());
    }
}
