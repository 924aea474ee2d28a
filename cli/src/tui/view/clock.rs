//! Times as the reader reads them.

use time::{Date, OffsetDateTime};

use crate::zone::local;

/// The day where the reader is.
pub(crate) fn date(moment: OffsetDateTime) -> Date {
    local(moment).date()
}

/// `11:03`.
pub(crate) fn clock(moment: OffsetDateTime) -> String {
    let moment = local(moment);
    format!("{:02}:{:02}", moment.hour(), moment.minute())
}

/// `Fri 20 Nov`, with room `Fri 20 November`; with the year where it is not this one.
pub(crate) fn day(date: Date, now: OffsetDateTime, with_room: bool) -> String {
    let weekday = date.weekday().to_string();
    let month = date.month().to_string();
    let month = if with_room { month.as_str() } else { &month[..3] };
    let day = format!("{} {} {month}", &weekday[..3], date.day());
    if date.year() == local(now).year() { day } else { format!("{day} {}", date.year()) }
}

/// `11:14` today, else `Fri 20 Nov`.
pub(crate) fn short(moment: OffsetDateTime, now: OffsetDateTime) -> String {
    if date(moment) == date(now) { clock(moment) } else { day(date(moment), now, false) }
}

#[cfg(test)]
mod tests {
    use time::macros::{date, datetime};

    use super::*;

    #[test]
    fn days_have_a_year_only_where_it_is_another() {
        let now = datetime!(2026-06-15 12:00 UTC);
        assert_eq!(day(date!(2026 - 11 - 20), now, false), "Fri 20 Nov");
        assert_eq!(day(date!(2026 - 05 - 01), now, true), "Fri 1 May");
        assert_eq!(day(date!(2025 - 11 - 20), now, true), "Thu 20 November 2025");
        assert_eq!(short(now, now), clock(now));
    }
}
