//! A server that speaks the API with one community and a few messages, and runs of the real program against it.

use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Output, Stdio};
use std::sync::{Arc, Mutex};

use axum::Router;
use axum::body::Body;
use axum::extract::{Request, State};
use axum::http::{HeaderMap, Method, StatusCode};
use axum::response::{IntoResponse, Response};
use serde_json::{Value, json};

pub(crate) const ME: &str = "01936b5e-0000-7000-8000-0000000000aa";
pub(crate) const MARA: &str = "01936b5e-0000-7000-8000-0000000000bb";
pub(crate) const COMMUNITY: &str = "01936b5e-0000-7000-8000-00000000c0c0";
pub(crate) const GENERAL: &str = "01936b5e-0000-7000-8000-000000000001";
pub(crate) const OPEN: &str = "01936b5e-0000-7000-8000-000000000002";
pub(crate) const DM: &str = "01936b5e-0000-7000-8000-000000000003";
pub(crate) const TOKEN: &str = "ajs_test-token";

/// What came in.
#[derive(Clone, Debug)]
pub(crate) struct Seen {
    pub(crate) method: Method,
    pub(crate) target: String,
    pub(crate) headers: HeaderMap,
    pub(crate) body: Value,
}

type Override = Box<dyn Fn(&Seen) -> Option<Response> + Send + Sync>;

#[derive(Default)]
struct Shared {
    seen: Vec<Seen>,
    messages: Vec<Value>,
    overrides: Vec<Override>,
}

/// The server, and a home folder for the program.
pub(crate) struct World {
    pub(crate) url: String,
    shared: Arc<Mutex<Shared>>,
    home: tempfile::TempDir,
    _runtime: tokio::runtime::Runtime,
}

impl World {
    pub(crate) fn new() -> Self {
        let runtime = tokio::runtime::Builder::new_multi_thread()
            .worker_threads(1)
            .enable_all()
            .build()
            .unwrap();
        let shared = Arc::<Mutex<Shared>>::default();
        let listener = runtime.block_on(tokio::net::TcpListener::bind("127.0.0.1:0")).unwrap();
        let url = format!("http://{}", listener.local_addr().unwrap());
        let router = Router::new().fallback(answer).with_state(shared.clone());
        runtime.spawn(async move { axum::serve(listener, router).await });
        Self { url, shared, home: tempfile::tempdir().unwrap(), _runtime: runtime }
    }

    /// Messages of `#general`, ascending.
    pub(crate) fn with_messages(self, bodies: &[&str]) -> Self {
        self.with_all((1..).zip(bodies).map(|(seq, body)| message(seq, body)).collect())
    }

    pub(crate) fn with_all(self, messages: Vec<Value>) -> Self {
        self.shared.lock().unwrap().messages = messages;
        self
    }

    /// Once, the server knows `#general` only up to `last_seq`: what it has besides came later.
    pub(crate) fn with_first_sync(self, last_seq: i64) -> Self {
        let once = Mutex::new(Some(sync(last_seq)));
        self.on(move |seen| {
            let first = (seen.target == "/api/sync").then(|| once.lock().unwrap().take()).flatten();
            first.map(|sync| axum::Json(sync).into_response())
        });
        self
    }

    /// Answers before all else; the newest rule first.
    pub(crate) fn on(&self, rule: impl Fn(&Seen) -> Option<Response> + Send + Sync + 'static) {
        self.shared.lock().unwrap().overrides.push(Box::new(rule));
    }

    pub(crate) fn seen(&self, method: &Method, path: &str) -> Vec<Seen> {
        let seen = &self.shared.lock().unwrap().seen;
        seen.iter()
            .filter(|seen| seen.method == *method && seen.target.split('?').next() == Some(path))
            .cloned()
            .collect()
    }

    pub(crate) fn home(&self) -> &Path {
        self.home.path()
    }

    pub(crate) fn credentials(&self) -> PathBuf {
        self.home().join(".config/ajet-chat/credentials.toml")
    }

    /// The program, signed in by the environment, with nothing else of this machine.
    pub(crate) fn command(&self, args: &[&str]) -> Command {
        let mut command = self.signed_out(args);
        command.env("AJET_TOKEN", TOKEN).env("AJET_SERVER", &self.url);
        command
    }

