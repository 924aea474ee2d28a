//! `login` and `logout`: through the browser by a loopback redirect with PKCE (RFC 8252), or with a token from standard input.

use std::process::{Command, Stdio};
use std::time::Duration;

use ajet_shared::client::{ApiClient, Call, Method};
use ajet_shared::secret::Secret;
use ajet_shared::terminal::terminal_line;
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde::{Deserialize, Serialize};
use sha2::{Digest as _, Sha256};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream};
use url::Url;

use crate::args::{Login, Logout};
use crate::context::Context;
use crate::error::{CliError, CliResult, Exit};
use crate::settings::{Credentials, Server, SignIn, env};

/// How long somebody may take in the browser.
const CONFIRM_WITHIN: Duration = Duration::from_mins(10);
/// A browser sends its short request at once.
const REQUEST_WITHIN: Duration = Duration::from_secs(5);
const REQUEST_MAX_BYTES: usize = 16 * 1024;

pub(super) async fn login(mut context: Context, args: &Login) -> CliResult {
    let Some((server, _)) = context.settings.server.clone() else {
        return Err(CliError::usage("Which server? Nothing was sent.")
            .hint("ajet-chat login --server chat.example.org"));
    };
    let client = context.anonymous(&server)?;
    let token = if args.with_token {
        read_token()?
    } else {
        through_browser(&context, &client, &server, args.no_browser).await?
    };
    // Only a token that works is saved.
    let signed_in = client.with_token(&token);
    let sync = signed_in.sync().await.map_err(|error| {
        match CliError::from_client(error, &server.host()) {
            error if error.exit == Exit::SignedOut => CliError::new(
                Exit::SignedOut,
                "unauthenticated",
                format!("{} does not know this token. Nothing was saved.", server.host()),
            )
            .hint("It may be cut, expired or revoked."),
            error => error,
        }
    })?;
    let mut credentials = Credentials::load(&context.settings.paths.credentials)?;
    let profile = profile_for(&context, &credentials, &server);
    credentials.insert(&profile, SignIn { server: server.clone(), token })?;
    let document = &mut context.settings.document;
    document.set(&format!("profile.{profile}"), "server", &server.to_string());
    document.set("", "profile", &profile);
    let chosen = document.get(&format!("profile.{profile}"), "community").map(str::to_owned);
    context.settings.save()?;
    let me = &sync.me.user;
    context.screen.done(&format!(
        "Signed in as {} (@{}), saved as profile \"{profile}\"",
        me.display_name, me.username
    ));
    let communities: Vec<String> = sync
        .communities
        .iter()
        .map(|view| {
            let slug = &view.community.slug;
            let default =
                chosen.as_ref().map_or(sync.communities.len() == 1, |chosen| chosen == slug);
            if default { format!("{slug} (default)") } else { slug.clone() }
        })
        .collect();
    if !communities.is_empty() {
        context.screen.say(&format!("  Communities: {}", terminal_line(&communities.join(", "))));
    }
    Ok(())
}

/// The name to save under: the one given, the one that this server has already, or one after the host.
fn profile_for(context: &Context, credentials: &Credentials, server: &Server) -> String {
    if let Some(name) = &context.global.profile {
        return name.clone();
    }
    if let Some(name) =
        credentials.names().find(|name| credentials.server(name).as_ref() == Some(server))
    {
        return name.to_owned();
    }
    let taken = |name: &str| credentials.get(name).is_some();
    if !taken("default") && credentials.names().next().is_none() {
        "default".to_owned()
    } else {
        server.host()
    }
}

fn read_token() -> CliResult<Secret> {
    let text = crate::text::read_stdin()?;
    let token = text.trim();
    if token.is_empty() || token.contains(|c: char| c.is_whitespace() || c.is_control()) {
        return Err(CliError::usage("Standard input holds no token. Nothing was sent.")
            .hint("ajet-chat login --with-token < token.txt"));
    }
    Ok(Secret::from(token.to_owned()))
}

/// 32 random bytes in base64url.
fn random() -> String {
    URL_SAFE_NO_PAD.encode(rand::random::<[u8; 32]>())
}

