//! `tail`: follows channels, and goes on by itself where the connection broke off.

use std::collections::{HashMap, HashSet};

use ajet_shared::client::{Events, Received};
use ajet_shared::events::Event;
use ajet_shared::id::{ChannelId, MessageId, UserId};
use ajet_shared::message::{Message, MessageKind};
use ajet_shared::page::PageQuery;

use crate::args::Tail;
use crate::context::Context;
use crate::error::{CliError, CliResult};
use crate::lookup::{Place, limit};
use crate::messages::{MESSAGE, Transcript, concerns, record};
use crate::naming::ChannelRef;
use crate::output::Output;

/// Messages to begin with when channels are named.
const COUNT_DEFAULT: u16 = 10;
/// Columns for names, when those that will come are not known.
const AUTHOR_WIDTH: usize = 16;
const CHANNEL_WIDTH: usize = 16;

pub(super) async fn tail(context: &Context, args: &Tail) -> CliResult {
    let output = context.output(&MESSAGE)?;
    for channel in &args.channels {
        ChannelRef::parse(channel, context.server()?)?;
    }
    // The cursor of the start is older than everything read after it, so nothing falls between.
    let sync = context.sync().await?;
    let mut places = HashMap::new();
    for channel in &args.channels {
        let place = context.channel(channel).await?;
        places.insert(place.id(), place);
    }
    let mut guests = places.values().filter(|place| !place.view.joined).map(Place::id);
    let guest = guests.next();
    if let Some(second) = guests.next() {
        let name = places.get(&second).map(|place| place.name.clone()).unwrap_or_default();
        return Err(CliError::usage("Only one channel that you are not in can be followed.")
            .hint(format!("Join it: ajet-chat channel join {name}")));
    }
    let several = args.channels.len() != 1;
    let mut follower = Follower {
        context,
        args,
        output,
        me: sync.me.user.id,
        only: !args.channels.is_empty(),
        places,
        newest: HashMap::new(),
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
    me: UserId,
    /// Only the channels that were named.
    only: bool,
    places: HashMap<ChannelId, Place>,
    /// The newest message of each channel that was looked at: where a reading after a gap begins.
    newest: HashMap<ChannelId, MessageId>,
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
        let client = self.context.client().await?;
        let mut messages = Vec::new();
        let channels: Vec<ChannelId> = if self.only || count == 0 {
            self.places.keys().copied().collect()
        } else {
            self.mine().await?
        };
        for channel in channels {
            // One at least: it is where a reading after a gap begins.
            let page = self.context.call(client.messages(channel, limit(count.max(1)))).await?;
            if let Some(newest) = page.items.last() {
                self.newest.insert(channel, newest.id);
            }
            if count > 0 {
                messages.extend(page.items);
            }
        }
        self.print_all(messages).await
    }

    async fn mine(&self) -> CliResult<Vec<ChannelId>> {
        let sync = self.context.sync().await?;
        Ok(sync
            .communities
            .iter()
            .flat_map(|community| &community.channels)
            .chain(&sync.dms)
            .map(|view| view.channel.id)
            .collect())
    }

    async fn receive(&mut self, received: Received) -> CliResult {
        match received {
            Received::Event(envelope) => match envelope.event {
                Event::MessageCreated(message) if !self.printed.remove(&message.id) => {
                    self.print(message).await?;
                }
                // A direct message or a channel that is new to us: its name is read when its first message comes.
                Event::ChannelUpdated(changed) => {
                    self.places.remove(&changed.channel.id);
                }
                _ => {}
            },
            Received::Resync { .. } => self.read_gap().await?,
            Received::Lost { error, pause } => {
                if !std::mem::replace(&mut self.away, true) {
                    let reason = self.context.failed(error);
                    self.context.screen.warn(&format!(
                        "Connection lost, trying again ({}).",
                        reason.message().trim_end_matches('.')
                    ));
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
        let client = self.context.client().await?;
        let channels =
            if self.only { self.places.keys().copied().collect() } else { self.mine().await? };
        let mut missed = Vec::new();
        for channel in channels {
            let Some(newest) = self.newest.get(&channel) else { continue };
            let mut page =
                PageQuery { after: Some(newest.uuid()), limit: Some(100), ..PageQuery::default() };
            loop {
                let messages = self.context.call(client.messages(channel, page)).await?;
                missed.extend(messages.items);
                match messages.next {
                    Some(next) => page.after = Some(next),
                    None => break,
                }
            }
        }
        self.print_all(missed).await
    }

    async fn print_all(&mut self, mut messages: Vec<Message>) -> CliResult {
        messages.sort_by_key(|message| (message.created_at, message.seq));
        for message in messages {
            self.printed.insert(message.id);
            self.print(message).await?;
        }
        Ok(())
    }

    async fn print(&mut self, message: Message) -> CliResult {
        if message.parent_id.is_none() {
            self.newest.insert(message.channel_id, message.id);
        }
        if self.only && !self.places.contains_key(&message.channel_id) {
            return Ok(());
        }
        if !self.places.contains_key(&message.channel_id) {
            let place = self.context.place_of(message.channel_id).await?;
            self.places.insert(message.channel_id, place);
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
