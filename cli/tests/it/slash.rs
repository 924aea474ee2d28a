//! `slash`, and the verbs that keep order.

use axum::http::Method;
use axum::response::IntoResponse as _;
use serde_json::{Value, json};

use crate::harness::{COMMUNITY, GENERAL, MARA, World, message, problem};

fn world() -> World {
    World::new().with_messages(&["hello"])
}

/// Answers a line with this.
fn answering(world: &World, answer: Value) {
    world.on(move |seen| {
        let is_command = seen.method == Method::POST && seen.target == "/api/commands";
        is_command.then(|| axum::Json(answer.clone()).into_response())
    });
}

fn told(text: &str) -> Value {
    json!({ "kind": "ephemeral", "body_md": text })
}

#[test]
fn a_line_goes_as_it_was_typed() {
    let world = world();
    answering(&world, told("@tomas is muted until 14:20 UTC."));
    let ran = world.run(&["slash", "--in", "general", "/mute", "@tomas", "2h"]).ok();
    assert_eq!(ran.out, "@tomas is muted until 14:20 UTC.\n");
    let sent = &world.seen(&Method::POST, "/api/commands")[0].body;
    assert_eq!((&sent["text"], &sent["channel_id"]), (&json!("/mute @tomas 2h"), &json!(GENERAL)));
    assert!(sent["client_msg_id"].is_string());
    // The slash may be left out, the only channel need not be named, and what looks like a flag belongs to the line.
    world.run(&["slash", "topic", "Freeze", "--now", "-5"]).ok();
    let sent = &world.seen(&Method::POST, "/api/commands")[1].body;
    assert_eq!(sent["text"], "/topic Freeze --now -5");
    let id = "01936b5e-7c0d-7b1e-9a55-2f6f2a3f9d10";
    world.run(&["slash", "--id", id, "/me waves"]).ok();
    assert_eq!(world.seen(&Method::POST, "/api/commands")[2].body["client_msg_id"], id);
}

#[test]
fn an_answer_is_data_and_never_reaches_the_terminal_raw() {
    let world = world();
    answering(&world, told("- **one**\n- two \u{1b}[2J"));
    let ran = world.run(&["slash", "--in", "general", "/help", "--format", "table"]);
    assert!(!ran.out.contains('\u{1b}'), "{ran:?}");
    let posted = json!({ "kind": "posted", "body_md": "", "message": message(9, "waves") });
    let world = self::world();
    answering(&world, posted.clone());
    let ran = world.run(&["slash", "--json", "--in", "general", "/me waves"]).ok();
    let answer = ran.json();
    assert_eq!(
        (&answer["kind"], &answer["message"]["id"]),
        (&json!("posted"), &posted["message"]["id"])
    );
    assert_eq!((&answer["channel_id"], &answer["secret"]), (&json!(null), &json!(false)));
}

#[test]
fn refusals_have_their_exit_codes() {
    let cases = [
        (422, "unknown-command", 7),
        (422, "command-usage", 7),
        (403, "forbidden", 5),
        (403, "insufficient-scope", 5),
        (404, "not-found", 6),
        (409, "name-taken", 7),
    ];
    for (status, slug, code) in cases {
        let world = world();
        world.on(move |seen| {
            let is_command = seen.target == "/api/commands";
            is_command.then(|| problem(status, slug, "the reason"))
        });
        let ran = world.run(&["slash", "--in", "general", "/kick @mara"]);
        assert_eq!((ran.code, ran.out.as_str()), (Some(code), ""), "{slug}: {ran:?}");
        assert!(ran.err.starts_with("✗ The reason."), "{ran:?}");
    }
    assert_eq!(world().run(&["slash"]).code, Some(2));
    assert_eq!(world().run(&["slash", "--in", "nowhere", "/help"]).code, Some(6));
}

#[test]
fn the_list_is_what_the_server_lists() {
    let world = world();
    world.on(|seen| {
        let list = json!({ "items": [{
            "name": "topic", "arguments": [{ "name": "text", "kind": "text", "optional": true }],
            "summary": "Show or change the topic", "usage": "/topic [text]", "group": "channels", "role": null
        }], "next": null, "prev": null });
        let path = format!("/api/commands?channel_id={GENERAL}");
        (seen.target == path).then(|| axum::Json(list).into_response())
    });
    let ran = world.run(&["slash", "--list"]).ok();
    assert_eq!(ran.out, "/topic [text]\tShow or change the topic\n");
    let list = world.run(&["slash", "--list", "--json=name,role,arguments"]).ok().json();
    assert_eq!(list[0]["arguments"][0]["kind"], "text");
}

