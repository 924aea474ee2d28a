//! Our own services: their settings, and running them inside this process or as processes of their own.

use std::ffi::OsString;
use std::path::{Path, PathBuf};
use std::time::Duration;

use ajet_shared::config::parse_from;
use anyhow::{Context as _, anyhow, bail};
use clap::{CommandFactory, FromArgMatches};
use nix::sys::signal::Signal;
use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;

use crate::process::{Process, Spec};
use crate::supervisor::Handle;

/// How long a service may take to finish what it is doing: more than its notice, its drain of 10 s and the relay's batch together.
/// Source: delivery-and-security.md section 2.10.
const GRACE: Duration = Duration::from_secs(30);

/// One of the four services.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Service {
    /// The gateway.
    AuthGw,
    /// The API.
    Api,
    /// The web session manager.
    WebSm,
    /// The terminal session manager.
    TuiSm,
}

impl Service {
    /// Its name in pid and log files.
    pub(crate) const fn name(self) -> &'static str {
        match self {
            Self::AuthGw => "auth-gw",
            Self::Api => "api",
            Self::WebSm => "web-sm",
            Self::TuiSm => "tui-sm",
        }
    }

    /// Its executable.
    fn program(self) -> String {
        format!("ajet-{}", self.name())
    }
}

/// Settings by the names of their variables.
pub(crate) type Settings = Vec<(String, String)>;

/// Where services run.
#[derive(Clone, Debug)]
pub(crate) enum Place {
    /// Inside this process.
    Here,
    /// As supervised processes, from the programs in this folder.
    Processes(PathBuf),
}

/// A service that has been started.
#[derive(Debug)]
pub(crate) struct Running {
    name: String,
    readiness: String,
    state: State,
}

#[derive(Debug)]
enum State {
    Here { stop: CancellationToken, task: JoinHandle<anyhow::Result<()>> },
    Process(Process),
}

impl Running {
    /// Starts number `number` of a service. `readiness` is the address that says when it can be used.
    pub(crate) async fn start(
        service: Service,
        number: usize,
        settings: Settings,
        readiness: String,
        place: &Place,
        run_dir: &Path,
    ) -> anyhow::Result<Self> {
        let name = format!("{}-{number}", service.name());
        let state = match place {
            Place::Here => {
                let stop = CancellationToken::new();
                State::Here { task: run_here(service, &settings, stop.clone())?, stop }
            }
            Place::Processes(folder) => {
                let spec = Spec {
                    name: name.clone(),
                    program: folder.join(service.program()),
                    arguments: Vec::new(),
                    environment: environment(settings),
                    run_as: None,
                    folder: run_dir.to_owned(),
                    run_dir: run_dir.to_owned(),
                    stop: Signal::SIGTERM,
                    grace: GRACE,
                    on_our_death: Signal::SIGTERM,
                };
                State::Process(Process::start(spec).await?)
            }
        };
        Ok(Self { name, readiness, state })
    }

    /// Waits until it is ready to serve.
    pub(crate) async fn ready(&mut self, http: &reqwest::Client) -> anyhow::Result<()> {
        const LIMIT: Duration = Duration::from_mins(1);
        let probe = async || {
            let answer = http.get(&self.readiness).timeout(Duration::from_secs(2)).send().await;
            answer.is_ok_and(|answer| answer.status().is_success())
        };
        match &mut self.state {
            State::Process(process) => process.ready(LIMIT, probe).await,
            State::Here { task, .. } => {
                let waited = tokio::time::timeout(LIMIT, async {
                    while !probe().await {
                        if task.is_finished() {
                            break;
                        }
                        tokio::time::sleep(Duration::from_millis(10)).await;
                    }
                });
                if waited.await.is_err() {
                    bail!(
                        "{} is not ready after {} s ({})",
                        self.name,
                        LIMIT.as_secs(),
                        self.readiness
                    );
                }
                self.ended().await
            }
        }
    }

    /// Tells whether a service inside this process has ended by itself, which is always an error.
    pub(crate) async fn ended(&mut self) -> anyhow::Result<()> {
        let State::Here { task, stop } = &mut self.state else { return Ok(()) };
        if !task.is_finished() || stop.is_cancelled() {
            return Ok(());
        }
        let name = &self.name;
        Err(match task.await {
            Ok(Ok(())) => anyhow!("{name} has ended"),
            Ok(Err(error)) => error.context(format!("{name} has ended")),
            Err(panic) => anyhow::Error::new(panic).context(format!("{name} has crashed")),
        })
    }

    /// Its process, where it is one of its own.
    pub(crate) fn handle(&self) -> Option<Handle> {
        match &self.state {
            State::Process(process) => Some(process.handle()),
            State::Here { .. } => None,
        }
    }

    /// Stops it, letting it finish what it is doing.
    pub(crate) async fn stop(self) {
        match self.state {
            State::Process(process) => process.stop().await,
            State::Here { stop, mut task } => {
                stop.cancel();
                if task.is_finished() {
                    return;
                }
                if tokio::time::timeout(GRACE, &mut task).await.is_err() {
                    task.abort();
                }
            }
        }
    }
}

/// Environment of a separate service: what we have been given except for other settings of ours, which would make the
/// stack depend on who starts it, and except for filters of logs and limits, which are there to be set by hand.
fn environment(settings: Settings) -> Vec<(OsString, OsString)> {
    let by_hand =
        |name: &str| ["AJET_LOG", "AJET_LIMIT_"].iter().any(|prefix| name.starts_with(prefix));
    let kept = std::env::vars_os().filter(|(name, _)| {
        name.to_str().is_none_or(|name| !name.starts_with("AJET_") || by_hand(name))
    });
    kept.chain(settings.into_iter().map(|(name, value)| (name.into(), value.into()))).collect()
}

/// Starts a service inside this process.
fn run_here(
    service: Service,
    settings: &Settings,
    stop: CancellationToken,
) -> anyhow::Result<JoinHandle<anyhow::Result<()>>> {
    Ok(match service {
        Service::AuthGw => tokio::spawn(ajet_auth_gw::run(configuration(settings)?, stop)),
        Service::Api => tokio::spawn(ajet_api::run(configuration(settings)?, stop)),
        Service::WebSm => tokio::spawn(ajet_web_sm::run(configuration(settings)?, stop)),
        Service::TuiSm => tokio::spawn(ajet_tui_sm::run(configuration(settings)?, stop)),
    })
}

/// The typed settings of a service from their variables, without going through the environment of this process, which
/// all services share.
fn configuration<C: CommandFactory + FromArgMatches>(settings: &Settings) -> anyhow::Result<C> {
    let command = C::command();
    let mut arguments = vec![command.get_name().to_owned()];
    for (name, value) in settings {
        let with_variable =
            |argument: &&clap::Arg| argument.get_env().is_some_and(|env| env == name.as_str());
        match command.get_arguments().find(with_variable) {
            Some(argument) => {
                let long = argument.get_long().with_context(|| format!("{name} has no option"))?;
                if argument.get_action().takes_values() {
                    arguments.push(format!("--{long}={value}"));
                } else if value == "true" {
                    arguments.push(format!("--{long}"));
                }
            }
            // The names of these depend on the providers' names.
            None if name.starts_with("AJET_OAUTH_") => {
                arguments.push(format!("--oauth-setting={name}={value}"));
            }
            None => bail!("{} has no setting {name}", command.get_name()),
        }
    }
    parse_from(arguments, |_| None).map_err(|problem| anyhow!(problem))
}
