//! Settings of the api.

use std::net::SocketAddr;

use ajet_shared::rate::{LimitMode, Rate};
use ajet_shared::secret::Secret;

/// Settings of the api. There are no other sources and no globals; each variable may also come as `…_FILE`.
#[derive(Clone, Debug, clap::Parser)]
#[command(
    name = "ajet-api",
    version,
    about = "The REST API of ajet-chat: every read and write, and the outbox relay",
    after_help = "`ajet-api verify` compares Postgres, the outbox and the stream instead; see `ajet-api verify --help`."
)]
pub struct Config {
    /// Address to listen on; only the gateway and the session managers need to reach it.
    #[arg(
        long,
        env = "AJET_API_LISTEN",
        value_name = "127.0.0.1:8081",
        default_value = "127.0.0.1:8081"
    )]
    pub listen: SocketAddr,
    /// The address people use, for links in answers.
    #[arg(long, env = "AJET_PUBLIC_URL", value_name = "https://chat.example.org", value_parser = web_address)]
    pub public_url: String,
    /// Postgres, version 15 or newer.
    #[arg(
        long,
        env = "AJET_DATABASE_URL",
        value_name = "postgres://ajet:password@127.0.0.1:5432/ajet",
        hide_env_values = true
    )]
    pub database_url: Secret,
    /// NATS with `JetStream`, version 2.10 or newer.
    #[arg(
        long,
        env = "AJET_NATS_URL",
        value_name = "nats://api:password@127.0.0.1:4222",
        hide_env_values = true
    )]
    pub nats_url: Secret,
    /// S3-compatible object store.
    #[arg(long, env = "AJET_S3_URL", value_name = "http://127.0.0.1:9000", value_parser = web_address)]
    pub s3_url: String,
    /// Bucket for files; made if it is missing.
    #[arg(long, env = "AJET_S3_BUCKET", value_name = "ajet", default_value = "ajet")]
    pub s3_bucket: String,
    /// Region of the object store.
    #[arg(long, env = "AJET_S3_REGION", value_name = "us-east-1", default_value = "us-east-1")]
    pub s3_region: String,
    /// Access key of the object store.
    #[arg(long, env = "AJET_S3_ACCESS_KEY", value_name = "ajet", hide_env_values = true)]
    pub s3_access_key: Secret,
    /// Secret key of the object store.
    #[arg(
        long,
        env = "AJET_S3_SECRET_KEY",
        value_name = "32-random-bytes",
        hide_env_values = true
    )]
    pub s3_secret_key: Secret,
    /// What callers must send as `X-Ajet-Edge`; the same for all services.
    #[arg(
        long,
        env = "AJET_EDGE_SECRET",
        value_name = "32-random-bytes",
        hide_env_values = true,
        value_parser = long_secret
    )]
    pub edge_secret: Secret,
    /// `default`, or `relaxed`: every limit below a thousand times higher, for tests and benches.
    #[arg(long, env = "AJET_LIMITS", value_name = "default", default_value = "default")]
    pub limits: LimitMode,
    /// Mentions of one user that notify somebody, `COUNT/SECONDS`; what is beyond is posted and notifies nobody.
    #[arg(
        long = "limit-mention",
        env = "AJET_LIMIT_MENTION",
        value_name = "200/3600",
        default_value = "200/3600"
    )]
    pub limit_mention: Rate,
    /// People with whom one user begins a conversation, `COUNT/SECONDS`.
    #[arg(
        long = "limit-dm-new",
        env = "AJET_LIMIT_DM_NEW",
        value_name = "20/3600",
        default_value = "20/3600"
    )]
    pub limit_dm_new: Rate,
    /// Invites that one user makes, `COUNT/SECONDS`; the gateway has the same one, which counts no commands.
    #[arg(
        long = "limit-invite-create",
        env = "AJET_LIMIT_INVITE_CREATE",
        value_name = "20/86400",
        default_value = "20/86400"
    )]
    pub limit_invite_create: Rate,
    /// Searches of one user by commands, `COUNT/SECONDS`; the gateway has the same one, which counts all others.
    #[arg(
        long = "limit-search",
        env = "AJET_LIMIT_SEARCH",
        value_name = "20/60",
        default_value = "20/60"
    )]
    pub limit_search: Rate,
}

/// Bytes that a shared secret has at least. Source: delivery-and-security.md section 3.8.
const SECRET_BYTES_MIN: usize = 32;

fn web_address(text: &str) -> Result<String, &'static str> {
    let rest = text.strip_prefix("https://").or_else(|| text.strip_prefix("http://"));
    match rest {
        Some(rest) if !rest.is_empty() && !rest.starts_with('/') => {
            Ok(text.trim_end_matches('/').to_owned())
        }
        _ => Err("an address begins with https:// or http:// and names a host"),
    }
}

fn long_secret(text: &str) -> Result<Secret, &'static str> {
    if text.len() < SECRET_BYTES_MIN {
        return Err("it is shorter than 32 bytes");
    }
    Ok(Secret::from(text.to_owned()))
}

#[cfg(test)]
mod tests {
    use super::Config;

    const ARGUMENTS: [&str; 7] = [
        "--public-url=https://chat.example.org/",
        "--database-url=postgres://x",
        "--nats-url=nats://x",
        "--s3-url=http://x:9000",
        "--s3-access-key=k",
        "--s3-secret-key=s",
        "--edge-secret=0123456789abcdef0123456789abcdef",
    ];

    fn parse(change: Option<(usize, &str)>) -> Result<Config, String> {
        let mut arguments = ARGUMENTS.to_vec();
        if let Some((place, argument)) = change {
            arguments[place] = argument;
        }
        let arguments = std::iter::once("ajet-api").chain(arguments).map(str::to_owned).collect();
        ajet_shared::config::parse_from(arguments, |_| None)
    }

    #[test]
    fn a_wrong_setting_is_named() {
        assert_eq!(parse(None).unwrap().public_url, "https://chat.example.org");
        for (place, argument, variable) in [
            (0, "--public-url=chat.example.org", "AJET_PUBLIC_URL"),
            (3, "--s3-url=http://", "AJET_S3_URL"),
            (6, "--edge-secret=short", "AJET_EDGE_SECRET"),
        ] {
            let sentence = parse(Some((place, argument))).unwrap_err();
            assert!(sentence.starts_with(variable) && !sentence.contains('\n'), "{sentence}");
        }
    }
}
