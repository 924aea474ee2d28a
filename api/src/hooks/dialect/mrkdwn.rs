//! Slack's mrkdwn, made our Markdown (section 4.2).

use super::emoji;
use super::escape::{code, escape_inline, escape_start, fence, link};
use super::json::web_url;

/// Longest thing between `<` and `>` that is looked at.
const ANGLE_MAX: usize = 4_096;

/// How freely a text is read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Flavour {
    /// Slack: `*bold*`, and nothing of Markdown.
    Slack,
    /// Rocket.Chat: the same, and Markdown's links and `**bold**`.
    RocketChat,
}

/// mrkdwn as Markdown.
pub(super) fn mrkdwn(text: &str, flavour: Flavour) -> String {
    let mut out = String::new();
    let mut rest = text;
    while let Some((before, inside, after)) = fenced(rest) {
        lines(before.trim_end_matches([' ', '\n']), flavour, &mut out);
        if !out.is_empty() && !out.ends_with("\n\n") {
            out.push_str(if out.ends_with('\n') { "\n" } else { "\n\n" });
        }
        out.push_str(&fence(&decoded(inside), ""));
        out.push('\n');
        rest = after.trim_start_matches(' ');
        rest = rest.strip_prefix('\n').unwrap_or(rest);
    }
    lines(rest, flavour, &mut out);
    out.trim_end().to_owned()
}

/// Text in which nothing is markup, but entities are what they stand for.
pub(super) fn plain(text: &str) -> String {
    super::escape::escape(&emoji::replaced(&decoded(text)))
}

/// `CommonMark` with Slack's links and mentions in it, as Mattermost takes it: only `<…>` is converted, and not in code.
pub(super) fn commonmark(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    let mut rest = text;
    while let Some(at) = rest.find(['`', '<']) {
        out.push_str(&rest[..at]);
        rest = &rest[at..];
        if rest.starts_with('`') {
            let ticks = rest.len() - rest.trim_start_matches('`').len();
            // Code ends where as many ticks stand; without those it is none.
            let end = rest[ticks..].find(&rest[..ticks]).map_or(ticks, |end| end + 2 * ticks);
            out.push_str(&rest[..end]);
            rest = &rest[end..];
            continue;
        }
        if let Some((markdown, taken)) = angle(rest) {
            out.push_str(&markdown);
            rest = &rest[taken..];
        } else {
            out.push('<');
            rest = &rest[1..];
        }
    }
    out.push_str(rest);
    out
}

/// The first fence: what stands before it, in it and after it.
fn fenced(text: &str) -> Option<(&str, &str, &str)> {
    let (before, rest) = text.split_once("```")?;
    let (inside, after) = rest.split_once("```")?;
    let inside = inside.strip_prefix('\n').unwrap_or(inside);
    Some((before, inside, after))
}

fn lines(text: &str, flavour: Flavour, out: &mut String) {
    if text.trim().is_empty() {
        return;
    }
    let mut was_quote = false;
    for line in text.split('\n') {
        let start = line.trim_start();
        let quote = start.strip_prefix("&gt;").or_else(|| start.strip_prefix('>'));
        if was_quote && quote.is_none() {
            // Otherwise the line would go on with the quote.
            out.push('\n');
        }
        was_quote = quote.is_some();
        let mut content = line;
        if let Some(quoted) = quote {
            out.push_str("> ");
            content = quoted.trim_start();
        }
        let content = escape_start(content, out);
        out.push_str(&inline(content, flavour));
        out.push('\n');
    }
    // The text may go on, after a fence.
    if !text.ends_with('\n') {
        out.pop();
    }
}

/// A piece of a line.
#[derive(Clone, Debug, PartialEq, Eq)]
enum Token {
    /// A character as it shows.
    Char(char),
    /// Markdown that is done: a link, a mention, code.
    Done(String),
}

impl Token {
    fn is(&self, c: char) -> bool {
        *self == Self::Char(c)
    }

    fn is_space(&self) -> bool {
        matches!(self, Self::Char(c) if c.is_whitespace())
    }

    fn is_word(&self) -> bool {
        matches!(self, Self::Char(c) if c.is_alphanumeric())
    }
}

fn inline(line: &str, flavour: Flavour) -> String {
    let mut out = String::with_capacity(line.len() + 8);
    emphasised(&tokens(line, flavour), &[('*', "**"), ('_', "*"), ('~', "~~")], &mut out);
    out
}

