//! `webhook`, `token` and `notifications`, and what webhooks post.

use axum::http::Method;
use axum::http::StatusCode;
use axum::response::IntoResponse;
use serde_json::{Value, json};

use crate::harness::{
    COMMUNITY, GENERAL, MARA, ME, Ran, World, author, message, message_id, stream, with_input,
};

const HOOK: &str = "01936b5e-7c10-7b1e-9a55-2f6f2a3f4444";
const OTHER: &str = "01936b5e-7c10-7b1e-9a55-2f6f2a3f5555";
const SECRET: &str = "w_9vKf2-secret-part";

fn hook(id: &str, name: &str) -> Value {
    json!({
        "id": id, "channel_id": GENERAL, "name": name, "avatar_url": null, "allow_broadcast": false, "signed": id == OTHER,
        "created_by": ME, "created_at": "2026-11-20T10:00:00Z", "last_used_at": null
    })
}

fn token(id: &str, name: &str, kind: &str) -> Value {
    json!({
        "id": id, "name": name, "user": { "id": MARA, "username": name, "display_name": name, "avatar_url": null, "kind": kind },
        "scopes": ["messages:read", "messages:write"], "prefix": "ajp_abc", "created_by": ME, "created_at": "2026-11-20T10:00:00Z",
        "expires_at": "2027-02-18T10:00:00Z", "last_used_at": null
    })
}

fn page(items: &Value) -> Value {
    json!({ "items": items, "next": null, "prev": null })
}

/// With two webhooks, two tokens and two notifications.
fn world() -> World {
    let world = World::new().with_messages(&["have a **look**", "second"]);
    world.on(|seen| {
        let hooks = format!("/api/communities/{COMMUNITY}/webhooks");
        let tokens = format!("/api/communities/{COMMUNITY}/tokens");
        let path = seen.target.split('?').next().unwrap_or_default();
        let created = |status: StatusCode, mut made: Value, key: &str, value: String| {
            made[key] = value.into();
            Some((status, axum::Json(made)).into_response())
        };
        let address = || format!("https://chat.example/hook/{HOOK}/{SECRET}");
        let list = match (seen.method.as_str(), path) {
            ("GET", path) if path == hooks => json!([hook(HOOK, "Kestrel CI"), hook(OTHER, "Watch")]),
            ("POST", path) if path == hooks => {
                return created(StatusCode::CREATED, hook(HOOK, "Kestrel CI"), "url", address());
            }
            ("POST", path) if path.ends_with("/rotate") => {
                return created(StatusCode::OK, hook(HOOK, "Kestrel CI"), "url", address());
            }
            ("GET", path) if path.ends_with("/deliveries") => json!([
                { "delivery_key": "d-1", "dialect": "github", "event": "push", "status": "posted", "http_status": 200,
                  "message_id": message_id(1), "detail": "", "received_at": "2026-11-20T11:02:00Z" },
                { "delivery_key": "d-2", "dialect": "raw", "event": "", "status": "refused", "http_status": 400,
                  "message_id": null, "detail": "The body cannot be read.", "received_at": "2026-11-20T11:01:00Z" },
            ]),
            ("GET", path) if path == tokens => json!([token(HOOK, "deploy", "bot"), token(OTHER, "watch", "bot")]),
            ("GET", "/api/me/tokens") => json!([token(OTHER, "ola", "human")]),
            ("POST", path) if path == tokens || path == "/api/me/tokens" => {
                let secret = "ajp_very-secret".to_owned();
                return created(StatusCode::CREATED, token(HOOK, "deploy", "bot"), "secret", secret);
            }
            ("DELETE", path) if path.starts_with(&hooks) || path.contains("/tokens/") => {
                return Some(StatusCode::NO_CONTENT.into_response());
            }
            ("GET", "/api/notifications") => json!([notification(HOOK, 1, true), notification(OTHER, 2, false)]),
            ("POST", "/api/notifications/read") => return Some(StatusCode::NO_CONTENT.into_response()),
            _ => return None,
        };
        Some(axum::Json(page(&list)).into_response())
    });
    world
}

fn notification(id: &str, seq: i64, read: bool) -> Value {
    json!({
        "id": id, "type": "mention", "community_id": COMMUNITY, "channel_id": GENERAL, "message_id": message_id(seq),
        "actor": author(), "read": read, "created_at": format!("2026-11-20T11:{seq:02}:00Z")
    })
}