    pub(crate) fn signed_out(&self, args: &[&str]) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_ajet-chat"));
        command
            .args(args)
            .env_clear()
            .env("HOME", self.home())
            .env("TZ", "UTC")
            .env("PATH", std::env::var_os("PATH").unwrap_or_default());
        command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
        command
    }

    pub(crate) fn run(&self, args: &[&str]) -> Ran {
        self.command(args).output().unwrap().into()
    }
}

/// A run that ended.
#[derive(Debug)]
pub(crate) struct Ran {
    pub(crate) code: Option<i32>,
    pub(crate) out: String,
    pub(crate) err: String,
}

impl From<Output> for Ran {
    fn from(output: Output) -> Self {
        Self {
            code: output.status.code(),
            out: String::from_utf8_lossy(&output.stdout).into_owned(),
            err: String::from_utf8_lossy(&output.stderr).into_owned(),
        }
    }
}

impl Ran {
    pub(crate) fn json(&self) -> Value {
        serde_json::from_str(&self.out).unwrap_or_else(|error| panic!("{error}: {self:?}"))
    }

    pub(crate) fn ok(self) -> Self {
        assert_eq!(self.code, Some(0), "{self:?}");
        self
    }
}

/// Runs with something on standard input.
pub(crate) fn with_input(mut command: Command, input: &str) -> Ran {
    let mut child = command.stdin(Stdio::piped()).spawn().unwrap();
    child.stdin.take().unwrap().write_all(input.as_bytes()).unwrap();
    child.wait_with_output().unwrap().into()
}

/// A child that is ended with the test.
pub(crate) struct Running(pub(crate) Child);

