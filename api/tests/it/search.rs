//! Search: what is found, in which order, and what is never found.

use std::time::{Duration, Instant};

use reqwest::StatusCode;
use serde_json::{Value, json};
use uuid::Uuid;

use crate::harness::{Answer, App, Client, text};

async fn say(client: &Client, channel_id: &str, body: &str) -> String {
    let path = format!("/api/channels/{channel_id}/messages");
    let request = json!({ "body_md": body, "client_msg_id": Uuid::now_v7() });
    text(&client.post(&path, request).await.expect(StatusCode::CREATED)["id"])
}

async fn channel(client: &Client, community: &str, name: &str, visibility: &str) -> String {
    let path = format!("/api/communities/{community}/channels");
    let request = json!({ "name": name, "visibility": visibility });
    text(&client.post(&path, request).await.expect(StatusCode::CREATED)["id"])
}

async fn ask(client: &Client, q: &str, more: &str) -> Answer {
    let q = q.bytes().fold(String::new(), |q, byte| q + &format!("%{byte:02X}"));
    client.get(&format!("/api/search?q={q}{more}")).await
}

/// The texts of what is found, in their order.
async fn found(client: &Client, q: &str) -> Vec<String> {
    let page = ask(client, q, "").await.expect(StatusCode::OK);
    bodies(&page)
}

fn bodies(page: &Value) -> Vec<String> {
    page["items"].as_array().unwrap().iter().map(|hit| text(&hit["message"]["body_md"])).collect()
}

#[tokio::test]
async fn words_phrases_parts_and_exclusions_are_found_newest_first() {
    let app = App::start().await;
    let ann = app.user("ann").await;
    let (_, general) = app.community(&ann, "Team").await;
    for body in [
        "The **release candidate** is tagged",
        "A candidate for release? No: deployed twice",
        "ERR-2041 in max_connections, see notes.md",
        "今天天气很好",
        "100% of a\\b costs 5_000",
        "the the of",
        "Follow-up on pgbouncer",
    ] {
        say(&ann, &general, body).await;
    }
    let all = [
        (
            "candidate",
            vec![
                "A candidate for release? No: deployed twice",
                "The **release candidate** is tagged",
            ],
        ),
        (
            "RELEASES candidates",
            vec![
                "A candidate for release? No: deployed twice",
                "The **release candidate** is tagged",
            ],
        ),
        ("\"release candidate\"", vec!["The **release candidate** is tagged"]),
        ("candidate -tagged", vec!["A candidate for release? No: deployed twice"]),
        (
            "tagged OR deploying",
            vec![
                "A candidate for release? No: deployed twice",
                "The **release candidate** is tagged",
            ],
        ),
        ("err-2041", vec!["ERR-2041 in max_connections, see notes.md"]),
        ("2041", vec!["ERR-2041 in max_connections, see notes.md"]),
        ("connections", vec!["ERR-2041 in max_connections, see notes.md"]),
        ("max_conn", vec!["ERR-2041 in max_connections, see notes.md"]),
        ("notes.md", vec!["ERR-2041 in max_connections, see notes.md"]),
        ("天气", vec!["今天天气很好"]),
        ("气很", vec!["今天天气很好"]),
        ("follow-up", vec!["Follow-up on pgbouncer"]),
        ("bounce", vec!["Follow-up on pgbouncer"]),
        ("the", vec!["the the of", "The **release candidate** is tagged"]),
        // Letter for letter, whatever it means in a pattern.
        ("0%", vec!["100% of a\\b costs 5_000"]),
        ("5_000", vec!["100% of a\\b costs 5_000"]),
        ("a\\b", vec!["100% of a\\b costs 5_000"]),
        ("%a%", vec![]),
        ("t_gged", vec![]),
        ("'; drop table messages; --", vec![]),
    ];
    for (query, expected) in all {
        assert_eq!(found(&ann, query).await, expected, "{query}");
    }

    let page = ask(&ann, "candidates", "").await.expect(StatusCode::OK);
    let hit = &page["items"][1];
    assert_eq!(hit["channel_id"], json!(general));
    assert_eq!(
        hit["snippet"],
        json!({ "text": "The release candidate is tagged", "matches": [{ "start": 12, "end": 21 }] })
    );
}

