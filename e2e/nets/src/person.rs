//! People: signing in by the requests that a browser sends, and calling the gateway with a token.

use std::collections::BTreeMap;
use std::fs::OpenOptions;
use std::io::Write as _;
use std::time::Duration;

use anyhow::{Context as _, bail};
use reqwest::header::{CONTENT_TYPE, COOKIE, HeaderMap, LOCATION, SET_COOKIE};
use reqwest::{Method, Response, StatusCode, redirect};
use serde_json::Value;

use crate::stack::Stack;

/// Name of the only provider of a development stack.
const PROVIDER: &str = "dev";
/// Login name of the demo's owner.
pub const DEMO_OWNER: &str = "ola";
/// Where the error bodies that clients were shown are kept, for the sweep.
pub const ERRORS: &str = "error-bodies.jsonl";
/// No request takes longer.
const PATIENCE: Duration = Duration::from_secs(30);

/// Somebody, or nobody in particular.
#[derive(Clone, Debug)]
pub struct Person {
    /// Login name, for people who read a failure.
    pub name: String,
    /// The account, where there is one.
    pub id: String,
    token: Option<String>,
    http: reqwest::Client,
    stack: Stack,
}

/// An answer, read to its end unless it is a stream.
#[derive(Clone, Debug)]
pub struct Answer {
    /// The status.
    pub status: u16,
    /// The headers.
    pub headers: HeaderMap,
    /// The body; of a stream nothing.
    pub body: String,
}

