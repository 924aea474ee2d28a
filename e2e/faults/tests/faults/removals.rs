//! People are removed while others write.

use std::collections::{HashMap, HashSet};
use std::time::{Duration, Instant};

use ajet_faults::{Books, Browser, Kind, Ledger, Person, Reader, Scene, Shape, Stack, Town};
use ajet_shared::client::ClientError;
use ajet_shared::community::Role;
use ajet_shared::events::{Envelope, Event, MemberScope};
use ajet_shared::id::{ChannelId, MessageId, UserId};
use ajet_shared::moderation::BanMember;
use anyhow::{Context as _, ensure};
use futures::StreamExt as _;
use futures::future::try_join_all;
use rand::rngs::StdRng;
use rand::seq::IndexedRandom as _;
use rand::{RngExt as _, SeedableRng as _};

use crate::Outcome;

/// Fifteen who write, each about ten messages a second when the answers come at once.
const WRITERS: usize = 15;
const PACE: Duration = Duration::from_millis(75);
/// Fewer messages a second would be another test: in short, which runs debug builds, and in full length.
const RATE_MIN: (f64, f64) = (50.0, 100.0);
/// How long those who are still there may take to hear everything.
const CATCH_UP: Duration = Duration::from_secs(20);
const LOOK_EVERY: Duration = Duration::from_millis(20);

/// What is done to somebody.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Deed {
    /// Taken out of one channel.
    Channel(ChannelId),
    /// The same, and taken in again a little later.
    ThereAndBack(ChannelId),
    /// Taken out of the community.
    Community,
    /// Banned from it.
    Ban,
    /// No longer an admin: they may read as before.
    Demotion,
}

/// Somebody to whom something is done.
struct Victim {
    person: Person,
    deed: Deed,
    /// After so many messages.
    after: usize,
    events: Reader,
    page: Browser,
}

/// Draws what is done to whom, and when.
fn draw(seed: u64, town: &Town, count: usize, posts: usize) -> Vec<(Deed, usize)> {
    let mut random = StdRng::seed_from_u64(seed);
    // The private one more often: whoever is out of a public one may still look at it.
    let private = town.channels[town.channels.len() - 1];
    let channel = |random: &mut StdRng| {
        let any = town.channels.choose(random).copied().unwrap_or(private);
        if random.random_bool(0.5) { private } else { any }
    };
    let deeds = (0..count).map(|number| match number % 6 {
        0 | 1 => Deed::Channel(channel(&mut random)),
        2 => Deed::ThereAndBack(channel(&mut random)),
        3 => Deed::Community,
        4 => Deed::Ban,
        _ => Deed::Demotion,
    });
    let deeds: Vec<Deed> = deeds.collect();
    deeds.into_iter().map(|deed| (deed, random.random_range(posts / 20..posts * 9 / 10))).collect()
}

/// Moves them in, with a bare event source and the page of the private channel each.
async fn victims(
    scene: &Scene,
    town: &Town,
    count: usize,
    posts: usize,
) -> anyhow::Result<Vec<Victim>> {
    let people = town.crowd(&scene.stack, "f39-victim", count, &town.channels).await?;
    let plan = draw(scene.seed, town, count, posts);
    let last = town.channels.len() - 1;
    let (private, path) = (town.channels[last], format!("/c/faults/channels/{}", town.names[last]));
    let demoted = people.iter().zip(&plan).filter(|(_, (deed, _))| *deed == Deed::Demotion);
    for (person, _) in demoted {
        town.mayor.client.update_member(town.community, person.id, Role::Admin).await?;
    }
    try_join_all(people.into_iter().zip(plan).map(async |(person, (deed, after))| {
        let events = Reader::open(person.clone(), Kind::Raw, &town.channels).await?;
        let page = Browser::open(person.clone(), private, &path).await?;
        Ok(Victim { person, deed, after, events, page })
    }))
    .await
}

impl Victim {
    /// Does it, when it is time.
    async fn suffer(&self, town: &Town, ledger: &Ledger, posts: usize) -> Outcome {
        ledger.reaches(self.after).await;
        let (by, community, id) = (&town.mayor.client, town.community, self.person.id);
        let ban = BanMember::default();
        match self.deed {
            Deed::Channel(channel) => insist(|| by.remove_channel_member(channel, id)).await,
            Deed::ThereAndBack(channel) => {
                insist(|| by.remove_channel_member(channel, id)).await?;
                ledger.reaches((self.after + posts / 20).min(posts)).await;
                insist(|| by.add_channel_member(channel, id)).await
            }
            Deed::Community => insist(|| by.remove_member(community, id)).await,
            Deed::Ban => insist(|| by.ban(community, id, &ban)).await.map(drop),
            Deed::Demotion => {
                insist(|| by.update_member(community, id, Role::Member)).await.map(drop)
            }
        }
    }
}

