//! A whole stack: Postgres, NATS, S3, the sign-in provider and our services, started and stopped as one.

use std::fs;
use std::io;
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};
use std::time::Duration;

use anyhow::Context as _;

use crate::cli::{Limits, Seed};
use crate::info::Info;
use crate::nats::Nats;
use crate::oauth_provider::{Client, OauthProvider};
use crate::plan::{Plan, urls};
use crate::postgres::{Durability, Postgres};
use crate::s3::S3;
use crate::services::{Place, Running, Service};
use crate::supervisor::Handle;
use crate::toxic::OpenEdges;
use crate::ui::Step;
use crate::{demo, install, process, secrets, seed};

/// Which ports to try first.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum PortChoice {
    /// The documented ones, others where they are taken.
    Standard,
    /// Any free ones, so that any number of stacks run side by side.
    Free,
}

/// What kind of stack.
#[derive(Clone, Debug)]
pub(crate) struct Options {
    /// Where data is kept.
    pub(crate) data: PathBuf,
    /// Where logs, pid files and the stack's description go.
    pub(crate) run_dir: PathBuf,
    /// Which ports.
    pub(crate) ports: PortChoice,
    /// Where the services run.
    pub(crate) place: Place,
    /// How many of each.
    pub(crate) replicas: u8,
    /// Whether every connection between its parts goes through a proxy that can be told to disturb it.
    pub(crate) toxic: bool,
    /// Which rate limits.
    pub(crate) limits: Limits,
    /// What an empty database is filled with.
    pub(crate) seed: Option<Seed>,
}

/// A stack that is starting, running or stopping. Whatever has been started is in here, so that [`Stack::stop`] ends
/// it all however far the start has come.
#[derive(Debug, Default)]
pub(crate) struct Stack {
    postgres: Option<Postgres>,
    nats: Option<Nats>,
    s3: Option<S3>,
    provider: Option<OauthProvider>,
    api: Vec<Running>,
    edge: Vec<Running>,
    toxic: Option<OpenEdges>,
}

impl Stack {
    /// Starts everything and waits until all of it is ready.
    pub(crate) async fn start(&mut self, options: &Options) -> anyhow::Result<Info> {
        let plan = Plan::new(options)?;
        if options.toxic {
            self.toxic = Some(OpenEdges::open(&plan.edges).await?);
        }
        let info = self.infrastructure(options, &plan).await?;
        self.services(options, &plan, &info).await?;
        let processes = self.processes();
        if let Some(toxic) = &mut self.toxic {
            toxic.listen(&toxic_socket(options), processes)?;
        }
        info.write(&options.run_dir.join("stack.json"))?;
        Ok(info)
    }

    /// Everything below our services, with the schema and the seed in place.
    async fn infrastructure(&mut self, options: &Options, plan: &Plan) -> anyhow::Result<Info> {
        let programs = install::postgres().await?;
        let nats_program = install::nats().await?;

        let step = Step::quiet("postgres");
        let folder = options.data.join("postgres");
        let postgres =
            Postgres::start(&programs, &folder, &options.run_dir, plan.postgres, Durability::Full)
                .await?;
        let postgres = self.postgres.insert(postgres);
        postgres.ensure_database("ajet").await?;
        let database_url = postgres.url("ajet");
        let applied = ajet_migrations::apply(&database_url).await.context("the schema")?;
        step.done(format_args!("127.0.0.1:{}, {applied} migrations applied", plan.postgres));

        let step = Step::quiet("nats");
        let nats =
            Nats::start(&nats_program, &options.data.join("nats"), &options.run_dir, plan.nats)
                .await?;
        step.done(format_args!("127.0.0.1:{}", plan.nats));
        let nats = self.nats.insert(nats);
        let nats_url = nats.url("admin");

        let s3 = self.s3.insert(S3::start(&options.data.join("s3"), plan.s3).await?);
        let url = plan.url();
        let client = Client {
            id: plan.client_id.clone(),
            secret: plan.client_secret.clone(),
            redirect_uris: vec![format!("{url}/auth/callback/dev")],
        };
        let provider = self.provider.insert(OauthProvider::start(plan.provider, client).await?);

        let mut info = Info {
            pid: std::process::id(),
            url,
            api: urls(&plan.api),
            web_sm: urls(&plan.web_sm),
            tui_sm: urls(&plan.tui_sm),
            auth_gw: plan.public_urls(),
            auth_gw_admin: urls(&plan.auth_gw_admin),
            oauth_url: provider.url.clone(),
            database_url,
            nats_url,
            s3_url: s3.url.clone(),
            s3_access_key: s3.access_key.clone(),
            s3_secret_key: s3.secret_key.clone(),
            edge_secret: secrets::random(),
            setup_token: secrets::random(),
            owner: None,
            owner_session: None,
            run_dir: options.run_dir.clone(),
            toxic_url: options.toxic.then(|| format!("unix://{}", toxic_socket(options).display())),
        };
        if options.seed == Some(Seed::Demo) {
            let step = Step::quiet("demo");
            if let Some(messages) = seed::demo(&info).await.context("the demo")? {
                step.done(format_args!("seeded with {messages} messages"));
            }
            // Also where an earlier run has seeded it.
            info.owner = seed::is_demo(&info).await?.then(|| demo::PEOPLE[0].login.to_owned());
        }
        Ok(info)
    }

