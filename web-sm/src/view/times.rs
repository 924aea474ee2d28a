//! Times as pages show them. The server writes UTC, the same for all readers; the page's script turns them into the reader's zone.

use time::macros::format_description;
use time::{Date, OffsetDateTime, UtcOffset};

/// The moment as UTC writes it: what other systems send may carry any offset.
fn utc(at: OffsetDateTime) -> OffsetDateTime {
    at.checked_to_offset(UtcOffset::UTC).unwrap_or(at)
}

/// `2026-11-20T10:41:00Z`.
pub(crate) fn iso(at: OffsetDateTime) -> String {
    utc(at)
        .format(format_description!("[year]-[month]-[day]T[hour]:[minute]:[second]Z"))
        .unwrap_or_default()
}

/// `10:41`.
pub(crate) fn clock(at: OffsetDateTime) -> String {
    utc(at).format(format_description!("[hour]:[minute]")).unwrap_or_default()
}

/// `20 November 2026, 10:41 UTC`.
pub(crate) fn full(at: OffsetDateTime) -> String {
    utc(at)
        .format(format_description!(
            "[day padding:none] [month repr:long] [year], [hour]:[minute] UTC"
        ))
        .unwrap_or_default()
}

/// `2026-11-20`.
pub(crate) fn day_id(day: Date) -> String {
    day.format(format_description!("[year]-[month]-[day]")).unwrap_or_default()
}

/// `Friday 20 November`, with the year when it is not this one, with `Today, ` and `Yesterday, ` where they apply.
pub(crate) fn day_name(day: Date, today: Date) -> String {
    let name = if day.year() == today.year() {
        day.format(format_description!("[weekday] [day padding:none] [month repr:long]"))
    } else {
        day.format(format_description!("[weekday] [day padding:none] [month repr:long] [year]"))
    }
    .unwrap_or_default();
    if day == today {
        format!("Today, {name}")
    } else if today.previous_day() == Some(day) {
        format!("Yesterday, {name}")
    } else {
        name
    }
}

/// A day as one number, for addresses: `20261120`.
pub(crate) fn day_number(day: Date) -> i64 {
    i64::from(day.year()) * 10_000 + i64::from(u8::from(day.month())) * 100 + i64::from(day.day())
}

/// The day of such a number.
pub(crate) fn day_of_number(number: i64) -> Option<Date> {
    let month = u8::try_from(number / 100 % 100).ok()?.try_into().ok()?;
    Date::from_calendar_date(
        i32::try_from(number / 10_000).ok()?,
        month,
        u8::try_from(number % 100).ok()?,
    )
    .ok()
}

#[cfg(test)]
mod tests {
    use super::*;
    use time::macros::{date, datetime};

    #[test]
    fn times_read_as_people_say_them() {
        let at = datetime!(2026-11-20 10:41:07.5 UTC);
        assert_eq!((iso(at).as_str(), clock(at).as_str()), ("2026-11-20T10:41:07Z", "10:41"));
        let elsewhere = at.to_offset(time::macros::offset!(+5:30));
        assert_eq!(
            (iso(elsewhere), clock(elsewhere), full(elsewhere)),
            (iso(at), clock(at), full(at))
        );
        let today = date!(2026 - 11 - 20);
        assert_eq!(day_name(today, today), "Today, Friday 20 November");
        assert_eq!(day_name(date!(2026 - 11 - 19), today), "Yesterday, Thursday 19 November");
        assert_eq!(day_name(date!(2025 - 01 - 02), today), "Thursday 2 January 2025");
        assert_eq!(day_of_number(day_number(today)), Some(today));
    }
}
