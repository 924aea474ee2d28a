//! `search`: what is asked, and what is printed.

use axum::http::Method;
use axum::response::IntoResponse as _;
use serde_json::{Value, json};

use crate::harness::{COMMUNITY, GENERAL, Ran, World, message, message_id};

fn hit(seq: i64, body: &str, text: &str, start: usize, end: usize) -> Value {
    let snippet = json!({ "text": text, "matches": [{ "start": start, "end": end }] });
    json!({ "message": message(seq, body), "channel_id": GENERAL, "snippet": snippet })
}

/// A server with two hits, a page each.
fn world() -> World {
    let world = World::new();
    world.on(|seen| {
        let query = seen.target.strip_prefix("/api/search?")?;
        let older = query.contains("before=");
        let page = if older {
            json!({ "items": [hit(1, "the **tide**", "the tide", 4, 8)], "next": null, "prev": null })
        } else {
            let item = hit(2, "tides \u{1b}[2J come", "tides [2J come", 0, 5);
            json!({ "items": [item], "next": null, "prev": message_id(2) })
        };
        Some(axum::Json(page).into_response())
    });
    world
}

fn asked(world: &World) -> Vec<Vec<(String, String)>> {
    let pairs =
        |target: &str| parameters(target).into_iter().filter(|(name, _)| name != "sort").collect();
    world.seen(&Method::GET, "/api/search").iter().map(|seen| pairs(&seen.target)).collect()
}

/// The parameters of an address.
fn parameters(url: &str) -> Vec<(String, String)> {
    let query = url.split_once('?').map_or("", |(_, query)| query);
    let decode = |text: &str| {
        let mut bytes = Vec::new();
        let mut rest = text.bytes();
        while let Some(byte) = rest.next() {
            match byte {
                b'+' => bytes.push(b' '),
                b'%' => {
                    let hex = [rest.next().unwrap(), rest.next().unwrap()];
                    let hex = std::str::from_utf8(&hex).unwrap();
                    bytes.push(u8::from_str_radix(hex, 16).unwrap());
                }
                byte => bytes.push(byte),
            }
        }
        String::from_utf8(bytes).unwrap()
    };
    let pair = |pair: &str| {
        let (name, value) = pair.split_once('=').unwrap();
        (decode(name), decode(value))
    };
    query.split('&').map(pair).collect()
}

#[test]
fn options_become_filters_and_pages_are_read_until_there_are_enough() {
    let world = world();
    let args = ["search", "tide", "turns", "--from", "@mara", "--has", "link", "--in", "general"];
    let ran = world.run(&[&args[..], &["-n", "2", "--format", "ids"]].concat()).ok();
    assert_eq!(ran.out, format!("{}\n{}\n", message_id(2), message_id(1)));
    let asked = asked(&world);
    let pair = |name: &str, value: &str| (name.to_owned(), value.to_owned());
    assert_eq!(
        asked[0],
        [
            pair("q", "tide turns from:@mara has:link"),
            pair("channel_id", GENERAL),
            pair("limit", "2")
        ]
    );
    assert_eq!(asked[1][2..], [pair("before", &message_id(2)), pair("limit", "1")]);
}

#[test]
fn everything_is_searched_unless_somebody_says_where() {
    let world = world();
    world.run(&["search", "tide"]).ok();
    world.run(&["search", "tide", "-c", "saltmarsh"]).ok();
    let asked = asked(&world);
    assert!(asked[0].iter().all(|(name, _)| name != "community_id"));
    let last = asked.last().unwrap();
    assert!(last.iter().any(|(name, value)| name == "community_id" && value == COMMUNITY));
}

#[test]
fn people_see_where_who_and_what() {
    let world = world();
    let mut command = world.command(&["search", "tide", "--format", "table"]);
    let ran: Ran = command.env("COLUMNS", "60").output().unwrap().into();
    let expected = "\
#general  Mara Voss  Fri 20 Nov 2026  2a3f0002\n  tides [2J come\n\
#general  Mara Voss  Fri 20 Nov 2026  2a3f0001\n  the tide\n";
    assert_eq!(ran.ok().out, expected);
}

#[test]
fn a_search_for_nothing_is_wrong_use() {
    let world = World::new();
    assert_eq!(world.run(&["search"]).code, Some(2));
    assert!(world.seen(&Method::GET, "/api/search").is_empty());
}
