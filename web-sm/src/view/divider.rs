//! The lines between messages: days, and what is new.

use ajet_shared::message::Message;
use askama::Template;
use time::Date;

use super::message::Time;
use super::{fragments, times};

/// A new day.
#[derive(Template)]
#[template(path = "fragments/day.html")]
pub(crate) struct Day {
    id: String,
    name: String,
}

/// Where the unread messages begin.
#[derive(Template)]
#[template(path = "fragments/unread.html")]
pub(crate) struct Unread {
    count: String,
    since: Option<Time>,
}

fragments!(Day, Unread);

impl Day {
    /// A divider. `today` decides whether it says so.
    pub(crate) fn new(day: Date, today: Date) -> Self {
        Self { id: times::day_id(day), name: times::day_name(day, today) }
    }

    /// Its day, as the id holds it.
    pub(crate) fn id(&self) -> &str {
        &self.id
    }
}

impl Unread {
    /// So many new ones after this message.
    pub(crate) fn new(count: i64, after: Option<&Message>) -> Self {
        Self {
            count: super::names::count(count),
            since: after.map(|message| Time::of(message.created_at)),
        }
    }
}