impl Drop for Running {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

pub(crate) fn problem(status: u16, slug: &str, detail: &str) -> Response {
    let body = json!({ "type": format!("/problems/{slug}"), "title": "T", "status": status, "detail": detail, "trace_id": "trace-1" });
    (
        StatusCode::from_u16(status).unwrap(),
        [("content-type", "application/problem+json")],
        body.to_string(),
    )
        .into_response()
}

pub(crate) fn author() -> Value {
    json!({ "id": MARA, "username": "mara", "display_name": "Mara Voss", "avatar_url": null, "kind": "human" })
}

pub(crate) fn message_id(seq: i64) -> String {
    format!("01936b5e-7c0d-7b1e-9a55-2f6f2a3f{seq:04x}")
}

pub(crate) fn message(seq: i64, body: &str) -> Value {
    json!({
        "id": message_id(seq), "channel_id": GENERAL, "seq": seq, "parent_id": null, "author": author(), "kind": "text", "body_md": body,
        "created_at": format!("2026-11-20T{:02}:{:02}:00Z", 11 + seq / 60, seq % 60), "edited_at": null, "deleted_at": null, "reply_count": 0,
        "last_reply_at": null, "reactions": [], "attachments": [], "mentions": [], "metadata": {}
    })
}

fn channel(id: &str, name: Option<&str>, joined: bool, kind: &str, last_seq: i64) -> Value {
    let members = if kind == "dm" {
        json!([author(), { "id": ME, "username": "ola", "display_name": "Ola Brandt", "avatar_url": null, "kind": "human" }])
    } else {
        json!([])
    };
    json!({
        "id": id, "community_id": name.map(|_| COMMUNITY), "name": name, "kind": kind, "visibility": if kind == "dm" { "private" } else { "public" },
        "topic": name.map(|_| "Everything that fits nowhere else"), "last_seq": last_seq, "created_at": "2026-11-01T08:00:00Z", "archived_at": null,
        "joined": joined, "member_count": 31, "last_read_seq": 1, "unread": 8, "mentions": 1, "notify_level": "mentions", "members": members
    })
}

fn me() -> Value {
    json!({
        "id": ME, "username": "ola", "display_name": "Ola Brandt", "avatar_url": null, "kind": "human", "status_text": null,
        "status_emoji": null, "online": true, "created_at": "2026-11-01T08:00:00Z", "email": "ola@example.org"
    })
}

/// `last_seq` is that of `#general`.
pub(crate) fn sync(last_seq: i64) -> Value {
    json!({
        "cursor": "1.10", "me": me(), "session_id": null, "unread_notifications": 2,
        "communities": [{
            "id": COMMUNITY, "name": "Saltmarsh Labs", "slug": "saltmarsh", "created_at": "2026-11-01T08:00:00Z", "role": "admin",
            "channels": [channel(GENERAL, Some("general"), true, "text", last_seq)]
        }],
        "dms": [channel(DM, None, true, "dm", 0)]
    })
}

async fn answer(State(shared): State<Arc<Mutex<Shared>>>, request: Request) -> Response {
    let (parts, body) = request.into_parts();
    let bytes = axum::body::to_bytes(body, 1 << 20).await.unwrap();
    let seen = Seen {
        method: parts.method,
        target: parts.uri.path_and_query().unwrap().to_string(),
        headers: parts.headers,
        body: serde_json::from_slice(&bytes).unwrap_or_default(),
    };
    let mut shared = shared.lock().unwrap();
    shared.seen.push(seen.clone());
    if let Some(response) = shared.overrides.iter().rev().find_map(|rule| rule(&seen)) {
        return response;
    }
    if seen.headers.get("authorization").is_none_or(|given| given != &format!("Bearer {TOKEN}")) {
        return problem(401, "unauthenticated", "Sign in first");
    }
    route(&seen, &shared.messages)
}

fn route(seen: &Seen, messages: &[Value]) -> Response {
    let path = seen.target.split('?').next().unwrap_or_default();
    let page = |items: Value| json!({ "items": items, "next": null, "prev": null });
    let found = |id: &str| messages.iter().find(|message| message["id"] == *id).cloned();
    let segments: Vec<&str> = path.trim_matches('/').split('/').collect();
    let body = match (seen.method.as_str(), segments.as_slice()) {
        ("GET", ["api", "me"]) => me(),
        ("GET", ["api", "sync"]) => {
            sync(messages.iter().filter_map(|message| message["seq"].as_i64()).max().unwrap_or(0))
        }
        ("GET", ["api", "communities", _, "channels"]) => page(json!([
            channel(GENERAL, Some("general"), true, "text", 9),
            channel(OPEN, Some("open"), false, "text", 9)
        ])),
        ("GET", ["api", "channels", id, "messages"]) => {
            let query =
                seen.target.split_once('?').map(|(_, query)| query.to_owned()).unwrap_or_default();
            let get = |name: &str| {
                query
                    .split('&')
                    .find_map(|pair| pair.strip_prefix(&format!("{name}=")))
                    .map(str::to_owned)
            };
            let after = get("after").map_or(0, |id| {
                messages.iter().position(|message| message["id"] == id).map_or(0, |at| at + 1)
            });
            let before = get("before").and_then(|id| messages.iter().position(|of| of["id"] == id));
            let rest = if *id == GENERAL {
                &messages[after..before.unwrap_or(messages.len())]
            } else {
                &[]
            };
            let limit = get("limit").and_then(|limit| limit.parse::<usize>().ok()).unwrap_or(50);
            let start = if get("after").is_some() { 0 } else { rest.len().saturating_sub(limit) };
            let mut page = page(json!(rest[start..].iter().take(limit).collect::<Vec<_>>()));
            if start > 0 {
                page["prev"] = rest[start]["id"].clone();
            }
            page
        }
        ("POST", ["api", "channels", channel, "messages"]) => {
            let mut posted = message(99, seen.body["body_md"].as_str().unwrap());
            posted["channel_id"] = json!(channel);
            posted["client_msg_id"] = seen.body["client_msg_id"].clone();
            posted["parent_id"] = seen.body["parent_id"].clone();
            return (StatusCode::CREATED, axum::Json(posted)).into_response();
        }
        ("GET", ["api", "messages", id]) => match found(id) {
            Some(message) => message,
            None => return problem(404, "not-found", "Not found"),
        },
        ("PUT" | "DELETE", ["api", "messages", _, "reactions", _]) => json!([]),
        ("DELETE", ["api", "messages", _]) | ("POST", ["auth", "logout"]) => {
            return StatusCode::NO_CONTENT.into_response();
        }
        ("POST", ["api", "channels", id, "read"]) => {
            json!({ "channel_id": id, "last_read_seq": 9, "unread": 0, "mentions": 0 })
        }
        _ => return problem(404, "not-found", "Not found"),
    };
    axum::Json(body).into_response()
}

/// A body that sends these pieces and then breaks off.
pub(crate) fn stream(pieces: Vec<String>, stay_open: bool) -> Response {
    use futures::StreamExt as _;
    let pieces = futures::stream::iter(pieces.into_iter().map(Ok::<_, std::io::Error>));
    let body = if stay_open {
        Body::from_stream(pieces.chain(futures::stream::pending()))
    } else {
        Body::from_stream(pieces)
    };
    ([("content-type", "text/event-stream")], body).into_response()
}