#[tokio::test]
async fn filters_narrow_and_pages_go_on() {
    let app = App::start().await;
    let (ann, ben) = (app.user("ann").await, app.user("ben").await);
    let (community, general) = app.community(&ann, "Team").await;
    app.join(&ann, &ben, &community).await;
    let harbour = channel(&ann, &community, "harbour", "public").await;
    let root = say(&ann, &general, "tide one").await;
    say(&ben, &general, "tide two https://example.org").await;
    say(&ann, &harbour, "tide three").await;
    let reply =
        json!({ "body_md": "tide four", "client_msg_id": Uuid::now_v7(), "parent_id": root });
    ann.post(&format!("/api/channels/{general}/messages"), reply).await.expect(StatusCode::CREATED);
    let four = "tide four";
    let three = "tide three";
    let two = "tide two https://example.org";
    let one = "tide one";
    for (query, expected) in [
        ("tide", vec![four, three, two, one]),
        ("tide from:@ben", vec![two]),
        ("tide from:me", vec![four, three, one]),
        ("from:ben", vec![two]),
        ("from:@nobody tide", vec![]),
        ("tide in:#harbour", vec![three]),
        ("tide in:harbour in:general", vec![four, three, two, one]),
        ("tide in:#nowhere", vec![]),
        ("tide has:link", vec![two]),
        ("tide has:file", vec![]),
        ("tide is:thread", vec![four, one]),
        ("tide before:2020-01-01", vec![]),
        ("tide after:2020-01-01 before:2999-01-01", vec![four, three, two, one]),
    ] {
        assert_eq!(found(&ann, query).await, expected, "{query}");
    }
    let page = ask(&ann, "tide", "&limit=3").await.expect(StatusCode::OK);
    assert_eq!(
        (bodies(&page), &page["next"]),
        (vec![four.into(), three.into(), two.into()], &json!(null))
    );
    let before = format!("&limit=3&before={}", text(&page["prev"]));
    let page = ask(&ann, "tide", &before).await.expect(StatusCode::OK);
    assert_eq!((bodies(&page), &page["prev"]), (vec![one.to_owned()], &json!(null)));
    let here = format!("&channel_id={harbour}");
    assert_eq!(bodies(&ask(&ann, "tide", &here).await.expect(StatusCode::OK)), [three]);

    // Words come to their end on a later page: that is no reason to look for parts of words.
    say(&ann, &general, "untidy").await;
    let older = format!("&before={root}");
    assert!(bodies(&ask(&ann, "tide", &older).await.expect(StatusCode::OK)).is_empty());

    let best = ask(&ann, "tide", "&sort=best&limit=2").await.expect(StatusCode::OK);
    assert_eq!((bodies(&best).len(), &best["prev"]), (2, &json!(null)));
    ask(&ann, "tide", &format!("&sort=best&before={root}")).await.expect_problem(422, "validation");
}

#[tokio::test]
async fn files_are_found_by_their_names_where_one_may_see_them() {
    let app = App::start().await;
    let (ann, ben) = (app.user("ann").await, app.user("ben").await);
    let (community, general) = app.community(&ann, "Team").await;
    app.join(&ann, &ben, &community).await;
    let cellar = channel(&ann, &community, "cellar", "private").await;
    for (place, body, filename) in
        [(&general, "the chart", "Tide_Table-2026.pdf"), (&cellar, "the plan", "tide-secret.png")]
    {
        let message = say(&ann, place, body).await;
        sqlx::query(
            "insert into attachments (id, message_id, channel_id, user_id, filename, content_type, size_bytes, storage_key) \
             values ($1, $2, $3, $4, $5, case when $5 like '%.png' then 'image/png' else 'application/pdf' end, 1, $6)",
        )
        .bind(Uuid::now_v7())
        .bind(message.parse::<Uuid>().unwrap())
        .bind(place.parse::<Uuid>().unwrap())
        .bind(ann.user_id.uuid())
        .bind(filename)
        .bind(Uuid::now_v7().to_string())
        .execute(&app.db)
        .await
        .unwrap();
    }
    let (chart, plan) = ("the chart", "the plan");
    for (query, by_ann, by_ben) in [
        ("tide", vec![plan, chart], vec![chart]),
        ("table-2026.pdf", vec![chart], vec![chart]),
        ("tide -secret", vec![chart], vec![chart]),
        ("tide has:image", vec![plan], vec![]),
        ("has:file", vec![plan, chart], vec![chart]),
    ] {
        assert_eq!(found(&ann, query).await, by_ann, "{query}");
        assert_eq!(found(&ben, query).await, by_ben, "{query}");
    }
}

#[tokio::test]
async fn a_file_is_found_however_many_came_after_it() {
    let app = App::start().await;
    let ann = app.user("ann").await;
    let (_, general) = app.community(&ann, "Team").await;
    let old = say(&ann, &general, "the old chart").await;
    let noise = say(&ann, &general, "noise").await;
    for (message, name, id_begins, count) in
        [(old, "Tide_Table.pdf", "00", 1), (noise, "log", "ff", 20_001)]
    {
        sqlx::query(
            "insert into attachments (id, message_id, channel_id, user_id, filename, content_type, size_bytes, storage_key) \
             select overlay(md5($2 || n) placing $5 from 1)::uuid, $1, $3, $4, $2, 'text/plain', 1, $2 || n \
             from generate_series(1, $6) as n",
        )
        .bind(message.parse::<Uuid>().unwrap())
        .bind(name)
        .bind(general.parse::<Uuid>().unwrap())
        .bind(ann.user_id.uuid())
        .bind(id_begins)
        .bind(count)
        .execute(&app.db)
        .await
        .unwrap();
    }
    assert_eq!(found(&ann, "tide_table").await, ["the old chart"]);
    assert_eq!(found(&ann, "tide -pdf").await, [""; 0]);
}

