//! Pieces of sentences: times and names as people read them.

use ajet_shared::clock;
use time::OffsetDateTime;
use time::macros::format_description;

/// A name or text that is shown as it is, whatever stands in it.
pub(crate) fn literal(text: &str) -> String {
    let line: String = text.chars().map(|c| if c.is_control() { ' ' } else { c }).collect();
    let longest = line.split(|c| c != '`').map(str::len).max().unwrap_or(0);
    let fence = "`".repeat(longest + 1);
    if longest == 0 { format!("`{line}`") } else { format!("{fence} {line} {fence}") }
}

/// `14:20 UTC`, with the day if it is not today.
pub(crate) fn moment(at: OffsetDateTime) -> String {
    moment_from(clock::now(), at)
}

fn moment_from(now: OffsetDateTime, at: OffsetDateTime) -> String {
    let at = at.to_offset(time::UtcOffset::UTC);
    let text = if at.date() == now.to_offset(time::UtcOffset::UTC).date() {
        at.format(format_description!("[hour]:[minute] UTC"))
    } else {
        at.format(format_description!(
            "[day padding:none] [month repr:short] [year] [hour]:[minute] UTC"
        ))
    };
    text.unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use time::macros::datetime;

    use super::*;

    #[test]
    fn moments_name_the_day_unless_it_is_today() {
        let now = datetime!(2026-11-20 12:00 UTC);
        assert_eq!(moment_from(now, datetime!(2026-11-20 14:20 UTC)), "14:20 UTC");
        assert_eq!(moment_from(now, datetime!(2026-11-21 04:05 UTC)), "21 Nov 2026 04:05 UTC");
    }

    #[test]
    fn a_literal_cannot_be_broken_out_of() {
        assert_eq!(literal("Kestrel CI"), "`Kestrel CI`");
        assert_eq!(literal("a`b``c\n**d**"), "``` a`b``c **d** ```");
    }
}