/// Does something as often as the server says that it cannot now, and has not.
async fn insist<T, F>(act: impl Fn() -> F) -> anyhow::Result<T>
where
    F: Future<Output = Result<T, ClientError>>,
{
    let begun = Instant::now();
    loop {
        match act().await {
            Err(ClientError::Problem(problem)) if problem.status == 503 => {
                ensure!(begun.elapsed() < CATCH_UP, "{problem:?}");
            }
            outcome => return Ok(outcome?),
        }
        tokio::time::sleep(LOOK_EVERY * 5).await;
    }
}

/// What the stream tells of one channel, in its order, each with its place in the stream.
type Told = HashMap<ChannelId, Vec<(u64, Envelope)>>;

/// Everything of these channels after where they stood, and where each person went out of the community.
async fn told(
    stack: &Stack,
    since: &HashMap<ChannelId, i64>,
) -> anyhow::Result<(Told, HashMap<UserId, u64>)> {
    let bus = Books::of(stack)?.bus().await?;
    let state = bus.stream_state().await?;
    let mut held = bus.replay(state.first_seq, state.last_seq).await?;
    let (mut told, mut gone) = (Told::new(), HashMap::new());
    while let Some(delivered) = held.next().await {
        let delivered = delivered?;
        let envelope: Envelope = serde_json::from_slice(&delivered.payload)?;
        match (&envelope.event, envelope.channel_id, envelope.seq) {
            (_, Some(channel), Some(seq)) if since.get(&channel).is_some_and(|at| seq > *at) => {
                told.entry(channel).or_default().push((delivered.stream_seq, envelope));
            }
            (Event::MemberRemoved(change), ..) if change.scope == MemberScope::Community => {
                gone.insert(change.user_id, delivered.stream_seq);
            }
            _ => {}
        }
    }
    for events in told.values_mut() {
        events.sort_by_key(|(_, envelope)| envelope.seq);
    }
    Ok((told, gone))
}

/// What somebody must have seen of a channel, and must not have.
#[derive(Debug, Default)]
struct Rights {
    must: Vec<i64>,
    must_not: HashSet<i64>,
    /// Messages of the top level that came before they were first removed, and while they were out.
    shown: Vec<MessageId>,
    hidden: HashSet<MessageId>,
    /// They are there at the end.
    inside: bool,
}

/// By the order of the channel: whoever is out is out from the event on that says so. `gone` is where the stream says that they are
/// out of the community, which may be a little before.
fn rights(person: UserId, events: &[(u64, Envelope)], gone: Option<u64>) -> Rights {
    let mut rights = Rights { inside: true, ..Rights::default() };
    let mut always = true;
    for (place, envelope) in events {
        let seq = envelope.seq.unwrap_or(0);
        let about_them = match &envelope.event {
            Event::MemberRemoved(change) | Event::MemberLeft(change) => {
                (change.user_id == person).then_some(false)
            }
            Event::MemberJoined(change) => (change.user_id == person).then_some(true),
            _ => None,
        };
        if let Some(inside) = about_them {
            // Whom an event names sees it.
            rights.inside = inside;
            always &= inside;
            continue;
        }
        let top = match &envelope.event {
            Event::MessageCreated(message) if message.parent_id.is_none() => Some(message.id),
            _ => None,
        };
        if !rights.inside {
            rights.must_not.insert(seq);
            rights.hidden.extend(top);
        } else if gone.is_none_or(|gone| *place < gone) {
            rights.must.push(seq);
            rights.shown.extend(top.filter(|_| always));
        }
    }
    rights
}

/// What a victim saw against their rights, and did not see of them.
#[derive(Debug, Default)]
struct Wrongs {
    leaked: Vec<String>,
    missing: Vec<String>,
    /// Events and rows that were rightly kept from them.
    withheld: usize,
    /// Channels out of which somebody was.
    removed: usize,
}

impl Wrongs {
    fn events(&mut self, victim: &Victim, channel: ChannelId, rights: &Rights) {
        let seen = victim.events.seen();
        let frames = seen.channels.get(&channel).map_or(&[][..], Vec::as_slice);
        let came: HashSet<i64> = frames.iter().map(|frame| frame.seq).collect();
        let name = format!("{} ({:?})", victim.person.name, victim.deed);
        let leaked = came.intersection(&rights.must_not);
        self.leaked.extend(leaked.map(|seq| format!("{name} saw {seq} of {channel}")));
        let missing = rights.must.iter().filter(|seq| !came.contains(seq));
        self.missing.extend(missing.map(|seq| format!("{name} did not see {seq} of {channel}")));
        self.withheld += rights.must_not.len();
        self.removed += usize::from(!rights.must_not.is_empty());
    }

