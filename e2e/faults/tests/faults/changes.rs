//! Several people change the same messages at once.

use std::collections::{BTreeMap, HashMap, HashSet};
use std::time::Instant;

use ajet_faults::{Books, Edited, Ledger, Person, Posted, Scene, Town, Truth};
use ajet_shared::client::{Answer, Call, Method};
use ajet_shared::id::{ChannelId, ClientMessageId, MessageId, UserId};
use ajet_shared::message::{Message, PostMessage};
use anyhow::{Context as _, ensure};
use futures::future::try_join_all;
use rand::rngs::StdRng;
use rand::seq::IndexedRandom as _;
use rand::{RngExt as _, SeedableRng as _};

use crate::Outcome;

const WRITERS: usize = 5;
const READERS: usize = 4;
const BROWSERS: usize = 4;
/// A page shows no more than fifty: the last ones of each channel are those that are changed.
const FRESH: usize = 24;
const EMOJI: [&str; 4] = ["👍", "🎉", "🚢", "❤️"];
/// Of ten races so many begin with a new message, and so many hold a deletion.
const NEW: u32 = 4;
const DELETIONS: u32 = 2;

/// Something somebody does to a message.
#[derive(Clone, Debug)]
enum Act {
    Edit(String),
    Delete,
    React(&'static str),
    TakeBack(&'static str),
    Reply(String),
}

/// What is known of a message by what was answered.
#[derive(Debug)]
struct Known {
    channel: ChannelId,
    author: usize,
    /// Texts that it may have.
    texts: Vec<String>,
    deleted: bool,
    reactions: HashSet<(&'static str, UserId)>,
    replies: i32,
}

/// Who changes what.
struct Field<'a> {
    town: &'a Town,
    random: StdRng,
    ledger: Ledger,
    known: BTreeMap<MessageId, Known>,
    fresh: Vec<MessageId>,
    acts: usize,
    refused: usize,
}

impl<'a> Field<'a> {
    fn new(town: &'a Town, seed: u64) -> Self {
        let (random, ledger) = (StdRng::seed_from_u64(seed), Ledger::default());
        let (known, fresh) = (BTreeMap::new(), Vec::new());
        Self { town, random, ledger, known, fresh, acts: 0, refused: 0 }
    }

    /// Somebody says something, perhaps in a thread; none if its root is gone.
    async fn say(
        &self,
        author: &Person,
        channel: ChannelId,
        body: String,
        parent: Option<MessageId>,
    ) -> anyhow::Result<Option<Posted>> {
        let request = PostMessage {
            body_md: body.parse()?,
            client_msg_id: ClientMessageId::new(),
            parent_id: parent,
            attachment_ids: Vec::new(),
        };
        let begun = Instant::now();
        let path = format!("/api/channels/{channel}/messages");
        let answer = send(author, Call::new(Method::POST, path).json(&request)).await?;
        if parent.is_some() && answer.status.as_u16() == 422 {
            return Ok(None);
        }
        let answer = answer.ok()?;
        let message: Message = serde_json::from_slice(&answer.body)?;
        Ok(Some(Posted {
            key: request.client_msg_id,
            message: message.id,
            channel,
            seq: message.seq,
            author: author.id,
            body,
            parent,
            tries: 1,
            took: begun.elapsed(),
            at: Instant::now(),
        }))
    }

    async fn begin(&mut self, number: usize) -> Outcome {
        let author = self.random.random_range(0..self.town.writers.len());
        let channel = self.town.channels[number % self.town.channels.len()];
        let person = &self.town.writers[author];
        let text = format!("message {number}");
        let posted = self.say(person, channel, text.clone(), None).await?.context("no root")?;
        let (reactions, texts) = (HashSet::new(), vec![text]);
        let known = Known { channel, author, texts, deleted: false, reactions, replies: 0 };
        self.known.insert(posted.message, known);
        self.fresh.push(posted.message);
        self.ledger.post(posted);
        if self.fresh.len() > FRESH {
            self.fresh.remove(0);
        }
        Ok(())
    }

    /// Everybody does something to one message, at once; its author edits it, perhaps twice.
    fn draw(&mut self, number: usize, id: MessageId) -> Vec<(usize, Act)> {
        let author = self.known[&id].author;
        let mut acts: Vec<(usize, Act)> = Vec::new();
        for edit in 0..self.random.random_range(0..3) {
            acts.push((author, Act::Edit(format!("changed in {number}, version {edit}"))));
        }
        for person in 0..self.town.writers.len() {
            // One emoji of each person: what becomes of it does not depend on who is first.
            let emoji = EMOJI.choose(&mut self.random).copied().unwrap_or(EMOJI[0]);
            let has = self.known[&id].reactions.contains(&(emoji, self.town.writers[person].id));
            match self.random.random_range(0..10) {
                0..6 if has => acts.push((person, Act::TakeBack(emoji))),
                0..6 => acts.push((person, Act::React(emoji))),
                6 => acts.push((person, Act::Reply(format!("reply in {number} by {person}")))),
                _ => {}
            }
        }
        if self.random.random_ratio(DELETIONS, 10) {
            acts.push((author, Act::Delete));
        }
        acts
    }

    async fn race(&mut self, number: usize) -> Outcome {
        if self.fresh.len() < self.town.channels.len() || self.random.random_ratio(NEW, 10) {
            self.begin(number).await?;
        }
        let Some(id) = self.fresh.choose(&mut self.random).copied() else { return Ok(()) };
        let acts = self.draw(number, id);
        let done = acts.iter().map(|(who, act)| self.act(&self.town.writers[*who], id, act));
        let done = try_join_all(done).await?;
        let refused = done.iter().filter(|outcome| outcome.is_none()).count();
        for ((who, act), outcome) in acts.into_iter().zip(done) {
            self.acts += 1;
            match outcome {
                Some(posted) => self.note(id, who, act, posted),
                None => self.refused += 1,
            }
        }
        if self.known[&id].deleted {
            self.fresh.retain(|fresh| *fresh != id);
        }
        ensure!(
            refused == 0 || self.known[&id].deleted,
            "{id} is there, and {refused} say it is not"
        );
        Ok(())
    }

    /// None if the message is gone, which only a deletion excuses; the inner one is a reply.
    async fn act(
        &self,
        person: &Person,
        id: MessageId,
        act: &Act,
    ) -> anyhow::Result<Option<Option<Posted>>> {
        let reaction = |emoji: &str| format!("/api/messages/{id}/reactions/{}", encoded(emoji));
        let path = format!("/api/messages/{id}");
        let call = match act {
            Act::Edit(text) => {
                Call::new(Method::PATCH, path).json(&serde_json::json!({ "body_md": text }))
            }
            Act::Delete => Call::new(Method::DELETE, path),
            Act::React(emoji) => Call::new(Method::PUT, reaction(emoji)),
            Act::TakeBack(emoji) => Call::new(Method::DELETE, reaction(emoji)),
            Act::Reply(text) => {
                let channel = self.known[&id].channel;
                return Ok(self.say(person, channel, text.clone(), Some(id)).await?.map(Some));
            }
        };
        let answer = send(person, call).await?;
        match answer.status.as_u16() {
            200..=299 => Ok(Some(None)),
            404 | 409 => Ok(None),
            _ => Err(answer.ok().err().map_or_else(|| anyhow::anyhow!("odd"), Into::into)),
        }
    }

    /// Takes in what was answered.
    fn note(&mut self, id: MessageId, who: usize, act: Act, posted: Option<Posted>) {
        let person = self.town.writers[who].id;
        let Some(known) = self.known.get_mut(&id) else { return };
        match act {
            // Of two at once either may be the last.
            Act::Edit(text) => known.texts.push(text),
            Act::Delete => known.deleted = true,
            Act::React(emoji) => _ = known.reactions.insert((emoji, person)),
            Act::TakeBack(emoji) => _ = known.reactions.remove(&(emoji, person)),
            Act::Reply(_) => {
                known.replies += 1;
                if let Some(posted) = posted {
                    self.ledger.post(posted);
                }
            }
        }
    }

    /// A message in Postgres is what the answers said.
    fn compare(&self, id: MessageId, row: &Stored) -> Outcome {
        let known = &self.known[&id];
        ensure!(row.deleted == known.deleted, "{id} is {row:?}, by the answers {known:?}");
        if known.deleted {
            ensure!(row.body.is_empty() && row.reactions.is_empty(), "of {id} there is {row:?}");
            return Ok(());
        }
        ensure!(known.texts.contains(&row.body), "{id} is {row:?}, by the answers {known:?}");
        ensure!(row.replies == known.replies, "{id} is {row:?}, by the answers {known:?}");
        let mut reactions: BTreeMap<String, i64> = BTreeMap::new();
        for (emoji, _) in &known.reactions {
            *reactions.entry((*emoji).to_owned()).or_default() += 1;
        }
        ensure!(row.reactions == reactions, "{id} is {row:?}, by the answers {known:?}");
        Ok(())
    }
}

/// As one of a path.
fn encoded(emoji: &str) -> String {
    emoji.bytes().fold(String::new(), |path, byte| path + &format!("%{byte:02X}"))
}

async fn send(person: &Person, mut call: Call) -> anyhow::Result<Answer> {
    call.headers.insert("host", person.host.clone());
    Ok(person.own_client.send(&call).await?)
}

/// A message as its rows in Postgres say.
#[derive(Debug, Default)]
struct Stored {
    body: String,
    deleted: bool,
    replies: i32,
    reactions: BTreeMap<String, i64>,
}

async fn stored(books: &Books) -> anyhow::Result<HashMap<MessageId, Stored>> {
    let messages: Vec<(uuid::Uuid, String, bool, i32)> =
        sqlx::query_as("SELECT id, body_md, deleted_at IS NOT NULL, reply_count FROM messages")
            .fetch_all(&books.db)
            .await?;
    let mut stored: HashMap<MessageId, Stored> = messages
        .into_iter()
        .map(|(id, body, deleted, replies)| {
            (id.into(), Stored { body, deleted, replies, reactions: BTreeMap::new() })
        })
        .collect();
    let reactions: Vec<(uuid::Uuid, String, i64)> = sqlx::query_as(
        "SELECT message_id, emoji, count(*) FROM reactions GROUP BY message_id, emoji",
    )
    .fetch_all(&books.db)
    .await?;
    for (message, emoji, count) in reactions {
        stored.entry(message.into()).or_default().reactions.insert(emoji, count);
    }
    Ok(stored)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn f41_everybody_shows_what_the_database_says_after_races() -> Outcome {
    let mut scene = Scene::set("F41").await?;
    let races = scene.length(100, 1_000);
    let town = scene.town(WRITERS, READERS + BROWSERS).await?;
    let watch = scene.watch(&town, BROWSERS).await?;
    let mut field = Field::new(&town, scene.seed);
    for number in 0..races {
        field.race(number).await?;
    }
    let stored = stored(&Books::of(&scene.stack)?).await?;
    for id in field.known.keys() {
        let row = stored.get(id);
        ensure!(row.is_some(), "Postgres has not {id}");
        field.compare(*id, row.unwrap_or(&Stored::default()))?;
    }
    let (acts, refused) = (field.acts, field.refused);
    let deleted = field.known.values().filter(|known| known.deleted).count();
    let (messages, ledger) = (field.known.len(), field.ledger);
    // What the last text of each is, only the database knows; whether everybody has it is what is compared now.
    for row in Truth::read(&scene.stack).await?.messages {
        ledger.edit(Edited { message: row.id, body: row.body_md });
    }
    let ended = watch.written(ledger).end().await?;
    ended.flawless()?;
    scene.number("messages", messages);
    scene.number("changes and reactions", acts);
    scene.number("of them too late, because the message was gone", refused);
    scene.number("messages deleted", deleted);
    scene.exactly(
        "rows and messages that somebody has otherwise",
        ended.findings().disagreements.len(),
        0,
    )?;
    scene.passed().await
}
