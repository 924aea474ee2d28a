//! `tail`: follows channels, and goes on by itself where the connection broke off.

use std::collections::{HashMap, HashSet};
use std::future::Future;
use std::time::Duration;

use ajet_shared::client::{ApiClient, ClientError, Events, Received};
use ajet_shared::clock;
use ajet_shared::events::Event;
use ajet_shared::id::{ChannelId, MessageId, UserId};
use ajet_shared::message::{Message, MessageKind};
use ajet_shared::page::{Page, PageQuery};
use ajet_shared::sync::Sync;
use time::OffsetDateTime;

use crate::args::Tail;
use crate::context::Context;
use crate::error::{CliError, CliResult};
use crate::lookup::{Place, limit, places};
use crate::messages::{MESSAGE, Transcript, concerns, record};
use crate::naming::ChannelRef;
use crate::output::Output;

/// Messages to begin with when channels are named.
const COUNT_DEFAULT: u16 = 10;
/// Columns for names, when those that will come are not known.
const AUTHOR_WIDTH: usize = 16;
const CHANNEL_WIDTH: usize = 16;
/// Messages asked for at once after a gap.
const PAGE: u16 = 100;
/// Pauses between two attempts to read after a gap, when the server said nothing about them.
const FIRST_PAUSE: Duration = Duration::from_millis(250);
const LONGEST_PAUSE: Duration = Duration::from_secs(15);

pub(super) async fn tail(context: &Context, args: &Tail) -> CliResult {
    let output = context.output(&MESSAGE)?;
    for channel in &args.channels {
        ChannelRef::parse(channel, context.server()?)?;
    }
    // The cursor of the start is older than everything read after it, so nothing falls between.
    let started = clock::now();
    let sync = context.sync().await?;
    let mut chosen = HashMap::new();
    for channel in &args.channels {
        let place = context.channel(channel).await?;
        chosen.insert(place.id(), place);
    }
    if args.channels.is_empty() {
        chosen.extend(places(sync).map(|place| (place.id(), place)));
    }
    let known = chosen.values().map(|place| (place.id(), place.view.channel.last_seq)).collect();
    let mut guests = chosen.values().filter(|place| !place.view.joined).map(Place::id);
    let guest = guests.next();
    if let Some(second) = guests.next() {
        let name = chosen.get(&second).map(|place| place.name.clone()).unwrap_or_default();
        return Err(CliError::usage("Only one channel that you are not in can be followed.")
            .hint(format!("Join it: ajet-chat channel join {name}")));
    }
    let several = args.channels.len() != 1;
    let mut follower = Follower {
        context,
        args,
        output,
        client: context.client().await?.trying_once(),
        started,
        me: sync.me.user.id,
        only: !args.channels.is_empty(),
        places: chosen,
        known,
        printed: HashSet::new(),
        transcript: Transcript::new(context.screen, AUTHOR_WIDTH, several.then_some(CHANNEL_WIDTH)),
        away: false,
    };
    let events = context.client().await?.events(Some(sync.cursor), guest);
    // One listener for the whole time: a signal between two events must not be lost.
    tokio::select! {
        ended = follower.follow(events) => ended,
        _ = tokio::signal::ctrl_c() => Err(CliError::interrupted()),
    }
}

struct Follower<'a> {
    context: &'a Context,
    args: &'a Tail,
    output: Output,
    /// Without the deadline of the command: following has no end.
    client: ApiClient,
    started: OffsetDateTime,
    me: UserId,
    /// Only the channels that were named.
    only: bool,
    places: HashMap<ChannelId, Place>,
    /// Up to which `seq` each channel has been followed: where a reading after a gap begins.
    known: HashMap<ChannelId, i64>,
    /// What the start and the reading after a gap printed; the stream may bring it again.
    printed: HashSet<MessageId>,
    transcript: Transcript,
    away: bool,
}

