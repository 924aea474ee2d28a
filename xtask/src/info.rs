//! The description of a running stack: what commands, tests and `login` find it by.

use std::fs;
use std::io::Write as _;
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::{Path, PathBuf};

use anyhow::Context as _;
use serde::{Deserialize, Serialize};

use crate::s3;

/// Everything somebody outside needs to know of a running stack; kept as `stack.json`.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) struct Info {
    /// The xtask that runs it.
    pub(crate) pid: u32,
    /// The gateway: what people and clients use.
    pub(crate) url: String,
    /// Every API replica, called with the edge secret.
    pub(crate) api: Vec<String>,
    /// Every web session manager.
    pub(crate) web_sm: Vec<String>,
    /// Every terminal session manager.
    pub(crate) tui_sm: Vec<String>,
    /// Every gateway.
    pub(crate) auth_gw: Vec<String>,
    /// Health, readiness and metrics of every gateway.
    pub(crate) auth_gw_admin: Vec<String>,
    /// The development sign-in provider.
    pub(crate) oauth_url: String,
    /// The database.
    pub(crate) database_url: String,
    /// The bus, for the user that may do everything.
    pub(crate) nats_url: String,
    /// The object store.
    pub(crate) s3_url: String,
    /// Its access key.
    pub(crate) s3_access_key: String,
    /// Its secret key.
    pub(crate) s3_secret_key: String,
    /// What direct calls to the services must send as `X-Ajet-Edge`.
    pub(crate) edge_secret: String,
    /// Opens the set-up of an empty database.
    pub(crate) setup_token: String,
    /// Login name of the community's owner, once known.
    pub(crate) owner: Option<String>,
    /// The owner's session, once there was need for one.
    pub(crate) owner_session: Option<String>,
    /// Where logs and pid files are.
    pub(crate) run_dir: PathBuf,
    /// Where its edges and processes are controlled, when they can be.
    #[serde(default)]
    pub(crate) toxic_url: Option<String>,
}

impl Info {
    /// Reads a description.
    pub(crate) fn read(file: &Path) -> anyhow::Result<Self> {
        let text = fs::read(file)
            .with_context(|| format!("no stack is described by {}", file.display()))?;
        serde_json::from_slice(&text).with_context(|| format!("{} is damaged", file.display()))
    }

    /// Writes it, for our user only: it holds secrets.
    pub(crate) fn write(&self, file: &Path) -> anyhow::Result<()> {
        let new = file.with_extension("json.new");
        let mut out = fs::OpenOptions::new()
            .create(true)
            .write(true)
            .truncate(true)
            .mode(0o600)
            .open(&new)?;
        out.write_all(&serde_json::to_vec_pretty(self)?)?;
        fs::rename(new, file).with_context(|| format!("{} cannot be written", file.display()))
    }

    /// The variables by which a command finds the stack.
    pub(crate) fn environment(&self) -> Vec<(&'static str, String)> {
        let first = |urls: &[String]| urls.first().cloned().unwrap_or_default();
        let mut variables = vec![
            ("AJET_URL", self.url.clone()),
            ("AJET_API_URL", first(&self.api)),
            ("AJET_WEB_URL", first(&self.web_sm)),
            ("AJET_TUI_URL", first(&self.tui_sm)),
            ("AJET_DATABASE_URL", self.database_url.clone()),
            ("AJET_NATS_URL", self.nats_url.clone()),
            ("AJET_S3_URL", self.s3_url.clone()),
            ("AJET_S3_BUCKET", s3::BUCKET.to_owned()),
            ("AJET_S3_REGION", s3::REGION.to_owned()),
            ("AJET_S3_ACCESS_KEY", self.s3_access_key.clone()),
            ("AJET_S3_SECRET_KEY", self.s3_secret_key.clone()),
            ("AJET_OAUTH_URL", self.oauth_url.clone()),
            ("AJET_EDGE_SECRET", self.edge_secret.clone()),
            ("AJET_SETUP_TOKEN", self.setup_token.clone()),
            ("AJET_RUN_DIR", self.run_dir.display().to_string()),
        ];
        variables.extend(self.toxic_url.clone().map(|url| (ajet_faults::toxic::VARIABLE, url)));
        variables
    }
}
