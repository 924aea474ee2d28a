//! The checker: compares what was acknowledged, what Postgres says, what the stream holds and what every reader saw.

use std::cmp::Ordering;
use std::collections::{HashMap, HashSet};

use ajet_shared::db::agreement::{EventRow, MessageRow};
use ajet_shared::id::{ChannelId, EventId, MessageId, UserId};

use crate::ledger::Posted;
use crate::reader::{Frame, Seen};
use crate::{Ledger, Shown, Since, Truth};

/// What is wrong, each in a sentence. All empty when nothing is.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Findings {
    /// Acknowledged and gone, or happened and not seen.
    pub lost: Vec<String>,
    /// There or seen more than once.
    pub doubled: Vec<String>,
    /// Seen out of turn.
    pub disordered: Vec<String>,
    /// A reader had to draw everything anew.
    pub resyncs: Vec<String>,
    /// Postgres and the stream, or Postgres and an answer, say different things.
    pub disagreements: Vec<String>,
    /// Answers that no fault excuses.
    pub unexpected: Vec<String>,
}

impl Findings {
    /// Nothing was found.
    #[must_use]
    pub fn are_none(&self) -> bool {
        *self == Self::default()
    }

    /// Each kind with its sentences.
    #[must_use]
    pub fn kinds(&self) -> [(&'static str, &[String]); 6] {
        [
            ("lost", &self.lost),
            ("doubled", &self.doubled),
            ("disordered", &self.disordered),
            ("resyncs", &self.resyncs),
            ("disagreements", &self.disagreements),
            ("unexpected", &self.unexpected),
        ]
    }
}

/// Compares everything that came after `since`; `seen` is what each reader saw.
#[must_use]
pub fn check(
    ledger: &Ledger,
    truth: &Truth,
    since: &Since,
    seen: &[(String, UserId, Seen)],
) -> Findings {
    let mut findings = Findings { unexpected: ledger.unexpected_answers(), ..Findings::default() };
    let posts = ledger.posts();
    acknowledged_is_kept(&posts, &ledger.edits(), truth, since, &mut findings);
    stream_agrees(truth, &mut findings);
    let channels = truth.by_channel(since);
    for (channel, events) in &channels {
        let first = since.channels.get(channel).copied().unwrap_or(0) + 1;
        for (event, seq) in events.iter().zip(first..) {
            if event.channel_seq != Some(seq) {
                findings.disagreements.push(format!("{channel} has no event {seq}"));
                break;
            }
        }
    }
    for (name, user, seen) in seen {
        let reader = Reader { name, seen, again: &truth.again };
        reader.resyncs(&mut findings);
        for (channel, events) in &channels {
            let frames = seen.channels.get(channel).map_or(&[][..], Vec::as_slice);
            let since = since.channels.get(channel).copied().unwrap_or(0);
            let frames = reader.without_undone(frames, truth, &mut findings);
            reader.saw_channel(*channel, since, events, &frames, &mut findings);
        }
        reader.saw_messages(&posts, &mut findings);
        reader.saw_notifications(truth.notifications(*user, since), &mut findings);
    }
    findings
}

/// Every acknowledged message is there once, as it was acknowledged; and nothing else is.
fn acknowledged_is_kept(
    posts: &[Posted],
    edits: &HashMap<MessageId, String>,
    truth: &Truth,
    since: &Since,
    findings: &mut Findings,
) {
    let rows: HashMap<_, _> = truth.messages.iter().map(|row| (row.id, row)).collect();
    let mut keys = HashSet::new();
    for posted in posts {
        if !keys.insert(posted.key) {
            findings.doubled.push(format!("key {} was acknowledged twice", posted.key));
        }
        let Some(row) = rows.get(&posted.message) else {
            findings.lost.push(format!("Postgres has not {} ({})", posted.message, posted.body));
            continue;
        };
        let body = edits.get(&posted.message).unwrap_or(&posted.body);
        let place = (row.channel_id, row.seq, row.user_id, row.client_msg_id, row.parent_id);
        let promised = (posted.channel, posted.seq, posted.author, posted.key, posted.parent);
        if place != promised || row.body_md != *body {
            findings.disagreements.push(format!("{} is not as acknowledged", posted.message));
        }
    }
    let acknowledged: HashSet<_> = posts.iter().map(|posted| posted.message).collect();
    let is_here = |row: &&MessageRow| {
        row.is_spoken && since.channels.get(&row.channel_id).is_some_and(|seq| row.seq > *seq)
    };
    let written = truth.messages.iter().filter(is_here);
    for row in written.filter(|row| !acknowledged.contains(&row.id)) {
        findings.doubled.push(format!("nobody was told of {} ({})", row.id, row.body_md));
    }
}

/// Every event of the outbox is in the stream, once, at its sequence; and nothing else is.
fn stream_agrees(truth: &Truth, findings: &mut Findings) {
    let mut places: HashMap<EventId, u64> = HashMap::new();
    for (seq, event) in &truth.stream {
        if let Some(first) = places.insert(*event, *seq) {
            findings.doubled.push(format!("the stream has {event} at {first} and at {seq}"));
        }
    }
    for event in &truth.events {
        let noted = event.stream_seq.and_then(|seq| u64::try_from(seq).ok());
        let is_forgotten = noted.is_some_and(|seq| seq < truth.first_seq);
        if event.failed {
            findings.lost.push(format!("event {} was set aside", event.event_id));
        } else if is_forgotten && !places.contains_key(&event.event_id) {
            // The stream holds so much and no more.
        } else if places.remove(&event.event_id) != noted {
            findings.disagreements.push(format!(
                "event {} is noted at {noted:?}, where the stream has it not",
                event.event_id
            ));
        }
    }
    for (event, seq) in places {
        findings.disagreements.push(format!("the outbox knows nothing of {event} at {seq}"));
    }
    for seq in &truth.unreadable {
        findings.disagreements.push(format!("what the stream has at {seq} is no event"));
    }
}

struct Reader<'a> {
    name: &'a str,
    seen: &'a Seen,
    again: &'a HashSet<EventId>,
}

