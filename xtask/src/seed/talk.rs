//! Reads the demo's talk, a text written like a play, and gives every line its time.
//!
//! | line | meaning |
//! |---|---|
//! | `# name public default \| Topic` | a channel; `private members a b` restricts it |
//! | `unread: mara 6, idris 3` | who has how many unread messages at the end |
//! | `== 9 08:58` | from here on: nine working days ago, at that time (UTC) |
//! | `== 40m` | from here on: forty minutes ago |
//! | `mara: text` | a message; lines indented by two spaces go on |
//! | `> mara: text` | a reply to the last message that is not a reply |
//! | `+ 🎉 mara idris` | reactions to the line above |
//! | `* edited` | the line above was edited |
//! | `! file` | a file on the line above |

use std::cmp::Reverse;
use std::collections::HashMap;

use anyhow::{Context as _, bail};
use time::macros::{format_description, time};
use time::{Date, Duration, OffsetDateTime, Time, Weekday};

use crate::demo::PEOPLE;

/// A channel and what was said in it, in order of time.
#[derive(Debug)]
pub(super) struct Channel {
    /// Its name.
    pub(super) name: String,
    /// What it is about.
    pub(super) topic: String,
    /// Only its members know of it.
    pub(super) private: bool,
    /// Everybody joins it.
    pub(super) default: bool,
    /// Who is in it, by index into [`PEOPLE`].
    pub(super) members: Vec<usize>,
    /// How many messages each person has not read, by index into [`PEOPLE`].
    pub(super) unread: HashMap<usize, usize>,
    /// Everything said.
    pub(super) messages: Vec<Message>,
}

/// Something said.
#[derive(Debug)]
pub(super) struct Message {
    /// Who, by index into [`PEOPLE`].
    pub(super) author: usize,
    /// What.
    pub(super) text: String,
    /// When.
    pub(super) at: OffsetDateTime,
    /// Place among the channel's messages of what it replies to.
    pub(super) parent: Option<usize>,
    /// Emoji and who, by index into [`PEOPLE`].
    pub(super) reactions: Vec<(String, usize)>,
    /// It was changed later.
    pub(super) edited: bool,
    /// Name of a file that hangs on it.
    pub(super) file: Option<String>,
}

/// Reads the whole play.
pub(super) fn read(text: &str, now: OffsetDateTime) -> anyhow::Result<Vec<Channel>> {
    let mut reader =
        Reader { now, channels: Vec::new(), clock: now, thread_clock: now, root: None };
    for (number, line) in text.lines().enumerate() {
        reader.line(line).with_context(|| format!("line {}: {line}", number + 1))?;
    }
    let mut channels = reader.channels;
    channels.iter_mut().for_each(in_order_of_time);
    Ok(channels)
}

struct Reader {
    now: OffsetDateTime,
    channels: Vec<Channel>,
    clock: OffsetDateTime,
    thread_clock: OffsetDateTime,
    root: Option<usize>,
}

impl Reader {
    fn line(&mut self, line: &str) -> anyhow::Result<()> {
        if line.is_empty() {
            return Ok(());
        }
        if let Some(more) = line.strip_prefix("  ") {
            let message = self.last()?;
            message.text.push('\n');
            message.text.push_str(more);
            return Ok(());
        }
        let (mark, rest) = line.split_once(' ').context("a line of one word")?;
        match mark {
            "#" => self.channels.push(channel(rest)?),
            "unread:" => {
                for pair in rest.split(", ") {
                    let (who, count) = pair.split_once(' ').context("`name count`")?;
                    let entry = (person(who)?, count.parse()?);
                    self.channel()?.unread.extend([entry]);
                }
            }
            "==" => {
                self.clock = moment(rest, self.now)?;
                self.root = None;
            }
            ">" => {
                let parent = self.root.context("a reply to nothing")?;
                let (who, text) = rest.split_once(": ").context("`> name: text`")?;
                self.thread_clock += gap(text);
                let at = self.thread_clock;
                self.say(who, text, at, Some(parent))?;
            }
            "+" => {
                let (emoji, people) = rest.split_once(' ').context("`+ emoji name…`")?;
                for who in people.split(' ') {
                    let reaction = (emoji.to_owned(), person(who)?);
                    self.last()?.reactions.push(reaction);
                }
            }
            "*" => self.last()?.edited = true,
            "!" => self.last()?.file = Some(rest.to_owned()),
            who => {
                let who = who.strip_suffix(':').context("what is this?")?;
                let at = self.clock;
                self.clock += gap(rest);
                self.thread_clock = at;
                self.root = Some(self.channel()?.messages.len());
                self.say(who, rest, at, None)?;
            }
        }
        Ok(())
    }

    fn say(
        &mut self,
        who: &str,
        text: &str,
        at: OffsetDateTime,
        parent: Option<usize>,
    ) -> anyhow::Result<()> {
        let (author, text) = (person(who)?, text.to_owned());
        // Nobody has said anything in the future.
        let at = at.min(self.now);
        let message =
            Message { author, text, at, parent, reactions: Vec::new(), edited: false, file: None };
        self.channel()?.messages.push(message);
        Ok(())
    }

    fn channel(&mut self) -> anyhow::Result<&mut Channel> {
        self.channels.last_mut().context("before the first channel")
    }

    fn last(&mut self) -> anyhow::Result<&mut Message> {
        self.channel()?.messages.last_mut().context("before the first message")
    }
}