fn with_members(world: &World) {
    world.on(|seen| {
        let members = json!({ "items": [{
            "id": MARA, "username": "mara", "display_name": "Mara Voss", "avatar_url": null, "kind": "human",
            "status_text": null, "status_emoji": null, "online": true, "created_at": "2026-11-01T08:00:00Z",
            "role": "member", "joined_at": "2026-11-01T08:00:00Z"
        }], "next": null, "prev": null });
        let path = format!("/api/communities/{COMMUNITY}/members");
        (seen.target.split('?').next() == Some(path.as_str()) && seen.method == Method::GET)
            .then(|| axum::Json(members).into_response())
    });
}

#[test]
fn a_ban_asks_or_is_told_yes() {
    let world = world();
    with_members(&world);
    let path = format!("/api/communities/{COMMUNITY}/bans/{MARA}");
    let wanted = path.clone();
    world.on(move |seen| {
        let ban = json!({
            "id": MARA, "user": crate::harness::author(), "reason": "spam", "banned_by": null,
            "created_at": "2026-11-20T08:00:00Z", "expires_at": null
        });
        (seen.target == wanted).then(|| axum::Json(ban).into_response())
    });
    let ran = world.run(&["community", "ban", "@mara"]);
    assert_eq!(ran.code, Some(2), "{ran:?}");
    assert!(world.seen(&Method::PUT, &path).is_empty());
    let args = ["community", "ban", "@mara", "--for", "7d", "--reason", "spam", "--yes", "--json"];
    let ran = world.run(&args).ok();
    assert_eq!(ran.json()["username"], "mara");
    assert_eq!(
        world.seen(&Method::PUT, &path)[0].body,
        json!({ "reason": "spam", "expires_in_seconds": 604_800 })
    );
    assert_eq!(world.run(&["community", "kick", "@nobody", "--yes"]).code, Some(6));
}

#[test]
fn a_setting_of_the_community_is_set() {
    let world = world();
    let path = format!("/api/communities/{COMMUNITY}");
    let wanted = path.clone();
    world.on(move |seen| {
        let community = json!({
            "id": COMMUNITY, "name": "Saltmarsh Labs", "slug": "labs", "members_may_invite": true,
            "created_at": "2026-11-20T08:00:00Z"
        });
        (seen.method == Method::PATCH && seen.target == wanted)
            .then(|| axum::Json(community).into_response())
    });
    let ran = world.run(&["community", "set", "members-may-invite", "on"]).ok();
    assert!(ran.err.contains("Members may invite to"), "{ran:?}");
    assert_eq!(world.seen(&Method::PATCH, &path)[0].body, json!({ "members_may_invite": true }));
    world.run(&["community", "set", "members-may-invite", "off"]).ok();
    assert_eq!(world.seen(&Method::PATCH, &path)[1].body, json!({ "members_may_invite": false }));
    assert_eq!(world.run(&["community", "set", "members-may-invite", "perhaps"]).code, Some(2));
}

#[test]
fn a_purge_asks_or_is_told_yes() {
    let world = world();
    let path = format!("/api/channels/{GENERAL}/purge");
    let wanted = path.clone();
    world.on(move |seen| {
        (seen.target == wanted).then(|| axum::Json(json!({ "deleted": 3 })).into_response())
    });
    assert_eq!(world.run(&["channel", "purge", "general"]).code, Some(2));
    assert_eq!(world.run(&["channel", "purge", "general", "--last", "501", "--yes"]).code, Some(2));
    assert!(world.seen(&Method::POST, &path).is_empty());
    let ran = world.run(&["channel", "purge", "general", "--last", "5", "--yes"]).ok();
    assert!(ran.err.contains("3 messages of #general were deleted"), "{ran:?}");
    assert_eq!(world.seen(&Method::POST, &path)[0].body, json!({ "count": 5 }));
}