impl Reader<'_> {
    fn resyncs(&self, findings: &mut Findings) {
        findings
            .resyncs
            .extend(self.seen.resyncs.iter().map(|reason| format!("{}: {reason}", self.name)));
    }

    /// What is not true any more may have come before everything was drawn anew, not after.
    fn without_undone(
        &self,
        frames: &[Frame],
        truth: &Truth,
        findings: &mut Findings,
    ) -> Vec<Frame> {
        let (gone, left): (Vec<Frame>, Vec<Frame>) =
            frames.iter().partition(|frame| truth.undone.contains(&frame.event));
        for ghost in gone.iter().filter(|frame| frame.life >= self.seen.resyncs.len()) {
            findings.disagreements.push(format!("{} has {}, a ghost", self.name, ghost.event));
        }
        left
    }

    /// What it drew anew had the event in it already: it stands before the place from which the reader went on.
    fn has_drawn(&self, event: &EventRow) -> bool {
        let Some(drawn) = self.seen.drawn_at else { return false };
        if event.failed {
            // It has no place: that it was set aside is what one draws anew for.
            return true;
        }
        let place = event.stream_seq.and_then(|seq| u64::try_from(seq).ok());
        let (Some(epoch), Some(place)) = (event.epoch, place) else { return false };
        // What has its place in a later epoch than the one it drew in came after that, whatever the numbers.
        match i64::from(drawn.epoch).cmp(&i64::from(epoch)) {
            Ordering::Greater => true,
            // What stands in it again was there before the epoch began, and is told to nobody who has drawn in it.
            Ordering::Equal => place <= drawn.seq || self.again.contains(&event.event_id),
            Ordering::Less => false,
        }
    }

    /// Every event of the channel came once, and in its order.
    fn saw_channel(
        &self,
        channel: ChannelId,
        since: i64,
        events: &[&EventRow],
        frames: &[Frame],
        findings: &mut Findings,
    ) {
        let name = self.name;
        let (mut newest, mut life) = (since, 0);
        let (mut came, mut now) = (HashMap::new(), HashSet::new());
        for frame in frames.iter().filter(|frame| frame.seq > since) {
            if frame.life > life {
                (newest, life) = (since, frame.life);
                now.clear();
            }
            came.insert(frame.seq, frame.event);
            if !now.insert(frame.seq) {
                findings.doubled.push(format!("{name} saw {} of {channel} again", frame.seq));
            } else if frame.seq < newest {
                findings
                    .disordered
                    .push(format!("{name} saw {} of {channel} after {newest}", frame.seq));
            }
            newest = newest.max(frame.seq);
        }
        for event in events {
            let seq = event.channel_seq.unwrap_or(0);
            match came.remove(&seq) {
                None if self.has_drawn(event) => {}
                None => findings.lost.push(format!("{name} did not see {seq} of {channel}")),
                Some(id) if id != event.event_id => findings
                    .disagreements
                    .push(format!("{name} saw another event at {seq} of {channel}")),
                Some(_) => {}
            }
        }
        for seq in came.into_keys() {
            findings.disagreements.push(format!("{name} saw {seq} of {channel}, which is not"));
        }
    }

    /// Every acknowledged message came as a new one, once.
    fn saw_messages(&self, posts: &[Posted], findings: &mut Findings) {
        let mut created: HashMap<MessageId, Vec<usize>> = HashMap::new();
        for frame in self.seen.channels.values().flatten() {
            if let Some(message) = frame.created {
                created.entry(message).or_default().push(frame.life);
            }
        }
        for posted in posts {
            match created.get(&posted.message) {
                None if self.seen.drawn.contains(&posted.message) => {}
                None => findings.lost.push(format!("{} did not see {}", self.name, posted.body)),
                Some(lives) if lives.is_sorted_by(|one, next| one < next) => {}
                Some(_) => {
                    findings.doubled.push(format!("{} saw {} again", self.name, posted.body));
                }
            }
        }
    }

    /// Everything that is for this person alone came once.
    fn saw_notifications<'a>(
        &self,
        events: impl Iterator<Item = &'a EventRow>,
        findings: &mut Findings,
    ) {
        let mut came: HashMap<EventId, Vec<usize>> = HashMap::new();
        for told in &self.seen.others {
            came.entry(told.event).or_default().push(told.life);
        }
        for event in events {
            match came.get(&event.event_id) {
                Some(lives) if lives.is_sorted_by(|one, next| one < next) => {}
                None if self.has_drawn(event) => {}
                None => findings
                    .lost
                    .push(format!("{} was not notified of {}", self.name, event.event_id)),
                Some(_) => findings.doubled.push(format!("{} was notified again", self.name)),
            }
        }
    }
}

