//! `ajet-api verify` over real servers.

use std::process::Output;

use ajet_shared::bus::{Bus, Outgoing};
use ajet_shared::id::EventId;
use serde_json::{Value, json};

use crate::harness::{App, eventually};
use crate::relay::{published, say};

/// Runs the program; gives how it ended and what it said.
async fn verify(app: &App, json: bool) -> (Option<i32>, Output) {
    let mut program = tokio::process::Command::new(env!("CARGO_BIN_EXE_ajet-api"));
    program
        .args(["verify", "--wait", "10"])
        .args(json.then_some("--json"))
        .env("AJET_DATABASE_URL", app.database_url())
        .env("AJET_NATS_URL", app.nats_url())
        .kill_on_drop(true);
    let output = program.output().await.unwrap();
    (output.status.code(), output)
}

fn kinds(output: &Output) -> Vec<Value> {
    let report: Value = serde_json::from_slice(&output.stdout).unwrap();
    assert_eq!(report["agree"], report["differences"].as_array().unwrap().is_empty());
    report["differences"].as_array().unwrap().iter().map(|found| found["kind"].clone()).collect()
}

#[tokio::test]
async fn it_says_whether_postgres_and_the_stream_agree() {
    let mut app = App::start().await;
    let ann = app.user("ann").await;
    let (_, general) = app.community(&ann, "Team").await;
    for n in 0..5 {
        say(&ann, &general, &n.to_string()).await;
    }
    let (code, output) = verify(&app, false).await;
    let text = String::from_utf8(output.stdout).unwrap();
    assert_eq!(
        (code, text.lines().last()),
        (Some(0), Some("Postgres, outbox and stream agree.")),
        "{text}"
    );

    eventually("all is published", async || published(&app.db).await).await;
    // An event that the database does not know, and a row that says another place.
    app.end().await;
    let bus = Bus::connect(app.nats_url(), "test").await.unwrap();
    let id = EventId::new();
    let subject = format!("chat.notifications.{}", ann.user_id);
    let payload = json!({ "id": id }).to_string().into();
    let ghost =
        Outgoing { id, subject: &subject, channel_seq: None, epoch: 1, again: false, payload };
    bus.publish(ghost).await.unwrap();
    sqlx::query("UPDATE outbox SET stream_seq = stream_seq + 7 WHERE id = 1")
        .execute(&app.db)
        .await
        .unwrap();
    let (code, output) = verify(&app, true).await;
    let mut found = kinds(&output);
    found.sort_by_key(Value::to_string);
    assert_eq!((code, found), (Some(1), vec![json!("misplaced"), json!("unknown")]));

    bus.delete_stream().await.unwrap();
    let (code, output) = verify(&app, true).await;
    assert_eq!((code, kinds(&output).first()), (Some(1), Some(&json!("stream"))));

    app.stop_nats();
    let (code, output) = verify(&app, true).await;
    assert_eq!(code, Some(2), "{output:?}");
    assert!(String::from_utf8(output.stderr).unwrap().starts_with("ajet-api verify: NATS"));
}
