//! Many small cases: what is written, and what it becomes.

use ajet_shared::markdown::to_html;

use super::*;

const CASES: &[(&str, &str)] = &[
    // Emphasis
    ("*b*", "**b**"),
    ("_i_", "*i*"),
    ("~s~", "~~s~~"),
    ("a *b c* d", "a **b c** d"),
    ("(*b*), \"_i_\"!", "(**b**), \"*i*\"!"),
    ("*_bi_*", "***bi***"),
    ("_*bi*_", "***bi***"),
    ("*a ~b~ _c_*", "**a ~~b~~ *c***"),
    ("*b* and *c*", "**b** and **c**"),
    // No words' edges, no emphasis
    ("2*3*4", "2\\*3\\*4"),
    ("snake_case_name", "snake_case_name"),
    ("a* b*", "a\\* b\\*"),
    ("* b *", "\\* b \\*"),
    ("**b**", "\\*\\*b\\*\\*"),
    ("*", "\\*"),
    ("**", "\\*\\*"),
    ("_", "\\_"),
    ("*open", "\\*open"),
    ("*over\nlines*", "\\*over\nlines\\*"),
    ("~/bin and ~/lib", "\\~/bin and \\~/lib"),
    // Links
    ("<https://a.b>", "<https://a.b>"),
    ("<https://a.b|t>", "[t](https://a.b)"),
    ("<https://a.b/?x=1&amp;y=2|a *b*>", "[a \\*b\\*](https://a.b/?x=1&y=2)"),
    ("*<https://a.b|t>*", "**[t](https://a.b)**"),
    ("<https://a.b/(x)|t]>", "[t\\]](https://a.b/%28x%29)"),
    ("<https://a.b|>", "<https://a.b>"),
    ("<mailto:x@a.b|Mail>", "[Mail](mailto:x@a.b)"),
    ("https://a.b/snake_case/_x", "https://a.b/snake_case/_x"),
    ("<javascript:alert(1)|click>", "click"),
    ("<javascript:alert(1)>", "\\<javascript:alert(1)>"),
    ("<tel:123|call>", "call"),
    ("a < b > c", "a \\< b > c"),
    ("<b>no</b>", "\\<b>no\\</b>"),
    ("<", "\\<"),
    // Who is called
    ("<@U012AB3CD>", "@U012AB3CD"),
    ("<@U012AB3CD|ola>", "@ola"),
    ("<@ola>", "@ola"),
    ("<#C0123|general>", "#general"),
    ("<!here>", "@here"),
    ("<!here|here>", "@here"),
    ("<!channel> <!everyone>", "@channel @channel"),
    ("<!subteam^S012|@team>", "@team"),
    ("<!subteam^S012>", "@S012"),
    ("<!unknown|seen>", "seen"),
    ("<!unknown>", "\\<!unknown>"),
    // Dates
    ("<!date^1700000000^{date_short}|f>", "14 Nov 2023"),
    ("<!date^1700000000^{date_num} {time}|f>", "2023-11-14 22:13 UTC"),
    ("<!date^1700000000^at {date}^https://a.b|f>", "[at 14 November 2023](https://a.b)"),
    ("<!date^1700000000^{something}|some day>", "some day"),
    ("<!date^soon^{date}|some day>", "some day"),
    // Entities, once
    ("a &amp; b", "a & b"),
    ("&lt;b&gt;", "\\<b>"),
    ("&amp;lt;", "\\&lt;"),
    ("&quot;", "\\&quot;"),
    // Code
    ("`*x*`", "`*x*`"),
    ("`a &lt; b`", "`a < b`"),
    ("*a `*` b*", "**a `*` b**"),
    ("`open", "\\`open"),
    ("```\n*x*\n```", "```\n*x*\n```"),
    ("```x```", "```\nx\n```"),
    ("```json\n{}\n```", "```\njson\n{}\n```"),
    ("see ```x``` ok", "see\n\n```\nx\n```\nok"),
    ("```open", "\\`\\`\\`open"),
    ("```<https://a.b|t> _i_```", "```\n<https://a.b|t> _i_\n```"),
    // Quotes and lines
    ("> q", "> q"),
    ("&gt; q", "> q"),
    (">*q*\nafter", "> **q**\n\nafter"),
    ("a\nb", "a\nb"),
    // No blocks
    ("# h", "\\# h"),
    ("- x\n- y", "\\- x\n\\- y"),
    ("• x", "• x"),
    ("1. x", "1\\. x"),
    ("---", "\\---"),
    ("[x](https://a.b)", "\\[x\\](https://a.b)"),
    // Emoji
    (":rocket: go", "🚀 go"),
    ("at 10:30:15", "at 10:30:15"),
    (":no_such_emoji:", ":no_such_emoji:"),
    ("", ""),
];