#[test]
fn the_fields_are_frozen() {
    let world = World::new();
    let hook =
        "id name channel channel_id signed allow_broadcast created_by created_at last_used_at url";
    let token =
        "id name username user_id kind scopes prefix created_at expires_at last_used_at secret";
    let notification =
        "id type community channel channel_id message_id url author username text read created_at";
    let cases = [
        (&["webhook", "create", "general", "x"][..], hook),
        (&["webhook", "list"], hook),
        (&["webhook", "rotate", "x"], hook),
        (&["webhook", "revoke", "x"], hook),
        (&["webhook", "test", "x"], "http_status answer"),
        (
            &["webhook", "deliveries", "x"],
            "id received_at dialect event status http_status message_id detail",
        ),
        (&["token", "create", "x", "--scope", "admin"], token),
        (&["token", "list"], token),
        (&["token", "revoke", "x"], token),
        (&["notifications", "list"], notification),
        (&["notifications", "watch"], notification),
    ];
    for (args, fields) in cases {
        let ran = world.run(&[args, &["--json=help"]].concat()).ok();
        let names: Vec<&str> =
            ran.out.lines().filter_map(|line| line.split_whitespace().next()).collect();
        assert_eq!(names.join(" "), fields, "{args:?}");
    }
    assert!(world.seen(&Method::GET, "/api/sync").is_empty(), "help asks nobody");
}

#[test]
fn an_address_is_data_and_the_rest_is_talk() {
    let world = world();
    let create = ["webhook", "create", "general", "Kestrel CI", "--format", "table"];
    let piped = world.run(&create[..4]).ok();
    assert_eq!(piped.out, format!("https://chat.example/hook/{HOOK}/{SECRET}\n"), "> url.txt");
    let ran = world.run(&create).ok();
    assert_eq!(ran.out, format!("https://chat.example/hook/{HOOK}/{SECRET}\n"));
    assert_eq!(
        ran.err,
        "✓ Webhook Kestrel CI posts to #general\n\
         ! Copy the URL now. It holds the secret and is not shown again.\n  \
         Try it: ajet-chat webhook test 2a3f4444 \"hello\"\n"
    );
    let posted = &world.seen(&Method::POST, &format!("/api/communities/{COMMUNITY}/webhooks"))[0];
    assert_eq!(
        posted.body,
        json!({ "channel_id": GENERAL, "name": "Kestrel CI", "allow_broadcast": false })
    );
    let ran = world.run(&["webhook", "create", "general", "Kestrel CI", "--json=url,channel"]).ok();
    assert_eq!(
        ran.json(),
        json!({ "url": format!("https://chat.example/hook/{HOOK}/{SECRET}"), "channel": "general" })
    );
    let signed = world.command(&["webhook", "create", "general", "x", "--signed"]);
    with_input(signed, "shared-secret\n").ok();
    let seen = world.seen(&Method::POST, &format!("/api/communities/{COMMUNITY}/webhooks"));
    assert_eq!(seen.last().unwrap().body["signing_secret"], "shared-secret");
    let ran = world.run(&["webhook", "create", "general", "x", "--signed"]);
    assert_eq!(ran.code, Some(2), "{ran:?}");
    let ran = world.run(&["webhook", "create", "@mara", "x"]);
    assert_eq!(ran.code, Some(2), "{ran:?}");
}

#[test]
fn webhooks_are_listed_and_named_in_three_ways() {
    let world = world();
    let ran = world.run(&["webhook", "list", "--format", "table"]).ok();
    assert_eq!(
        ran.out,
        "  ID        NAME        CHANNEL  LAST USED  RULES\n  2a3f4444  Kestrel CI  general  never      \n  2a3f5555  Watch       general  never      signed\n"
    );
    for name in [HOOK, "2a3f4444", "kestrel ci"] {
        world.run(&["webhook", "revoke", name, "--yes"]).ok();
    }
    let path = format!("/api/communities/{COMMUNITY}/webhooks/{HOOK}");
    assert_eq!(world.seen(&Method::DELETE, &path).len(), 3);
    for (name, code) in [("nope", 6), ("01936b5e", 6), ("1", 6)] {
        let ran = world.run(&["webhook", "revoke", name, "--yes"]);
        assert_eq!(ran.code, Some(code), "{name}: {ran:?}");
    }
    let ran = world.run(&["webhook", "deliveries", "Kestrel CI"]).ok();
    assert_eq!(
        ran.out,
        format!(
            "2026-11-20T11:02:00Z\tposted\t200\tgithub\tpush\t{}\t\n2026-11-20T11:01:00Z\trefused\t400\traw\t\t\tThe body cannot be read.\n",
            message_id(1)
        )
    );
    let ran = world.run(&["webhook", "deliveries", "Kestrel CI", "--format", "table"]).ok();
    assert!(
        ran.out.contains("✗ refused     400  raw          The body cannot be read."),
        "{ran:?}"
    );
}

