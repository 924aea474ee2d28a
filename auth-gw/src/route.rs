//! Which service a path belongs to, and which limit a request falls under.

use std::net::IpAddr;

use ajet_shared::http::Class;
use ajet_shared::id::UserId;
use http::Method;
use uuid::Uuid;

use crate::hook;
use crate::limits::{Key, Limits};
use crate::policy::Policy;

/// Where a request goes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Route<'a> {
    /// To a service behind the gateway.
    Service(Service),
    /// The sign-in page.
    Login,
    /// The first-run set-up.
    Setup,
    /// An invite, by its code.
    Invite(&'a str),
    /// Off to a provider, by its name.
    Start(&'a str),
    /// Back from a provider, by its name.
    Callback(&'a str),
    /// Signing out.
    Logout,
    /// A terminal wants to be signed in.
    TerminalAsk,
    /// The person at the browser answers.
    TerminalConfirm,
    /// The terminal exchanges its code.
    TerminalExchange,
    /// A webhook delivers.
    Hook(hook::Address<'a>),
    /// Nothing.
    Nowhere,
}

/// A service behind the gateway.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Service {
    /// The REST API, and files.
    Api,
    /// The session managers of terminals and bots.
    TuiSm,
    /// The session managers of browsers.
    WebSm,
}

impl<'a> Route<'a> {
    /// The route of a path that is plain (see `is_plain_path`).
    pub(crate) fn of(path: &'a str) -> Self {
        let segments: Vec<&str> = path[1..].split('/').collect();
        if hook::is_hook(path) {
            return hook::Address::of(&segments).map_or(Self::Nowhere, Self::Hook);
        }
        match segments[..] {
            ["api" | "files", ..] => Self::Service(Service::Api),
            ["ws", "tui", ..] => Self::Service(Service::TuiSm),
            ["login"] => Self::Login,
            ["setup"] => Self::Setup,
            ["invite", code] => Self::Invite(code),
            ["auth", "logout"] => Self::Logout,
            ["auth", "callback", provider] => Self::Callback(provider),
            ["auth", "cli", "start"] => Self::TerminalAsk,
            ["auth", "cli", "confirm"] => Self::TerminalConfirm,
            ["auth", "cli", "token"] => Self::TerminalExchange,
            ["auth", provider, "start"] => Self::Start(provider),
            // Health and metrics are never public; the rest of our own folders does not exist.
            ["ws" | "auth" | "invite" | "healthz" | "readyz" | "metrics" | "internal", ..] => {
                Self::Nowhere
            }
            _ => Self::Service(Service::WebSm),
        }
    }
}

/// A route of the gateway's own as the nets know it.
type Own = ajet_shared::http::Route;

/// An address of each of them.
const EACH: [&str; 10] = [
    "/login",
    "/setup",
    "/invite/code",
    "/auth/provider/start",
    "/auth/callback/provider",
    "/auth/logout",
    "/auth/cli/start",
    "/auth/cli/confirm",
    "/auth/cli/token",
    "/hook/0198c0de-0000-7000-8000-000000000001/token",
];

impl Route<'_> {
    /// How it is called and by whom; nothing where other services answer. No wildcard: a new route is classified or does not compile.
    fn own(self) -> Vec<Own> {
        const GET: &str = "GET";
        const POST: &str = "POST";
        let route = |method, path, class| Own { method, path, class };
        match self {
            Self::Service(_) | Self::Nowhere => Vec::new(),
            Self::Login => vec![route(GET, "/login", Class::Public)],
            Self::Setup => {
                vec![route(GET, "/setup", Class::Public), route(POST, "/setup", Class::Public)]
            }
            Self::Invite(_) => vec![
                route(GET, "/invite/{code}", Class::Public),
                route(POST, "/invite/{code}", Class::SignedIn),
            ],
            Self::Start(_) => vec![route(GET, "/auth/{provider}/start", Class::Public)],
            Self::Callback(_) => vec![route(GET, "/auth/callback/{provider}", Class::Public)],
            Self::Logout => vec![route(POST, "/auth/logout", Class::Public)],
            Self::TerminalAsk => vec![route(GET, "/auth/cli/start", Class::SignedIn)],
            Self::TerminalConfirm => vec![route(POST, "/auth/cli/confirm", Class::SignedIn)],
            Self::TerminalExchange => vec![route(POST, "/auth/cli/token", Class::Public)],
            // Whoever has the address may; its other forms mean the same.
            Self::Hook(_) => vec![route(POST, "/hook/{id}/{token}", Class::Public)],
        }
    }
}

/// Every route that the gateway answers itself, or passes on under another address, for the nets.
#[must_use]
pub fn routes() -> Vec<Own> {
    EACH.into_iter().flat_map(|path| Route::of(path).own()).collect()
}

/// Style, scripts and icons: the same for everybody, also for those who are not signed in.
pub(crate) fn is_asset(path: &str) -> bool {
    ["/assets/", "/favicon", "/manifest"].iter().any(|prefix| path.starts_with(prefix))
        || path == "/robots.txt"
}

/// A stream that stays open.
pub(crate) fn is_stream(path: &str) -> bool {
    matches!(path, "/sse" | "/ws/tui/events")
}

/// A path for the log: its words and ids. What else it holds may be a name or a secret.
pub(crate) fn loggable(path: &str) -> String {
    let shown: Vec<&str> = path
        .split('/')
        .map(|segment| if is_word(segment) || is_id(segment) { segment } else { "*" })
        .collect();
    shown.join("/")
}

/// One of the words that our paths are made of.
fn is_word(segment: &str) -> bool {
    matches!(
        segment,
        "" | "accept"
            | "activity"
            | "api"
            | "archive"
            | "assets"
            | "audit"
            | "auth"
            | "bans"
            | "browse"
            | "c"
            | "callback"
            | "card"
            | "channels"
            | "cli"
            | "commands"
            | "communities"
            | "complete"
            | "confirm"
            | "delete"
            | "deliveries"
            | "dm"
            | "dms"
            | "edit"
            | "events"
            | "extras"
            | "files"
            | "heartbeat"
            | "hook"
            | "hooks"
            | "invite"
            | "invites"
            | "join"
            | "leave"
            | "login"
            | "logout"
            | "m"
            | "me"
            | "members"
            | "message"
            | "messages"
            | "mute"
            | "new-channel"
            | "new-message"
            | "newer"
            | "nickname"
            | "notifications"
            | "notify-level"
            | "older"
            | "openapi.json"
            | "pane"
            | "people"
            | "purge"
            | "reactions"
            | "read"
            | "replies"
            | "rotate"
            | "search"
            | "seen"
            | "sessions"
            | "setup"
            | "source"
            | "sse"
            | "start"
            | "sync"
            | "token"
            | "tokens"
            | "tui"
            | "typing"
            | "unarchive"
            | "uploads"
            | "users"
            | "webhooks"
            | "ws"
    )
}

fn is_id(segment: &str) -> bool {
    segment.len() == 36 && Uuid::try_parse(segment).is_ok()
}

/// The limits that a request of a user falls under. The names in paths are those of the api; web-sm uses the same words.
pub(crate) fn policies(
    method: &Method,
    path: &str,
    user: UserId,
    ip: IpAddr,
    limits: &Limits,
) -> Vec<(Policy, Key)> {
    let user = Key::User(user);
    let reads = matches!(*method, Method::GET | Method::HEAD);
    let segments: Vec<&str> = path[1..].split('/').collect();
    let policy = match segments[..] {
        _ if is_stream(path) => Policy::Stream,
        [.., "search"] => Policy::Search,
        _ if reads => Policy::Read,
        // Guesses at codes count by address, whoever is signed in there.
        ["api", "invites", "accept"] => return vec![(Policy::InviteRedeem, Key::ip(ip))],
        [.., channel, "messages"] => {
            return vec![(Policy::Message, user), (Policy::MessageChannel, limits.thing(channel))];
        }
        // Some of them write messages.
        [.., "commands"] => Policy::Message,
        [.., "messages", _] | [.., "messages", _, "edit"] if method != Method::DELETE => {
            Policy::Message
        }
        [.., "reactions"] | [.., "reactions", _] => Policy::React,
        [.., "uploads"] => Policy::Upload,
        [.., "typing"] => Policy::Typing,
        [.., "heartbeat"] => Policy::Heartbeat,
        [.., "invites"] => Policy::InviteCreate,
        _ => Policy::Write,
    };
    vec![(policy, user)]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn paths_find_their_service() {
        let cases = [
            ("/", Route::Service(Service::WebSm)),
            ("/sse", Route::Service(Service::WebSm)),
            ("/c/team/channels/general", Route::Service(Service::WebSm)),
            ("/apiary", Route::Service(Service::WebSm)),
            ("/API/me", Route::Service(Service::WebSm)),
            ("/api", Route::Service(Service::Api)),
            ("/api/me", Route::Service(Service::Api)),
            ("/files/1/a.png", Route::Service(Service::Api)),
            ("/ws/tui/events", Route::Service(Service::TuiSm)),
            ("/login", Route::Login),
            ("/invite/aji_x", Route::Invite("aji_x")),
            ("/auth/github/start", Route::Start("github")),
            ("/auth/callback/github", Route::Callback("github")),
            ("/auth/cli/start", Route::TerminalAsk),
            ("/auth/cli/token", Route::TerminalExchange),
            ("/auth/logout", Route::Logout),
            ("/auth/other", Route::Nowhere),
            ("/hook/1/2", Route::Nowhere),
            ("/hooks", Route::Nowhere),
            ("/api/webhooks/1/2", Route::Nowhere),
            ("/metrics", Route::Nowhere),
            ("/internal/events", Route::Nowhere),
        ];
        for (path, route) in cases {
            assert_eq!(Route::of(path), route, "{path}");
        }
    }

    #[test]
    fn what_the_nets_are_told_is_what_is_routed() {
        for path in EACH {
            let told = Route::of(path).own();
            assert!(!told.is_empty(), "{path}");
            for own in told {
                let segments = |path: &str| path.split('/').map(str::to_owned).collect::<Vec<_>>();
                let (pattern, real) = (segments(own.path), segments(path));
                let same = |(a, b): (&String, &String)| a == b || a.starts_with('{');
                assert!(
                    pattern.len() == real.len() && pattern.iter().zip(&real).all(same),
                    "{path}"
                );
            }
        }
    }

    #[test]
    fn secrets_and_names_in_paths_are_not_logged() {
        let id = "0198c0de-0000-7000-8000-000000000001";
        let cases = [
            ("/", "/"),
            ("/api/me", "/api/me"),
            ("/invite/aji_secret", "/invite/*"),
            (&format!("/hook/{id}/ajw_secret/github"), &format!("/hook/{id}/*/*")),
            (&format!("/hooks/{id}_ajw_secret"), "/hooks/*"),
            (&format!("/api/webhooks/{id}/ajw_secret"), &format!("/api/webhooks/{id}/*")),
            ("/c/labs/channels/plans/m/1", "/c/*/channels/*/m/*"),
            (&format!("/files/{id}/wages.pdf"), &format!("/files/{id}/*")),
            (&format!("/api/messages/{id}/replies"), &format!("/api/messages/{id}/replies")),
        ];
        for (path, logged) in cases {
            assert_eq!(loggable(path), logged, "{path}");
        }
    }
}