impl Follower<'_> {
    /// Prints what there is and what comes, until it cannot go on.
    async fn follow(&mut self, mut events: Events) -> CliResult {
        self.start().await?;
        loop {
            let received = events.next().await.map_err(|error| self.context.failed(error))?;
            self.receive(received).await?;
        }
    }

    /// The messages to begin with, those of all channels by time.
    async fn start(&mut self) -> CliResult {
        let count = self.args.count.unwrap_or(if self.only { COUNT_DEFAULT } else { 0 });
        if count == 0 {
            return Ok(());
        }
        let client = self.context.client().await?;
        let mut messages = Vec::new();
        for channel in self.places.keys() {
            messages
                .extend(self.context.call(client.messages(*channel, limit(count))).await?.items);
        }
        self.print_all(messages).await
    }

    async fn receive(&mut self, received: Received) -> CliResult {
        match received {
            Received::Event(envelope) => match envelope.event {
                Event::MessageCreated(message) => {
                    self.note(message.channel_id, message.seq);
                    if !self.printed.remove(&message.id) {
                        self.print(message).await?;
                    }
                }
                Event::ChannelUpdated(changed) => {
                    if let Some(place) = self.places.get_mut(&changed.channel.id) {
                        if let Some(name) = &changed.channel.name {
                            place.name.clone_from(name);
                        }
                        place.view.channel = changed.channel;
                    }
                }
                _ => {}
            },
            Received::Resync { .. } => self.read_gap().await?,
            Received::Lost { error, pause } => {
                if !std::mem::replace(&mut self.away, true) {
                    self.warn("Connection lost", error);
                }
                if self.context.global.verbose > 0 {
                    self.context.screen.say(&format!("next attempt in {} ms", pause.as_millis()));
                }
            }
            Received::Ready => {
                if std::mem::take(&mut self.away) {
                    self.context.screen.done("Connected again.");
                }
            }
            Received::Resumed { .. } => {}
        }
        Ok(())
    }

    /// What the stream cannot replay is read from the channels themselves.
    async fn read_gap(&mut self) -> CliResult {
        let Some(sync) = self.ask(|| self.client.sync()).await? else { return Ok(()) };
        self.learn(&sync);
        // As of now, so that what is read after this only overlaps what the stream brings.
        let newest: HashMap<ChannelId, i64> = places(&sync)
            .map(|place| (place.id(), place.view.channel.last_seq))
            .filter(|(channel, _)| self.places.contains_key(channel))
            .collect();
        let mut missed = Vec::new();
        for channel in self.places.keys() {
            let known = self.known.get(channel);
            let nothing_new =
                newest.get(channel).zip(known).is_some_and(|(newest, known)| newest <= known);
            if !nothing_new {
                missed.extend(self.missed(*channel, known.copied()).await?);
            }
        }
        let read = missed.iter().map(|message| (message.channel_id, message.seq));
        for (channel, seq) in newest.into_iter().chain(read) {
            self.note(channel, seq);
        }
        self.print_all(missed).await
    }

    /// What came into a channel since it was followed last, or since the start where that is not known: with the replies, if they are
    /// wanted, to the messages on the pages that were read.
    async fn missed(&self, channel: ChannelId, known: Option<i64>) -> CliResult<Vec<Message>> {
        let is_news = |message: &Message| match known {
            Some(known) => message.seq > known,
            None => message.created_at >= self.started,
        };
        let read = self.back_to(|page| self.client.messages(channel, page), is_news).await?;
        let mut missed = Vec::new();
        for message in read {
            let answered = message.last_reply_at.is_some_and(|at| at >= self.started);
            if answered && (self.args.threads || self.args.mentions) {
                let replies = |page| self.client.replies(message.id, page);
                missed.extend(self.back_to(replies, is_news).await?);
            }
            missed.push(message);
        }
        missed.retain(is_news);
        Ok(missed)
    }

    /// The newest pages of a list, back to the one that holds something that is no news.
    async fn back_to<F>(
        &self,
        list: impl Fn(PageQuery) -> F,
        is_news: impl Fn(&Message) -> bool,
    ) -> CliResult<Vec<Message>>
    where
        F: Future<Output = Result<Page<Message>, ClientError>>,
    {
        let mut read = Vec::new();
        let mut query = limit(PAGE);
        while let Some(page) = self.ask(|| list(query)).await? {
            let goes_on = page.items.first().is_some_and(&is_news);
            read.extend(page.items);
            match page.prev.filter(|_| goes_on) {
                Some(prev) => query.before = Some(prev),
                None => break,
            }
        }
        Ok(read)
    }

    /// Asks until there is an answer: a server that is away for a while does not end the following. None for what is not ours to read
    /// any more.
    async fn ask<T, F>(&self, call: impl Fn() -> F) -> CliResult<Option<T>>
    where
        F: Future<Output = Result<T, ClientError>>,
    {
        let mut pause = FIRST_PAUSE;
        let mut warned = false;
        loop {
            let error = match self.context.attempt(call()).await {
                Ok(answer) => return Ok(Some(answer)),
                Err(error) => error,
            };
            let wanted = match &error {
                ClientError::Problem(problem) => match problem.status {
                    403 | 404 => return Ok(None),
                    429 | 500 | 502..=504 => {
                        problem.retry_after.map(|seconds| Duration::from_secs(seconds.into()))
                    }
                    _ => return Err(self.context.failed(error)),
                },
                ClientError::Setup(_) => return Err(self.context.failed(error)),
                _ => None,
            };
            if !std::mem::replace(&mut warned, true) {
                self.warn("Reading failed", error);
            }
            // All who follow lose the server at the same moment; they shall not come back at the same moment.
            let own = || pause.mul_f64(rand::random_range(0.5..1.0));
            tokio::time::sleep(wanted.unwrap_or_else(own)).await;
            pause = (pause * 2).min(LONGEST_PAUSE);
        }
    }

    fn warn(&self, what: &str, error: ClientError) {
        let reason = self.context.failed(error);
        let reason = reason.message().trim_end_matches('.');
        self.context.screen.warn(&format!("{what}, trying again ({reason})."));
    }

    /// Notes up to where a channel has been followed.
    fn note(&mut self, channel: ChannelId, seq: i64) {
        let known = self.known.entry(channel).or_insert(seq);
        *known = seq.max(*known);
    }

    /// Takes in which channels there are, and their names.
    fn learn(&mut self, sync: &Sync) {
        for place in places(sync) {
            if !self.only || self.places.contains_key(&place.id()) {
                self.places.insert(place.id(), place);
            }
        }
    }

    async fn print_all(&mut self, mut messages: Vec<Message>) -> CliResult {
        messages.sort_by_key(|message| (message.created_at, message.seq));
        for message in messages {
            if self.printed.insert(message.id) {
                self.print(message).await?;
            }
        }
        Ok(())
    }

    async fn print(&mut self, message: Message) -> CliResult {
        // A direct message or a channel that is new to us: its name is read when its first message comes.
        if !self.only
            && !self.places.contains_key(&message.channel_id)
            && let Some(sync) = self.ask(|| self.client.sync()).await?
        {
            self.learn(&sync);
        }
        let Some(place) = self.places.get(&message.channel_id) else { return Ok(()) };
        let wanted = if self.args.mentions {
            concerns(&message, place, self.me)
        } else {
            message.parent_id.is_none() || self.args.threads
        };
        if !wanted
            || message.deleted_at.is_some()
            || (self.args.mentions && message.kind == MessageKind::System)
        {
            return Ok(());
        }
        self.context.recent()?.shown(std::iter::once(message.id));
        let transcript = &mut self.transcript;
        self.output.next(&record(self.context, &message, place), || {
            transcript.draw(&message, place, message.parent_id.is_some())
        })
    }
}