    /// Our services.
    async fn services(
        &mut self,
        options: &Options,
        plan: &Plan,
        info: &Info,
    ) -> anyhow::Result<()> {
        let step = Step::quiet("services");
        let http = reqwest::Client::builder().no_proxy().build()?;
        let nats = self.nats.as_ref().context("NATS is not running")?;
        let start = async |service, index: usize, settings, readiness: &str| {
            let readiness = format!("{readiness}/readyz");
            Running::start(
                service,
                index + 1,
                settings,
                readiness,
                &options.place,
                &options.run_dir,
            )
            .await
        };
        for (index, url) in info.api.iter().enumerate() {
            let settings = plan.api_settings(index, info, nats, options.limits);
            self.api.push(start(Service::Api, index, settings, url).await?);
        }
        for (index, url) in info.web_sm.iter().enumerate() {
            let settings = plan.session_manager_settings(Service::WebSm, index, info, nats);
            self.edge.push(start(Service::WebSm, index, settings, url).await?);
        }
        for (index, url) in info.tui_sm.iter().enumerate() {
            let settings = plan.session_manager_settings(Service::TuiSm, index, info, nats);
            self.edge.push(start(Service::TuiSm, index, settings, url).await?);
        }
        for (index, url) in info.auth_gw_admin.iter().enumerate() {
            let settings = plan.gateway_settings(index, info, options.limits);
            self.edge.push(start(Service::AuthGw, index, settings, url).await?);
        }
        for running in self.api.iter_mut().chain(&mut self.edge) {
            running.ready(&http).await?;
        }
        let count = self.api.len() + self.edge.len();
        step.done(format_args!("{count} ready"));
        Ok(())
    }

    /// Everything that is a process of its own.
    fn processes(&self) -> Vec<Handle> {
        let services = self.api.iter().chain(&self.edge).filter_map(Running::handle);
        let nats = self.nats.iter().map(Nats::handle);
        self.postgres.iter().map(Postgres::handle).chain(nats).chain(services).collect()
    }

    /// Returns when one of the services that run inside this process has ended by itself.
    pub(crate) async fn failed(&mut self) -> anyhow::Error {
        loop {
            for running in self.api.iter_mut().chain(&mut self.edge) {
                if let Err(error) = running.ended().await {
                    return error;
                }
            }
            tokio::time::sleep(Duration::from_millis(250)).await;
        }
    }

    /// Stops everything, from the outside in.
    pub(crate) async fn stop(mut self) {
        if let Some(toxic) = &mut self.toxic {
            toxic.restore().await;
        }
        futures::future::join_all(self.edge.into_iter().map(Running::stop)).await;
        futures::future::join_all(self.api.into_iter().map(Running::stop)).await;
        let nats = async {
            if let Some(nats) = self.nats {
                nats.stop().await;
            }
        };
        let postgres = async {
            if let Some(postgres) = self.postgres {
                postgres.stop().await;
            }
        };
        tokio::join!(nats, postgres);
        if let Some(provider) = self.provider {
            provider.stop().await;
        }
        if let Some(s3) = self.s3 {
            s3.stop().await;
        }
        process::settled().await;
    }
}

/// Where the edges and processes of a stack are controlled.
fn toxic_socket(options: &Options) -> PathBuf {
    options.run_dir.join("toxic.sock")
}

/// A folder of our own for a stack that leaves nothing behind. Those of runs that were killed are swept first.
pub(crate) fn temporary_folder(parent: &Path) -> anyhow::Result<tempfile::TempDir> {
    const PREFIX: &str = "ajet-stack-";
    for entry in fs::read_dir(parent).into_iter().flatten().flatten() {
        let name = entry.file_name();
        let owner = name.to_str().and_then(|name| name.strip_prefix(PREFIX)?.split('-').next());
        // A process that has ended, but whose parent has not noticed, has no program any more.
        let program = |pid: &str| fs::read_link(Path::new("/proc").join(pid).join("exe"));
        let is_gone = |pid: &str| {
            pid.parse::<u32>().is_ok()
                && program(pid).is_err_and(|error| error.kind() == io::ErrorKind::NotFound)
        };
        if owner.is_some_and(is_gone) {
            // Somebody else's cannot be removed, nor need it.
            drop(fs::remove_dir_all(entry.path()));
        }
    }
    let prefix = format!("{PREFIX}{}-", std::process::id());
    let folder = tempfile::Builder::new().prefix(&prefix).tempdir_in(parent)?;
    // The user that Postgres runs as must be able to pass through.
    fs::set_permissions(folder.path(), fs::Permissions::from_mode(0o711))?;
    Ok(folder)
}