impl Findings {
    /// Adds what is wrong with a page of `channel` that was loaded before the first write: its list must be the channel's top level.
    pub fn page(&mut self, name: &str, channel: ChannelId, shown: &Shown, posts: &[Posted]) {
        let mut told: Vec<&Posted> = posts
            .iter()
            .filter(|posted| posted.channel == channel && posted.parent.is_none())
            .collect();
        told.sort_by_key(|posted| posted.seq);
        let places: HashMap<MessageId, usize> =
            told.iter().enumerate().map(|(place, posted)| (posted.message, place)).collect();
        // A list that was drawn anew begins where its first row is.
        let first = shown.oldest.and_then(|oldest| places.get(&oldest)).copied().unwrap_or(0);
        let mut seen = HashSet::new();
        let mut newest = 0;
        for row in &shown.rows {
            match places.get(row) {
                None => self.disagreements.push(format!("{name} shows {row}, which is not")),
                Some(_) if !seen.insert(*row) => {
                    self.doubled.push(format!("{name} shows {row} again"));
                }
                Some(place) if *place < newest => {
                    self.disordered.push(format!("{name} shows {row} below a later one"));
                }
                Some(place) => newest = *place,
            }
        }
        for posted in told[first..].iter().filter(|posted| !seen.contains(&posted.message)) {
            self.lost.push(format!("{name} does not show {}", posted.body));
        }
        if shown.resyncs > 0 {
            self.resyncs.push(format!("{name} was drawn anew {} times", shown.resyncs));
        }
    }
}

#[cfg(test)]
mod tests;
