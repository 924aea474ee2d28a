//! The stack around a test: its addresses, and its processes by name.

use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use ajet_shared::secret::Secret;
use anyhow::{Context as _, bail};
use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use serde::Deserialize;
use tokio::time::timeout;

/// How often a pid file is looked at.
const LOOK_EVERY: Duration = Duration::from_millis(5);
/// A leader says within this time that it leads.
const LEADER_SAYS_SO: Duration = Duration::from_secs(1);

/// The surrounding stack, as `cargo xtask with-stack --separate` describes it.
#[derive(Clone, Debug)]
pub struct Stack {
    /// The address people use.
    pub public_url: String,
    /// Every gateway.
    pub gateways: Vec<String>,
    /// Health, readiness and metrics of every gateway.
    pub gateway_admins: Vec<String>,
    /// Every api.
    pub apis: Vec<String>,
    /// Every web session manager.
    pub web_sms: Vec<String>,
    /// Every terminal session manager.
    pub tui_sms: Vec<String>,
    /// The sign-in provider.
    pub provider_url: String,
    /// What direct calls to the services must send as `X-Ajet-Edge`.
    pub edge_secret: Secret,
    /// The database.
    pub database_url: String,
    /// The bus, for the user that may do everything.
    pub nats_url: String,
    /// Logs, pid files, and in `data` the files of Postgres and NATS.
    pub run_dir: PathBuf,
    xtask: PathBuf,
}

#[derive(Deserialize)]
struct Description {
    url: String,
    auth_gw: Vec<String>,
    auth_gw_admin: Vec<String>,
    api: Vec<String>,
    web_sm: Vec<String>,
    tui_sm: Vec<String>,
    oauth_url: String,
    edge_secret: String,
    database_url: String,
    nats_url: String,
}

impl Stack {
    /// The stack that `AJET_RUN_DIR` names.
    pub fn surrounding() -> anyhow::Result<Self> {
        const HOW: &str =
            "is not set; fault tests need a stack of separate processes: `cargo xtask test faults`";
        let folder = |name: &str| {
            std::env::var_os(name).map(PathBuf::from).with_context(|| format!("{name} {HOW}"))
        };
        let (run_dir, bin_dir) = (folder("AJET_RUN_DIR")?, folder("AJET_BIN_DIR")?);
        let text = std::fs::read(run_dir.join("stack.json"))?;
        let description: Description = serde_json::from_slice(&text)?;
        let stack = Self {
            public_url: description.url,
            gateways: description.auth_gw,
            gateway_admins: description.auth_gw_admin,
            apis: description.api,
            web_sms: description.web_sm,
            tui_sms: description.tui_sm,
            provider_url: description.oauth_url,
            edge_secret: Secret::from(description.edge_secret),
            database_url: description.database_url,
            nats_url: description.nats_url,
            run_dir,
            xtask: bin_dir.join("xtask"),
        };
        if !stack.processes()?.iter().any(|name| name.starts_with("api-")) {
            bail!("the services of this stack are not processes: add --separate");
        }
        Ok(stack)
    }

    /// The name of every process, sorted: `api-1`, `postgres-1`, …
    pub fn processes(&self) -> anyhow::Result<Vec<String>> {
        let mut names: Vec<String> = std::fs::read_dir(&self.run_dir)?
            .filter_map(|entry| {
                let path = entry.ok()?.path();
                let is_pid = path.extension().is_some_and(|extension| extension == "pid");
                is_pid.then(|| path.file_stem()?.to_str().map(str::to_owned))?
            })
            .collect();
        names.sort();
        Ok(names)
    }

    /// Sends a signal to a process; gives its pid.
    pub fn signal(&self, name: &str, signal: Signal) -> anyhow::Result<i32> {
        let pid = self.pid(name)?;
        kill(Pid::from_raw(pid), signal).with_context(|| format!("{name}, process {pid}"))?;
        Ok(pid)
    }

    /// Waits until a process has been started again; gives how long that took.
    pub async fn started_again(&self, name: &str, old: i32) -> anyhow::Result<Duration> {
        const PATIENCE: Duration = Duration::from_secs(20);
        let begun = Instant::now();
        while self.pid(name).is_ok_and(|pid| pid == old) {
            if begun.elapsed() > PATIENCE {
                bail!("{name} was not started again within {PATIENCE:?}");
            }
            tokio::time::sleep(LOOK_EVERY).await;
        }
        Ok(begun.elapsed())
    }

