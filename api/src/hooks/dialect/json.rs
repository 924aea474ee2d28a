//! Looking into a body of which nothing is certain: what is missing, null or of another type is empty.

use serde_json::Value;
use time::format_description::well_known::Rfc3339;
use time::{OffsetDateTime, UtcOffset};

use super::escape::one_line;

/// Longest address kept. Browsers and servers agree on about this much.
const URL_MAX: usize = 2_048;
/// Years that a moment may lie in.
const YEARS: std::ops::RangeInclusive<i32> = 1971..=2200;

/// The value at a path like `pull_request.user.login`; null where there is none.
pub(super) fn at<'a>(value: &'a Value, path: &str) -> &'a Value {
    path.split('.').fold(value, |inside, key| inside.get(key).unwrap_or(&Value::Null))
}

/// A text, number or truth as text; empty for anything else.
pub(super) fn text(value: &Value, path: &str) -> String {
    as_text(at(value, path)).unwrap_or_default()
}

/// As [`text`], on one line and cut after `max` characters.
pub(super) fn line(value: &Value, path: &str, max: usize) -> String {
    one_line(&text(value, path), max)
}

/// A text, number or truth as text without control characters.
pub(super) fn as_text(value: &Value) -> Option<String> {
    match value {
        Value::String(text) => Some(clean(text)),
        Value::Number(number) => Some(number.to_string()),
        Value::Bool(truth) => Some(truth.to_string()),
        _ => None,
    }
}

/// The items of a list; none for anything else.
pub(super) fn list<'a>(value: &'a Value, path: &str) -> &'a [Value] {
    at(value, path).as_array().map_or(&[], Vec::as_slice)
}

/// A whole number, also where a float or a text stands for one.
pub(super) fn number(value: &Value, path: &str) -> Option<i64> {
    match at(value, path) {
        Value::Number(number) => number.as_i64().or_else(|| whole(number.as_f64()?)),
        Value::String(text) => text.trim().parse().ok(),
        _ => None,
    }
}

/// Truth, also where a number or a text stands for it.
pub(super) fn flag(value: &Value, path: &str) -> Option<bool> {
    match at(value, path) {
        Value::Bool(truth) => Some(*truth),
        Value::Number(number) => number.as_f64().map(|number| number != 0.0),
        Value::String(text) if text == "true" || text == "1" => Some(true),
        Value::String(text) if text == "false" || text == "0" => Some(false),
        _ => None,
    }
}

/// An address that may be followed.
pub(super) fn url(value: &Value, path: &str) -> Option<String> {
    web_url(at(value, path).as_str()?)
}

/// `http` or `https` with a host, without anything that could end a link in Markdown; otherwise none.
pub(super) fn web_url(text: &str) -> Option<String> {
    let text = text.trim();
    let scheme = ["https://", "http://"].into_iter().find(|scheme| {
        text.get(..scheme.len()).is_some_and(|start| start.eq_ignore_ascii_case(scheme))
    })?;
    let host = text[scheme.len()..].chars().next()?;
    let bad = |c: char| c.is_whitespace() || c.is_control() || "<>\"\\`".contains(c);
    (text.len() <= URL_MAX && (host.is_alphanumeric() || host == '[') && !text.chars().any(bad))
        .then(|| text.replace('(', "%28").replace(')', "%29"))
}

/// A moment in UTC: seconds since 1970 as number or text, or RFC 3339. One that no sender can mean is none.
pub(super) fn moment(value: &Value, path: &str) -> Option<OffsetDateTime> {
    let moment = match number(value, path) {
        Some(seconds) => OffsetDateTime::from_unix_timestamp(seconds).ok()?,
        None => OffsetDateTime::parse(at(value, path).as_str()?.trim(), &Rfc3339).ok()?,
    };
    // Clients write the fields of it as they stand, and turn it into the zone of each reader.
    moment.checked_to_offset(UtcOffset::UTC).filter(|at| YEARS.contains(&at.year()))
}

