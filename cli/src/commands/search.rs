//! `search`: messages by what they say.

use std::fmt::Write as _;

use ajet_shared::hue::hue;
use ajet_shared::limits::PAGE_SIZE_MAX;
use ajet_shared::search::{SearchHit, SearchRequest, SearchSort};
use ajet_shared::terminal::{columns, terminal_line};

use super::read::moment;
use crate::args::{Has, Search, Sort};
use crate::context::Context;
use crate::error::{CliError, CliResult};
use crate::lookup::Place;
use crate::messages::{MESSAGE, day, record, rfc3339};
use crate::naming::short;
use crate::output::Screen;
use crate::record::Record;

pub(super) async fn search(context: &Context, args: &Search) -> CliResult {
    let output = context.output(&MESSAGE)?;
    let request = request(context, args).await?;
    let hits = hits(context, request, usize::from(args.count)).await?;
    context.recent()?.shown(hits.iter().map(|hit| hit.message.id));
    let mut found = Vec::with_capacity(hits.len());
    for hit in hits {
        found.push((context.place_of(hit.channel_id).await?, hit));
    }
    let records: Vec<Record> =
        found.iter().map(|(place, hit)| record(context, &hit.message, place)).collect();
    if found.is_empty() && output.is_human() {
        context.screen.say("Nothing was found.");
        return Ok(());
    }
    output.paged(&records, || {
        found.iter().map(|(place, hit)| draw(context.screen, place, hit)).collect()
    })
}

/// The options become filters of the query; where to search is said by id, so that links and direct messages work too.
async fn request(context: &Context, args: &Search) -> CliResult<SearchRequest> {
    let now = ajet_shared::clock::now();
    let mut q = args.query.join(" ");
    for name in &args.from {
        let _ = write!(q, " from:@{}", name.trim_start_matches('@'));
    }
    for has in &args.has {
        let _ = write!(q, " has:{}", has.as_str());
    }
    for (name, when) in [("before", &args.before), ("after", &args.after)] {
        if let Some(when) = when {
            let _ = write!(q, " {name}:{}", rfc3339(moment(when, now)?));
        }
    }
    if q.trim().is_empty() {
        return Err(CliError::usage("Say what to look for.")
            .hint("ajet-chat search \"release candidate\" --in release-room"));
    }
    let channel_id = match &args.channel {
        Some(channel) => Some(context.channel(channel).await?.id()),
        None => None,
    };
    // Without a word from the user everything is searched, also where they are in several communities.
    let community_id = match &context.global.community {
        Some(_) if channel_id.is_none() => Some(context.community().await?.community.id),
        _ => None,
    };
    let sort = match args.sort {
        Sort::New => SearchSort::New,
        Sort::Best => SearchSort::Best,
    };
    Ok(SearchRequest { q, community_id, channel_id, before: None, limit: None, sort: Some(sort) })
}

/// The first `count` hits, page by page.
async fn hits(
    context: &Context,
    mut request: SearchRequest,
    count: usize,
) -> CliResult<Vec<SearchHit>> {
    let client = context.client().await?;
    let mut hits: Vec<SearchHit> = Vec::new();
    loop {
        let left = u16::try_from(count - hits.len()).unwrap_or(PAGE_SIZE_MAX);
        request.limit = Some(left.min(PAGE_SIZE_MAX));
        let page = context.call(client.search(&request)).await?;
        hits.extend(page.items);
        match page.prev {
            Some(prev) if hits.len() < count => request.before = Some(prev),
            _ => return Ok(hits),
        }
    }
}

/// Where, who and when on one line, what was found on those below.
fn draw(screen: Screen, place: &Place, hit: &SearchHit) -> String {
    let paint = screen.paint;
    let message = &hit.message;
    let mut out = format!(
        "{}  {}  {}  {}\n",
        paint.hue(hue(place.id()), &terminal_line(&place.label())),
        paint.hue(hue(message.author.id), &terminal_line(&message.author.display_name)),
        paint.dim(&day(message.created_at)),
        paint.dim(&short(message.id)),
    );
    for line in lines(hit, screen.width().saturating_sub(2).max(20)) {
        out.push_str("  ");
        for (text, found) in line {
            out.push_str(&if found { paint.found(&text) } else { text });
        }
        out.push('\n');
    }
    out
}

/// The snippet in lines of at most `room` columns, broken at spaces; each piece with whether it was found.
fn lines(hit: &SearchHit, room: usize) -> Vec<Vec<(String, bool)>> {
    let mut lines: Vec<Vec<(String, bool)>> = vec![Vec::new()];
    let mut taken = 0;
    for (piece, found) in hit.snippet.pieces() {
        for word in terminal_line(piece).split_inclusive(' ') {
            let width = columns(word.trim_end());
            if taken > 0 && taken + width > room {
                lines.push(Vec::new());
                taken = 0;
            }
            taken += columns(word);
            if let Some(line) = lines.last_mut() {
                line.push((word.to_owned(), found));
            }
        }
    }
    lines
}

impl Has {
    const fn as_str(self) -> &'static str {
        match self {
            Self::File => "file",
            Self::Image => "image",
            Self::Link => "link",
        }
    }
}
