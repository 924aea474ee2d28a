//! The surrounding stack, as `cargo xtask with-stack` describes it.

use std::path::PathBuf;

use anyhow::Context as _;

/// Where everything is.
#[derive(Clone, Debug)]
pub struct Stack {
    /// The gateway, without a slash at the end.
    pub url: String,
    /// The development sign-in provider.
    pub oauth_url: String,
    /// The database.
    pub database_url: String,
    /// The bus, for the user that may do everything.
    pub nats_url: String,
    /// Where logs and what the tests record are.
    pub run_dir: PathBuf,
}

impl Stack {
    /// The stack that this process was started in.
    pub fn surrounding() -> anyhow::Result<Self> {
        let variable = |name: &str| {
            std::env::var(name).with_context(|| {
                format!("{name} is not set: run `cargo xtask test e2e`, or this under `cargo xtask with-stack --seed demo`")
            })
        };
        Ok(Self {
            url: variable("AJET_URL")?,
            oauth_url: variable("AJET_OAUTH_URL")?,
            database_url: variable("AJET_DATABASE_URL")?,
            nats_url: variable("AJET_NATS_URL")?,
            run_dir: PathBuf::from(variable("AJET_RUN_DIR")?),
        })
    }
}
