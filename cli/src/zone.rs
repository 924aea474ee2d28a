//! Local time. Reads the zone as the C library does (`TZ`, else `/etc/localtime`), because the standard library cannot tell it and the
//! `time` crate will not in a program with threads. Formats: `TZif` (RFC 9636) and the POSIX rule at its end.

use std::path::{Path, PathBuf};
use std::sync::OnceLock;

use time::{Month, OffsetDateTime, UtcOffset};

/// The moment in the zone of the user; as it is where that would leave the calendar.
pub(crate) fn local(moment: OffsetDateTime) -> OffsetDateTime {
    static ZONE: OnceLock<Zone> = OnceLock::new();
    let zone = ZONE.get_or_init(|| Zone::of_user().unwrap_or_default());
    zone.shift(moment)
}

/// A time zone; without anything it is UTC.
#[derive(Debug, Default, PartialEq)]
struct Zone {
    /// From each moment on, this many seconds east of Greenwich.
    transitions: Vec<(i64, i32)>,
    /// Before the first of them.
    first: i32,
    /// After the last of them.
    rule: Option<Rule>,
}

/// `CET-1CEST,M3.5.0,M10.5.0/3`.
#[derive(Debug, PartialEq)]
struct Rule {
    standard: i32,
    summer: Option<(i32, Change, Change)>,
}

/// A day of the year and the second of it, in local time.
#[derive(Clone, Copy, Debug, PartialEq)]
struct Change {
    day: Day,
    second: i64,
}

#[derive(Clone, Copy, Debug, PartialEq)]
enum Day {
    /// Week `n` (5: the last one) of a month, weekday from Sunday.
    Week(u8, u8, u8),
    /// Day 1 to 365, 29 February never counted.
    Julian(u16),
    /// Day 0 to 365.
    Zero(u16),
}

impl Zone {
    fn of_user() -> Option<Self> {
        let name = std::env::var("TZ").ok();
        let file = match name.as_deref().map(|name| name.trim_start_matches(':')) {
            None => PathBuf::from("/etc/localtime"),
            Some("") => return None,
            Some(path) if path.starts_with('/') => PathBuf::from(path),
            Some(name) => {
                let folders =
                    ["/usr/share/zoneinfo", "/usr/lib/zoneinfo", "/usr/share/lib/zoneinfo"];
                match folders
                    .iter()
                    .map(|folder| Path::new(folder).join(name))
                    .find(|path| path.is_file())
                {
                    Some(file) if !name.contains("..") => file,
                    _ => {
                        return Rule::parse(name)
                            .map(|rule| Self { rule: Some(rule), ..Self::default() });
                    }
                }
            }
        };
        Self::parse(&std::fs::read(file).ok()?)
    }

    fn parse(file: &[u8]) -> Option<Self> {
        let counts = |at: usize| -> Option<[usize; 6]> {
            let header = file.get(at..at + 44)?;
            (&header[..4] == b"TZif").then_some(())?;
            let count = |index: usize| {
                usize::try_from(u32::from_be_bytes(
                    header[20 + index * 4..24 + index * 4].try_into().ok()?,
                ))
                .ok()
            };
            Some([count(0)?, count(1)?, count(2)?, count(3)?, count(4)?, count(5)?])
        };
        // The first block has 32-bit times; the one we want follows it, with 64-bit times.
        let [utc, standard, leaps, times, types, letters] = counts(0)?;
        (file[4] >= b'2').then_some(())?;
        let second = 44 + times * 5 + types * 6 + letters + leaps * 8 + standard + utc;
        let [utc, standard, leaps, times, types, letters] = counts(second)?;
        let mut rest = file.get(second + 44..)?;
        let mut take = |len: usize| {
            let (taken, left) = rest.split_at_checked(len)?;
            rest = left;
            Some(taken)
        };
        let (moments, kinds, offsets) = (take(times * 8)?, take(times)?, take(types * 6)?);
        take(letters + leaps * 12 + standard + utc)?;
        let offset = |kind: u8| {
            offsets
                .chunks_exact(6)
                .nth(kind.into())
                .and_then(|entry| Some(i32::from_be_bytes(entry[..4].try_into().ok()?)))
        };
        let transitions = moments
            .chunks_exact(8)
            .zip(kinds)
            .map(|(moment, kind)| {
                Some((i64::from_be_bytes(moment.try_into().ok()?), offset(*kind)?))
            })
            .collect::<Option<Vec<_>>>()?;
        let footer = std::str::from_utf8(rest).ok()?.trim_matches('\n');
        Some(Self { transitions, first: offset(0)?, rule: Rule::parse(footer) })
    }