    fn page(&mut self, victim: &Victim, rights: &Rights) {
        let came: HashSet<MessageId> = victim.page.shown().came.into_keys().collect();
        let name = format!("the page of {} ({:?})", victim.person.name, victim.deed);
        let leaked = came.intersection(&rights.hidden);
        self.leaked.extend(leaked.map(|message| format!("{name} showed {message}")));
        let missing = rights.shown.iter().filter(|message| !came.contains(message));
        self.missing.extend(missing.map(|message| format!("{name} did not show {message}")));
        self.withheld += rights.hidden.len();
    }
}

/// Waits until everybody has heard what is still theirs, which comes after whatever should not.
async fn catch_up(victims: &[Victim], told: &Told, gone: &HashMap<UserId, u64>) -> Outcome {
    let begun = Instant::now();
    for victim in victims {
        let gone = gone.get(&victim.person.id).copied();
        for (channel, events) in told {
            let last = rights(victim.person.id, events, gone).must.last().copied().unwrap_or(0);
            while victim.events.reached(*channel) < last {
                // What is missing then is said below.
                if begun.elapsed() > CATCH_UP {
                    return Ok(());
                }
                tokio::time::sleep(LOOK_EVERY).await;
            }
        }
    }
    Ok(())
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn f39_who_is_removed_hears_nothing_from_then_on() -> Outcome {
    let mut scene = Scene::set("F39").await?;
    let (posts, count) = scene.length((500, 18), (10_000, 90));
    let town = scene.town(WRITERS, 3).await?;
    let victims = victims(&scene, &town, count, posts).await?;
    let since = Books::of(&scene.stack)?;
    let stood = stood(&since, &town).await?;
    let mut load = scene.load(&town, Shape { posts, pace: PACE, browsers: 1 }).await?;
    let ledger = load.ledger.clone();
    let suffer = victims.iter().map(|victim| victim.suffer(&town, &ledger, posts));
    load.meanwhile(try_join_all(suffer)).await?;
    let ended = load.end().await?;
    ended.flawless()?;
    let (told, gone) = told(&scene.stack, &stood).await?;
    catch_up(&victims, &told, &gone).await?;
    let private = town.channels[town.channels.len() - 1];
    let mut wrongs = Wrongs::default();
    for victim in &victims {
        let gone = gone.get(&victim.person.id).copied();
        for (channel, events) in &told {
            let rights = rights(victim.person.id, events, gone);
            wrongs.events(victim, *channel, &rights);
            if *channel == private {
                wrongs.page(victim, &rights);
            }
        }
    }
    #[expect(clippy::cast_precision_loss, reason = "thousands")]
    let rate = ended.posts.len() as f64 / ended.took.as_secs_f64();
    scene.number("messages", ended.posts.len());
    let rate_min = scene.length(RATE_MIN.0, RATE_MIN.1);
    scene.at_least("messages a second", rate, rate_min, "/s")?;
    scene.number("memberships of channels that ended", wrongs.removed);
    scene.number("events and rows kept from those removed", wrongs.withheld);
    ensure!(wrongs.removed >= count / 2, "hardly anybody was removed");
    for sentence in wrongs.leaked.iter().chain(&wrongs.missing) {
        println!("  {sentence}");
    }
    scene.exactly("events and rows after a removal", wrongs.leaked.len(), 0)?;
    scene.exactly("events and rows missing before it", wrongs.missing.len(), 0)?;
    scene.passed().await
}

/// Where each channel stands.
async fn stood(books: &Books, town: &Town) -> anyhow::Result<HashMap<ChannelId, i64>> {
    let rows: Vec<(uuid::Uuid, i64)> =
        sqlx::query_as("SELECT id, last_seq FROM channels").fetch_all(&books.db).await?;
    let all: HashMap<ChannelId, i64> =
        rows.into_iter().map(|(id, seq)| (ChannelId::from(id), seq)).collect();
    let one = |channel: &ChannelId| Some((*channel, *all.get(channel)?));
    let found: HashMap<_, _> = town.channels.iter().filter_map(one).collect();
    (found.len() == town.channels.len()).then_some(found).context("a channel is not there")
}
