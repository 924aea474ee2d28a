//! Every route of every service and who may call it. Routes come from the routers themselves; one that is not classified here (the
//! api's) or where it is registered (the session managers', the gateway's) fails the first test.

use std::collections::BTreeSet;

use ajet_nets::person::Body;
use ajet_shared::http::Class;
use serde_json::{Value, json};
use uuid::Uuid;

use crate::objects::{Objects, unique};

/// Which service answers.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Service {
    Api,
    SessionManager,
    Gateway,
}

/// A route with its class.
#[derive(Clone, Debug)]
pub(crate) struct Route {
    pub(crate) service: Service,
    pub(crate) method: String,
    pub(crate) path: String,
    pub(crate) class: Class,
    /// What an API token needs; `session` where no token is enough, empty where any will do.
    pub(crate) scope: &'static str,
}

/// The api's routes: method, path, class, scope.
const API: &[(&str, &str, Class, &str)] = &[
    ("GET", "/api/openapi.json", Class::SignedIn, ""),
    ("GET", "/api/me", Class::SignedIn, ""),
    ("PATCH", "/api/me", Class::Session, "session"),
    ("GET", "/api/me/sessions", Class::Session, "session"),
    ("DELETE", "/api/me/sessions/{id}", Class::Own, "session"),
    ("GET", "/api/me/tokens", Class::Session, "session"),
    ("POST", "/api/me/tokens", Class::Session, "session"),
    ("DELETE", "/api/me/tokens/{id}", Class::Own, "session"),
    ("GET", "/api/users/{id}", Class::CommunityRead, "channels:read"),
    ("GET", "/api/sync", Class::SignedIn, "channels:read"),
    ("GET", "/api/me/access", Class::SignedIn, "channels:read"),
    ("POST", "/api/heartbeat", Class::SignedIn, ""),
    ("GET", "/api/communities", Class::SignedIn, "channels:read"),
    ("POST", "/api/communities", Class::Session, "session"),
    ("GET", "/api/communities/{id}", Class::CommunityRead, "channels:read"),
    ("PATCH", "/api/communities/{id}", Class::CommunityAdmin, "admin"),
    ("GET", "/api/communities/{id}/members", Class::CommunityRead, "channels:read"),
    ("GET", "/api/communities/{id}/members/{user_id}", Class::CommunityRead, "channels:read"),
    ("PATCH", "/api/communities/{id}/members/{user_id}", Class::CommunityOwner, "admin"),
    ("DELETE", "/api/communities/{id}/members/{user_id}", Class::CommunityAdmin, "admin"),
    ("PUT", "/api/communities/{id}/members/{user_id}/mute", Class::CommunityAdmin, "admin"),
    ("DELETE", "/api/communities/{id}/members/{user_id}/mute", Class::CommunityAdmin, "admin"),
    ("GET", "/api/communities/{id}/bans", Class::CommunityAdmin, "admin"),
    ("PUT", "/api/communities/{id}/bans/{user_id}", Class::CommunityAdmin, "admin"),
    ("DELETE", "/api/communities/{id}/bans/{user_id}", Class::CommunityAdmin, "admin"),
    ("GET", "/api/communities/{id}/audit", Class::CommunityAdmin, "admin"),
    ("PUT", "/api/communities/{id}/nickname", Class::CommunityWrite, "admin"),
    ("GET", "/api/communities/{id}/invites", Class::CommunityAdmin, "admin"),
    ("POST", "/api/communities/{id}/invites", Class::CommunityAdmin, "admin"),
    ("DELETE", "/api/communities/{id}/invites/{invite_id}", Class::CommunityAdmin, "admin"),
    ("POST", "/api/invites/accept", Class::Session, "session"),
    ("GET", "/api/communities/{id}/webhooks", Class::CommunityAdmin, "admin"),
    ("POST", "/api/communities/{id}/webhooks", Class::IntegrationAdmin, "session"),
    ("DELETE", "/api/communities/{id}/webhooks/{webhook_id}", Class::IntegrationAdmin, "admin"),
    (
        "POST",
        "/api/communities/{id}/webhooks/{webhook_id}/rotate",
        Class::IntegrationAdmin,
        "session",
    ),
    (
        "GET",
        "/api/communities/{id}/webhooks/{webhook_id}/deliveries",
        Class::IntegrationAdmin,
        "admin",
    ),
    ("GET", "/api/communities/{id}/tokens", Class::CommunityAdmin, "admin"),
    ("POST", "/api/communities/{id}/tokens", Class::CommunityAdmin, "session"),
    ("DELETE", "/api/communities/{id}/tokens/{token_id}", Class::CommunityAdmin, "admin"),
    ("GET", "/api/communities/{id}/channels", Class::CommunityRead, "channels:read"),
    ("POST", "/api/communities/{id}/channels", Class::CommunityWrite, "channels:write"),
    ("GET", "/api/channels/{id}", Class::ChannelRead, "messages:read"),
    ("PATCH", "/api/channels/{id}", Class::ChannelWrite, "channels:write"),
    ("POST", "/api/channels/{id}/join", Class::ChannelSeen, "channels:write"),
    ("POST", "/api/channels/{id}/leave", Class::ChannelSeen, "channels:write"),
    ("POST", "/api/channels/{id}/archive", Class::ChannelAdmin, "channels:write"),
    ("POST", "/api/channels/{id}/unarchive", Class::ChannelAdmin, "channels:write"),
    ("POST", "/api/channels/{id}/purge", Class::ChannelAdmin, "session"),
    ("PUT", "/api/channels/{id}/notify-level", Class::ChannelWrite, "messages:read"),
    ("GET", "/api/channels/{id}/members", Class::ChannelRead, "messages:read"),
    ("POST", "/api/channels/{id}/members", Class::ChannelWrite, "channels:write"),
    ("DELETE", "/api/channels/{id}/members/{user_id}", Class::ChannelAdmin, "channels:write"),
    ("GET", "/api/channels/{id}/messages", Class::ChannelRead, "messages:read"),
    ("POST", "/api/channels/{id}/messages", Class::ChannelWrite, "messages:write"),
    ("POST", "/api/channels/{id}/read", Class::ChannelWrite, "messages:read"),
    ("GET", "/api/messages/{id}", Class::MessageRead, "messages:read"),
    ("PATCH", "/api/messages/{id}", Class::MessageAuthor, "messages:write"),
    ("DELETE", "/api/messages/{id}", Class::MessageAuthorOrAdmin, "messages:write"),
    ("GET", "/api/messages/{id}/replies", Class::MessageRead, "messages:read"),
    ("PUT", "/api/messages/{id}/reactions/{emoji}", Class::MessageWrite, "messages:write"),
    ("DELETE", "/api/messages/{id}/reactions/{emoji}", Class::MessageWrite, "messages:write"),
    ("GET", "/api/dms", Class::SignedIn, "messages:read"),
    ("POST", "/api/dms", Class::CommunityWrite, "messages:write"),
    ("GET", "/api/notifications", Class::SignedIn, "messages:read"),
    ("POST", "/api/notifications/read", Class::SignedIn, "messages:read"),
    ("GET", "/api/search", Class::SignedIn, "search:read"),
    ("GET", "/api/commands", Class::ChannelRead, "messages:read"),
    ("POST", "/api/commands", Class::ChannelRead, "messages:read"),
    // Whoever has the address may; what is wrong with it is told to nobody.
    ("POST", "/hook/{id}/{token}", Class::Public, ""),
    ("GET", "/hook/{id}/{token}/{dialect}", Class::Public, ""),
    ("POST", "/hook/{id}/{token}/{dialect}", Class::Public, ""),
    ("GET", "/files/{id}/{name}", Class::ChannelRead, "files:read"),
];

