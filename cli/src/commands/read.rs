//! `read`: the messages of a channel.

use ajet_shared::limits::PAGE_SIZE_MAX;
use ajet_shared::message::Message;
use ajet_shared::page::PageQuery;
use time::macros::format_description;
use time::{Date, Duration, OffsetDateTime};

use crate::args::{Read, parse_duration};
use crate::context::Context;
use crate::error::{CliError, CliResult};
use crate::lookup::Place;
use crate::messages::{MESSAGE, Transcript, author_width, record};
use crate::record::Record;

/// Messages printed when nobody says how many.
const COUNT_DEFAULT: u16 = 20;
/// Messages printed at most, where another condition ends the list.
const COUNT_MAX: u16 = 1_000;

pub(super) async fn read(context: &Context, args: &Read) -> CliResult {
    let output = context.output(&MESSAGE)?;
    let since =
        args.since.as_deref().map(|since| moment(since, ajet_shared::clock::now())).transpose()?;
    let place = context.channel(&args.channel).await?;
    let bounded = since.is_some() || args.unread;
    let count = usize::from(args.count.unwrap_or(if bounded { COUNT_MAX } else { COUNT_DEFAULT }));
    let is_since = |message: &Message| since.is_none_or(|since| message.created_at >= since);
    let messages = if let Some(after) = &args.after {
        forward(context, &place, context.message_id(after).await?.uuid(), count, is_since).await?
    } else {
        let before = match &args.before {
            Some(before) => Some(context.message_id(before).await?.uuid()),
            None => None,
        };
        let last_read = args.unread.then_some(place.view.last_read_seq);
        let is_unread = |message: &Message| last_read.is_none_or(|seq| message.seq > seq);
        backward(context, &place, before, count, |message| is_since(message) && is_unread(message))
            .await?
    };
    let messages = if args.threads { with_replies(context, messages).await? } else { messages };
    context.recent()?.shown(messages.iter().map(|message| message.id));
    let records: Vec<Record> =
        messages.iter().map(|message| record(context, message, &place)).collect();
    output.paged(&records, || {
        let mut transcript = Transcript::new(context.screen, author_width(messages.iter()), None);
        messages
            .iter()
            .map(|message| transcript.draw(message, &place, message.parent_id.is_some()))
            .collect()
    })?;
    if args.mark
        && let Some(newest) = messages
            .iter()
            .filter(|message| message.parent_id.is_none())
            .max_by_key(|message| message.seq)
    {
        let client = context.client().await?;
        context.call(client.mark_read(place.id(), newest.id)).await?;
        context.screen.done(&format!("{} is read up to here", place.label()));
    }
    Ok(())
}

/// The newest messages for which `wanted` holds, ascending, page by page until one does not.
async fn backward(
    context: &Context,
    place: &Place,
    mut before: Option<uuid::Uuid>,
    count: usize,
    wanted: impl Fn(&Message) -> bool,
) -> CliResult<Vec<Message>> {
    let client = context.client().await?;
    let mut pages: Vec<Vec<Message>> = Vec::new();
    let mut found = 0;
    loop {
        let limit = u16::try_from(count - found).unwrap_or(PAGE_SIZE_MAX).min(PAGE_SIZE_MAX);
        let query = PageQuery { before, limit: Some(limit), ..PageQuery::default() };
        let mut page = context.call(client.messages(place.id(), query)).await?;
        let whole = page.items.len();
        page.items.retain(&wanted);
        found += page.items.len();
        let ended = page.items.len() < whole;
        pages.push(page.items);
        match page.prev {
            Some(prev) if !ended && found < count => before = Some(prev),
            _ => break,
        }
    }
    Ok(pages.into_iter().rev().flatten().collect())
}

/// The messages after one, ascending, page by page.
async fn forward(
    context: &Context,
    place: &Place,
    mut after: uuid::Uuid,
    count: usize,
    wanted: impl Fn(&Message) -> bool,
) -> CliResult<Vec<Message>> {
    let client = context.client().await?;
    let mut messages: Vec<Message> = Vec::new();
    loop {
        let limit =
            u16::try_from(count - messages.len()).unwrap_or(PAGE_SIZE_MAX).min(PAGE_SIZE_MAX);
        let query = PageQuery { after: Some(after), limit: Some(limit), ..PageQuery::default() };
        let page = context.call(client.messages(place.id(), query)).await?;
        messages.extend(page.items.into_iter().filter(&wanted));
        match page.next {
            Some(next) if messages.len() < count => after = next,
            _ => return Ok(messages),
        }
    }
}

/// Each message followed by the newest replies of its thread.
async fn with_replies(context: &Context, messages: Vec<Message>) -> CliResult<Vec<Message>> {
    let client = context.client().await?;
    let mut all = Vec::with_capacity(messages.len());
    for message in messages {
        let (id, has_replies) = (message.id, message.reply_count > 0);
        all.push(message);
        if has_replies {
            let query = PageQuery { limit: Some(PAGE_SIZE_MAX), ..PageQuery::default() };
            all.extend(context.call(client.replies(id, query)).await?.items);
        }
    }
    Ok(all)
}

/// `2h` ago, or the start of a day like `2026-11-19` where the user is.
pub(super) fn moment(text: &str, now: OffsetDateTime) -> CliResult<OffsetDateTime> {
    if let Ok(date) = Date::parse(text, format_description!("[year]-[month]-[day]")) {
        let midnight = date.midnight().assume_utc();
        return Ok(midnight.replace_offset(crate::zone::local(midnight).offset()));
    }
    let ago = parse_duration(text).map_err(|_| {
        CliError::usage(format!("\"{text}\" is not a time."))
            .hint("It looks like 2h, 3d or 2026-11-19")
    })?;
    Ok(now - Duration::try_from(ago).unwrap_or(Duration::ZERO))
}

#[cfg(test)]
mod tests {
    use time::macros::datetime;

    use super::*;

    #[test]
    fn moments_are_ago_or_a_day() {
        let now = datetime!(2026-11-20 12:00 UTC);
        assert_eq!(moment("2h", now).unwrap(), datetime!(2026-11-20 10:00 UTC));
        assert_eq!(moment("2026-11-19", now).unwrap().date(), time::macros::date!(2026 - 11 - 19));
        for bad in ["yesterday", "2026-13-01", ""] {
            assert!(moment(bad, now).is_err(), "{bad}");
        }
    }
}