#[test]
fn what_destroys_is_asked_for_and_not_done_without_an_answer() {
    let world = world();
    for args in [
        &["webhook", "revoke", "Watch"][..],
        &["webhook", "rotate", "Watch"],
        &["token", "revoke", "deploy"],
    ] {
        let ran = world.run(args);
        assert_eq!(ran.code, Some(2), "{args:?}: {ran:?}");
        assert!(ran.err.contains("--yes"), "{ran:?}");
    }
    let hooks = format!("/api/communities/{COMMUNITY}/webhooks/{OTHER}");
    assert!(world.seen(&Method::DELETE, &hooks).is_empty());
    let ran = world.run(&["webhook", "rotate", "Kestrel CI", "--yes"]).ok();
    assert!(
        ran.out.contains(SECRET)
            && ran.err.starts_with("✓ Webhook Kestrel CI has a new address\n! ")
    );
}

#[test]
fn a_webhook_is_tested_by_its_address() {
    let world = world();
    world.on(|seen| {
        seen.target.starts_with("/hook/").then(|| {
            assert!(seen.headers.get("authorization").is_none(), "the token is not for this");
            if seen.target.ends_with(SECRET) {
                (StatusCode::OK, "ok").into_response()
            } else {
                (StatusCode::NOT_FOUND, "no_service").into_response()
            }
        })
    });
    let url = format!("{}/hook/{HOOK}/{SECRET}", world.url);
    let ran = world.run(&["webhook", "test", &url, "hello"]).ok();
    assert_eq!(
        (ran.out.as_str(), ran.err.as_str()),
        ("200\tok\n", "✓ It was taken. The message is in its channel\n")
    );
    let path = format!("/hook/{HOOK}/{SECRET}");
    assert_eq!(world.seen(&Method::POST, &path)[0].body, json!({ "text": "hello" }));
    let by_name =
        |input: &str| with_input(world.command(&["webhook", "test", "Kestrel CI"]), input);
    by_name(&format!("{url}\n")).ok();
    for (input, code) in
        [("", 2), ("nonsense\n", 2), (&format!("{}/hook/{OTHER}/{SECRET}\n", world.url), 2)]
    {
        let ran = by_name(input);
        assert_eq!(ran.code, Some(code), "{input}: {ran:?}");
        assert!(!ran.err.contains(SECRET), "{ran:?}");
    }
    let ran =
        world.run(&["webhook", "test", &format!("{}/hook/{HOOK}/wrong", world.url), "--json"]);
    assert_eq!((ran.code, ran.out.as_str()), (Some(6), ""));
    assert!(ran.err.contains(r#""code":"no_service","exit":6"#), "{ran:?}");
}

#[test]
fn tokens_are_made_once_and_for_what_was_said() {
    let world = world();
    let create =
        ["token", "create", "deploy", "--scope", "messages:read,messages:write", "--format=table"];
    assert_eq!(world.run(&create[..5]).ok().out, "ajp_very-secret\n", "> token.txt");
    let ran = world.run(&create).ok();
    assert_eq!(ran.out, "ajp_very-secret\n");
    assert_eq!(
        ran.err,
        "✓ Token deploy acts as @deploy until Thu 18 Feb 2027\n! Copy the token now. It is a secret and not shown again.\n"
    );
    let path = format!("/api/communities/{COMMUNITY}/tokens");
    assert_eq!(
        world.seen(&Method::POST, &path)[0].body,
        json!({ "name": "deploy", "scopes": ["messages:read", "messages:write"], "expires_in_days": 90 })
    );
    world.run(&["token", "create", "x", "--scope", "admin", "--personal", "--expires", "30d"]).ok();
    assert_eq!(world.seen(&Method::POST, "/api/me/tokens")[0].body["expires_in_days"], 30);
    let ran = world.run(&["token", "create", "bot", "--scope", "everything"]);
    assert_eq!(
        (ran.code, ran.err.as_str()),
        (
            Some(2),
            "✗ Unknown scope \"everything\".\n  Scopes: messages:read messages:write channels:read channels:write files:read files:write search:read admin\n"
        )
    );
    let ran = world.run(&["token", "create", "bot", "--scope", "admin", "--expires", "400d"]);
    assert_eq!(ran.code, Some(2), "{ran:?}");
    let ran = world.run(&["token", "list"]).ok();
    assert!(ran.out.starts_with(&format!("{HOOK}\tdeploy\tdeploy\t")), "{ran:?}");
    world.run(&["token", "revoke", "deploy", "--yes"]).ok();
    assert_eq!(world.seen(&Method::DELETE, &format!("{path}/{HOOK}")).len(), 1);
    world.run(&["token", "revoke", "ola", "--personal", "--yes"]).ok();
    assert_eq!(world.seen(&Method::DELETE, &format!("/api/me/tokens/{OTHER}")).len(), 1);
}

#[test]
fn notifications_say_who_where_and_what() {
    let world = world();
    let ran = world.run(&["notifications", "list", "--format", "table"]).ok();
    assert_eq!(
        ran.out,
        "  20 Nov 11:01  Mara Voss mentioned you in #general: have a look  2a3f4444\n\
         ● 20 Nov 11:02  Mara Voss mentioned you in #general: second  2a3f5555\n"
    );
    world.run(&["notifications", "list", "--unread", "-n", "5"]).ok();
    let asked = world.seen(&Method::GET, "/api/notifications");
    assert_eq!(asked.last().unwrap().target, "/api/notifications?unread=true&limit=5");
    world.run(&["notifications", "read", HOOK, OTHER]).ok();
    world.run(&["notifications", "read", "2a3f5555"]).ok();
    world.run(&["notifications", "read", "--all"]).ok();
    let read = world.seen(&Method::POST, "/api/notifications/read");
    let bodies: Vec<&Value> = read.iter().map(|seen| &seen.body).collect();
    assert_eq!(bodies, [&json!({ "ids": [HOOK, OTHER] }), &json!({ "ids": [OTHER] }), &json!({})]);
    assert_eq!(world.run(&["notifications", "read"]).code, Some(2));
    assert_eq!(world.run(&["notifications", "read", "ffff"]).code, Some(6));
}

#[test]
fn watching_prints_each_new_one_once() {
    use std::io::{BufRead, BufReader};
    const NEW: &str = "01936b5e-7c10-7b1e-9a55-2f6f2a3f6666";
    let world = world();
    world.on(|seen| {
        let event = |position: u64, id: &str| {
            let envelope = json!({
                "id": format!("01936b5e-9999-7000-8000-{position:012}"), "v": 1, "type": "notification.created", "data": notification(id, 1, false),
                "community_id": COMMUNITY, "channel_id": null, "seq": null, "actor_id": null, "timestamp": "2026-11-20T12:00:00Z", "hops": 0
            });
            format!("id: 1.{position}\nevent: notification.created\ndata: {envelope}\n\n")
        };
        seen.target.starts_with("/ws/tui/events").then(|| {
            let ready = "retry: 20\n\nid: 1.10\nevent: ready\ndata: {\"epoch\":1,\"seq\":10}\n\n".to_owned();
            stream(vec![ready, event(11, OTHER), event(12, NEW), event(13, NEW)], true)
        })
    });
    let mut child = crate::harness::Running(
        world.command(&["notifications", "watch", "--json=id,text"]).spawn().unwrap(),
    );
    let mut lines = BufReader::new(child.0.stdout.take().unwrap()).lines();
    let first: Value = serde_json::from_str(&lines.next().unwrap().unwrap()).unwrap();
    assert_eq!(first, json!({ "id": NEW, "text": "have a look" }));
}

#[test]
fn what_a_webhook_posted_is_drawn_as_cards() {
    let mut posted = message(1, "fallback");
    posted["kind"] = json!("webhook");
    posted["author"]["display_name"] = json!("Kestrel CI");
    posted["author"]["kind"] = json!("bot");
    posted["metadata"] = json!({
        "text_md": "Deploy **done**",
        "cards": [{
            "tone": "ok", "author": { "text": "ola", "url": "https://a.b/ola" },
            "title": { "text": "#7 Replay\u{1b}[2J", "url": "https://a.b/7" },
            "text_md": "took *3 min*", "footer": "saltmarsh/kestrel · merged"
        }]
    });
    let world = World::new().with_all(vec![posted]);
    let mut command = world.command(&["read", "general", "--format", "table"]);
    let ran: Ran = command.env("COLUMNS", "80").output().unwrap().into();
    let lines: Vec<&str> = ran.out.lines().map(str::trim_start).collect();
    assert!(lines[1].contains("Kestrel CI  Deploy done"), "{}", ran.out);
    assert_eq!(
        lines[2..],
        [
            "▎ ✓ ok  ola",
            "▎ #7 Replay␛[2J (https://a.b/7)",
            "▎ took 3 min",
            "▎ saltmarsh/kestrel · merged"
        ]
    );
    let ran = world.run(&["read", "general", "--json=text,kind"]).ok();
    assert_eq!(ran.json(), json!([{ "text": "fallback", "kind": "webhook" }]));
}