    /// What a server sends may be any moment, the last second of all as well.
    fn shift(&self, moment: OffsetDateTime) -> OffsetDateTime {
        UtcOffset::from_whole_seconds(self.offset_at(moment.unix_timestamp()))
            .ok()
            .and_then(|offset| moment.checked_to_offset(offset))
            .unwrap_or(moment)
    }

    fn offset_at(&self, moment: i64) -> i32 {
        let after = self.transitions.partition_point(|(start, _)| *start <= moment);
        match (&self.rule, after.checked_sub(1)) {
            (Some(rule), _) if after == self.transitions.len() => rule.offset_at(moment),
            (_, Some(last)) => self.transitions[last].1,
            (_, None) => self.first,
        }
    }
}

impl Rule {
    fn parse(text: &str) -> Option<Self> {
        let (standard, rest) = zone_offset(skip_name(text)?)?;
        if rest.is_empty() {
            return Some(Self { standard, summer: None });
        }
        let rest = skip_name(rest)?;
        let (offset, rest) =
            if rest.starts_with(',') { (standard + 3_600, rest) } else { zone_offset(rest)? };
        let mut changes = rest.strip_prefix(',')?.split(',').map(Change::parse);
        let (start, end) = (changes.next()??, changes.next()??);
        Some(Self { standard, summer: Some((offset, start, end)) })
    }

    fn offset_at(&self, moment: i64) -> i32 {
        let Some((summer, start, end)) = &self.summer else { return self.standard };
        let Ok(utc) = OffsetDateTime::from_unix_timestamp(moment + i64::from(self.standard)) else {
            return self.standard;
        };
        let moment_of =
            |change: &Change, offset: i32| change.in_year(utc.year()) - i64::from(offset);
        let (start, end) = (moment_of(start, self.standard), moment_of(end, *summer));
        let is_summer = if start < end {
            (start..end).contains(&moment)
        } else {
            !(end..start).contains(&moment)
        };
        if is_summer { *summer } else { self.standard }
    }
}

/// A zone's name: letters, or anything in angle brackets.
fn skip_name(text: &str) -> Option<&str> {
    if let Some(quoted) = text.strip_prefix('<') {
        return quoted.split_once('>').map(|(_, rest)| rest);
    }
    let rest = text.trim_start_matches(|c: char| c.is_ascii_alphabetic());
    (text.len() - rest.len() >= 3).then_some(rest)
}

/// `-1`, `5:30`: hours west of Greenwich, turned into seconds east.
fn zone_offset(text: &str) -> Option<(i32, &str)> {
    let end = text.find(|c: char| !(c.is_ascii_digit() || "+-:".contains(c))).unwrap_or(text.len());
    Some((-i32::try_from(clock(&text[..end])?).ok()?, &text[end..]))
}

/// `[+-]hh[:mm[:ss]]` in seconds.
fn clock(text: &str) -> Option<i64> {
    let (sign, digits) = match text.strip_prefix('-') {
        Some(digits) => (-1, digits),
        None => (1, text.strip_prefix('+').unwrap_or(text)),
    };
    let mut parts =
        digits.split(':').map(|part| part.parse::<i64>().ok().filter(|part| *part < 168));
    let (hours, minutes, seconds) =
        (parts.next()??, parts.next().unwrap_or(Some(0))?, parts.next().unwrap_or(Some(0))?);
    Some(sign * (hours * 3_600 + minutes * 60 + seconds))
}

impl Change {
    fn parse(text: &str) -> Option<Self> {
        let (day, second) = match text.split_once('/') {
            Some((day, time)) => (day, clock(time)?),
            None => (text, 2 * 3_600),
        };
        let day = if let Some(parts) = day.strip_prefix('M') {
            let mut parts = parts.split('.').map(|part| part.parse::<u8>().ok());
            let (month, week, weekday) = (parts.next()??, parts.next()??, parts.next()??);
            ((1..=12).contains(&month) && (1..=5).contains(&week) && weekday <= 6)
                .then_some(Day::Week(month, week, weekday))?
        } else if let Some(number) = day.strip_prefix('J') {
            Day::Julian(number.parse().ok()?)
        } else {
            Day::Zero(day.parse().ok()?)
        };
        Some(Self { day, second })
    }

