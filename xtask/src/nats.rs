//! A real NATS server with `JetStream` and one user per service.

use std::fmt::Write as _;
use std::fs;
use std::io::Write as _;
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::Path;
use std::time::Duration;

use nix::sys::signal::Signal;
use tokio::io::AsyncReadExt as _;
use tokio::net::TcpStream;

use crate::install::NatsProgram;
use crate::process::{Process, Spec, bare_environment};
use crate::supervisor::Handle;

/// Who may do what on the bus. `api` writes events, the session managers only read them: whatever happens to a session
/// manager, it cannot forge a message.
const USERS: [User; 4] = [
    User {
        name: "api",
        publish: &[
            "chat.events.>",
            "chat.dm.>",
            "chat.notifications.>",
            "chat.presence.>",
            "chat.sys.>",
            "$JS.API.>",
            "_INBOX.>",
        ],
        subscribe: &["_INBOX.>", "chat.sys.>"],
    },
    User { name: "websm", publish: SESSION_MANAGER_PUBLISH, subscribe: SESSION_MANAGER_SUBSCRIBE },
    User { name: "tuism", publish: SESSION_MANAGER_PUBLISH, subscribe: SESSION_MANAGER_SUBSCRIBE },
    // For tests and for people: everything.
    User { name: "admin", publish: &[">"], subscribe: &[">"] },
];

const SESSION_MANAGER_PUBLISH: &[&str] = &[
    "chat.typing.>",
    "$JS.API.INFO",
    "$JS.API.STREAM.INFO.CHAT",
    "$JS.API.STREAM.MSG.GET.CHAT",
    "$JS.API.DIRECT.GET.>",
    "$JS.API.CONSUMER.>",
    "$JS.ACK.>",
    "$JS.FC.>",
];
const SESSION_MANAGER_SUBSCRIBE: &[&str] = &["chat.>", "_INBOX.>"];

struct User {
    name: &'static str,
    publish: &'static [&'static str],
    subscribe: &'static [&'static str],
}

/// A running server.
#[derive(Debug)]
pub(crate) struct Nats {
    process: Process,
    port: u16,
    password: String,
}

impl Nats {
    /// Starts a server that keeps its streams in `store`.
    pub(crate) async fn start(
        program: &NatsProgram,
        store: &Path,
        run_dir: &Path,
        port: u16,
    ) -> anyhow::Result<Self> {
        fs::create_dir_all(store)?;
        let password = crate::secrets::random();
        let config = run_dir.join("nats.conf");
        // Private: it holds the passwords.
        let mut file = fs::OpenOptions::new()
            .create(true)
            .write(true)
            .truncate(true)
            .mode(0o600)
            .open(&config)?;
        file.write_all(configuration(store, port, &password).as_bytes())?;
        let process = Process::start(Spec {
            name: "nats-1".to_owned(),
            program: program.path.clone(),
            arguments: vec!["--config".into(), config.into()],
            environment: bare_environment(),
            run_as: None,
            folder: run_dir.to_owned(),
            run_dir: run_dir.to_owned(),
            stop: Signal::SIGTERM,
            grace: Duration::from_secs(10),
            on_our_death: Signal::SIGTERM,
        })
        .await?;
        let mut this = Self { process, port, password };
        if let Err(error) =
            this.process.ready(Duration::from_secs(20), async || greets(port).await).await
        {
            this.stop().await;
            return Err(error);
        }
        Ok(this)
    }

    /// Address for one of the users.
    pub(crate) fn url(&self, user: &str) -> String {
        format!("nats://{user}:{}-{user}@127.0.0.1:{}", self.password, self.port)
    }

    /// Its process.
    pub(crate) fn handle(&self) -> Handle {
        self.process.handle()
    }

    /// Stops it.
    pub(crate) async fn stop(self) {
        self.process.stop().await;
    }
}

/// A NATS server speaks first.
async fn greets(port: u16) -> bool {
    let Ok(mut stream) = TcpStream::connect(("127.0.0.1", port)).await else { return false };
    let mut greeting = [0; 4];
    stream.read_exact(&mut greeting).await.is_ok() && &greeting == b"INFO"
}

fn configuration(store: &Path, port: u16, password: &str) -> String {
    let mut users = String::new();
    for User { name, publish, subscribe } in USERS {
        // Writing to a string cannot fail.
        let _ = writeln!(
            users,
            "    {{ user: {name}, password: \"{password}-{name}\", permissions: {{\n      \
               publish: {{ allow: {publish:?} }}\n      subscribe: {{ allow: {subscribe:?} }}\n    }} }}"
        );
    }
    let store = store.display();
    format!(
        r#"# Written by cargo xtask at every start.
listen: "127.0.0.1:{port}"
server_name: "ajet-{port}"
max_payload: 256KB
write_deadline: "5s"
jetstream {{
  store_dir: "{store}"
  sync_interval: "10s"
  max_file_store: 2GB
}}
authorization {{
  users: [
{users}  ]
}}
"#
    )
}

#[cfg(test)]
mod tests {
    use super::{Path, configuration};

    #[test]
    fn session_managers_may_not_publish_events() {
        let text = configuration(Path::new("/store"), 4222, "secret");
        let websm = text.split("user: websm").nth(1).unwrap().split("user: tuism").next().unwrap();
        let publish = websm.split("subscribe").next().unwrap();
        assert!(publish.contains(r#""chat.typing.>""#));
        assert!(!publish.contains("chat.events"));
        assert!(!publish.contains(r#"">""#));
    }
}