    /// Waits until every service says that it is ready.
    pub async fn ready(&self, patience: Duration) -> anyhow::Result<()> {
        let services = [&self.apis, &self.web_sms, &self.tui_sms, &self.gateway_admins];
        let waiting = services.into_iter().flatten().map(|url| self.ready_at(url, patience));
        futures::future::try_join_all(waiting).await.map(drop)
    }

    /// Waits until one service, by its address, says that it is ready.
    pub async fn ready_at(&self, url: &str, patience: Duration) -> anyhow::Result<()> {
        let http = reqwest::Client::builder().no_proxy().timeout(patience).build()?;
        let begun = Instant::now();
        loop {
            let said = match http.get(format!("{url}/readyz")).send().await {
                Ok(answer) if answer.status().is_success() => return Ok(()),
                Ok(answer) => answer.text().await.unwrap_or_default(),
                Err(error) => error.to_string(),
            };
            if begun.elapsed() > patience {
                bail!("{url} is not ready after {patience:?}: {said}");
            }
            tokio::time::sleep(LOOK_EVERY * 4).await;
        }
    }

    /// A service's metric, labels and all (`sse_resume_total{how="memory"}`); 0 where it has not been counted yet.
    pub async fn metric(&self, url: &str, name: &str) -> anyhow::Result<f64> {
        let http = reqwest::Client::builder().no_proxy().build()?;
        let text =
            http.get(format!("{url}/metrics")).send().await?.error_for_status()?.text().await?;
        let value = text.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(' '));
        Ok(value.map(str::parse).transpose()?.unwrap_or(0.0))
    }

    /// The name of the api whose relay leads now.
    pub async fn leader(&self, patience: Duration) -> anyhow::Result<String> {
        let begun = Instant::now();
        loop {
            for (url, number) in self.apis.iter().zip(1..) {
                // One that stands still never answers.
                let leads = timeout(LEADER_SAYS_SO, self.metric(url, "chat_relay_leader")).await;
                if leads.is_ok_and(|leads| leads.is_ok_and(|leads| leads > 0.5)) {
                    return Ok(format!("api-{number}"));
                }
            }
            if begun.elapsed() > patience {
                bail!("no relay leads after {patience:?}");
            }
            tokio::time::sleep(LOOK_EVERY).await;
        }
    }

    /// The process id of one, by its name.
    pub fn pid(&self, name: &str) -> anyhow::Result<i32> {
        let file = self.run_dir.join(format!("{name}.pid"));
        let text = std::fs::read_to_string(&file).with_context(|| file.display().to_string())?;
        Ok(text.trim().parse()?)
    }

    /// A process's log.
    #[must_use]
    pub fn log(&self, name: &str) -> PathBuf {
        self.run_dir.join(format!("{name}.log"))
    }

    /// Copies all logs to a folder, for whoever looks into a failed run.
    pub fn keep_logs(&self, to: &Path) -> anyhow::Result<()> {
        std::fs::create_dir_all(to)?;
        for name in self.processes()? {
            // One that has not come to write anything has no log.
            drop(std::fs::copy(self.log(&name), to.join(format!("{name}.log"))));
        }
        Ok(())
    }

    /// `ajet-api verify`: Postgres, outbox and stream agree.
    pub async fn verify(&self) -> anyhow::Result<()> {
        let mut verify = tokio::process::Command::new(self.xtask.with_file_name("ajet-api"));
        verify
            .arg("verify")
            .env("AJET_DATABASE_URL", &self.database_url)
            .env("AJET_NATS_URL", &self.nats_url);
        let output = verify.kill_on_drop(true).output().await.context("ajet-api verify")?;
        if !output.status.success() {
            let said = [output.stdout, output.stderr].concat();
            bail!("ajet-api verify: {}", String::from_utf8_lossy(&said));
        }
        Ok(())
    }

    /// Signs somebody in; gives the session's token. The first one makes the community.
    pub async fn sign_in(&self, name: &str, community: Option<&str>) -> anyhow::Result<Secret> {
        let mut login = tokio::process::Command::new(&self.xtask);
        login.args(["login", name]);
        if let Some(title) = community {
            login.args(["--community", title]);
        }
        let output = login.kill_on_drop(true).output().await?;
        if !output.status.success() {
            bail!("{name} cannot sign in: {}", String::from_utf8_lossy(&output.stderr));
        }
        Ok(Secret::from(String::from_utf8(output.stdout)?.trim().to_owned()))
    }
}