/// What is sent along.
#[derive(Clone, Debug, Default)]
pub enum Body {
    /// Nothing.
    #[default]
    Empty,
    /// JSON.
    Json(Value),
    /// A form.
    Form(Vec<(&'static str, String)>),
    /// These bytes, as this type.
    Raw(&'static str, Vec<u8>),
}

impl Answer {
    /// The body as JSON, `null` when it is none.
    #[must_use]
    pub fn json(&self) -> Value {
        serde_json::from_str(&self.body).unwrap_or_default()
    }

    /// What kind of body it is, without parameters.
    #[must_use]
    pub fn content_type(&self) -> &str {
        let value = self.headers.get(CONTENT_TYPE).and_then(|value| value.to_str().ok());
        value.and_then(|value| value.split(';').next()).unwrap_or_default()
    }
}

impl Person {
    /// Nobody in particular.
    pub fn anonymous(stack: &Stack) -> anyhow::Result<Self> {
        Ok(Self {
            name: "nobody".to_owned(),
            id: String::new(),
            token: None,
            http: client()?,
            stack: stack.clone(),
        })
    }

    /// Whoever holds this token.
    pub fn with_token(
        stack: &Stack,
        name: &str,
        id: &str,
        token: impl Into<String>,
    ) -> anyhow::Result<Self> {
        let anonymous = Self::anonymous(stack)?;
        Ok(Self {
            name: name.to_owned(),
            id: id.to_owned(),
            token: Some(token.into()),
            ..anonymous
        })
    }

    /// Signs in, by an invite where one is needed.
    pub async fn sign_in(stack: &Stack, name: &str, invite: Option<&str>) -> anyhow::Result<Self> {
        let token = session(stack, name, invite).await?;
        let mut person = Self::with_token(stack, name, "", token)?;
        person.id = text(&person.get("/api/me").await?, "/id")?;
        Ok(person)
    }

    /// The demo's owner.
    pub async fn demo_owner(stack: &Stack) -> anyhow::Result<Self> {
        Self::sign_in(stack, DEMO_OWNER, None).await
    }

    /// Somebody new, who comes by an invite of `host` into the community.
    pub async fn invited(
        stack: &Stack,
        name: &str,
        host: &Self,
        community: &str,
    ) -> anyhow::Result<Self> {
        Self::sign_in(stack, name, Some(&host.invite(community).await?)).await
    }

    /// A new invite for one person.
    pub async fn invite(&self, community: &str) -> anyhow::Result<String> {
        let path = format!("/api/communities/{community}/invites");
        text(&self.post(&path, serde_json::json!({ "max_uses": 1 })).await?, "/code")
    }

    /// The token, for what is not a request to the gateway.
    #[must_use]
    pub fn token(&self) -> Option<&str> {
        self.token.as_deref()
    }

    /// Reads; anything but success is an error.
    pub async fn get(&self, path: &str) -> anyhow::Result<Value> {
        self.succeed(Method::GET, path, Body::Empty).await
    }

    /// Acts; anything but success is an error.
    pub async fn post(&self, path: &str, body: Value) -> anyhow::Result<Value> {
        self.succeed(Method::POST, path, Body::Json(body)).await
    }

    /// Calls; anything but success is an error.
    pub async fn succeed(&self, method: Method, path: &str, body: Body) -> anyhow::Result<Value> {
        let answer = self.call(method.clone(), path, body).await?;
        if !(200..300).contains(&answer.status) {
            bail!("{}: {method} {path}: {} {}", self.name, answer.status, answer.body);
        }
        Ok(answer.json())
    }

    /// Calls and gives the answer, whatever it is.
    pub async fn call(&self, method: Method, path: &str, body: Body) -> anyhow::Result<Answer> {
        self.call_with(method, path, body, &[]).await
    }

    /// The same with further headers.
    pub async fn call_with(
        &self,
        method: Method,
        path: &str,
        body: Body,
        headers: &[(&str, &str)],
    ) -> anyhow::Result<Answer> {
        let response = self.open(method.clone(), path, body, headers).await?;
        let (status, headers) = (response.status().as_u16(), response.headers().clone());
        let mut answer = Answer { status, headers, body: String::new() };
        // A stream that stays open has no end to wait for; a short one is read.
        if answer.content_type() != "text/event-stream" || !is_stream(path) {
            let bytes = response.bytes().await.with_context(|| format!("{method} {path}"))?;
            answer.body = String::from_utf8_lossy(&bytes).into_owned();
        }
        if status >= 400 {
            self.record(&method, path, &answer)?;
        }
        Ok(answer)
    }

    /// Sends a request and gives the answer while it still comes.
    pub async fn open(
        &self,
        method: Method,
        path: &str,
        body: Body,
        headers: &[(&str, &str)],
    ) -> anyhow::Result<Response> {
        let mut request = self.http.request(method.clone(), format!("{}{path}", self.stack.url));
        if let Some(token) = &self.token {
            request = request.bearer_auth(token);
        }
        for (name, value) in headers {
            request = request.header(*name, *value);
        }
        request = match body {
            Body::Empty => request,
            Body::Json(value) => request.json(&value),
            Body::Form(fields) => request.form(&fields),
            Body::Raw(content_type, bytes) => {
                request.header(CONTENT_TYPE, content_type).body(bytes)
            }
        };
        request.send().await.with_context(|| format!("{method} {path} as {}", self.name))
    }

    /// Keeps what a client was shown, one line each, so that the sweep can look into it.
    fn record(&self, method: &Method, path: &str, answer: &Answer) -> anyhow::Result<()> {
        let line = serde_json::json!({
            "client": "nets", "user_id": self.id, "method": method.as_str(),
            // Without its query and without ids of secrets: what the caller sent is no leak.
            "path": path.split('?').next(), "status": answer.status, "body": answer.body,
        });
        let file = self.stack.run_dir.join(ERRORS);
        let mut file = OpenOptions::new().create(true).append(true).open(file)?;
        // One write, because others append at the same time.
        file.write_all(format!("{line}\n").as_bytes())?;
        Ok(())
    }
}

fn is_stream(path: &str) -> bool {
    path.starts_with("/sse") || path.starts_with("/ws/tui/events")
}

/// A text inside of an answer.
pub fn text(value: &Value, pointer: &str) -> anyhow::Result<String> {
    let found = value.pointer(pointer).and_then(Value::as_str);
    found.map(str::to_owned).with_context(|| format!("no {pointer} in {value}"))
}

fn client() -> anyhow::Result<reqwest::Client> {
    Ok(reqwest::Client::builder()
        .no_proxy()
        .redirect(redirect::Policy::none())
        .connect_timeout(Duration::from_secs(5))
        .read_timeout(PATIENCE)
        .build()?)
}

/// A session's token, by the steps that a browser takes.
async fn session(stack: &Stack, name: &str, invite: Option<&str>) -> anyhow::Result<String> {
    let http = client()?;
    let mut cookies = BTreeMap::new();
    let start = http.get(format!("{}/auth/{PROVIDER}/start", stack.url));
    let start = start.query(&invite.map(|invite| [("invite", invite)]).unwrap_or_default());
    let to_provider = location(&visit(start, &mut cookies).await?)?;
    // Another site: our cookies stay at home.
    let back = http.get(to_provider).query(&[("login", name)]).send().await?;
    let answer = visit(http.get(location(&back)?), &mut cookies).await?;
    let status = answer.status();
    let session =
        ["__Host-ajet_session", "ajet_session"].iter().find_map(|name| cookies.get(*name));
    match session.filter(|session| !session.is_empty()) {
        Some(session) => Ok(session.clone()),
        None => bail!("{name} is not signed in: {status} {}", answer.text().await?),
    }
}

/// Sends a request with the cookies so far and keeps the new ones.
async fn visit(
    request: reqwest::RequestBuilder,
    cookies: &mut BTreeMap<String, String>,
) -> anyhow::Result<Response> {
    let jar: Vec<_> = cookies.iter().map(|(name, value)| format!("{name}={value}")).collect();
    let request = if jar.is_empty() { request } else { request.header(COOKIE, jar.join("; ")) };
    let answer = request.send().await?;
    for cookie in answer.headers().get_all(SET_COOKIE) {
        let pair = cookie.to_str().ok().and_then(|text| text.split(';').next()?.split_once('='));
        if let Some((name, value)) = pair {
            cookies.insert(name.trim().to_owned(), value.trim().to_owned());
        }
    }
    Ok(answer)
}

fn location(answer: &Response) -> anyhow::Result<String> {
    let target = answer.headers().get(LOCATION).and_then(|value| value.to_str().ok());
    match target.filter(|_| answer.status().is_redirection()) {
        Some(target) => Ok(target.to_owned()),
        None if answer.status() == StatusCode::OK => bail!("{} does not lead on", answer.url()),
        None => bail!("{} answers {}", answer.url(), answer.status()),
    }
}