async fn through_browser(
    context: &Context,
    client: &ApiClient,
    server: &Server,
    no_browser: bool,
) -> CliResult<Secret> {
    #[derive(Serialize)]
    struct Exchange {
        code: String,
        verifier: String,
    }
    #[derive(Deserialize)]
    struct Exchanged {
        token: String,
    }
    let listening = |error: std::io::Error| {
        CliError::failed(format!("Cannot listen on this machine for the browser: {error}."))
    };
    let listener = TcpListener::bind(("127.0.0.1", 0)).await.map_err(listening)?;
    let port = listener.local_addr().map_err(listening)?.port();
    let (verifier, state) = (random(), random());
    let mut start = server.url().clone();
    start.set_path("/auth/cli/start");
    start
        .query_pairs_mut()
        .append_pair("port", &port.to_string())
        .append_pair("challenge", &URL_SAFE_NO_PAD.encode(Sha256::digest(&verifier)))
        .append_pair("state", &state)
        .append_pair("host", &host_name());
    let screen = &context.screen;
    let opened = !no_browser && open_browser(&start);
    if opened {
        screen.say(&format!("Opening {server} in your browser. If it does not open, go there yourself:\n\n    {start}\n"));
    } else {
        // Without this line nobody could go on, so it is said even when quiet.
        eprintln!("Open this address in a browser on this machine:\n\n    {start}\n");
    }
    screen.say("Waiting for you to confirm… (ends in 10 min, Ctrl-C stops)");
    let code = tokio::time::timeout(CONFIRM_WITHIN, wait_for_code(&listener, &state, server))
        .await
        .map_err(|_| {
            CliError::new(
                Exit::Declined,
                "timeout",
                "Nobody confirmed in the browser within 10 minutes. Nothing was saved.",
            )
            .hint(format!("ajet-chat login --server {}", server.host()))
        })??;
    let call = Call::new(Method::POST, "/auth/cli/token").json(&Exchange { code, verifier });
    let failed = |error| CliError::from_client(error, &server.host());
    let answer =
        client.send(&call).await.and_then(ajet_shared::client::Answer::ok).map_err(failed)?;
    let exchanged: Exchanged = serde_json::from_slice(&answer.body)
        .map_err(|_| CliError::failed(format!("{} gave no token.", server.host())))?;
    Ok(Secret::from(exchanged.token))
}

/// What the person sees in the list of sessions.
fn host_name() -> String {
    let name = env("HOSTNAME")
        .or_else(|| std::fs::read_to_string("/etc/hostname").ok())
        .unwrap_or_default();
    let name: String = name
        .trim()
        .chars()
        .filter(|c| c.is_ascii_alphanumeric() || "-._".contains(*c))
        .take(64)
        .collect();
    if name.is_empty() { "this computer".to_owned() } else { name }
}

/// Starts a browser without waiting for it. `$BROWSER` may name several, parted by colons, and hold `%s` for the address.
pub(crate) fn open_browser(address: &Url) -> bool {
    let start = |program: &str, args: &[String]| {
        Command::new(program)
            .args(args)
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .is_ok()
    };
    if let Some(browsers) = env("BROWSER") {
        return browsers.split(':').any(|browser| {
            let mut words: Vec<String> = browser
                .split_whitespace()
                .map(|word| word.replace("%s", address.as_str()))
                .collect();
            if !browser.contains("%s") {
                words.push(address.to_string());
            }
            words.split_first().is_some_and(|(program, args)| start(program, args))
        });
    }
    let opener = if cfg!(target_os = "macos") { "open" } else { "xdg-open" };
    let has_screen = cfg!(not(target_os = "linux"))
        || env("DISPLAY").is_some()
        || env("WAYLAND_DISPLAY").is_some();
    has_screen && start(opener, &[address.to_string()])
}

/// Serves the browser until it brings the code, or the person's no.
async fn wait_for_code(listener: &TcpListener, state: &str, server: &Server) -> CliResult<String> {
    loop {
        let Ok((mut stream, _)) = listener.accept().await else { continue };
        let Ok(Some(target)) =
            tokio::time::timeout(REQUEST_WITHIN, request_target(&mut stream)).await
        else {
            continue;
        };
        match Callback::parse(&target, state) {
            Callback::Code(code) => {
                answer(
                    &mut stream,
                    "200 OK",
                    "Signed in. You can close this window and go back to the terminal.",
                )
                .await;
                return Ok(code);
            }
            Callback::Denied => {
                answer(&mut stream, "200 OK", "Nothing was signed in. You can close this window.")
                    .await;
                return Err(CliError::new(
                    Exit::Declined,
                    "declined",
                    "You said no in the browser. Nothing was saved.",
                ));
            }
            Callback::Wrong => {
                answer(
                    &mut stream,
                    "400 Bad Request",
                    &format!(
                        "This did not come from {}. Start again in the terminal.",
                        server.host()
                    ),
                )
                .await;
            }
            Callback::Other => answer(&mut stream, "404 Not Found", "Nothing is here.").await,
        }
    }
}

