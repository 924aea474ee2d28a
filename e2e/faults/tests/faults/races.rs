//! Many requests at once that mean the same.

use std::time::{Duration, Instant};

use ajet_faults::{Ledger, Person, Posted, Scene, Stack, percentile};
use ajet_shared::client::{Answer, ApiClient, Call, ClientOptions, Method};
use ajet_shared::id::{ChannelId, ClientMessageId};
use ajet_shared::message::{Message, PostMessage};
use anyhow::{Context as _, bail, ensure};
use futures::future::try_join_all;
use tokio::time::sleep;

use crate::Outcome;

/// So often each message is posted.
const TIMES: usize = 50;
/// What a busy channel turns away is sent again, as every client does; a machine that does nothing else turns nothing away.
const BUSY_MAX: usize = 20;
const PAUSE: Duration = Duration::from_millis(200);

/// One person, at every gateway and, as gateways do, at every api.
fn doors(stack: &Stack, person: &Person) -> anyhow::Result<Vec<ApiClient>> {
    let open = |url: &String, edge| {
        let options = ClientOptions { edge, user_agent: "ajet-faults", ..ClientOptions::default() };
        Ok(ApiClient::with_options(vec![url.parse()?], &options)?.with_token(&person.token))
    };
    let gateways = stack.gateways.iter().map(|url| open(url, None));
    let apis = stack.apis.iter().map(|url| open(url, Some(stack.edge_secret.clone())));
    gateways.chain(apis).collect()
}

/// Sends a request until the server does not say that it is too busy for it; gives how often it said so.
async fn insist(door: &ApiClient, call: &Call) -> anyhow::Result<(Answer, usize)> {
    for refused in 0..BUSY_MAX {
        let answer = door.send(call).await.context("a request was not answered")?;
        if answer.status.as_u16() != 503 {
            return Ok((answer, refused));
        }
        sleep(PAUSE).await;
    }
    bail!("the server says {BUSY_MAX} times that it is busy")
}

/// One message, posted many times at once.
struct Round<'a> {
    person: &'a Person,
    doors: &'a [ApiClient],
    channel: ChannelId,
    number: usize,
}

impl Round<'_> {
    /// The message, and how many requests were turned away for a while.
    async fn play(self) -> anyhow::Result<(Posted, usize)> {
        let Self { person, doors, channel, number } = self;
        let body = format!("{} says {number} at every door", person.name);
        let key = ClientMessageId::new();
        let request = PostMessage {
            body_md: body.parse()?,
            client_msg_id: key,
            parent_id: None,
            attachment_ids: Vec::new(),
        };
        let mut call =
            Call::new(Method::POST, format!("/api/channels/{channel}/messages")).json(&request);
        call.headers.insert("host", person.host.clone());
        let begun = Instant::now();
        let sent = doors.iter().cycle().take(TIMES).map(|door| insist(door, &call));
        let (answers, refused): (Vec<Answer>, Vec<usize>) =
            try_join_all(sent).await?.into_iter().unzip();
        let took = begun.elapsed();
        let message = one_of_them_counts(&answers).with_context(|| body.clone())?;
        let posted = Posted {
            key,
            message: message.id,
            channel,
            seq: message.seq,
            author: person.id,
            body,
            parent: None,
            tries: 1,
            took,
            at: Instant::now(),
        };
        Ok((posted, refused.into_iter().sum()))
    }
}

/// One is 201, all others are 200 and say so; and all tell the same message.
fn one_of_them_counts(answers: &[Answer]) -> anyhow::Result<Message> {
    let with = |status: u16| answers.iter().filter(move |answer| answer.status.as_u16() == status);
    let (made, known) = (with(201).count(), with(200).count());
    if (made, known) != (1, TIMES - 1) {
        let others = answers.iter().filter(|answer| !matches!(answer.status.as_u16(), 200 | 201));
        let others: Vec<_> = others
            .map(|answer| format!("{} {}", answer.status, String::from_utf8_lossy(&answer.body)))
            .collect();
        bail!("{made} answers are 201 and {known} are 200; others: {others:?}");
    }
    let said = |answer: &Answer| answer.headers.get("idempotency-replayed").is_some();
    ensure!(with(200).all(said), "a 200 does not say that it is a repetition");
    ensure!(!with(201).any(said), "the 201 says that it is a repetition");
    let first = &answers[0].body;
    if let Some(other) = answers.iter().find(|answer| answer.body != *first) {
        let text = |body| String::from_utf8_lossy(body).into_owned();
        bail!("one answer is {}, another {}", text(first), text(&other.body));
    }
    Ok(serde_json::from_slice(first)?)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn f38_a_message_posted_fifty_times_at_once_stands_once() -> Outcome {
    let mut scene = Scene::set("F38").await?;
    let rounds = scene.length(20, 1_000);
    let town = scene.town(1, 3).await?;
    let watch = scene.watch(&town, 1).await?;
    let (ledger, person) = (Ledger::default(), &town.writers[0]);
    let doors = doors(&scene.stack, person)?;
    let (mut took, mut refused) = (Vec::with_capacity(rounds), 0);
    for number in 0..rounds {
        let channel = town.channels[number % town.channels.len()];
        let (posted, turned_away) = Round { person, doors: &doors, channel, number }.play().await?;
        refused += turned_away;
        took.push(posted.took);
        ledger.post(posted);
    }
    let ended = watch.written(ledger).end().await?;
    ended.flawless()?;
    scene.exactly("rounds with one 201 and 49 repetitions that say so", took.len(), rounds)?;
    scene.exactly("messages that stand twice", ended.findings().doubled.len(), 0)?;
    scene.number("requests that were turned away for a while", refused);
    scene.number("a round, p99", format!("{} ms", percentile(took, 0.99).as_millis()));
    scene.passed().await
}
