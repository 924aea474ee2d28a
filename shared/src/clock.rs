//! The time, as the database keeps it.

use time::OffsetDateTime;

/// Now in UTC, cut to the microseconds that Postgres' `timestamptz` keeps, so that a value survives the round trip unchanged.
#[must_use]
pub fn now() -> OffsetDateTime {
    let now = OffsetDateTime::now_utc();
    now.replace_nanosecond(now.nanosecond() / 1_000 * 1_000).unwrap_or(now)
}