/// All routes that are registered, each with its class; the second list is what is registered and not classified.
pub(crate) fn routes() -> (Vec<Route>, Vec<String>) {
    let (mut known, mut unknown) = (Vec::new(), Vec::new());
    for (method, path) in api() {
        let found = API.iter().find(|entry| entry.0 == method && entry.1 == path);
        match found {
            Some(&(_, _, class, scope)) => {
                known.push(Route { service: Service::Api, method, path, class, scope });
            }
            None => unknown.push(format!("{method} {path}")),
        }
    }
    let managers = ajet_web_sm::routes().into_iter().chain(ajet_tui_sm::routes());
    let managers = managers.map(|route| (Service::SessionManager, route));
    let gateway = ajet_auth_gw::routes().into_iter().map(|route| (Service::Gateway, route));
    known.extend(managers.chain(gateway).map(|(service, route)| Route {
        service,
        method: route.method.to_owned(),
        path: route.path.to_owned(),
        class: route.class,
        scope: "",
    }));
    (known, unknown)
}

/// What is classified and not registered any more.
pub(crate) fn stale() -> Vec<String> {
    let registered = api();
    API.iter()
        .filter(|entry| !registered.contains(&(entry.0.to_owned(), entry.1.to_owned())))
        .map(|entry| format!("{} {}", entry.0, entry.1))
        .collect()
}