/// Nothing in it: null, or an empty text, list or object.
pub(super) fn is_empty(value: &Value) -> bool {
    match value {
        Value::Null => true,
        Value::String(text) => text.trim().is_empty(),
        Value::Array(items) => items.is_empty(),
        Value::Object(fields) => fields.is_empty(),
        Value::Bool(_) | Value::Number(_) => false,
    }
}

/// The text with lines ended as we end them, and nothing else a terminal or a database would trip over.
pub(super) fn clean(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    let mut chars = text.chars().peekable();
    while let Some(c) = chars.next() {
        match c {
            '\r' if chars.peek() == Some(&'\n') => {}
            '\r' | '\u{2028}' | '\u{2029}' => out.push('\n'),
            '\n' | '\t' => out.push(c),
            c if c.is_control() || u32::from(c) & 0xfffe == 0xfffe => {}
            c => out.push(c),
        }
    }
    out
}

#[allow(clippy::cast_possible_truncation, reason = "checked to be in range")]
fn whole(number: f64) -> Option<i64> {
    (number.abs() < 9e15).then_some(number as i64)
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn what_is_missing_is_empty() {
        let value = json!({ "a": { "b": "x\u{1b}[2J\r\ny\0" }, "n": 3.5, "l": [1], "t": true });
        assert_eq!(text(&value, "a.b"), "x[2J\ny");
        assert_eq!(text(&value, "n"), "3.5");
        for path in ["a", "a.b.c", "l", "z.z"] {
            assert_eq!(text(&value, path), "", "{path}");
        }
        assert_eq!(number(&value, "n"), Some(3));
        assert_eq!(flag(&value, "t"), Some(true));
        assert_eq!(list(&value, "l").len(), 1);
        assert!(list(&value, "n").is_empty());
    }

    #[test]
    fn addresses_lead_somewhere_or_are_none() {
        for good in ["https://a.b", "HTTP://a.b/x?y=1#z", "http://[::1]:8080/"] {
            assert_eq!(web_url(good).as_deref(), Some(good));
        }
        assert_eq!(web_url("https://a.b/(x)").as_deref(), Some("https://a.b/%28x%29"));
        for bad in [
            "",
            "javascript:alert(1)",
            "java\nscript:alert(1)",
            "data:text/html,x",
            "//a.b",
            "/x",
            "https://",
            "https:///x",
            "https://a b",
            "https://a.b/\u{1b}x",
            "https://a.b/<x>",
            "ftp://a.b",
        ] {
            assert_eq!(web_url(bad), None, "{bad}");
        }
        assert_eq!(web_url(&format!("https://a.b/{}", "x".repeat(3_000))), None);
    }

    #[test]
    fn moments_come_as_numbers_and_as_text() {
        for (value, seconds) in [
            (json!(1_700_000_000), 1_700_000_000),
            (json!(1_700_000_000.9), 1_700_000_000),
            (json!("1700000000"), 1_700_000_000),
            (json!("2023-11-14T22:13:20Z"), 1_700_000_000),
        ] {
            let value = json!({ "ts": value });
            assert_eq!(moment(&value, "ts").unwrap().unix_timestamp(), seconds);
        }
        // Alertmanager's "not yet", and moments at which a clock would stumble.
        let value = json!({
            "a": "0001-01-01T00:00:00Z", "b": 1e300, "c": "soon", "e": 253_402_300_799_i64, "f": "9999-12-31T23:59:59-23:59"
        });
        for path in ["a", "b", "c", "d", "e", "f"] {
            assert_eq!(moment(&value, path), None, "{path}");
        }
    }

    #[test]
    fn moments_are_in_utc_wherever_they_were_taken() {
        let value = json!({ "at": "2026-11-20T09:12:00+05:30" });
        assert_eq!(moment(&value, "at").unwrap().to_string(), "2026-11-20 3:42:00.0 +00:00:00");
    }
}
