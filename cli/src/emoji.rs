//! `:name:` for the emoji people type most.

use ajet_shared::names::Emoji;

use crate::error::{CliError, CliResult};
use crate::nearest::nearest;

const NAMES: &[(&str, &str)] = &[
    ("+1", "👍"),
    ("thumbsup", "👍"),
    ("-1", "👎"),
    ("thumbsdown", "👎"),
    ("ok", "👌"),
    ("ok_hand", "👌"),
    ("clap", "👏"),
    ("wave", "👋"),
    ("pray", "🙏"),
    ("muscle", "💪"),
    ("raised_hands", "🙌"),
    ("point_up", "☝️"),
    ("eyes", "👀"),
    ("heart", "❤️"),
    ("broken_heart", "💔"),
    ("fire", "🔥"),
    ("tada", "🎉"),
    ("rocket", "🚀"),
    ("ship", "🚢"),
    ("star", "⭐"),
    ("sparkles", "✨"),
    ("100", "💯"),
    ("check", "✅"),
    ("white_check_mark", "✅"),
    ("x", "❌"),
    ("warning", "⚠️"),
    ("question", "❓"),
    ("exclamation", "❗"),
    ("smile", "😄"),
    ("grin", "😁"),
    ("joy", "😂"),
    ("laughing", "😆"),
    ("sweat_smile", "😅"),
    ("wink", "😉"),
    ("blush", "😊"),
    ("heart_eyes", "😍"),
    ("sunglasses", "😎"),
    ("thinking", "🤔"),
    ("thinking_face", "🤔"),
    ("neutral_face", "😐"),
    ("confused", "😕"),
    ("cry", "😢"),
    ("sob", "😭"),
    ("angry", "😠"),
    ("scream", "😱"),
    ("shrug", "🤷"),
    ("facepalm", "🤦"),
    ("sleeping", "😴"),
    ("bug", "🐛"),
    ("coffee", "☕"),
    ("beer", "🍺"),
    ("cake", "🍰"),
    ("pizza", "🍕"),
    ("bulb", "💡"),
    ("lock", "🔒"),
    ("key", "🔑"),
    ("gear", "⚙️"),
    ("wrench", "🔧"),
    ("hammer", "🔨"),
    ("construction", "🚧"),
    ("hourglass", "⏳"),
    ("clock", "🕐"),
    ("calendar", "📅"),
    ("memo", "📝"),
    ("book", "📖"),
    ("package", "📦"),
    ("pushpin", "📌"),
    ("link", "🔗"),
    ("mag", "🔍"),
    ("bell", "🔔"),
    ("speech_balloon", "💬"),
    ("robot", "🤖"),
    ("ghost", "👻"),
    ("skull", "💀"),
    ("poop", "💩"),
    ("cat", "🐱"),
    ("dog", "🐶"),
    ("sun", "☀️"),
    ("rain", "🌧️"),
    ("snowflake", "❄️"),
    ("rainbow", "🌈"),
    ("earth", "🌍"),
];

/// The character that was typed, or named.
pub(crate) fn parse(text: &str) -> CliResult<String> {
    let name = text
        .strip_prefix(':')
        .and_then(|rest| rest.strip_suffix(':'))
        .filter(|name| !name.is_empty());
    let Some(name) = name else {
        return text.parse::<Emoji>().map(String::from).map_err(|_| {
            CliError::usage(format!("\"{text}\" is not one emoji."))
                .hint("It is the character, 👍, or its name, :thumbsup:")
        });
    };
    if let Some((_, emoji)) = NAMES.iter().find(|(known, _)| *known == name) {
        return Ok((*emoji).to_owned());
    }
    let error = CliError::usage(format!("There is no emoji :{name}:."));
    Err(match nearest(name, NAMES.iter().map(|(name, _)| *name)) {
        Some(near) => error.hint(format!("Did you mean :{near}:?")),
        None => error.hint("Type the character itself."),
    })
}

/// Names and characters that fit what is being typed: those that begin so, then those that have it inside. Each character once.
pub(crate) fn fitting(query: &str) -> impl Iterator<Item = (&'static str, &'static str)> {
    let query = query.trim_matches(':').to_lowercase();
    let (begin, inside): (Vec<_>, Vec<_>) = NAMES
        .iter()
        .filter(|(name, _)| !query.is_empty() && name.contains(&query))
        .partition(|(name, _)| name.starts_with(&query));
    let mut seen = Vec::new();
    begin.into_iter().chain(inside).copied().filter(move |(_, emoji)| {
        let is_new = !seen.contains(emoji);
        seen.push(*emoji);
        is_new
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_name_is_an_emoji() {
        for (name, emoji) in NAMES {
            assert!(emoji.parse::<Emoji>().is_ok(), "{name}");
        }
        assert_eq!(parse(":tada:").unwrap(), "🎉");
        assert_eq!(parse("🚢").unwrap(), "🚢");
        let names: Vec<&str> = fitting("thumb").map(|(name, _)| name).collect();
        assert_eq!(names, ["thumbsup", "thumbsdown"]);
        assert_eq!(fitting("check").count(), 1, "one character under two names is one offer");
        assert_eq!(fitting("").count(), 0);
        for bad in [":nope:", "x", "", "::"] {
            assert!(parse(bad).is_err(), "{bad}");
        }
    }
}
