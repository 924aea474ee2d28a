//! What a command works with: settings, the signed-in client, and where it acts.

use std::future::Future;
use std::time::{Duration, Instant};

use ajet_shared::client::{ApiClient, ClientError, ClientOptions};
use ajet_shared::sync::{CommunityView, Sync};
use tokio::sync::OnceCell;

use crate::args::Global;
use crate::error::{CliError, CliResult};
use crate::lookup::find_community;
use crate::output::{Output, Screen};
use crate::recent::Recent;
use crate::record::Schema;
use crate::settings::{Server, Settings};

/// Everything a command needs.
#[derive(Debug)]
pub(crate) struct Context {
    pub(crate) global: Global,
    pub(crate) settings: Settings,
    pub(crate) screen: Screen,
    deadline: Instant,
    client: OnceCell<ApiClient>,
    sync: OnceCell<Sync>,
}

impl Context {
    pub(crate) fn new(global: Global) -> CliResult<Self> {
        let screen = Screen::new(&global);
        let settings = Settings::load(&global)?;
        for (key, near) in settings.unknown_keys() {
            let advice = near.map(|near| format!(" Did you mean {near}?")).unwrap_or_default();
            screen.warn(&format!(
                "Unknown setting {key} in {}.{advice}",
                settings.paths.config.display()
            ));
        }
        let deadline = Instant::now() + global.timeout;
        Ok(Self {
            global,
            settings,
            screen,
            deadline,
            client: OnceCell::new(),
            sync: OnceCell::new(),
        })
    }

    /// How this command prints: as the flags say, else as `default.format` does.
    pub(crate) fn output(&self, schema: &'static Schema) -> CliResult<Output> {
        let preferred =
            self.settings.document.get("default", "format").filter(|format| *format != "auto");
        if self.global.json.is_some() || self.global.format.is_some() || preferred.is_none() {
            return self.screen.output(&self.global, schema);
        }
        let global = Global { format: preferred.map(str::to_owned), ..self.global.clone() };
        self.screen.output(&global, schema)
    }

    pub(crate) fn server(&self) -> CliResult<&Server> {
        self.settings.server()
    }

    /// A client without credentials.
    pub(crate) fn anonymous(&self, server: &Server) -> CliResult<ApiClient> {
        let options = ClientOptions {
            edge: None,
            user_agent: concat!("ajet-chat/", env!("CARGO_PKG_VERSION")),
            connect_timeout: self.global.timeout.min(Duration::from_secs(10)),
            timeout: self.global.timeout,
            system_proxy: !server.is_local(),
        };
        if server.is_in_the_open() {
            self.screen
                .warn(&format!("{server} is not encrypted: anybody on the way can read along."));
        }
        ApiClient::with_options(vec![server.url().clone()], &options)
            .map_err(|error| CliError::from_client(error, &server.host()))
    }

    /// The client of the user, repeating what may be repeated until the time is up. Made when first needed.
    pub(crate) async fn client(&self) -> CliResult<&ApiClient> {
        let make = async || {
            let server = self.server()?;
            let (token, _) =
                self.settings.token.as_ref().ok_or_else(|| CliError::signed_out(&server.host()))?;
            Ok(self.anonymous(server)?.with_token(token).retrying(self.deadline))
        };
        self.client.get_or_try_init(make).await
    }

    /// Waits for a call and says what its failure means here.
    pub(crate) async fn call<T>(
        &self,
        call: impl Future<Output = Result<T, ClientError>>,
    ) -> CliResult<T> {
        self.attempt(call).await.map_err(|error| self.failed(error))
    }

    /// Waits for a call; what its failure means is decided by those who may try again.
    pub(crate) async fn attempt<T>(
        &self,
        call: impl Future<Output = Result<T, ClientError>>,
    ) -> Result<T, ClientError> {
        let started = Instant::now();
        let outcome = call.await;
        if self.global.verbose > 0 {
            let result = match &outcome {
                Ok(_) => "ok".to_owned(),
                Err(error) => {
                    error.status().map_or_else(|| error.to_string(), |status| status.to_string())
                }
            };
            self.screen.say(&format!(
                "{} {result} after {} ms",
                self.host(),
                started.elapsed().as_millis()
            ));
        }
        outcome
    }

    pub(crate) fn failed(&self, error: ClientError) -> CliError {
        CliError::from_client(error, &self.host())
    }

    pub(crate) fn host(&self) -> String {
        self.settings.server.as_ref().map(|(server, _)| server.host()).unwrap_or_default()
    }

    /// Who I am and where; read once.
    pub(crate) async fn sync(&self) -> CliResult<&Sync> {
        let client = self.client().await?;
        self.sync.get_or_try_init(|| self.call(client.sync())).await
    }

    pub(crate) fn recent(&self) -> CliResult<Recent> {
        Ok(Recent::new(&self.settings.paths, self.server()?))
    }

    /// The community to act in: the one named, or the only one.
    pub(crate) async fn community(&self) -> CliResult<&CommunityView> {
        let sync = self.sync().await?;
        match &self.settings.community {
            Some((slug, _)) => find_community(sync, slug),
            None => match sync.communities.as_slice() {
                [only] => Ok(only),
                [] => Err(CliError::not_found("You are in no community yet.")
                    .hint("Ask for an invite, or make one: ajet-chat community create NAME")),
                several => {
                    let slugs: Vec<&str> =
                        several.iter().map(|view| view.community.slug.as_str()).collect();
                    Err(CliError::usage("You are in several communities. Say which one.")
                        .hint(format!("-c with one of: {}", slugs.join(" ")))
                        .hint(format!("Or for good: ajet-chat community use {}", slugs[0])))
                }
            },
        }
    }
}