/// Finds code, `<…>`, emoji and entities; everything else is characters.
fn tokens(line: &str, flavour: Flavour) -> Vec<Token> {
    let mut tokens = Vec::new();
    let mut rest = line;
    while let Some(c) = rest.chars().next() {
        let found = match c {
            '`' => inline_code(rest).map(done),
            '<' => angle(rest).map(done),
            '&' => entity(rest).map(|(c, taken)| (Token::Char(c), taken)),
            ':' => emoji::at_start(rest).map(|(emoji, taken)| done((emoji.to_owned(), taken))),
            'h' => bare_address(rest).map(done),
            '[' if flavour == Flavour::RocketChat => markdown_link(rest).map(done),
            '*' if flavour == Flavour::RocketChat => doubled_star(rest).map(done),
            _ => None,
        };
        let (piece, taken) = found.unwrap_or((Token::Char(c), c.len_utf8()));
        tokens.push(piece);
        rest = &rest[taken..];
    }
    tokens
}

fn done((markdown, taken): (String, usize)) -> (Token, usize) {
    (Token::Done(markdown), taken)
}

/// Writes tokens; a pair of marks at the edges of words becomes the Markdown beside it. A mark inside its own pair is text.
fn emphasised(tokens: &[Token], marks: &[(char, &str)], out: &mut String) {
    // Once a mark found no partner up to the end, no later one of its kind will: a line of them stays cheap.
    let mut hopeless = String::new();
    let mut text = Plain::default();
    let mut at = 0;
    while at < tokens.len() {
        let mark = marks.iter().find(|(mark, _)| tokens[at].is(*mark));
        if let Some((mark, markdown)) = mark
            && !hopeless.contains(*mark)
            && opens(tokens, at)
        {
            if let Some(end) = closing(tokens, at, *mark) {
                text.flush(Some(*mark), out);
                let inner: Vec<_> =
                    marks.iter().filter(|(other, _)| other != mark).copied().collect();
                out.push_str(markdown);
                emphasised(&tokens[at + 1..end], &inner, out);
                out.push_str(markdown);
                at = end + 1;
                text.before = Some(*mark);
                continue;
            }
            hopeless.push(*mark);
        }
        match &tokens[at] {
            Token::Char(c) => text.run.push(*c),
            Token::Done(markdown) => {
                text.flush(Some('['), out);
                out.push_str(markdown);
                text.before = Some(']');
            }
        }
        at += 1;
    }
    text.flush(None, out);
}

/// Characters that wait to be written, and what stands before them.
#[derive(Default)]
struct Plain {
    run: String,
    before: Option<char>,
}

impl Plain {
    fn flush(&mut self, after: Option<char>, out: &mut String) {
        escape_inline(&self.run, self.before, after, out);
        self.run.clear();
    }
}

/// Before the mark no word, after it no space.
fn opens(tokens: &[Token], at: usize) -> bool {
    let before = at.checked_sub(1).map(|before| &tokens[before]);
    let after = tokens.get(at + 1);
    before.is_none_or(|token| !token.is_word() && *token != tokens[at])
        && after.is_some_and(|token| !token.is_space() && *token != tokens[at])
}

/// The next such mark with no space before and no word after it.
fn closing(tokens: &[Token], open: usize, mark: char) -> Option<usize> {
    (open + 2..tokens.len()).find(|at| {
        tokens[*at].is(mark)
            && !tokens[at - 1].is_space()
            && !tokens[at - 1].is(mark)
            && tokens.get(at + 1).is_none_or(|token| !token.is_word() && !token.is(mark))
    })
}

fn inline_code(text: &str) -> Option<(String, usize)> {
    let end = text[1..].find('`')? + 1;
    let inside = &text[1..end];
    (!inside.trim().is_empty()).then(|| (code(&decoded(inside)), end + 1))
}

/// One of `&amp;`, `&lt;`, `&gt;`: the only three there are.
fn entity(text: &str) -> Option<(char, usize)> {
    [("&amp;", '&'), ("&lt;", '<'), ("&gt;", '>')]
        .into_iter()
        .find(|(entity, _)| text.starts_with(entity))
        .map(|(entity, c)| (c, entity.len()))
}

/// Entities decoded, once: `&amp;lt;` is `&lt;`.
pub(super) fn decoded(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    let mut rest = text;
    while let Some(at) = rest.find('&') {
        out.push_str(&rest[..at]);
        let (c, taken) = entity(&rest[at..]).unwrap_or(('&', 1));
        out.push(c);
        rest = &rest[at + taken..];
    }
    out.push_str(rest);
    out
}

/// An address without angles around it; marks in it are its own.
fn bare_address(text: &str) -> Option<(String, usize)> {
    if !(text.starts_with("https://") || text.starts_with("http://")) {
        return None;
    }
    let end = text.find(|c: char| c.is_whitespace() || "<>\"`*|[]\\".contains(c));
    let address = text[..end.unwrap_or(text.len())].trim_end_matches(['_', '~']);
    Some((address.replace("&amp;", "&"), address.len()))
}

/// The part of a text in which the end of something that begins there is looked for.
fn near(text: &str) -> &str {
    let mut end = text.len().min(ANGLE_MAX);
    while !text.is_char_boundary(end) {
        end -= 1;
    }
    &text[..end]
}