#[test]
fn each_case_becomes_what_it_should() {
    let wrong: Vec<_> = CASES
        .iter()
        .map(|(slack, expected)| (slack, mrkdwn(slack, Flavour::Slack), expected))
        .filter(|(_, became, expected)| became != *expected)
        .collect();
    assert!(wrong.is_empty(), "{wrong:#?}");
}

#[test]
fn rocket_chat_takes_links_of_markdown_too() {
    for (text, markdown) in [
        ("[t](https://a.b) *b*", "[t](https://a.b) **b**"),
        ("**b** _i_", "**b** *i*"),
        ("[t](javascript:x)", "\\[t\\](javascript:x)"),
    ] {
        assert_eq!(mrkdwn(text, Flavour::RocketChat), markdown);
    }
}

#[test]
fn under_mattermost_only_angles_are_converted() {
    for (text, markdown) in [
        ("**b** *i* `<https://a.b|t>`", "**b** *i* `<https://a.b|t>`"),
        ("# h\n- x <https://a.b|t>", "# h\n- x [t](https://a.b)"),
        ("<!channel> <@U1|ola>", "@channel @ola"),
        ("```\n<!here>\n```", "```\n<!here>\n```"),
        ("a < b", "a < b"),
        ("`open <!here>", "`open @here"),
    ] {
        assert_eq!(commonmark(text), markdown);
    }
}

#[test]
fn plain_text_stays_plain() {
    assert_eq!(plain("*x* <https://a.b|t> &amp;"), "\\*x\\* \\<https://a.b|t> &");
}

/// The processor time of this thread: what others do on the machine is no part of it. Source: proc(5), `utime` and `stime` of `stat`.
fn own_time() -> std::time::Duration {
    let stat = std::fs::read_to_string("/proc/thread-self/stat").unwrap();
    let fields = stat.rsplit_once(") ").unwrap().1.split(' ');
    let ticks: u64 = fields.skip(11).take(2).map(|ticks| ticks.parse::<u64>().unwrap()).sum();
    // A tick is a hundredth of a second wherever Linux tells them to programs.
    std::time::Duration::from_millis(ticks * 10)
}

#[test]
fn bombs_are_cheap_and_harmless() {
    let long = 200_000;
    for piece in ["*a ", "*_~", "<", "<!date^", "`", "```", "&", ":a", "> ", "[", "_x_ ", "&lt;"] {
        let text = piece.repeat(long / piece.len());
        let before = own_time();
        let markdown = mrkdwn(&text, Flavour::RocketChat);
        assert!(own_time().saturating_sub(before).as_secs() < 5, "{piece}");
        assert!(!markdown.is_empty());
    }
    for text in ["<javascript:alert(1)|x>", "<https://a.b\"onclick=x|x>", "<img src=x onerror=y>"] {
        let html = to_html(&mrkdwn(text, Flavour::Slack), &|_| None).to_string();
        assert!(!html.contains("href=\"java") && !html.contains("<img"), "{html}");
    }
}