#[tokio::test]
async fn what_one_may_not_see_is_not_found() {
    let app = App::start().await;
    let (ann, ben, cleo) = (app.user("ann").await, app.user("ben").await, app.user("cleo").await);
    let (community, general) = app.community(&ann, "Team").await;
    app.join(&ann, &ben, &community).await;
    let cellar = channel(&ann, &community, "cellar", "private").await;
    let kept = say(&ann, &cellar, "xylophone in the cellar").await;
    let dm = text(&ann.post("/api/dms", json!({ "user_ids": [ben.user_id] })).await.body["id"]);
    say(&ann, &dm, "quixotic whisper").await;

    assert_eq!(found(&ann, "xylophone").await.len(), 1, "who is in it finds it");
    assert_eq!(found(&ben, "quixotic in:@ann").await.len(), 1);
    for (client, query) in [
        (&ben, "xylophone"),
        (&ben, "xyloph"),
        (&ben, "xylophone in:#cellar"),
        (&ben, "in:#cellar"),
        (&ben, "from:@ann cellar"),
        (&cleo, "xylophone"),
        (&cleo, "quixotic"),
        (&cleo, "whisper in:@ann"),
    ] {
        let page = ask(client, query, "").await.expect(StatusCode::OK);
        assert_eq!(page, json!({ "items": [], "next": null, "prev": null }), "{query}");
    }
    let nowhere = ask(&ben, "x", &format!("&channel_id={}", Uuid::now_v7())).await;
    let hidden = ask(&ben, "x", &format!("&channel_id={cellar}")).await;
    assert_eq!(hidden.without_trace(), nowhere.without_trace());
    hidden.expect_problem(404, "not-found");
    ask(&cleo, "x", &format!("&community_id={community}")).await.expect_problem(404, "not-found");

    // Neither somebody who was taken out, nor what was deleted.
    say(&ben, &general, "farewell").await;
    assert_eq!(found(&ben, "farewell").await.len(), 1);
    ann.delete(&format!("/api/communities/{community}/members/{}", ben.user_id)).await;
    assert!(found(&ben, "farewell").await.is_empty());
    ask(&ben, "x", &format!("&community_id={community}")).await.expect_problem(404, "not-found");
    ann.delete(&format!("/api/messages/{kept}")).await.expect(StatusCode::NO_CONTENT);
    assert!(found(&ann, "xylophone").await.is_empty());
    app.anonymous().get("/api/search?q=x").await.expect_problem(401, "unauthenticated");
}

#[tokio::test]
async fn hostile_queries_are_answered_or_refused_in_time() {
    let app = App::start().await;
    let ann = app.user("ann").await;
    let (_, general) = app.community(&ann, "Team").await;
    say(&ann, &general, "<img src=x onerror=alert(1)> plain").await;
    let hit = ask(&ann, "onerror", "").await.expect(StatusCode::OK);
    assert_eq!(hit["items"][0]["snippet"]["text"], "<img src=x onerror=alert(1)> plain");
    let long = "x".repeat(1_000);
    let many = "term ".repeat(300);
    let nested = "(".repeat(500);
    let regex = "(a+)+$ [^] \\d{1,99999} .* ^";
    let hostile = [
        "((((",
        "a & | b",
        "*",
        "x",
        "!!",
        "&",
        "|",
        ":*",
        "<->",
        "a:*",
        "'",
        "''",
        "\"",
        "\\",
        "%",
        "_",
        "-",
        "--",
        "- -",
        "-\"",
        "\u{200b}",
        "\u{202e}abc",
        "🎉",
        "👩‍👩‍👧",
        "ﷺ",
        "e\u{301}",
        "\u{fffd}",
        "in:",
        "from:@",
        "before:9999-12-31",
        "has:file has:file",
        "OR OR OR",
        "a OR",
        "-a OR b",
        "NULL",
        "$1",
        "{}",
        "${x}",
        &long,
        &many,
        &nested,
        regex,
    ];
    for query in hostile {
        let begun = Instant::now();
        let answer = ask(&ann, query, "").await;
        assert!(matches!(answer.status.as_u16(), 200 | 422), "{query:?}: {}", answer.status);
        assert!(begun.elapsed() < Duration::from_secs(2), "{query:?}");
    }
    for query in ["", " ", "a\0b", "has:banana", "before:yesterday", &many] {
        ask(&ann, query, "").await.expect_problem(422, "validation");
    }
    for more in [
        "&limit=0",
        "&limit=101",
        "&limit=-1",
        "&sort=worst",
        "&colour=red",
        "&q=again",
        "&before=x",
    ] {
        ask(&ann, "x", more).await.expect_problem(422, "validation");
    }
    ann.get("/api/search").await.expect_problem(422, "validation");
}