fn channel(line: &str) -> anyhow::Result<Channel> {
    let (head, topic) = line.split_once(" | ").context("no topic")?;
    let mut words = head.split(' ');
    let name = words.next().context("no name")?.to_owned();
    let (mut private, mut default, mut members) = (false, false, Vec::new());
    for word in words {
        match word {
            "public" | "members" => {}
            "private" => private = true,
            "default" => default = true,
            who => members.push(person(who)?),
        }
    }
    if members.is_empty() {
        members = (0..PEOPLE.len()).collect();
    }
    let topic = topic.to_owned();
    Ok(Channel {
        name,
        topic,
        private,
        default,
        members,
        unread: HashMap::new(),
        messages: Vec::new(),
    })
}

fn person(login: &str) -> anyhow::Result<usize> {
    PEOPLE
        .iter()
        .position(|person| person.login == login)
        .with_context(|| format!("who is {login}?"))
}

/// `9 08:58` or `40m`.
fn moment(text: &str, now: OffsetDateTime) -> anyhow::Result<OffsetDateTime> {
    if let Some(minutes) = text.strip_suffix('m') {
        return Ok(now - Duration::minutes(minutes.parse()?));
    }
    let (days, at) = text.split_once(' ').context("`days hh:mm`")?;
    let at = Time::parse(at, format_description!("[hour]:[minute]"))?;
    // The last working day whose morning is over.
    let mut day = now.date();
    if now.time() < time!(12:00) {
        day = previous(day)?;
    }
    day = working_day(day)?;
    for _ in 0..days.parse::<u32>()? {
        day = working_day(previous(day)?)?;
    }
    let moment = day.with_time(at).assume_utc();
    if moment > now {
        bail!("that is in the future");
    }
    Ok(moment)
}

fn working_day(mut day: Date) -> anyhow::Result<Date> {
    while matches!(day.weekday(), Weekday::Saturday | Weekday::Sunday) {
        day = previous(day)?;
    }
    Ok(day)
}

fn previous(day: Date) -> anyhow::Result<Date> {
    day.previous_day().context("the beginning of time")
}

/// How long the next one thinks and types: between 20 s and two and a half minutes, always the same for the same text.
fn gap(text: &str) -> Duration {
    let mix =
        text.bytes().fold(7_u64, |mix, byte| mix.wrapping_mul(31).wrapping_add(u64::from(byte)));
    Duration::milliseconds(i64::try_from(20_000 + mix % 130_000).unwrap_or(20_000))
}

/// Threads are written where they belong but go on beside the channel.
fn in_order_of_time(channel: &mut Channel) {
    let mut order: Vec<usize> = (0..channel.messages.len()).collect();
    order.sort_by_key(|&place| (channel.messages[place].at, place));
    let mut places = vec![0; order.len()];
    for (new, &old) in order.iter().enumerate() {
        places[old] = new;
    }
    for message in &mut channel.messages {
        message.parent = message.parent.map(|parent| places[parent]);
    }
    let mut messages: Vec<_> = channel.messages.drain(..).enumerate().collect();
    messages.sort_by_key(|(old, _)| Reverse(places[*old]));
    channel.messages.extend(messages.into_iter().rev().map(|(_, message)| message));
}

#[cfg(test)]
mod tests {
    use std::collections::HashSet;

    use time::macros::datetime;

    use super::{moment, read};
    use crate::seed::{TALK, UPLOADS};

    #[test]
    fn the_demo_has_what_a_demo_needs() {
        for now in [
            datetime!(2026-11-20 05:12 UTC),
            datetime!(2026-11-22 23:59 UTC),
            datetime!(2027-03-01 12:00 UTC),
        ] {
            let channels = read(TALK, now).unwrap();
            assert_eq!(channels.len(), 6);
            assert_eq!(channels.iter().filter(|channel| channel.private).count(), 1);
            assert_eq!(channels.iter().filter(|channel| channel.default).count(), 1);
            let messages: Vec<_> = channels.iter().flat_map(|channel| &channel.messages).collect();
            assert!(messages.len() > 250);
            assert!(messages.iter().any(|message| message.edited));
            assert!(messages.iter().any(|message| message.text.contains("```")));
            assert!(messages.iter().any(|message| message.text.contains("|---|")));
            assert!(messages.iter().all(|message| message.at <= now));
            let files: HashSet<_> =
                messages.iter().filter_map(|message| message.file.as_deref()).collect();
            assert_eq!(files, UPLOADS.iter().map(|upload| upload.name).collect());
            for channel in &channels {
                assert!(channel.messages.is_sorted_by_key(|message| message.at));
                for (place, message) in channel.messages.iter().enumerate() {
                    assert!(channel.members.contains(&message.author));
                    assert!(message.reactions.iter().all(|(_, who)| channel.members.contains(who)));
                    assert!(message.parent.is_none_or(|parent| {
                        parent < place && channel.messages[parent].parent.is_none()
                    }));
                }
            }
        }
    }

    #[test]
    fn days_are_working_days() {
        let monday = datetime!(2026-11-23 15:00 UTC);
        assert_eq!(moment("1 09:00", monday).unwrap(), datetime!(2026-11-20 09:00 UTC));
        let early_monday = datetime!(2026-11-23 08:00 UTC);
        assert_eq!(moment("0 09:00", early_monday).unwrap(), datetime!(2026-11-20 09:00 UTC));
        assert_eq!(moment("30m", early_monday).unwrap(), datetime!(2026-11-23 07:30 UTC));
    }
}