    /// The moment in this year, as if local time were UTC.
    fn in_year(self, year: i32) -> i64 {
        let first = |month: Month| {
            time::Date::from_calendar_date(year, month, 1)
                .map_or(0, |date| date.midnight().assume_utc().unix_timestamp() / 86_400)
        };
        let leap = time::util::is_leap_year(year);
        let day = match self.day {
            Day::Zero(number) => first(Month::January) + i64::from(number),
            Day::Julian(number) => {
                first(Month::January) + i64::from(number) - 1 + i64::from(leap && number >= 60)
            }
            Day::Week(month, week, weekday) => {
                let month = Month::try_from(month).unwrap_or(Month::January);
                let start = first(month);
                // 1 January 1970 was a Thursday.
                let offset = (i64::from(weekday) - (start + 4)).rem_euclid(7);
                let mut day = start + offset + 7 * (i64::from(week) - 1);
                if day >= start + i64::from(month.length(year)) {
                    day -= 7;
                }
                day
            }
        };
        day * 86_400 + self.second
    }
}

#[cfg(test)]
mod tests {
    use time::macros::datetime;

    use super::*;

    /// In minutes east of Greenwich.
    fn offset(zone: &Zone, moment: OffsetDateTime) -> i32 {
        zone.offset_at(moment.unix_timestamp()) / 60
    }

    #[test]
    fn rules_know_summer() {
        let zone = |text: &str| Zone { rule: Rule::parse(text), ..Zone::default() };
        let berlin = zone("CET-1CEST,M3.5.0,M10.5.0/3");
        assert_eq!(offset(&berlin, datetime!(2026-01-15 12:00 UTC)), 60);
        assert_eq!(offset(&berlin, datetime!(2026-03-29 00:59:59 UTC)), 60);
        assert_eq!(offset(&berlin, datetime!(2026-03-29 01:00 UTC)), 120);
        assert_eq!(offset(&berlin, datetime!(2026-10-25 00:59:59 UTC)), 120);
        assert_eq!(offset(&berlin, datetime!(2026-10-25 01:00 UTC)), 60);
        let sydney = zone("AEST-10AEDT,M10.1.0,M4.1.0/3");
        assert_eq!(offset(&sydney, datetime!(2026-01-15 12:00 UTC)), 660);
        assert_eq!(offset(&sydney, datetime!(2026-07-15 12:00 UTC)), 600);
        assert_eq!(offset(&zone("<+0530>-5:30"), datetime!(2026-07-15 12:00 UTC)), 330);
        assert_eq!(offset(&zone("EST5EDT,M3.2.0,M11.1.0"), datetime!(2026-07-15 12:00 UTC)), -240);
        assert_eq!(Rule::parse("nonsense!"), None);
    }

    #[test]
    fn the_ends_of_time_are_shown_and_never_a_panic() {
        let zone = |text: &str| Zone { rule: Rule::parse(text), ..Zone::default() };
        let (first, last) = (datetime!(0000-01-01 00:00 UTC), datetime!(9999-12-31 23:59:59 UTC));
        let first = first.replace_year(-9999).unwrap();
        for rule in ["CET-1CEST,M3.5.0,M10.5.0/3", "EST5EDT,M3.2.0,M11.1.0", "<+14>-14", "<-12>12"]
        {
            let zone = zone(rule);
            for moment in [first, last] {
                assert_eq!(zone.shift(moment).unix_timestamp(), moment.unix_timestamp(), "{rule}");
            }
        }
        let noon = datetime!(2026-01-15 12:00 UTC);
        assert_eq!(zone("CET-1").shift(noon).hour(), 13);
    }

    #[test]
    fn zone_files_agree_with_the_rules() {
        let Ok(file) = std::fs::read("/usr/share/zoneinfo/Europe/Berlin") else { return };
        let zone = Zone::parse(&file).unwrap();
        assert_eq!(offset(&zone, datetime!(1990-07-01 00:00 UTC)), 120);
        assert_eq!(offset(&zone, datetime!(2026-12-01 00:00 UTC)), 60);
        assert_eq!(offset(&zone, datetime!(2090-07-01 00:00 UTC)), 120);
        assert_eq!(Zone::parse(&file[..100]), None);
        assert_eq!(Zone::parse(b"TZif"), None);
    }
}