/// The api's routes, as its router collected them.
fn api() -> BTreeSet<(String, String)> {
    let document = serde_json::to_value(ajet_api::openapi()).expect("the document is JSON");
    let paths = document["paths"].as_object().expect("paths");
    let mut found = BTreeSet::new();
    for (path, item) in paths {
        for method in ["get", "put", "post", "delete", "patch", "head", "options", "trace"] {
            if item.get(method).is_some() {
                found.insert((method.to_uppercase(), path.clone()));
            }
        }
    }
    // It cannot describe itself.
    found.insert(("GET".to_owned(), "/api/openapi.json".to_owned()));
    found
}

impl Route {
    /// For people.
    pub(crate) fn name(&self) -> String {
        format!("{} {}", self.method, self.path)
    }

    /// It reads and changes nothing.
    pub(crate) fn reads(&self) -> bool {
        self.method == "GET"
    }

    /// The address with its parameters, also those that it does not work without.
    pub(crate) fn address(&self, objects: &Objects) -> String {
        let path = objects.fill(&self.path);
        match self.path.as_str() {
            "/channels/{id}/older" | "/messages/{id}/replies" => {
                format!("{path}?before={}&day=0", objects.message)
            }
            "/channels/{id}/newer" => format!("{path}?after={}&day=0", objects.message),
            "/channels/{id}/pane" => format!("{path}?thread={}", objects.message),
            "/api/search" => format!("{path}?q=said"),
            "/api/commands" if self.reads() => format!("{path}?channel_id={}", objects.channel),
            "/auth/cli/start" => {
                let long = "x".repeat(43);
                format!("{path}?port=4242&state={long}&challenge={long}")
            }
            _ => path,
        }
    }

    /// A body that works. `code` is of an invite that may be used up.
    pub(crate) fn body(&self, objects: &Objects, code: &str) -> Body {
        if self.reads() || self.method == "DELETE" {
            return Body::Empty;
        }
        if self.service == Service::SessionManager
            && let Some(fields) = form(&self.path, objects)
        {
            return Body::Form(fields);
        }
        match self.path.as_str() {
            "/setup" | "/auth/logout" | "/auth/cli/confirm" => Body::Form(Vec::new()),
            path if self.service == Service::Gateway && path.starts_with("/invite/") => {
                Body::Form(Vec::new())
            }
            path => json_body(path, objects, code).map_or(Body::Empty, Body::Json),
        }
    }

    /// It takes JSON.
    pub(crate) fn takes_json(&self) -> bool {
        let sample = Objects::default();
        matches!(self.body(&sample, ""), Body::Json(_))
    }
}

/// What the pages post without a body.
const NO_BODY: &[&str] = &[
    "/channels/{id}/join",
    "/channels/{id}/leave",
    "/messages/{id}/seen",
    "/messages/{id}/delete",
    "/communities/{id}/webhooks/{webhook}/rotate",
    "/communities/{id}/webhooks/{webhook}/revoke",
    "/communities/{id}/tokens/{token}/revoke",
];

/// Forms of the pages.
fn form(path: &str, objects: &Objects) -> Option<Vec<(&'static str, String)>> {
    Some(match path {
        "/dms" => vec![("user_id", objects.user.clone())],
        // As it is: plain members may not.
        "/communities/{id}/settings" => vec![],
        "/communities/{id}/webhooks" => {
            vec![("name", unique("hook")), ("channel_id", objects.channel.clone())]
        }
        "/communities/{id}/tokens" => {
            vec![
                ("name", unique("robot")),
                ("messages:read", "on".to_owned()),
                ("days", "1".to_owned()),
            ]
        }
        "/communities/{id}/channels" => {
            vec![("name", unique("made")), ("visibility", "public".to_owned())]
        }
        "/communities/{id}/invites" => {
            vec![("max_uses", "1".to_owned()), ("days", "1".to_owned())]
        }
        _ => return None,
    })
}