/// `[text](address)` of Markdown.
fn markdown_link(text: &str) -> Option<(String, usize)> {
    let text = near(text);
    let middle = text.find("](")?;
    let end = text[middle..].find(')')? + middle;
    let url = web_url(&text[middle + 2..end])?;
    Some((link(&decoded(&text[1..middle]), Some(&url)), end + 1))
}

/// `**bold**` of Markdown.
fn doubled_star(text: &str) -> Option<(String, usize)> {
    let inside = near(text).strip_prefix("**")?;
    let end = inside.find("**").filter(|at| *at > 0)?;
    let inside = &inside[..end];
    (inside.trim() == inside && !inside.starts_with('*'))
        .then(|| (format!("**{}**", inline(inside, Flavour::Slack)), end + 4))
}

/// `<…>`: a link, or somebody who is called. None when it is neither, and stays what it is.
fn angle(text: &str) -> Option<(String, usize)> {
    let end = near(text)[1..].find(['>', '<', '\n'])? + 1;
    if !text[end..].starts_with('>') {
        return None;
    }
    let (target, label) = match text[1..end].split_once('|') {
        Some((target, label)) => (target, Some(decoded(label)).filter(|l| !l.trim().is_empty())),
        None => (&text[1..end], None),
    };
    let markdown = match target.chars().next()? {
        '@' => called('@', label.as_deref().unwrap_or(&target[1..]))?,
        '#' => called('#', label.as_deref().unwrap_or(&target[1..]))?,
        '!' => special(&target[1..], label.as_deref())?,
        _ => leads(&decoded(target), label.as_deref())?,
    };
    Some((markdown, end + 1))
}

/// `@ola`, `#general`.
fn called(sign: char, name: &str) -> Option<String> {
    let name = name.trim().trim_start_matches(sign);
    if name.is_empty() {
        return None;
    }
    let mut out = sign.to_string();
    escape_inline(name, Some(sign), None, &mut out);
    Some(out)
}

/// What begins with `<!`: everybody, a group, a date.
fn special(word: &str, label: Option<&str>) -> Option<String> {
    let mut parts = word.split('^');
    match parts.next()? {
        "here" => Some("@here".to_owned()),
        "channel" | "everyone" | "all" => Some("@channel".to_owned()),
        "subteam" => called('@', label.or_else(|| parts.next())?),
        "date" => {
            let moment = parts.next().and_then(|seconds| seconds.parse().ok());
            let format = parts.next().unwrap_or_default();
            let text = moment.and_then(|moment| date(moment, format)).or(label.map(str::to_owned));
            Some(link(&text?, parts.next().and_then(web_url).as_deref()))
        }
        _ => label.map(super::escape::escape),
    }
}

/// A moment in Slack's format, in UTC: who reads it may be anywhere. None when the format holds something we do not know.
fn date(seconds: i64, format: &str) -> Option<String> {
    let at = time::OffsetDateTime::from_unix_timestamp(seconds).ok()?;
    let day = format!("{} {} {}", at.day(), at.month(), at.year());
    let short = format!("{} {} {}", at.day(), &at.month().to_string()[..3], at.year());
    let clock = format!("{:02}:{:02}", at.hour(), at.minute());
    let number = format!("{}-{:02}-{:02}", at.year(), u8::from(at.month()), at.day());
    let mut text = format.to_owned();
    for pretty in ["_pretty}", "_slash}"] {
        text = text.replace(pretty, "}");
    }
    let with_time = text.contains("{time") || text.contains("{ago");
    text = text
        .replace("{date_num}", &number)
        .replace("{date}", &day)
        .replace("{date_long}", &format!("{} {day}", at.weekday()))
        .replace("{date_long_full}", &format!("{} {day}", at.weekday()))
        .replace("{day_divider}", &day)
        .replace("{date_short}", &short)
        .replace("{time}", &clock)
        .replace("{time_secs}", &format!("{clock}:{:02}", at.second()))
        .replace("{ago}", &format!("{short} {clock}"));
    (!text.is_empty() && !text.contains('{'))
        .then(|| if with_time { format!("{text} UTC") } else { text })
}

/// A link; the label alone where it leads nowhere we would go, and nothing converted where it is no address at all.
fn leads(target: &str, label: Option<&str>) -> Option<String> {
    if let Some(url) = web_url(target) {
        return Some(link(label.unwrap_or(&url), Some(&url)));
    }
    if let Some(address) = target.strip_prefix("mailto:") {
        let is_address = address.contains('@')
            && address.chars().all(|c| c.is_alphanumeric() || "@.+-_%".contains(c));
        return is_address
            .then(|| link(label.unwrap_or(address), Some(&format!("mailto:{address}"))));
    }
    let scheme = target.split_once(':').map(|(scheme, _)| scheme)?;
    let is_scheme = !scheme.is_empty() && scheme.chars().all(|c| c.is_ascii_alphanumeric());
    label.filter(|_| is_scheme).map(super::escape::escape)
}

#[cfg(test)]
mod tests;
