//! `:name:` as other systems write emoji, for the names their messages use.

const NAMES: &[(&str, &str)] = &[
    ("+1", "👍"),
    ("-1", "👎"),
    ("100", "💯"),
    ("alarm_clock", "⏰"),
    ("ambulance", "🚑"),
    ("arrow_down", "⬇️"),
    ("arrow_forward", "▶️"),
    ("arrow_up", "⬆️"),
    ("arrows_counterclockwise", "🔄"),
    ("ballot_box_with_check", "☑️"),
    ("bar_chart", "📊"),
    ("beers", "🍻"),
    ("bell", "🔔"),
    ("black_circle", "⚫"),
    ("blue_heart", "💙"),
    ("boat", "⛵"),
    ("book", "📖"),
    ("boom", "💥"),
    ("broken_heart", "💔"),
    ("bug", "🐛"),
    ("bulb", "💡"),
    ("calendar", "📅"),
    ("cat", "🐱"),
    ("chart_with_downwards_trend", "📉"),
    ("chart_with_upwards_trend", "📈"),
    ("clap", "👏"),
    ("clipboard", "📋"),
    ("cloud", "☁️"),
    ("coffee", "☕"),
    ("computer", "💻"),
    ("construction", "🚧"),
    ("cry", "😢"),
    ("dart", "🎯"),
    ("dog", "🐶"),
    ("email", "📧"),
    ("exclamation", "❗"),
    ("eyes", "👀"),
    ("fire", "🔥"),
    ("floppy_disk", "💾"),
    ("gear", "⚙️"),
    ("gem", "💎"),
    ("ghost", "👻"),
    ("gift", "🎁"),
    ("green_circle", "🟢"),
    ("green_heart", "💚"),
    ("hammer", "🔨"),
    ("hammer_and_wrench", "🛠️"),
    ("heart", "❤️"),
    ("heavy_check_mark", "✔️"),
    ("hourglass", "⏳"),
    ("information_source", "ℹ️"),
    ("key", "🔑"),
    ("large_blue_circle", "🔵"),
    ("large_green_circle", "🟢"),
    ("large_orange_circle", "🟠"),
    ("large_red_circle", "🔴"),
    ("large_yellow_circle", "🟡"),
    ("link", "🔗"),
    ("lock", "🔒"),
    ("loudspeaker", "📢"),
    ("mag", "🔍"),
    ("mega", "📣"),
    ("memo", "📝"),
    ("moneybag", "💰"),
    ("muscle", "💪"),
    ("no_entry", "⛔"),
    ("octopus", "🐙"),
    ("ok", "🆗"),
    ("ok_hand", "👌"),
    ("package", "📦"),
    ("partying_face", "🥳"),
    ("penguin", "🐧"),
    ("point_right", "👉"),
    ("pray", "🙏"),
    ("pushpin", "📌"),
    ("question", "❓"),
    ("raised_hands", "🙌"),
    ("recycle", "♻️"),
    ("red_circle", "🔴"),
    ("robot", "🤖"),
    ("robot_face", "🤖"),
    ("rocket", "🚀"),
    ("rotating_light", "🚨"),
    ("satellite", "🛰️"),
    ("scroll", "📜"),
    ("shield", "🛡️"),
    ("ship", "🚢"),
    ("skull", "💀"),
    ("slightly_smiling_face", "🙂"),
    ("smile", "😄"),
    ("snail", "🐌"),
    ("sob", "😭"),
    ("sparkles", "✨"),
    ("speech_balloon", "💬"),
    ("star", "⭐"),
    ("stopwatch", "⏱️"),
    ("sunny", "☀️"),
    ("tada", "🎉"),
    ("test_tube", "🧪"),
    ("thinking_face", "🤔"),
    ("thumbsdown", "👎"),
    ("thumbsup", "👍"),
    ("ticket", "🎫"),
    ("traffic_light", "🚥"),
    ("trophy", "🏆"),
    ("truck", "🚚"),
    ("unlock", "🔓"),
    ("warning", "⚠️"),
    ("wastebasket", "🗑️"),
    ("wave", "👋"),
    ("white_check_mark", "✅"),
    ("white_circle", "⚪"),
    ("wrench", "🔧"),
    ("x", "❌"),
    ("yellow_heart", "💛"),
    ("zap", "⚡"),
];

/// The emoji of this name.
pub(super) fn named(name: &str) -> Option<&'static str> {
    NAMES.binary_search_by_key(&name, |(known, _)| known).ok().map(|found| NAMES[found].1)
}

/// The emoji that `text` begins with as `:name:`, and how many bytes that took.
pub(super) fn at_start(text: &str) -> Option<(&'static str, usize)> {
    const NAME_MAX: usize = 40;
    let end = text.bytes().skip(1).take(NAME_MAX).position(|byte| byte == b':')? + 1;
    named(text.get(1..end)?).map(|emoji| (emoji, end + 1))
}

/// The text with every `:name:` we know as its emoji.
pub(super) fn replaced(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    let mut rest = text;
    while let Some(at) = rest.find(':') {
        out.push_str(&rest[..at]);
        let (emoji, taken) = at_start(&rest[at..]).unwrap_or((":", 1));
        out.push_str(emoji);
        rest = &rest[at + taken..];
    }
    out.push_str(rest);
    out
}

/// An icon as senders give it: `:rocket:`, `rocket` or the character itself.
pub(super) fn icon(text: &str) -> Option<String> {
    let text = text.trim();
    let name = text.trim_matches(':');
    named(name)
        .map(str::to_owned)
        .or_else(|| text.parse::<ajet_shared::names::Emoji>().ok().map(String::from))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_in_order_and_emoji() {
        assert!(NAMES.is_sorted());
        for (name, emoji) in NAMES {
            assert_eq!(icon(emoji).as_deref(), Some(*emoji), "{name}");
        }
    }

    #[test]
    fn icons_come_in_three_ways() {
        for icon_of in [":rocket:", "rocket", "🚀"] {
            assert_eq!(icon(icon_of).as_deref(), Some("🚀"));
        }
        for none in ["", ":", "::", ":nope:", "two words", "🚀🚀"] {
            assert_eq!(icon(none), None, "{none}");
        }
        assert_eq!(replaced("a :x: b:c :zap:"), "a ❌ b:c ⚡");
    }
}