/// What a request of the browser brings.
#[derive(Debug, PartialEq, Eq)]
enum Callback {
    Code(String),
    Denied,
    /// Of another sign-in, or forged.
    Wrong,
    /// An icon or the like.
    Other,
}

impl Callback {
    fn parse(target: &str, state: &str) -> Self {
        let Ok(url) = Url::parse("http://127.0.0.1").and_then(|base| base.join(target)) else {
            return Self::Other;
        };
        if url.path() != "/callback" {
            return Self::Other;
        }
        let get = |name: &str| {
            url.query_pairs().find(|(key, _)| key == name).map(|(_, value)| value.into_owned())
        };
        if get("state").as_deref() != Some(state) {
            return Self::Wrong;
        }
        match (get("code"), get("error")) {
            (_, Some(_)) => Self::Denied,
            (Some(code), None) if !code.is_empty() => Self::Code(code),
            _ => Self::Wrong,
        }
    }
}

/// The target of the request line, once the whole head is there.
async fn request_target(stream: &mut TcpStream) -> Option<String> {
    let mut head = Vec::new();
    while !head.windows(4).any(|end| end == b"\r\n\r\n") {
        if head.len() > REQUEST_MAX_BYTES || stream.read_buf(&mut head).await.ok()? == 0 {
            return None;
        }
    }
    let head = String::from_utf8(head).ok()?;
    head.lines().next()?.strip_prefix("GET ")?.split(' ').next().map(str::to_owned)
}

/// A page of one sentence. The sentences are ours; only the host comes from outside, and it was parsed as one.
async fn answer(stream: &mut TcpStream, status: &str, sentence: &str) {
    let page = format!(
        "<!doctype html><html lang=\"en\"><meta charset=\"utf-8\"><title>ajet-chat</title><body><p>{sentence}</p></body></html>"
    );
    let response = format!(
        "HTTP/1.1 {status}\r\ncontent-type: text/html; charset=utf-8\r\ncontent-length: {}\r\ncache-control: no-store\r\n\
         content-security-policy: default-src 'none'\r\nreferrer-policy: no-referrer\r\nconnection: close\r\n\r\n{page}",
        page.len()
    );
    let _ = stream.write_all(response.as_bytes()).await;
    let _ = stream.shutdown().await;
}

pub(super) async fn logout(context: &Context, args: &Logout) -> CliResult {
    let mut credentials = Credentials::load(&context.settings.paths.credentials)?;
    let names: Vec<String> = if args.all {
        credentials.names().map(str::to_owned).collect()
    } else {
        let current = context.settings.profile.as_ref().map(|(name, _)| name.clone());
        current.filter(|name| credentials.get(name).is_some()).into_iter().collect()
    };
    if names.is_empty() {
        context.screen.say("You are not signed in.");
        return Ok(());
    }
    for name in names {
        let Some(sign_in) = credentials.get(&name).cloned() else { continue };
        let host = sign_in.server.host();
        let client = context.anonymous(&sign_in.server)?.with_token(&sign_in.token);
        let ended = client
            .send(&Call::new(Method::POST, "/auth/logout"))
            .await
            .and_then(ajet_shared::client::Answer::ok);
        match ended.map(drop).map_err(|error| CliError::from_client(error, &host)) {
            // 401: the session ended already. 403: an API token, which is revoked elsewhere.
            Ok(()) => {}
            Err(error) if matches!(error.exit, Exit::SignedOut | Exit::Forbidden) => {}
            Err(error) => {
                return Err(error.hint(format!(
                    "To forget it on this machine only: ajet-chat profile remove {name}"
                )));
            }
        }
        credentials.remove(&name)?;
        context.screen.done(&format!("Signed out of {host}"));
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_the_answer_to_our_question_counts() {
        let parse = |target: &str| Callback::parse(target, "s-1");
        assert_eq!(parse("/callback?code=abc&state=s-1"), Callback::Code("abc".into()));
        assert_eq!(parse("/callback?error=access_denied&state=s-1"), Callback::Denied);
        for wrong in [
            "/callback?code=abc&state=other",
            "/callback?code=abc",
            "/callback?state=s-1",
            "/callback?code=&state=s-1",
        ] {
            assert_eq!(parse(wrong), Callback::Wrong, "{wrong}");
        }
        assert_eq!(parse("/favicon.ico"), Callback::Other);
        assert_eq!(random().len(), 43);
    }
}