/// JSON that works, by the path.
fn json_body(path: &str, objects: &Objects, code: &str) -> Option<Value> {
    let message = || json!({ "body_md": "hello", "client_msg_id": Uuid::now_v7() });
    Some(match path {
        "/api/me" => json!({ "display_name": unique("Somebody") }),
        "/api/communities" => json!({ "name": unique("Made") }),
        "/api/communities/{id}" => json!({ "name": unique("Renamed") }),
        "/api/communities/{id}/members/{user_id}" => json!({ "role": "member" }),
        "/api/communities/{id}/invites" => json!({ "max_uses": 1 }),
        "/api/communities/{id}/channels" => {
            json!({ "name": unique("made"), "visibility": "public" })
        }
        "/api/communities/{id}/webhooks" => {
            json!({ "name": unique("hook"), "channel_id": objects.channel })
        }
        "/api/communities/{id}/tokens" => json!({ "name": unique("robot"), "expires_in_days": 1 }),
        "/api/me/tokens" => json!({ "name": unique("own"), "expires_in_days": 1 }),
        "/api/invites/accept" => json!({ "code": code }),
        "/api/channels/{id}" => json!({ "topic": "a topic" }),
        "/api/channels/{id}/members" => json!({ "user_id": objects.user }),
        "/api/channels/{id}/messages" | "/channels/{id}/messages" => message(),
        "/api/channels/{id}/read" | "/channels/{id}/read" => json!({ "up_to": objects.message }),
        "/api/messages/{id}" | "/messages/{id}/edit" => json!({ "body_md": "changed" }),
        "/messages/{id}/reactions" => json!({ "emoji": "🎉", "on": true }),
        "/api/communities/{id}/members/{user_id}/mute" => json!({ "for_seconds": 60 }),
        "/api/communities/{id}/bans/{user_id}" => json!({ "reason": "a test" }),
        "/api/communities/{id}/nickname" => json!({ "nickname": unique("Nick") }),
        "/api/channels/{id}/purge" => json!({ "count": 1 }),
        "/api/channels/{id}/notify-level" => json!({ "notify_level": "all" }),
        "/api/dms" => json!({ "user_ids": [objects.user] }),
        "/channels/{id}/commands" => json!({ "text": "/help", "client_msg_id": Uuid::now_v7() }),
        "/api/notifications/read" | "/activity/read" => json!({ "ids": [] }),
        "/api/commands" => json!({ "channel_id": objects.channel, "text": "/help" }),
        "/typing" | "/ws/tui/typing" => {
            json!({ "channel_id": objects.channel, "state": "started" })
        }
        "/auth/cli/token" => json!({ "code": "x", "verifier": "x" }),
        _ => return None,
    })
}

#[test]
fn every_route_is_classified_and_every_class_has_its_route() {
    let (routes, unclassified) = routes();
    assert!(
        unclassified.is_empty(),
        "say in e2e/nets/tests/nets/table.rs who may call: {unclassified:#?}"
    );
    assert!(stale().is_empty(), "classified, but not registered: {:#?}", stale());
    assert!(routes.len() > 80, "{} routes are not all of them", routes.len());
    // Names that no parameter has would fail later, one by one.
    for route in routes {
        route.address(&Objects::default());
    }
}

#[test]
fn every_route_that_takes_a_body_has_one_that_works() {
    let document = serde_json::to_value(ajet_api::openapi()).expect("the document is JSON");
    let described = |route: &Route| {
        let body = &document["paths"][&route.path][route.method.to_lowercase()]["requestBody"];
        body["content"].get("application/json").is_some()
    };
    let mut wrong = Vec::new();
    for route in routes().0.into_iter().filter(|route| !route.reads()) {
        let empty = matches!(route.body(&Objects::default(), ""), Body::Empty);
        // Whatever is sent to a webhook is one: it decides by itself what it can read.
        if route.path.starts_with("/hook/") {
            continue;
        }
        let (is, should) = match route.service {
            Service::Api => (route.takes_json(), described(&route)),
            Service::SessionManager => (!empty, !NO_BODY.contains(&route.path.as_str())),
            Service::Gateway => (!empty, true),
        };
        if is != should {
            wrong.push(format!("{}: a body here: {is}, there: {should}", route.name()));
        }
    }
    assert!(wrong.is_empty(), "give it a body in e2e/nets/tests/nets/table.rs: {wrong:#?}");
}

#[test]
fn the_api_registers_its_routes_in_one_way() {
    let api = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("../../api/src");
    let mut plain = Vec::new();
    let mut folders = vec![api];
    while let Some(folder) = folders.pop() {
        for entry in std::fs::read_dir(folder).unwrap().flatten() {
            if entry.file_type().unwrap().is_dir() {
                folders.push(entry.path());
            } else {
                let text = std::fs::read_to_string(entry.path()).unwrap();
                let routes = text.lines().filter(|line| line.contains(".route(\""));
                plain.extend(routes.map(|line| line.trim().to_owned()));
            }
        }
    }
    let own = "\"/api/openapi.json\"";
    plain.retain(|line| !line.contains(own));
    assert!(
        plain.is_empty(),
        "these routes are not in the document, so no net sees them: {plain:#?}"
    );
}
